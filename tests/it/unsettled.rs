//! Writes whose end is not known, and objects that seem to be gone: nothing is written over what may still
//! arrive, nothing is there twice, and no leaver keeps an account that is not known.

use std::time::{Duration, Instant};

use entrain::sandbox::{Fault, Quirk, ROLE_USER, Size, Trouble, Uuid};
use serde_json::{Value, json};

use crate::rig::Rig;

const NO_LIMIT: &str = "[jobs.safety]\nmax_deletions = 1000\n";
pub(crate) const DELETE: &str = "[jobs.users]\nwhen_out_of_scope = \"delete\"\n";

pub(crate) async fn start(extra: &str) -> Rig {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.configure(&format!("{NO_LIMIT}{extra}"));
    // Time is what is waited for here.
    rig.edit(|text| text.replace("timeout = \"5s\"", "timeout = \"2s\""));
    // So that no scope is emptied.
    rig.joiner("stays");
    rig.sync().await.expect(0);
    rig.sandbox.target.traffic().reset();
    rig
}

pub(crate) fn inject(rig: &Rig, fault: Fault) {
    rig.sandbox.target.traffic().inject(fault);
}

pub(crate) fn clear(rig: &Rig) {
    rig.sandbox.target.traffic().clear_faults();
}

pub(crate) fn path_of(rig: &Rig, alias: &str) -> String {
    let user = rig.user(&format!("{alias}@contoso.com"));
    format!("/Users/{}", user["id"].as_str().unwrap())
}

pub(crate) fn is_active(rig: &Rig, alias: &str) -> bool {
    rig.user(&format!("{alias}@contoso.com"))["active"] == true
}

/// Methods and statuses of the requests to one path since the last reset, in order.
fn requests(rig: &Rig, path: &str) -> Vec<String> {
    let exchanges = rig.sandbox.target.traffic().exchanges().into_iter();
    exchanges
        .filter(|one| one.path.split('?').next().unwrap().ends_with(path))
        .map(|one| match one.status {
            Some(status) => format!("{} {status}", one.method),
            None => format!("{} -", one.method),
        })
        .collect()
}

/// The answer to Jane's create is lost, and so is the look-up after it.
pub(crate) async fn nobody_knows_jane(rig: &Rig) -> Uuid {
    let jane = rig.joiner("jane");
    inject(
        rig,
        Fault::new("/Users", Trouble::AnswerLost).method("POST"),
    );
    let unread = Fault::new("/Users?", Trouble::status(400)).method("GET");
    inject(rig, unread.after(1).times(2));
    rig.sync().await.expect(3);
    clear(rig);
    assert!(is_active(rig, "jane"));
    jane
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unlinked_account_is_disabled_when_its_user_leaves() {
    let leave: [fn(&Rig, Uuid) -> bool; 4] = [
        |rig, jane| rig.tenant().disable_user(jane),
        |rig, jane| rig.tenant().unassign(jane),
        |rig, jane| rig.tenant().soft_delete_user(jane),
        |rig, jane| {
            let name = json!("janet@contoso.com");
            rig.tenant().set_property(jane, "userPrincipalName", name);
            rig.tenant().disable_user(jane)
        },
    ];
    for leaves in leave {
        let rig = start("").await;
        let jane = nobody_knows_jane(&rig).await;
        leaves(&rig, jane);
        let summary = rig.sync().await.expect(0).job();
        assert_eq!(summary["done"]["disable"], 1, "{summary:#}");
        assert_eq!(rig.sandbox.target.user_count(), 2);
        assert_eq!(
            rig.sandbox.target.users()[1]["active"],
            false,
            "{summary:#}"
        );
        let idle = rig.sync().await.expect(0).job();
        assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_whose_create_was_killed_is_disabled_when_its_user_leaves() {
    let rig = start("").await;
    let jane = rig.joiner("jane");
    let slow = Trouble::Delay(Duration::from_millis(1_500));
    inject(&rig, Fault::new("/Users", slow).method("POST"));
    let writes = rig.sandbox.target.writes();
    let mut child = rig.command(&["sync"]).spawn().unwrap();
    while rig.sandbox.target.writes() == writes {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    while rig.sandbox.target.user_count() == 1 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(is_active(&rig, "jane"));
    rig.tenant().unassign(jane);
    let summary = rig.sync().await.expect(0).job();
    assert_eq!(summary["done"]["disable"], 1, "{summary:#}");
    assert!(!is_active(&rig, "jane"));
    assert_eq!(rig.sandbox.target.user_count(), 2);
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_did_nothing_is_repeated_only_when_nothing_of_it_can_arrive() {
    let rig = start("").await;
    rig.joiner("jane");
    inject(&rig, Fault::new("/Users", Trouble::Refused).method("POST"));
    let begun = Instant::now();
    rig.sync().await.expect(3);
    rig.joiner("john");
    rig.sandbox.target.traffic().reset();
    rig.sandbox.target.traffic().record_bodies(true);
    rig.sync().await.expect(0);
    assert!(begun.elapsed() >= Duration::from_secs(2));
    let exchanges = rig.sandbox.target.traffic().exchanges().into_iter();
    let created: Vec<String> = exchanges
        .filter(|one| one.method == "POST")
        .map(|one| serde_json::from_str::<Value>(&one.body.unwrap()).unwrap())
        .map(|body| body["userName"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        created,
        ["john@contoso.com", "jane@contoso.com"],
        "all others go on meanwhile"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_came_into_scope_while_a_create_waited_stays_a_member() {
    let rig = start("").await;
    let ann = rig.joiner("ann");
    rig.sync().await.expect(0);
    rig.tenant().unassign(ann);
    rig.sync().await.expect(0);
    assert!(!is_active(&rig, "ann"));
    let jane = rig.joiner("jane");
    inject(&rig, Fault::new("/Users", Trouble::Refused).method("POST"));
    rig.sync().await.expect(3);
    let fans = rig.tenant().add_group("Fans");
    rig.tenant().add_members(fans, &[ann, jane]);
    rig.tenant().assign(fans, ROLE_USER);
    let summary = rig.sync().await.expect(0).job();
    assert_eq!(
        summary["done"]["remove-members"],
        Value::Null,
        "{summary:#}"
    );
    assert!(is_active(&rig, "ann"));
    let target = &rig.sandbox.target;
    let fans = target.find_group_by("displayName", "Fans").unwrap();
    assert_eq!(target.members(fans["id"].as_str().unwrap()).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_shows_what_follows_an_earlier_write_that_did_nothing() {
    let rig = start("").await;
    rig.joiner("jane");
    inject(&rig, Fault::new("/Users", Trouble::Refused).method("POST"));
    rig.sync().await.expect(3);
    let plan = rig.plan().await.expect(0).job();
    assert_eq!(plan["actions"][0]["action"], "create", "{plan:#}");
    let summary = rig.sync().await.expect(0).job();
    assert_eq!(summary["done"]["create"], 1, "{summary:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_is_written_to_an_object_while_a_write_may_be_under_way() {
    let rig = start("").await;
    rig.edit(|text| text.replace("timeout = \"2s\"", "timeout = \"2s\"\nmember_chunk = 1"));
    let boss = rig.joiner("boss");
    let jane = rig.joiner("jane");
    let group = rig.tenant().add_group("Fans");
    rig.tenant().assign(group, ROLE_USER);
    rig.sync().await.expect(0);
    // The first PATCH is carried out long after its answer was given up.
    let path = path_of(&rig, "jane");
    let late = Trouble::Delay(Duration::from_secs(3));
    inject(&rig, Fault::new(&path, late).method("PATCH"));
    inject(
        &rig,
        Fault::new("/Groups/", Trouble::AnswerLost).method("PATCH"),
    );
    rig.tenant().set_property(jane, "jobTitle", json!("Chief"));
    rig.tenant().set_manager(jane, Some(boss));
    rig.tenant().add_members(group, &[boss, jane]);
    rig.sandbox.target.traffic().reset();
    let summary = rig.sync().await.expect(3).job();
    let writes = |part: &str| {
        let is_write = |one: &str| one == "PATCH";
        let traffic = rig.sandbox.target.traffic();
        traffic.count_where(|one| is_write(&one.method) && one.path.contains(part))
    };
    assert_eq!(writes(&path), 1, "{summary:#}");
    assert_eq!(writes("/Groups/"), 1, "{summary:#}");
    rig.sync().await.expect(0);
    let fans = &rig.target().await.groups["Fans"];
    assert_eq!(fans.len(), 2);
    let there = rig.user("jane@contoso.com");
    assert_eq!(there["title"], "Chief");
    assert!(there.to_string().contains("\"manager\""), "{there:#}");
    assert_eq!(rig.sandbox.target.traffic().overlaps(), [] as [String; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_transient_failure_of_a_disable_costs_no_interval() {
    let troubles = [
        Trouble::status(429),
        Trouble::status(503),
        Trouble::retry_after(503, 1),
        Trouble::status(408),
        Trouble::status(500),
        Trouble::status(502),
        Trouble::status(504),
        Trouble::Refused,
        Trouble::AnswerLost,
        Trouble::Delay(Duration::from_secs(3)),
    ];
    let rig = start("").await;
    let leavers: Vec<Uuid> = (0..troubles.len())
        .map(|number| rig.joiner(&format!("leaver{number}")))
        .collect();
    rig.sync().await.expect(0);
    for (number, trouble) in troubles.iter().enumerate() {
        let path = path_of(&rig, &format!("leaver{number}"));
        inject(&rig, Fault::new(&path, trouble.clone()).method("PATCH"));
        rig.tenant().unassign(leavers[number]);
    }
    rig.sandbox.target.traffic().reset();
    let summary = rig.sync().await.expect(0).job();
    for (number, trouble) in troubles.iter().enumerate() {
        let name = format!("leaver{number}");
        assert!(!is_active(&rig, &name), "{trouble:?}: {summary:#}");
    }
    // Only what is known to have been turned away is repeated without a look.
    let of = |number: usize| {
        let mut sent = requests(&rig, &path_of(&rig, &format!("leaver{number}")));
        // The first changes of a form are read back once they were accepted.
        if sent.ends_with(&["PATCH 204".to_owned(), "GET 200".to_owned()]) {
            sent.pop();
        }
        sent
    };
    assert_eq!(of(0), ["PATCH 429", "PATCH 204"]);
    assert_eq!(of(1), ["PATCH 503", "PATCH 204"]);
    assert_eq!(of(5), ["PATCH 502", "GET 200", "PATCH 204"]);
    assert_eq!(of(8), ["PATCH -", "GET 200"], "it was carried out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_after_a_transient_failure_is_read_first() {
    let troubles = [
        Trouble::status(429),
        Trouble::status(503),
        Trouble::status(502),
        Trouble::AnswerLost,
        Trouble::Refused,
    ];
    let rig = start(DELETE).await;
    let leavers: Vec<Uuid> = (0..troubles.len())
        .map(|number| rig.joiner(&format!("leaver{number}")))
        .collect();
    rig.sync().await.expect(0);
    let paths: Vec<String> = (0..troubles.len())
        .map(|number| path_of(&rig, &format!("leaver{number}")))
        .collect();
    for (number, trouble) in troubles.iter().enumerate() {
        inject(
            &rig,
            Fault::new(&paths[number], trouble.clone()).method("DELETE"),
        );
        rig.tenant().unassign(leavers[number]);
    }
    rig.sandbox.target.traffic().reset();
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), 1);
    assert_eq!(requests(&rig, &paths[0]), ["DELETE 429", "DELETE 204"]);
    let again = ["GET 200", "GET 200", "DELETE 204"];
    assert_eq!(
        requests(&rig, &paths[1]),
        [&["DELETE 503"], &again[..]].concat()
    );
    assert_eq!(
        requests(&rig, &paths[2]),
        [&["DELETE 502"], &again[..]].concat()
    );
    assert_eq!(requests(&rig, &paths[3]), ["DELETE -", "GET 404"]);
    assert_eq!(
        requests(&rig, &paths[4]),
        [&["DELETE -"], &again[..]].concat()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_or_disable_that_may_still_be_under_way_is_followed_by_none() {
    for policy in ["delete", "disable"] {
        let rig = start(&format!("[jobs.users]\nwhen_out_of_scope = \"{policy}\"\n")).await;
        rig.edit(|text| text.replace("visibility_delay = \"0s\"", "visibility_delay = \"2s\""));
        let jane = rig.joiner("jane");
        rig.sync().await.expect(0);
        let path = path_of(&rig, "jane");
        // It is carried out after its answer was given up.
        let late = Trouble::Delay(Duration::from_secs(3));
        let fault = Fault::new(&path, late);
        inject(
            &rig,
            fault.method(if policy == "delete" {
                "DELETE"
            } else {
                "PATCH"
            }),
        );
        rig.tenant().unassign(jane);
        rig.sandbox.target.traffic().reset();
        rig.sync().await.expect(0);
        let writes = requests(&rig, &path).into_iter();
        let writes: Vec<String> = writes.filter(|one| !one.starts_with("GET")).collect();
        if policy == "delete" {
            assert_eq!(rig.sandbox.target.user_count(), 1);
            assert_eq!(writes.len(), 1, "{writes:?}");
        } else {
            // Only the same disable may be repeated meanwhile.
            assert!(!is_active(&rig, "jane"));
            assert!(writes.len() <= 2, "{writes:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_is_not_repeated_where_another_object_is_now() {
    let rig = start(DELETE).await;
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    let path = path_of(&rig, "jane");
    inject(
        &rig,
        Fault::new(&path, Trouble::status(502)).method("DELETE"),
    );
    rig.tenant().unassign(jane);
    let other = json!({"userName": "other@contoso.com", "externalId": "other", "emails": []});
    let id = path.rsplit('/').next().unwrap();
    assert!(rig.sandbox.target.change_user(id, &other));
    rig.sync().await.expect(3);
    assert_eq!(rig.sandbox.target.traffic().count_of("DELETE"), 1);
    assert_eq!(rig.sandbox.target.user_count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_does_not_know_single_objects_creates_no_user_twice() {
    let rig = start("").await;
    let people: Vec<Uuid> = (0..5).map(|one| rig.joiner(&format!("p{one}"))).collect();
    rig.sync().await.expect(0);
    for (number, id) in people.iter().enumerate() {
        let path = path_of(&rig, &format!("p{number}"));
        inject(&rig, Fault::new(&path, Trouble::status(404)).forever());
        let name = json!(format!("renamed{number}@contoso.com"));
        rig.tenant().set_property(*id, "userPrincipalName", name);
    }
    rig.sandbox.target.traffic().reset();
    // The second time the job goes into quarantine.
    for code in [3, 4] {
        let summary = rig.sync().await.expect(code).job();
        let words = summary["failures"][0]["message"].as_str().unwrap();
        assert!(words.contains("a look-up finds the object"), "{words}");
    }
    assert_eq!(rig.sandbox.target.traffic().count_of("POST"), 0);
    clear(&rig);
    rig.run(&["resume", "demo"]).await.expect(0);
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), 6);
    rig.user("renamed3@contoso.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_that_is_answered_404_is_done_only_when_the_account_is_gone() {
    let rig = start(DELETE).await;
    let jane = rig.joiner("jane");
    let john = rig.joiner("john");
    rig.sync().await.expect(0);
    let path = path_of(&rig, "jane");
    inject(&rig, Fault::new(&path, Trouble::status(404)).forever());
    let id = path_of(&rig, "john");
    rig.sandbox.target.delete(id.rsplit('/').next().unwrap());
    rig.tenant().unassign(jane);
    rig.tenant().unassign(john);
    let summary = rig.sync().await.expect(3).job();
    assert_eq!(summary["failed"], 1, "{summary:#}");
    assert_eq!(summary["done"]["delete"], 1, "{summary:#}");
    assert!(is_active(&rig, "jane"));
    clear(&rig);
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_we_disabled_and_that_the_target_hides_is_not_gone() {
    let rig = start("").await;
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    rig.tenant().disable_user(jane);
    rig.sync().await.expect(0);
    rig.sandbox.target.enable(Quirk::InactiveInvisible);
    rig.tenant().set_property(jane, "jobTitle", json!("Boss"));
    let summary = rig.sync().await.expect(3).job();
    let words = summary["failures"][0]["message"].as_str().unwrap();
    assert!(
        words.contains("does not show accounts that were disabled"),
        "{words}"
    );
    rig.sandbox.target.configure(|target| target.quirks.clear());
    rig.tenant().enable_user(jane);
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.traffic().count_of("POST"), 1);
    assert!(is_active(&rig, "jane"));
    assert_eq!(rig.user("jane@contoso.com")["title"], "Boss");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_objects_that_are_gone_at_once_are_created_again_only_once_approved() {
    let rig = start("").await;
    let people: Vec<Uuid> = (0..9).map(|one| rig.joiner(&format!("p{one}"))).collect();
    // Were it more than half of all, it would be another target.
    for number in 0..20 {
        rig.joiner(&format!("q{number}"));
    }
    rig.sync().await.expect(0);
    for number in 0..9 {
        let path = path_of(&rig, &format!("p{number}"));
        let id = path.rsplit('/').next().unwrap();
        assert!(rig.sandbox.target.delete(id));
    }
    for id in &people {
        rig.tenant().set_property(*id, "jobTitle", json!("Boss"));
    }
    rig.sandbox.target.traffic().reset();
    rig.sync().await.expect(3);
    for _ in 0..2 {
        let summary = rig.sync().await.expect(4).job();
        assert_eq!(summary["held"]["objects"], 9, "{summary:#}");
        assert_eq!(rig.sandbox.target.user_count(), 21);
    }
    // Asking for one alone decides nothing.
    let alone = ["sync", "--user", "p0@contoso.com"];
    rig.run(&alone).await.expect(4);
    assert_eq!(rig.sandbox.target.traffic().count_of("POST"), 0);
    rig.run(&["approve", "demo"]).await.expect(0);
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_others_may_have_created_is_disabled_and_deleted_only_once_approved() {
    for is_ours in [false, true] {
        let rig = start(DELETE).await;
        let jane = nobody_knows_jane(&rig).await;
        if !is_ours {
            let path = path_of(&rig, "jane");
            let id = path.strip_prefix("/Users/").unwrap();
            let nobodys = json!({"externalId": null});
            assert!(rig.sandbox.target.change_user(id, &nobodys));
        }
        rig.tenant().unassign(jane);
        if is_ours {
            rig.sync().await.expect(0);
            assert_eq!(rig.sandbox.target.user_count(), 1);
            continue;
        }
        for _ in 0..2 {
            let held = rig.sync().await.expect(4).job();
            assert_eq!(held["held"]["reason"], "unproven", "{held:#}");
            assert_eq!(held["held"]["objects"], 1, "{held:#}");
            assert!(!is_active(&rig, "jane"));
        }
        rig.run(&["approve", "demo"]).await.expect(0);
        rig.sync().await.expect(0);
        assert_eq!(rig.sandbox.target.user_count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_found_at_once_after_a_lost_answer_may_be_another_users() {
    let rig = start(DELETE).await;
    let jane = rig.joiner("jane");
    inject(&rig, Fault::new("/Users", Trouble::Refused).method("POST"));
    // Another user makes the account between the look-up and the create.
    let wait = Trouble::Delay(Duration::from_millis(500));
    inject(&rig, Fault::new("/Users?", wait).method("GET").after(1));
    let child = rig.command(&["sync"]).spawn().unwrap();
    while !requests(&rig, "/Users")
        .iter()
        .any(|one| one.starts_with("POST"))
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let theirs = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "jane@contoso.com",
        "active": true,
    });
    rig.sandbox.target.create_user(&theirs).unwrap();
    Rig::finish(child).await;
    rig.sync().await.expect(0);
    rig.tenant().unassign(jane);
    let held = rig.sync().await.expect(4).job();
    assert_eq!(held["held"]["reason"], "unproven", "{held:#}");
    assert!(!is_active(&rig, "jane"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_was_sent_twice_on_the_way_is_settled_though_the_look_up_fails() {
    let rig = Rig::start(Size::new(5, 0, 0)).await;
    rig.sync().await.expect(0);
    let jane = rig.joiner("jane");
    let traffic = rig.sandbox.target.traffic();
    traffic.inject(Fault::new("/Users", Trouble::Twice).method("POST"));
    // All look-ups but the one before the create.
    let refused = Fault::new("/Users", Trouble::status(400)).method("GET");
    traffic.inject(refused.after(1).forever());
    rig.sync().await.expect(3);
    traffic.clear_faults();
    assert_eq!(rig.user("jane@contoso.com")["active"], true);
    // She is blocked before the account is known to be hers.
    rig.tenant().disable_user(jane);
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["active"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_was_read_before_a_create_does_not_say_what_it_made() {
    let rig = Rig::start(Size::new(5, 0, 0)).await;
    rig.edit(|text| text.replace("concurrency = 8", "concurrency = 1"));
    rig.sync().await.expect(0);
    let [ann, bob] = ["ann", "bob"].map(|name| rig.joiner(name));
    let traffic = rig.sandbox.target.traffic();
    // The look-up of the first is refused, so that the list is read; that of the second has no such luck.
    traffic.inject(
        Fault::new("/Users", Trouble::Twice)
            .method("POST")
            .forever(),
    );
    let refused = Fault::new("filter=", Trouble::status(400)).method("GET");
    traffic.inject(refused.after(2).forever());
    rig.sync().await;
    traffic.clear_faults();
    for (user, name) in [(ann, "ann2@contoso.com"), (bob, "bob2@contoso.com")] {
        rig.tenant()
            .set_property(user, "userPrincipalName", json!(name));
    }
    rig.sync().await.expect(0);
    for name in ["ann", "bob"] {
        let users = rig.sandbox.target.users();
        let of = users.iter().filter(|user| user["externalId"] == name);
        let names: Vec<_> = of.map(|user| &user["userName"]).collect();
        assert_eq!(json!(names), json!([format!("{name}2@contoso.com")]));
    }
}
