//! A target that refuses, fails, loses answers or is gone: nothing is lost, nothing is there twice.

use std::time::Duration;

use entrain::sandbox::{Fault, Quirk, ROLE_USER, Size, Trouble};
use serde_json::{Value, json};

use crate::cycles::{settled, settles};
use crate::rig::Rig;
use crate::target::Expected;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

async fn start() -> Rig {
    Rig::start(Size::new(30, 4, 60)).await
}

fn inject(rig: &Rig, fault: Fault) {
    rig.sandbox.target.traffic().inject(fault);
}

fn clear(rig: &Rig) {
    rig.sandbox.target.traffic().clear_faults();
}

async fn escrow(rig: &Rig) -> Vec<Value> {
    let status = rig
        .run(&["status", "--format", "json"])
        .await
        .expect(0)
        .job();
    status["escrow"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_the_target_refuses_is_reported_with_its_message_and_created_later() {
    for status in [400, 413, 422, 500] {
        let rig = start().await;
        let mut expected = Expected::default();
        let words = format!("the moon is in the {status}th house");
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": status.to_string(),
            "detail": words,
        });
        let trouble = Trouble::body(status, &body.to_string());
        inject(&rig, Fault::new("/Users", trouble.clone()).method("POST"));
        inject(&rig, Fault::new("/Groups", trouble.clone()).method("POST"));
        let run = rig.sync().await.expect(3);
        let summary = run.job();
        assert_eq!(summary["failed"], 2, "{summary:#}");
        for failure in summary["failures"].as_array().unwrap() {
            assert!(
                failure["message"].as_str().unwrap().contains(&words),
                "{failure:#}"
            );
            assert_eq!(failure["http_status"], status);
            assert_eq!(failure["action"], "create");
        }
        let waiting = escrow(&rig).await;
        assert!(
            waiting
                .iter()
                .any(|one| one["message"].as_str().unwrap().contains(&words))
        );
        rig.sync().await.expect(0);
        settled(&rig, &mut expected).await;
        assert_eq!(escrow(&rig).await, Vec::<Value>::new());

        // The same for an update of one who is there.
        let jane = rig.joiner("jane");
        settles(&rig, &mut expected).await;
        inject(&rig, Fault::new("/Users", trouble).method("PATCH"));
        rig.tenant().set_property(jane, "jobTitle", json!("Boss"));
        let summary = rig.sync().await.expect(3).job();
        assert_eq!(summary["failures"][0]["action"], "update", "{summary:#}");
        settles(&rig, &mut expected).await;
        assert_eq!(rig.user("jane@contoso.com")["title"], "Boss");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_cannot_be_mapped_does_not_stop_the_others() {
    let rig = start().await;
    rig.configure(
        r#"
[[jobs.users.mappings]]
target = "title"
expression = 'FormatDateTime([jobTitle], , "yyyy-MM-dd", "yyyy")'
"#,
    );
    let users = rig.tenant().user_ids();
    for id in users {
        rig.tenant()
            .set_property(id, "jobTitle", json!("2020-01-01"));
    }
    let jane = rig.joiner("jane");
    rig.tenant().set_property(jane, "jobTitle", json!("soon"));
    let summary = rig.sync().await.expect(3).job();
    assert_eq!(summary["failed"], 1, "{summary:#}");
    assert_eq!(
        summary["failures"][0]["subject"]["label"],
        "jane@contoso.com"
    );
    let escrow = escrow(&rig).await;
    assert_eq!(escrow.len(), 1);
    assert!(
        escrow[0]["message"].as_str().unwrap().contains("title"),
        "{escrow:?}"
    );
    rig.tenant()
        .set_property(jane, "jobTitle", json!("2021-01-01"));
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["title"], "2021");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_leave_nothing_twice_and_nothing_behind() {
    let rig = start().await;
    let mut expected = Expected::default();
    for (path, after) in [("/Users", 1), ("/Users", 4), ("/Groups", 0), ("/Groups", 2)] {
        inject(
            &rig,
            Fault::new(path, Trouble::AnswerLost)
                .method("POST")
                .after(after),
        );
    }
    inject(
        &rig,
        Fault::new("/Users", Trouble::CutAnswer)
            .method("POST")
            .after(6),
    );
    inject(
        &rig,
        Fault::new("/Users", Trouble::NoBody)
            .method("POST")
            .after(8),
    );
    inject(
        &rig,
        Fault::new("/Users", Trouble::TornBody)
            .method("POST")
            .after(10),
    );
    inject(
        &rig,
        Fault::new("/Groups", Trouble::AnswerLost)
            .method("PATCH")
            .after(1),
    );
    let first = rig.sync().await;
    assert!([0, 3].contains(&first.code), "{first:?}");
    rig.sync().await;
    settles(&rig, &mut expected).await;

    let jane = rig.joiner("jane");
    let john = rig.joiner("john");
    let group = rig.tenant().add_group("Fans");
    rig.tenant().add_members(group, &[jane, john]);
    rig.tenant().assign(group, ROLE_USER);
    settles(&rig, &mut expected).await;
    clear(&rig);
    rig.tenant().set_property(jane, "jobTitle", json!("Boss"));
    rig.tenant().set_property(john, "jobTitle", json!("Chief"));
    rig.tenant().set_manager(jane, Some(john));
    rig.tenant().remove_members(group, &[john]);
    inject(
        &rig,
        Fault::new("/Users", Trouble::AnswerLost).method("PATCH"),
    );
    inject(&rig, Fault::new("/Users", Trouble::Refused).method("PATCH"));
    inject(
        &rig,
        Fault::new("/Groups", Trouble::AnswerLost).method("PATCH"),
    );
    rig.sync().await.expect(3);
    settles(&rig, &mut expected).await;

    rig.tenant().unassign(group);
    rig.tenant().hard_delete_user(john);
    inject(
        &rig,
        Fault::new("/Users", Trouble::AnswerLost).method("DELETE"),
    );
    inject(
        &rig,
        Fault::new("/Groups", Trouble::AnswerLost).method("DELETE"),
    );
    settles(&rig, &mut expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_is_found_after_a_lost_create_leaves_nothing_to_do() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.configure(
        "[[jobs.users.mappings]]\ntarget = 'roles'\n\
         constant = [{ value = 'b' }, { value = 'a' }]\n",
    );
    let boss = rig.joiner("boss");
    let jane = rig.joiner("jane");
    rig.tenant().set_manager(jane, Some(boss));
    // Her manager is created in the same cycle, and before her.
    inject(
        &rig,
        Fault::new("/Users", Trouble::AnswerLost)
            .method("POST")
            .after(1),
    );
    rig.sync().await.expect(0);
    let there = rig.user("jane@contoso.com");
    let shown: Vec<&Value> = there["roles"].as_array().unwrap().iter().collect();
    assert_eq!(shown.len(), 2, "{there:#}");
    assert!(
        there[ENTERPRISE]["manager"]["value"].is_string(),
        "{there:#}"
    );

    let plan = rig.plan().await.expect(0).job();
    assert_eq!(plan["actions"], json!([]), "{plan:#}");
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_is_found_after_a_conflict_gets_the_form_of_the_mappings() {
    const ACME: &str = "urn:acme:params:scim:schemas:2.0:User";
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.sandbox.target.enable(Quirk::NumbersInOtherSchemas);
    rig.configure(&format!(
        "[jobs.users]\nmappings = [ {{ target = '{ACME}:badge', source = 'employeeId' }} ]"
    ));
    let boss = rig.joiner("boss");
    rig.tenant().set_property(boss, "employeeId", json!("1"));
    rig.sync().await.expect(0);
    // Jane is there as we would have made her, and the look-up before the create does not show it.
    let jane = rig.joiner("jane");
    rig.tenant().set_property(jane, "employeeId", json!("4711"));
    rig.tenant().set_manager(jane, Some(boss));
    inject(&rig, Fault::new("/Users", Trouble::EmptyList).method("GET"));
    let mut there = rig.user("boss@contoso.com");
    let id = there["id"].take();
    let members = there.as_object_mut().unwrap();
    members.retain(|name, _| !["id", "meta", "groups"].contains(&name.as_str()));
    let text = there.to_string().replace("boss", "jane");
    let mut there: Value = serde_json::from_str(&text).unwrap();
    there["externalId"] = json!("jane");
    there[ACME] = json!({"badge": 4711});
    there[ENTERPRISE]["employeeNumber"] = json!("4711");
    there[ENTERPRISE]["manager"] = json!({"value": id});
    rig.sandbox.target.create_user(&there).unwrap();
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), 2);

    let plan = rig.plan().await.expect(0).job();
    assert_eq!(plan["actions"], json!([]), "{plan:#}");
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_whose_answer_is_lost_is_found_by_the_name_that_was_sent() {
    let rig = start().await;
    let mut expected = Expected::default();
    settles(&rig, &mut expected).await;
    let jane = rig.joiner("jane");
    // The answer is lost, and so is the look-up after it.
    inject(
        &rig,
        Fault::new("/Users", Trouble::AnswerLost).method("POST"),
    );
    inject(
        &rig,
        Fault::new("/Users?", Trouble::status(400))
            .method("GET")
            .after(1)
            .times(2),
    );
    rig.sync().await;
    rig.tenant()
        .set_property(jane, "userPrincipalName", json!("janet@contoso.com"));
    clear(&rig);
    settles(&rig, &mut expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_down_loses_nothing() {
    let rig = start().await;
    let mut expected = Expected::default();
    inject(&rig, Fault::new("/scim/v2", Trouble::html(502)).forever());
    let run = rig.sync().await.expect(1);
    assert!(run.err.contains("502"), "{run:?}");
    assert_eq!(rig.sandbox.target.user_count(), 0);
    clear(&rig);
    settles(&rig, &mut expected).await;

    // It goes down in the middle of the writes.
    for number in 0..30 {
        rig.joiner(&format!("joiner{number}"));
    }
    inject(
        &rig,
        Fault::new("/Users", Trouble::html(503))
            .method("POST")
            .after(10)
            .forever(),
    );
    let run = rig.sync().await.expect(1);
    let summary = run.job();
    assert!(
        summary["aborted"].as_str().unwrap().contains("503"),
        "{summary:#}"
    );
    assert!(summary["not_tried"].as_u64().unwrap() > 0, "{summary:#}");
    clear(&rig);
    settles(&rig, &mut expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_in_the_middle_stops_the_writes_at_once() {
    let rig = start().await;
    let mut expected = Expected::default();
    inject(
        &rig,
        Fault::new("/Users", Trouble::status(401))
            .method("POST")
            .after(5)
            .forever(),
    );
    let run = rig.sync().await.expect(1);
    let summary = run.job();
    assert!(
        summary["aborted"].as_str().unwrap().contains("401"),
        "{summary:#}"
    );
    let sent = rig.sandbox.target.writes();
    assert!(sent < 5 + 2 * 8, "{sent}");
    clear(&rig);
    settles(&rig, &mut expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_asks_to_wait_is_waited_for() {
    let rig = start().await;
    let post = |trouble| Fault::new("/Users", trouble).method("POST");
    inject(&rig, post(Trouble::throttled(1)).times(2));
    inject(&rig, post(Trouble::retry_after(503, 1)).after(3));
    let date = Trouble::RetryAfterDate {
        status: 429,
        wait: Duration::from_secs(1),
    };
    inject(&rig, post(date).after(6));
    inject(
        &rig,
        Fault::new("/Groups", Trouble::status(429)).method("PATCH"),
    );
    settles(&rig, &mut Expected::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_on_requests_per_second_is_lived_with() {
    let rig = start().await;
    rig.sandbox
        .target
        .configure(|target| target.requests_per_second = Some(30));
    settles(&rig, &mut Expected::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_administrator_deleted_in_the_target_is_created_again() {
    let rig = start().await;
    let mut expected = Expected::default();
    let jane = rig.joiner("jane");
    let group = rig.tenant().add_group("Fans");
    rig.tenant().add_members(group, &[jane]);
    rig.tenant().assign(group, ROLE_USER);
    settles(&rig, &mut expected).await;
    let id = rig.user("jane@contoso.com")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let fans = rig
        .sandbox
        .target
        .find_group_by("displayName", "Fans")
        .unwrap();
    rig.sandbox.target.delete(&id);
    rig.sandbox.target.delete(fans["id"].as_str().unwrap());
    rig.tenant().set_property(jane, "jobTitle", json!("Boss"));
    rig.tenant().rename_group(group, "Great fans");
    rig.sync().await.expect(3);
    settles(&rig, &mut expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaver_whom_the_target_does_not_know_any_more_is_no_failure() {
    let rig = start().await;
    rig.configure("[jobs.users]\nwhen_out_of_scope = \"delete\"");
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    let id = rig.user("jane@contoso.com")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    rig.sandbox.target.delete(&id);
    rig.tenant().unassign(jane);
    rig.sync().await.expect(0);
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_in_disguise_is_an_error() {
    let rig = start().await;
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": "400",
        "detail": "not on a Sunday",
    });
    let disguise = Trouble::body(200, &body.to_string());
    inject(&rig, Fault::new("/Users", disguise.clone()).method("POST"));
    let summary = rig.sync().await.expect(3).job();
    let words = summary["failures"][0]["message"].as_str().unwrap();
    assert!(words.contains("not on a Sunday"), "{words}");
    settles(&rig, &mut Expected::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_beyond_all_patience_is_left_to_the_next_cycle() {
    let rig = start().await;
    inject(
        &rig,
        Fault::new("/Users", Trouble::throttled(3600)).method("POST"),
    );
    let summary = rig.sync().await.expect(3).job();
    assert_eq!(summary["failures"][0]["class"], "throttled", "{summary:#}");
    settles(&rig, &mut Expected::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed_and_said_so() {
    let rig = start().await;
    let away = Trouble::Answer {
        status: 307,
        headers: vec![(
            "location".to_owned(),
            "http://127.0.0.1:9/elsewhere".to_owned(),
        )],
        body: String::new(),
    };
    inject(&rig, Fault::new("/scim/v2", away).forever());
    let run = rig.run(&["test"]).await.expect(1);
    assert!(run.out.contains("127.0.0.1:9"), "{run:?}");
    let run = rig.sync().await.expect(1);
    assert!(run.err.contains("307"), "{run:?}");
    clear(&rig);
    settles(&rig, &mut Expected::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_job_that_fails_does_not_stop_the_others() {
    let rig = start().await;
    rig.edit(|text| {
        let (head, job) = text.split_once("[[jobs]]").unwrap();
        let broken = job
            .replace("\"demo\"", "\"broken\"")
            .replace("/scim/v2", "/nowhere");
        format!("{head}[[jobs]]{broken}\n[[jobs]]{job}")
    });
    let run = rig.run(&["sync", "--format", "json"]).await.expect(1);
    let document: Value = serde_json::from_str(&run.out).unwrap();
    assert!(
        document["jobs"][0]["error"]
            .as_str()
            .unwrap()
            .contains("404"),
        "{document:#}"
    );
    assert_eq!(document["jobs"][1]["failed"], 0);
    assert!(rig.sandbox.target.user_count() > 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_an_administrator_deleted_is_created_again_when_it_joins_a_group() {
    let rig = start().await;
    let mut expected = Expected::default();
    let jane = rig.joiner("jane");
    let john = rig.joiner("john");
    let group = rig.tenant().add_group("Fans");
    rig.tenant().assign(group, ROLE_USER);
    settles(&rig, &mut expected).await;
    let id = rig.user("jane@contoso.com")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    rig.sandbox.target.delete(&id);
    rig.tenant().add_members(group, &[jane, john]);
    rig.sync().await.expect(3);
    rig.sync().await;
    settles(&rig, &mut expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_without_groups_is_said_so_and_takes_the_people() {
    for status in [404, 501, 403] {
        let rig = start().await;
        rig.sandbox
            .target
            .configure(|target| target.groups_refused = Some(status));
        let summary = rig.sync().await.expect(3).job();
        let words = summary["failures"][0]["message"].as_str().unwrap();
        assert!(
            words.contains(&status.to_string()) && words.contains("groups.enabled = false"),
            "{words}"
        );
        assert!(rig.sandbox.target.user_count() > 10);
        rig.configure("[jobs.groups]\nenabled = false");
        rig.sync().await.expect(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_was_moved_is_not_a_target_without_users() {
    let rig = start().await;
    rig.edit(|text| format!("{text}\n[jobs.users]\nwhen_out_of_scope = \"delete\"\n"));
    let jane = rig.joiner("jane");
    let john = rig.joiner("john");
    let group = rig.tenant().add_group("Fans");
    rig.tenant().add_members(group, &[jane]);
    rig.tenant().assign(group, ROLE_USER);
    rig.sync().await.expect(0);
    let id = rig.user("jane@contoso.com")["id"].clone();
    rig.tenant().set_property(jane, "jobTitle", json!("Boss"));
    rig.tenant().rename_group(group, "Great fans");
    rig.tenant().unassign(john);
    let users = rig.sandbox.target.user_count();

    // Every path is answered 404, in good SCIM, as by a tenant that is switched off.
    inject(&rig, Fault::new("/scim/v2", Trouble::status(404)).forever());
    for _ in 0..2 {
        let run = rig.sync().await;
        assert_ne!(run.code, 0, "{run:?}");
    }
    clear(&rig);
    rig.sandbox.target.traffic().reset();
    rig.sync().await.expect(0);
    assert_eq!(
        rig.sandbox.target.traffic().count_of("POST"),
        0,
        "no link was lost"
    );
    assert_eq!(rig.user("jane@contoso.com")["title"], "Boss");
    assert_eq!(rig.user("jane@contoso.com")["id"], id);
    assert_eq!(rig.sandbox.target.user_count(), users - 1);
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}
