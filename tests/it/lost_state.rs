//! A lost state: no user gets a second account unseen, and the accounts of those who left are listed.

use std::fs;

use entrain::sandbox::{Size, Uuid};
use serde_json::{Value, json};

use crate::capabilities::is_document;
use crate::rig::Rig;

fn lose_state(rig: &Rig) {
    for suffix in ["", "-wal", "-shm", ".key", ".lock"] {
        let _ = fs::remove_file(rig.path(&format!("entrain.db{suffix}")));
    }
}

fn rename(rig: &Rig, id: Uuid, from: &str, to: &str) {
    let tenant = rig.tenant();
    tenant.set_property(id, "userPrincipalName", json!(format!("{to}@contoso.com")));
    tenant.set_property(id, "mail", json!(format!("{to}@mail.contoso.com")));
    let addresses = json!([
        format!("SMTP:{to}@contoso.com"),
        format!("smtp:{from}@contoso.com"),
        "x500:/o=contoso/cn=whoever"
    ]);
    tenant.set_property(id, "proxyAddresses", addresses);
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A filled target whose state is lost, after jane was renamed, and leah and bert left.
async fn lost() -> (Rig, String) {
    let rig = Rig::start(Size::new(20, 2, 20)).await;
    let jane = rig.joiner("jane");
    let leah = rig.joiner("leah");
    let bert = rig.joiner("bert");
    rig.sync().await.expect(0);
    lose_state(&rig);
    rename(&rig, jane, "jane", "janet");
    rig.tenant().unassign(leah);
    rig.tenant().disable_user(bert);
    let id = text(&rig.user("jane@contoso.com")["id"]);
    (rig, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_user_gets_no_second_account_and_those_who_left_are_listed_once() {
    let (rig, id) = lost().await;
    let users = rig.sandbox.target.user_count();
    let plan = rig.plan().await.expect(3).job();
    let skipped = plan["skipped"].as_array().unwrap();
    let jane = skipped.iter().find(|one| one["reason"] == "old-address");
    assert_eq!(jane.unwrap()["targets"], json!([id]), "{plan:#}");
    assert_eq!(plan["totals"]["create"], 0, "{plan:#}");

    let cycle = rig.sync().await.expect(3).job();
    let strangers = &cycle["strangers"];
    let names: Vec<String> = strangers["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|account| text(&account["name"]))
        .collect();
    for left in ["leah@contoso.com", "bert@contoso.com"] {
        assert!(names.contains(&left.to_owned()), "{cycle:#}");
    }
    assert!(!names.contains(&"jane@contoso.com".to_owned()), "{cycle:#}");
    assert_eq!(strangers["count"], names.len(), "{cycle:#}");
    for _ in 0..2 {
        assert_eq!(rig.sandbox.target.user_count(), users);
        let status = rig.run(&["status", "--format", "json"]).await.expect(0);
        let escrow = status.job()["escrow"].clone();
        let words = text(&escrow[0]["message"]);
        for part in ["jane@contoso.com", &*id, "entrain links relink", "--new"] {
            assert!(words.contains(part), "{part}: {words}");
        }
        // It waits in every later cycle, and the others are not listed again.
        let cycle = rig.sync().await.expect(3).job();
        assert_eq!(cycle["strangers"], Value::Null, "{cycle:#}");
        assert_eq!(cycle["failed"], 1, "{cycle:#}");
    }
    let list = rig.run(&["links", "list", "demo"]).await.expect(0).out;
    assert!(list.contains("waits for a decision"), "{list}");

    rig.run(&["links", "relink", "demo", "janet@contoso.com", &id])
        .await
        .expect(0);
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), users);
    assert_eq!(text(&rig.user("janet@contoso.com")["id"]), id);
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_is_decided_to_be_new_is_created() {
    for before_the_first_cycle in [false, true] {
        let (rig, id) = lost().await;
        let users = rig.sandbox.target.user_count();
        if before_the_first_cycle {
            // The state must know the user; a cycle for another one reads the tenant.
            rig.run(&["sync", "--user", "leah@contoso.com"]).await;
        } else {
            rig.sync().await.expect(3);
        }
        rig.run(&["links", "relink", "demo", "janet@contoso.com", "--new"])
            .await
            .expect(0);
        // The first cycle lists the accounts of those who left.
        let code = if before_the_first_cycle { 3 } else { 0 };
        rig.sync().await.expect(code);
        assert_eq!(rig.sandbox.target.user_count(), users + 1);
        assert_ne!(text(&rig.user("janet@contoso.com")["id"]), id);
        let idle = rig.sync().await.expect(0).job();
        assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_cycle_into_an_empty_target_costs_nothing_for_it() {
    let rig = Rig::start(Size::new(60, 6, 150)).await;
    let jane = rig.joiner("jane");
    rename(&rig, jane, "jane", "janet");
    let cycle = rig.sync().await.expect(0).job();
    assert_eq!(cycle["strangers"], Value::Null, "{cycle:#}");
    let traffic = rig.tenant().traffic();
    // Users and groups are counted, and managers that were not reported are looked up.
    let batches = traffic.count_where(|one| one.path.contains("$batch"));
    assert!(batches <= 2, "{batches}");
    let traffic = rig.sandbox.target.traffic();
    // First additions of members are read back, group by group.
    let reads = traffic.count_where(|one| {
        one.method == "GET" && !is_document(&one.path) && !one.path.contains("/Groups/")
    });
    assert!(reads <= 2, "{reads} reads of an empty target");
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_listed_shown_dropped_and_set() {
    let rig = Rig::start(Size::new(10, 2, 10)).await;
    rig.joiner("jane");
    rig.joiner("john");
    rig.sync().await.expect(0);
    let id = |name: &str| text(&rig.user(&format!("{name}@contoso.com"))["id"]);
    let (jane, john) = (id("jane"), id("john"));
    let links = |arguments: &[&str]| {
        let mut all = vec!["links"];
        all.extend(arguments);
        let all: Vec<String> = all.into_iter().map(str::to_owned).collect();
        let rig = &rig;
        async move {
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            rig.run(&all).await
        }
    };
    let document = |out: &str| -> Value { serde_json::from_str(out).unwrap() };

    let list = links(&["list", "demo", "--format", "json"]).await.expect(0);
    let list = document(&list.out);
    let status = rig.run(&["status", "--format", "json"]).await.job();
    let linked = &status["linked"];
    let linked = linked["users"].as_u64().unwrap() + linked["groups"].as_u64().unwrap();
    let entries = list["links"].as_array().unwrap();
    assert_eq!(entries.len() as u64, linked, "{list:#}");
    let of_jane = entries
        .iter()
        .find(|one| one["target"] == json!(jane))
        .unwrap();
    assert_eq!(of_jane["subject"]["label"], "jane@contoso.com");
    assert_eq!(of_jane["state"], "in-scope");
    let shown = links(&["show", "demo", "jane@contoso.com"]).await.expect(0);
    assert!(shown.out.contains(&jane), "{shown:?}");
    assert!(
        shown.out.contains("userName: \"jane@contoso.com\""),
        "{shown:?}"
    );
    let shown = links(&["show", "demo", "jane@contoso.com", "--format", "json"]).await;
    let shown = document(&shown.expect(0).out);
    assert_eq!(shown["link"]["sent"]["userName"], "jane@contoso.com");

    let unknown = links(&["show", "demo", "nobody@contoso.com"])
        .await
        .expect(2);
    assert!(unknown.err.contains("nobody@contoso.com"), "{unknown:?}");
    let taken = links(&["relink", "demo", "jane@contoso.com", &john])
        .await
        .expect(1);
    assert!(
        taken.err.contains("links unlink demo \"john@contoso.com\""),
        "{taken:?}"
    );

    // Dropped and matched again: nothing changes.
    links(&["unlink", "demo", "jane@contoso.com"])
        .await
        .expect(0);
    links(&["show", "demo", "jane@contoso.com"]).await.expect(1);
    let writes = rig.sandbox.target.writes();
    let cycle = rig.sync().await.expect(0).job();
    assert_eq!(cycle["done"]["adopt"], 1, "{cycle:#}");
    assert_eq!(rig.sandbox.target.writes(), writes);
    // Two accounts that were mixed up are swapped back. One that does not match is shown, and linked only when that is
    // confirmed.
    links(&["unlink", "demo", "john@contoso.com"])
        .await
        .expect(0);
    let refused = links(&["relink", "demo", "jane@contoso.com", &john])
        .await
        .expect(2);
    for words in [
        "no matching attribute in common with jane@contoso.com",
        "userName: \"jane@contoso.com\" here, \"john@contoso.com\" in the target",
        "nothing was changed; use --yes to confirm",
    ] {
        let err = refused.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(err.contains(words), "{words}: {refused:?}");
    }
    let unknown = links(&["relink", "demo", "john@contoso.com", "no-such-id"])
        .await
        .expect(2);
    assert!(
        unknown.err.contains("has no user with the id no-such-id"),
        "{unknown:?}"
    );
    links(&["relink", "demo", "jane@contoso.com", &john, "--yes"])
        .await
        .expect(0);
    let list = links(&["list", "demo"]).await.expect(0).out;
    assert!(list.contains("the next cycle reads it"), "{list}");
    links(&["unlink", "demo", "jane@contoso.com"])
        .await
        .expect(0);
    links(&["relink", "demo", "john@contoso.com", &john])
        .await
        .expect(0);
    rig.sync().await.expect(0);
    assert_eq!((id("jane"), id("john")), (jane, john));
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

/// The sandbox takes no filter by `emails[type eq "work"].value`, as many targets do not.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_cannot_be_searched_by_old_addresses_is_listed() {
    let (rig, id) = lost().await;
    let kim = rig.joiner("kim");
    rename(&rig, kim, "kim", "kimberly");
    rig.run(&["sync", "--user", &kim.to_string()])
        .await
        .expect(0);
    let made = rig.user("kimberly@contoso.com");
    assert_eq!(made["active"], true);

    let only = ["plan", "--user", "janet@contoso.com", "--format", "json"];
    let plan = rig.run(&only).await.expect(3).job();
    assert_eq!(plan["skipped"][0]["reason"], "old-address", "{plan:#}");
    assert_eq!(plan["skipped"][0]["targets"], json!([id]), "{plan:#}");
}
