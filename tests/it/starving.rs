//! Trouble with some objects, or with creates, keeps nothing from the others: no leaver keeps access
//! because of another user's trouble.

use entrain::sandbox::{Fault, ROLE_USER, Size, Trouble, Uuid};
use serde_json::{Value, json};

use crate::rig::Rig;

const NO_LIMIT: &str = "[jobs.safety]\nmax_deletions = 1000\n";

async fn start() -> Rig {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.configure(NO_LIMIT);
    rig
}

fn inject(rig: &Rig, fault: Fault) {
    rig.sandbox.target.traffic().inject(fault);
}

fn id_of(rig: &Rig, alias: &str) -> String {
    let user = rig.user(&format!("{alias}@contoso.com"));
    user["id"].as_str().unwrap().to_owned()
}

fn is_active(rig: &Rig, alias: &str) -> bool {
    rig.user(&format!("{alias}@contoso.com"))["active"] == true
}

fn joiners(rig: &Rig, name: &str, count: usize) -> Vec<Uuid> {
    let one = |number| rig.joiner(&format!("{name}{number}"));
    (0..count).map(one).collect()
}

fn active(rig: &Rig, name: &str, count: usize) -> usize {
    let is_active = |number: &usize| is_active(rig, &format!("{name}{number}"));
    (0..count).filter(is_active).count()
}

fn there(rig: &Rig, name: &str, count: usize) -> usize {
    let is_there = |number: &usize| {
        let name = format!("{name}{number}@contoso.com");
        rig.sandbox.target.find_user_by("userName", &name).is_some()
    };
    (0..count).filter(is_there).count()
}

fn quota(status: u16) -> Trouble {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": status.to_string(),
        "detail": "Seat limit reached",
    });
    Trouble::body(status, &body.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_account_that_may_not_be_changed_does_not_stop_the_job() {
    let rig = start().await;
    let leavers = joiners(&rig, "leaver", 80);
    let boss = rig.joiner("protected");
    rig.sync().await.expect(0);
    for id in leavers {
        rig.tenant().disable_user(id);
    }
    rig.tenant().set_property(boss, "jobTitle", json!("Owner"));
    joiners(&rig, "joiner", 20);
    let protected = format!("/Users/{}", id_of(&rig, "protected"));
    let no = Trouble::status(403);
    inject(
        &rig,
        Fault::new(&protected, no.clone()).method("PATCH").forever(),
    );
    // Neither does one person whom the target does not let us create.
    inject(&rig, Fault::new("/Users", no).method("POST").after(4));
    let summary = rig.sync().await.expect(3).job();
    assert_eq!(active(&rig, "leaver", 80), 0, "{summary:#}");
    assert_eq!(there(&rig, "joiner", 20), 19, "{summary:#}");
    assert_eq!(summary["failed"], 2, "{summary:#}");
    assert_eq!(summary["failures"][0]["class"], "forbidden", "{summary:#}");
    assert_eq!(summary["aborted"], Value::Null, "{summary:#}");
    // The one who was refused once is created by the next cycle.
    rig.sync().await.expect(3);
    assert_eq!(there(&rig, "joiner", 20), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_refuses_look_ups_as_well_is_not_written_to_any_more() {
    let rig = start().await;
    let people = joiners(&rig, "p", 40);
    rig.sync().await.expect(0);
    for id in people {
        rig.tenant().set_property(id, "jobTitle", json!("Owner"));
    }
    for method in ["GET", "PATCH"] {
        let no = Fault::new("/Users", Trouble::status(403)).method(method);
        inject(&rig, no.forever());
    }
    rig.sandbox.target.traffic().reset();
    let summary = rig.sync().await.expect(1).job();
    assert!(summary["aborted"].is_string(), "{summary:#}");
    // Those that were under way when the first was refused.
    let writes = rig.sandbox.target.traffic().writes();
    assert!(writes <= 16, "{writes}: {summary:#}");
    rig.sandbox.target.traffic().clear_faults();
    rig.sync().await.expect(0);
    assert_eq!(rig.user("p39@contoso.com")["title"], "Owner");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_limit_stops_creates_only_and_the_seats_of_leavers_are_used_again() {
    for status in [402, 403, 422] {
        let rig = start().await;
        let delete = "[jobs.users]\nwhen_out_of_scope = \"delete\"";
        rig.configure(&format!("{NO_LIMIT}{delete}"));
        let leavers = joiners(&rig, "leaver", 8);
        rig.sync().await.expect(0);
        for id in leavers {
            rig.tenant().unassign(id);
        }
        joiners(&rig, "joiner", 20);
        // As many seats are free again as people leave, and the leavers come last.
        let fault = Fault::new("/Users", quota(status)).method("POST");
        inject(&rig, fault.times(1));
        let summary = rig.sync().await.expect(0).job();
        assert_eq!(there(&rig, "leaver", 8), 0, "{summary:#}");
        assert_eq!(there(&rig, "joiner", 20), 20, "{summary:#}");
        let record = rig.sandbox.target.traffic().exchanges();
        let refused = record.iter().position(|one| one.status == Some(status));
        let writes = record
            .iter()
            .skip(refused.unwrap())
            .filter(|one| one.status == Some(201));
        assert!(writes.count() >= 12, "{summary:#}");
        let last_delete = record
            .iter()
            .rposition(|one| one.method == "DELETE")
            .unwrap();
        let last_create = record.iter().rposition(|one| one.method == "POST").unwrap();
        assert!(
            last_delete < last_create,
            "the removals come before the second try"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_groups_stops_creates_of_groups_only() {
    let rig = start().await;
    let leavers = joiners(&rig, "leaver", 5);
    rig.sync().await.expect(0);
    for id in leavers {
        rig.tenant().unassign(id);
    }
    joiners(&rig, "joiner", 5);
    for number in 0..20 {
        let group = rig.tenant().add_group(&format!("Group {number}"));
        rig.tenant().assign(group, ROLE_USER);
    }
    let full = Fault::new("/Groups", quota(402)).method("POST").forever();
    inject(&rig, full);
    let summary = rig.sync().await.expect(3).job();
    assert_eq!(active(&rig, "leaver", 5), 0, "{summary:#}");
    assert_eq!(there(&rig, "joiner", 5), 5, "{summary:#}");
    assert_eq!(rig.sandbox.target.group_count(), 0);
    rig.sandbox.target.traffic().clear_faults();
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.group_count(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_limit_that_stays_costs_few_requests_and_no_removal() {
    let rig = start().await;
    let leavers = joiners(&rig, "leaver", 5);
    let group = rig.tenant().add_group("Fans");
    rig.tenant().add_members(group, &leavers);
    rig.tenant().assign(group, ROLE_USER);
    rig.sync().await.expect(0);
    rig.tenant().disable_user(leavers[0]);
    rig.tenant().remove_members(group, &leavers[1..3]);
    joiners(&rig, "joiner", 60);
    rig.sandbox.target.traffic().reset();
    inject(
        &rig,
        Fault::new("/Users", quota(403)).method("POST").forever(),
    );
    let summary = rig.sync().await.expect(3).job();
    assert!(!is_active(&rig, "leaver0"), "{summary:#}");
    assert_eq!(rig.target().await.groups["Fans"].len(), 3, "{summary:#}");
    let posts = rig.sandbox.target.traffic().count_of("POST");
    assert!(posts <= 32, "{posts}");
    assert_eq!(summary["failures"][0]["class"], "quota", "{summary:#}");
    let words = summary["failures"][0]["message"].as_str().unwrap();
    assert!(words.contains("Seat limit reached"), "{words}");
    let missing = summary["not_tried"].as_u64().unwrap() + summary["failed"].as_u64().unwrap();
    assert_eq!(missing, 60, "{summary:#}");
    rig.sandbox.target.traffic().clear_faults();
    rig.sync().await.expect(0);
    assert_eq!(there(&rig, "joiner", 60), 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_that_fail_for_good_do_not_starve_the_rest() {
    let rig = start().await;
    let broken = joiners(&rig, "broken", 12);
    let leavers = joiners(&rig, "leaver", 10);
    rig.sync().await.expect(0);
    for number in 0..12 {
        let path = format!("/Users/{}", id_of(&rig, &format!("broken{number}")));
        inject(&rig, Fault::new(&path, Trouble::status(502)).forever());
    }
    for id in broken {
        rig.tenant().set_property(id, "jobTitle", json!("Boss"));
    }
    for _ in 0..2 {
        let summary = rig.sync().await.expect(3).job();
        assert_eq!(summary["aborted"], Value::Null, "{summary:#}");
    }
    // Those that failed before come last among their equals.
    for id in leavers {
        rig.tenant().unassign(id);
    }
    joiners(&rig, "joiner", 10);
    let summary = rig.sync().await.expect(3).job();
    assert_eq!(active(&rig, "leaver", 10), 0, "{summary:#}");
    assert_eq!(there(&rig, "joiner", 10), 10, "{summary:#}");
    assert_eq!(summary["failed"], 12, "{summary:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn leavers_who_fail_for_good_do_not_starve_other_leavers() {
    let rig = start().await;
    let broken = joiners(&rig, "broken", 12);
    let leavers = joiners(&rig, "leaver", 10);
    rig.joiner("stays");
    rig.sync().await.expect(0);
    for number in 0..12 {
        let path = format!("/Users/{}", id_of(&rig, &format!("broken{number}")));
        inject(
            &rig,
            Fault::new(&path, Trouble::status(502))
                .method("PATCH")
                .forever(),
        );
    }
    for id in broken.iter().chain(&leavers) {
        rig.tenant().unassign(*id);
    }
    let summary = rig.sync().await.expect(3).job();
    assert_eq!(active(&rig, "leaver", 10), 0, "{summary:#}");
    assert_eq!(active(&rig, "broken", 12), 12, "{summary:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_cannot_be_read_ends_no_cycle() {
    let rig = start().await;
    let jane = rig.joiner("jane");
    let john = rig.joiner("john");
    let group = rig.tenant().add_group("Fans");
    rig.tenant().add_members(group, &[jane]);
    rig.sync().await.expect(0);
    // A PATCH that is not confirmed, after which the account cannot be read.
    rig.tenant().set_property(jane, "jobTitle", json!("Boss"));
    let path = format!("/Users/{}", id_of(&rig, "jane"));
    inject(&rig, Fault::new(&path, Trouble::AnswerLost).method("PATCH"));
    rig.sync().await.expect(3);
    inject(
        &rig,
        Fault::new(&path, Trouble::status(500))
            .method("GET")
            .forever(),
    );
    // A group of that name is in the target already and cannot be read.
    let there = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Fans",
    });
    let there = rig.sandbox.target.create_group(&there).unwrap();
    let path = format!("/Groups/{there}");
    inject(
        &rig,
        Fault::new(&path, Trouble::status(500))
            .method("GET")
            .forever(),
    );
    rig.tenant().assign(group, ROLE_USER);
    rig.tenant().unassign(john);
    for _ in 0..2 {
        let summary = rig.sync().await.expect(3).job();
        assert!(!is_active(&rig, "john"), "{summary:#}");
        let failures = summary["failures"].as_array().unwrap().iter();
        let mut labels: Vec<&str> = failures
            .map(|one| one["subject"]["label"].as_str().unwrap())
            .collect();
        labels.sort_unstable();
        assert_eq!(labels, ["Fans", "jane@contoso.com"], "{summary:#}");
    }
    let status = rig.run(&["status", "--format", "json"]).await.job();
    assert_eq!(status["escrow"].as_array().unwrap().len(), 2, "{status:#}");
    rig.sandbox.target.traffic().clear_faults();
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["title"], "Boss");
    assert_eq!(rig.target().await.groups["Fans"].len(), 1);
}
