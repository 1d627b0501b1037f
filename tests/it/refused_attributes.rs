//! Attributes that a target refuses: one keeps no other out, and is found in a few requests.

use entrain::sandbox::{Fault, Uuid};
use serde_json::{Value, json};

use crate::refusals::{id_of, inject, start, words};
use crate::rig::Rig;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

pub(crate) fn refuse(rig: &Rig, attribute: &str, status: u16, words: &str) {
    rig.sandbox.target.configure(|target| {
        let words = (status, words.to_owned());
        target
            .refused_attributes
            .insert(attribute.to_owned(), words);
    });
}

pub(crate) fn take_everything(rig: &Rig) {
    rig.sandbox.target.configure(|target| {
        target.refused_attributes.clear();
        target.taken_alone.clear();
    });
    rig.sandbox.target.traffic().clear_faults();
}

pub(crate) fn writes(rig: &Rig) -> usize {
    rig.sandbox.target.writes()
}

pub(crate) async fn escrow(rig: &Rig) -> Vec<Value> {
    let status = rig.run(&["status", "--format", "json"]).await.expect(0);
    status.job()["escrow"].as_array().unwrap().clone()
}

/// Nothing is left to do, and nothing failed.
pub(crate) async fn is_settled(rig: &Rig) {
    assert_eq!(escrow(rig).await, Vec::<Value>::new());
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaver_whose_new_name_is_refused_is_disabled_first() {
    let rig = start().await;
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    refuse(
        &rig,
        "userName",
        400,
        "Attribute 'userName' cannot be changed",
    );
    let tenant = rig.tenant();
    tenant.set_property(jane, "userPrincipalName", json!("janet@contoso.com"));
    tenant.set_property(jane, "jobTitle", json!("Boss"));
    tenant.disable_user(jane);
    rig.sandbox.target.traffic().reset();
    let summary = rig.sync().await.expect(3).job();
    let there = rig.user("jane@contoso.com");
    assert_eq!(there["active"], false, "{summary:#}");
    assert_eq!(there["title"], "Boss", "{summary:#}");
    let sent = rig.sandbox.target.traffic().exchanges();
    let first = sent.iter().find(|one| one.method == "PATCH").unwrap();
    let first: Value = serde_json::from_str(first.body.as_ref().unwrap()).unwrap();
    assert_eq!(
        first["Operations"].as_array().unwrap().len(),
        1,
        "{first:#}"
    );
    assert_eq!(first["Operations"][0]["path"], "active");

    let waiting = escrow(&rig).await;
    assert_eq!(waiting.len(), 1, "{waiting:#?}");
    let message = waiting[0]["message"].as_str().unwrap();
    assert!(message.starts_with("userName is left out: "), "{message}");
    assert!(
        message.contains("'userName' cannot be changed"),
        "{message}"
    );
    let log = rig.run(&["log", "--status", "failed"]).await.expect(0);
    assert!(log.out.contains("userName is left out"), "{}", log.out);

    // The name is tried again by itself, and nothing else is sent.
    rig.sandbox.target.traffic().reset();
    rig.sync().await.expect(3);
    assert_eq!(writes(&rig), 1);
    assert_eq!(escrow(&rig).await[0]["attempts"], 2);

    take_everything(&rig);
    rig.sync().await.expect(0);
    assert_eq!(rig.user("janet@contoso.com")["active"], false);
    is_settled(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_takes_active_alone_disables_and_enables() {
    let rig = start().await;
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    rig.sandbox.target.configure(|target| {
        target.taken_alone.insert("active".to_owned());
    });
    for (boss, active) in [("Boss", false), ("Chief", true)] {
        rig.tenant().set_property(jane, "jobTitle", json!(boss));
        if active {
            rig.tenant().enable_user(jane);
        } else {
            rig.tenant().disable_user(jane);
        }
        rig.sync().await.expect(0);
        let there = rig.user("jane@contoso.com");
        assert_eq!(there["active"], active, "{there:#}");
        assert_eq!(there["title"], boss, "{there:#}");
        is_settled(&rig).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attribute_that_is_refused_without_a_name_is_found_and_keeps_no_other_out() {
    for (status, words) in [(400, "no"), (422, "Something is not valid.")] {
        let rig = start().await;
        let people: Vec<Uuid> = ["jane", "john", "jill"].map(|one| rig.joiner(one)).to_vec();
        rig.sync().await.expect(0);
        refuse(&rig, "department", status, words);
        for person in people {
            for name in [
                "jobTitle",
                "department",
                "city",
                "state",
                "givenName",
                "surname",
            ] {
                rig.tenant().set_property(person, name, json!("New"));
            }
        }
        rig.sandbox.target.traffic().reset();
        let summary = rig.sync().await.expect(3).job();
        assert_eq!(summary["failed"], 3, "{summary:#}");
        for name in ["jane", "john", "jill"] {
            let there = rig.user(&format!("{name}@contoso.com"));
            assert_eq!(there["title"], "New", "{there:#}");
            assert_eq!(there["name"]["givenName"], "New", "{there:#}");
            assert_eq!(there["addresses"][0]["locality"], "New", "{there:#}");
            assert_eq!(there[ENTERPRISE]["department"], "R&D", "{there:#}");
        }
        // Seven changes each: 2·log2(7) + 3 is 8.
        assert!(writes(&rig) <= 3 * 8, "{}", writes(&rig));
        for one in escrow(&rig).await {
            let message = one["message"].as_str().unwrap();
            let expected = format!("{ENTERPRISE}:department is left out: ");
            assert!(message.starts_with(&expected), "{message}");
        }

        // The next cycle does not search again, and what changes meanwhile is not kept out.
        let jane = rig.tenant().find_user_by("mailNickname", "jane").unwrap();
        rig.tenant()
            .set_property(jane.id, "jobTitle", json!("Boss"));
        rig.sandbox.target.traffic().reset();
        rig.sync().await.expect(3);
        assert_eq!(writes(&rig), 4);
        assert_eq!(rig.user("jane@contoso.com")["title"], "Boss");

        take_everything(&rig);
        rig.sync().await.expect(0);
        let there = rig.user("jane@contoso.com");
        assert_eq!(there[ENTERPRISE]["department"], "New", "{there:#}");
        is_settled(&rig).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_whom_the_target_refuses_whatever_is_sent_is_searched_once() {
    let rig = start().await;
    let jane = rig.joiner("jane");
    rig.joiner("john");
    rig.sync().await.expect(0);
    let path = format!("/Users/{}", id_of(&rig, "jane"));
    inject(
        &rig,
        Fault::new(&path, words(400, "invalidValue", "protected"))
            .method("PATCH")
            .forever(),
    );
    for name in ["jobTitle", "department", "givenName", "surname"] {
        rig.tenant().set_property(jane, name, json!("New"));
    }
    rig.sandbox.target.traffic().reset();
    rig.sync().await.expect(3);
    assert!(writes(&rig) <= 8, "{}", writes(&rig));
    for _ in 0..2 {
        rig.sandbox.target.traffic().reset();
        let summary = rig.sync().await.expect(3).job();
        assert_eq!(summary["failed"], 1, "{summary:#}");
        assert_eq!(writes(&rig), 1);
        let waiting = escrow(&rig).await;
        let message = waiting[0]["message"].as_str().unwrap();
        assert!(message.contains("protected"), "{message}");
        assert!(!message.contains("left out"), "{message}");
    }
    take_everything(&rig);
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["title"], "New");
    is_settled(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_goes_without_an_attribute_that_the_answer_names() {
    for status in [400, 403, 409, 422] {
        let rig = start().await;
        refuse(&rig, "title", status, "title: not a known job");
        rig.joiner("jane");
        let summary = rig.sync().await.expect(3).job();
        let there = rig.user("jane@contoso.com");
        assert_eq!(there["title"], Value::Null, "{summary:#}");
        assert_eq!(there["active"], true);
        let message = escrow(&rig).await[0]["message"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(message.starts_with("title is left out: "), "{message}");
        rig.sandbox.target.traffic().reset();
        rig.sync().await.expect(3);
        assert_eq!(writes(&rig), 1);
        take_everything(&rig);
        rig.sync().await.expect(0);
        assert_eq!(rig.user("jane@contoso.com")["title"], "Engineer");
        is_settled(&rig).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_is_never_sent_without_what_it_needs_or_what_is_not_named() {
    for (attribute, words) in [
        ("userName", "userName: not allowed"),
        ("active", "active is read-only"),
        ("title", "no"),
    ] {
        let rig = start().await;
        refuse(&rig, attribute, 400, words);
        rig.joiner("jane");
        for _ in 0..2 {
            rig.sandbox.target.traffic().reset();
            let summary = rig.sync().await.expect(3).job();
            assert_eq!(writes(&rig), 1, "{summary:#}");
            assert_eq!(rig.sandbox.target.user_count(), 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_adopted_although_one_of_its_attributes_is_refused() {
    let rig = start().await;
    refuse(&rig, "title", 400, "no");
    let jane = rig.joiner("jane");
    let there = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "jane@contoso.com",
        "active": true,
    });
    rig.sandbox.target.create_user(&there).unwrap();
    rig.sync().await.expect(3);
    let there = rig.user("jane@contoso.com");
    assert_eq!(there["name"]["familyName"], "jane", "{there:#}");
    assert_eq!(there["title"], Value::Null, "{there:#}");
    // Linked, so that a leaver is disabled.
    rig.tenant().disable_user(jane);
    rig.sync().await.expect(3);
    assert_eq!(rig.user("jane@contoso.com")["active"], false);
    take_everything(&rig);
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["title"], "Engineer");
    is_settled(&rig).await;
}
