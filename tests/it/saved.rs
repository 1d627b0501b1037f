//! Saved plans: what was reviewed is what is carried out, or nothing.

use std::fs;
use std::time::Duration;

use entrain::sandbox::{Fault, ROLE_USER, Size, Trouble, Uuid};
use serde_json::{Value, json};

use crate::requests::{announced, written};
use crate::rig::{Rig, Run};

const SAVE: [&str; 3] = ["plan", "--out", "p.json"];
const APPLY: [&str; 2] = ["apply", "p.json"];

fn file(rig: &Rig) -> Value {
    serde_json::from_str(&fs::read_to_string(rig.path("p.json")).unwrap()).unwrap()
}

/// Applies the file as the plan that printed its digest says.
async fn apply(rig: &Rig, arguments: &[&str]) -> Run {
    let digest = file(rig)["jobs"][0]["digest"].as_str().unwrap().to_owned();
    let expect = [&APPLY, &["--expect", digest.as_str()][..], arguments].concat();
    rig.run(&expect).await
}

/// Some change of each kind in the tenant.
fn change(rig: &Rig, round: usize) {
    let tenant = rig.tenant();
    let users: Vec<Uuid> = tenant.user_ids();
    let groups: Vec<Uuid> = tenant.groups().into_iter().map(|group| group.id).collect();
    let user = |step: usize| users[(round * 7 + step * 3) % users.len()];
    tenant.set_property(user(0), "jobTitle", json!(format!("Title {round}")));
    tenant.set_property(user(1), "department", Value::Null);
    tenant.disable_user(user(2));
    tenant.set_manager(user(3), Some(user(4)));
    tenant.add_members(groups[round % groups.len()], &[user(5), user(6)]);
    tenant.rename_group(groups[0], &format!("Renamed {round}"));
    tenant.unassign(user(7));
    rig.joiner(&format!("joiner{round}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_plan_is_carried_out_request_for_request() {
    let rig = Rig::start(Size::new(30, 4, 60)).await;
    let traffic = rig.sandbox.target.traffic();
    traffic.record_bodies(true);
    for round in 0..6 {
        if round > 0 {
            change(&rig, round);
        }
        let run = rig.run(&SAVE).await.expect(0);
        assert!(
            run.err.contains("entrain apply p.json --expect "),
            "{run:?}"
        );
        traffic.reset();
        // What the plan announced is what a cycle sends, whichever command runs it.
        if round % 2 == 0 {
            apply(&rig, &[]).await.expect(0);
        } else {
            rig.sync().await.expect(0);
        }
        let (written, refused) = written(&rig);
        assert!(written.len() > 3, "round {round}: {written:?}");
        assert_eq!(refused, [], "round {round}");
        let (announced, open) = announced(&rig, &file(&rig));
        assert!(announced == written && open.is_empty(), "round {round}");
        let left = rig.plan().await.expect(0).job();
        assert_eq!(left["actions"], json!([]), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_plan_than_the_saved_one_writes_nothing_and_shows_what_differs() {
    let rig = Rig::start(Size::new(12, 2, 20)).await;
    rig.sync().await.expect(0);
    let first = rig.joiner("first");
    rig.run(&SAVE).await.expect(0);
    rig.joiner("second");
    rig.tenant().unassign(first);
    rig.sandbox.target.traffic().reset();
    let run = rig.run(&APPLY).await.expect(1);
    assert!(
        run.err
            .contains("create user second@contoso.com is not in the file"),
        "{run:?}"
    );
    assert!(
        run.err
            .contains("create user first@contoso.com is no longer planned"),
        "{run:?}"
    );
    assert_eq!(rig.sandbox.target.traffic().writes(), 0);
    // Nothing is forgotten: the next cycle does what is due.
    rig.sync().await.expect(0);
    rig.user("second@contoso.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_changed_or_cut_or_made_for_something_else_is_refused() {
    let rig = Rig::start(Size::new(6, 1, 5)).await;
    rig.sync().await.expect(0);
    rig.joiner("jane");
    rig.run(&SAVE).await.expect(0);
    let good = fs::read_to_string(rig.path("p.json")).unwrap();
    let refused = async |text: &str, words: &str| {
        fs::write(rig.path("p.json"), text).unwrap();
        let run = rig.run(&APPLY).await.expect(1);
        assert!(run.err.contains(words), "{words}: {run:?}");
    };
    rig.sandbox.target.traffic().reset();
    refused(
        &good.replace("\"Engineer\"", "\"Director\""),
        "it was changed after it was made",
    )
    .await;
    refused(
        &good.replace("\"rows\":[\n", "\"rows\":[\n{\"seal\":\"0\",\"row\":{}},"),
        "it was changed",
    )
    .await;
    refused(
        &good[..good.len() / 2],
        "is not a saved plan, or is truncated",
    )
    .await;
    refused(
        &good.replace("\"saved_plan\":1", "\"saved_plan\":2"),
        "its format is 2",
    )
    .await;
    refused("{}", "it is not a saved plan").await;
    let (_, rest) = good.split_once("\"made\":\"").unwrap();
    refused(&good.replace(&rest[..10], "2020-01-31"), "it was changed").await;
    fs::write(rig.path("p.json"), &good).unwrap();
    let run = rig
        .run(&["apply", "p.json", "--expect", "abc"])
        .await
        .expect(1);
    assert!(run.err.contains("has another digest"), "{run:?}");
    rig.configure("[[jobs.users.mappings]]\ntarget = \"title\"\nsource = \"displayName\"\n");
    let run = rig.run(&APPLY).await.expect(1);
    assert!(
        run.err
            .contains("the configuration of the job demo has changed"),
        "{run:?}"
    );
    let run = rig.run(&["apply", "nowhere.json"]).await.expect(1);
    assert!(
        run.err
            .contains("could not read the saved plan nowhere.json"),
        "{run:?}"
    );
    assert_eq!(rig.sandbox.target.traffic().writes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_is_carried_out_first_and_then_the_rest() {
    let rig = Rig::start(Size::new(20, 3, 30)).await;
    // The first of all plans: there is no state yet.
    rig.run(&SAVE).await.expect(0);
    let run = apply(&rig, &["--only", "4"]).await.expect(0);
    let rest = "To apply the rest of the plan: entrain apply p.json --expect ";
    assert!(run.err.contains(rest), "{run:?}");
    let read = "Read back from the target: 4 objects, all as they were written.";
    assert!(run.out.contains(read), "{run:?}");
    assert_eq!(rig.sandbox.target.user_count(), 4);
    assert_eq!(rig.sandbox.target.group_count(), 0);
    apply(&rig, &[]).await.expect(0);
    let left = rig.plan().await.expect(0).job();
    assert_eq!(left["actions"], json!([]));
    assert!(rig.sandbox.target.user_count() > 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_and_its_members_are_carried_out_first_and_then_the_rest() {
    let rig = Rig::start(Size::new(20, 3, 30)).await;
    let tenant = rig.tenant();
    let (boss, one, two) = (rig.joiner("boss"), rig.joiner("one"), rig.joiner("two"));
    tenant.set_manager(one, Some(boss));
    let it = tenant.add_group("IT");
    tenant.add_members(it, &[one, two]);
    tenant.assign(it, ROLE_USER);
    rig.run(&SAVE).await.expect(0);
    let run = apply(&rig, &["--only-group", "IT", "--format", "json"]).await;
    let read = &run.expect(0).job()["read_back"];
    assert_eq!(read["objects"], 4, "{read}");
    assert_eq!(read["differing"], json!([]));
    assert_eq!(rig.sandbox.target.user_count(), 3);
    let group = rig
        .sandbox
        .target
        .find_group_by("displayName", "IT")
        .unwrap();
    let members = rig.sandbox.target.members(group["id"].as_str().unwrap());
    assert_eq!(members.len(), 2);
    let run = apply(&rig, &["--only-group", "Nowhere"]).await.expect(2);
    assert!(run.err.contains("Nowhere"), "{run:?}");
    // The rest is the same plan.
    apply(&rig, &[]).await.expect(0);
    assert_eq!(rig.plan().await.expect(0).job()["actions"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_target_made_of_a_part_is_named() {
    let rig = Rig::start(Size::new(6, 0, 0)).await;
    rig.run(&SAVE).await.expect(0);
    let target = &rig.sandbox.target;
    target.configure(|personality| personality.latency = Duration::from_millis(200));
    let meddle = async {
        for _ in 0..10_000 {
            if let Some(user) = target.users().pop() {
                let id = user["id"].as_str().unwrap();
                return target.change_user(id, &json!({ "title": "Other" }));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        false
    };
    let (run, _is_changed) = tokio::join!(apply(&rig, &["--only", "2"]), meddle);
    let run = run.expect(3);
    let differs = "is another in the target: title \"Other\"";
    assert!(run.out.contains(differs), "{run:?}");
    assert!(run.err.contains("Check the differences"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_that_was_cut_short_is_taken_up_with_the_same_file() {
    let rig = Rig::start(Size::new(10, 0, 0)).await;
    rig.run(&SAVE).await.expect(0);
    let no = Trouble::body(
        400,
        r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"400","detail":"not today"}"#,
    );
    let traffic = rig.sandbox.target.traffic();
    traffic.inject(Fault::new("/Users", no).method("POST").after(2).forever());
    apply(&rig, &[]).await.expect(3);
    let there = rig.sandbox.target.user_count();
    assert!((1..8).contains(&there), "{there}");
    traffic.clear_faults();
    apply(&rig, &[]).await.expect(0);
    assert!(rig.sandbox.target.user_count() > there);
    assert_eq!(rig.plan().await.expect(0).job()["actions"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_limit_holds_stays_held() {
    let rig = Rig::start(Size::new(30, 0, 0)).await;
    rig.sync().await.expect(0);
    for user in rig.tenant().user_ids().into_iter().take(12) {
        rig.tenant().unassign(user);
    }
    rig.run(&SAVE).await.expect(4);
    rig.sandbox.target.traffic().reset();
    rig.run(&APPLY).await.expect(4);
    assert_eq!(rig.sandbox.target.traffic().writes(), 0);
}

/// An approval is a decision about rows that the file has, and makes no other plan of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_was_saved_before_an_approval_is_still_carried_out() {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    rig.configure("[jobs.safety]\nmax_deletions = 0\n");
    rig.sync().await.expect(0);
    let in_scope = rig.tenant().users_in_scope();
    let leaving: Vec<Uuid> = in_scope.into_iter().take(3).collect();
    for user in &leaving {
        rig.tenant().soft_delete_user(*user);
    }
    rig.joiner("jane");
    // Only a cycle puts on record what is held.
    rig.sync().await.expect(4);
    rig.user("jane@contoso.com");
    rig.joiner("fred");
    rig.run(&SAVE).await.expect(4);
    let active = || {
        let users = rig.sandbox.target.users();
        users.iter().filter(|one| one["active"] == true).count()
    };
    let before = active();
    rig.run(&["approve", "demo"]).await.expect(0);
    apply(&rig, &[]).await.expect(0);
    // He joins, and three leave.
    assert_eq!(active(), before - 2);
    assert_eq!(rig.plan().await.expect(0).job()["actions"], json!([]));
}

/// What passes only because limits count the last 24 hours was not reviewed as something that is sent.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_limit_held_and_no_approval_covers_is_named() {
    let rig = Rig::start(Size::new(30, 0, 0)).await;
    rig.sync().await.expect(0);
    for user in rig.tenant().user_ids().into_iter().take(12) {
        rig.tenant().unassign(user);
    }
    rig.sync().await.expect(4);
    rig.run(&SAVE).await.expect(4);
    let rows = file(&rig)["jobs"][0]["rows"].as_array().unwrap().clone();
    let ids: Vec<&str> = rows
        .iter()
        .map(|row| row["row"]["subject"]["id"].as_str().unwrap())
        .collect();
    assert!(ids.len() > 9, "{ids:?}");
    let approve = async |id: &str| {
        rig.run(&["approve", "demo", "--user", id]).await.expect(0);
    };
    let traffic = rig.sandbox.target.traffic();
    traffic.reset();
    approve(ids[0]).await;
    apply(&rig, &[]).await.expect(4);
    assert_eq!(traffic.writes(), 1);
    for id in &ids[1..ids.len() - 2] {
        approve(id).await;
    }
    traffic.reset();
    let run = apply(&rig, &[]).await.expect(1);
    assert!(
        run.err.contains("is now permitted without an approval"),
        "{run:?}"
    );
    assert_eq!(traffic.writes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plan_holds_is_approved_with_the_plan_by_its_number() {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    rig.configure("[jobs.safety]\nmax_deletions = 0\n");
    rig.sync().await.expect(0);
    let in_scope = rig.tenant().users_in_scope();
    let leaving: Vec<Uuid> = in_scope.into_iter().take(2).collect();
    for user in &leaving {
        rig.tenant().soft_delete_user(*user);
    }
    let jane = rig.joiner("jane");
    let plan = rig.run(&SAVE).await.expect(4);
    assert!(plan.out.contains("removals held"), "{}", plan.out);
    let (before, _) = plan.out.split_once(" removals held").unwrap();
    let held: u64 = before.split_whitespace().last().unwrap().parse().unwrap();

    rig.sandbox.target.traffic().reset();
    let other = (held + 1).to_string();
    let refused = apply(&rig, &["--approve-removals", &other]).await.expect(1);
    let number = format!("--approve-removals {held}");
    assert!(refused.err.contains(&number), "{}", refused.err);
    assert_eq!(rig.sandbox.target.writes(), 0);

    let number = held.to_string();
    apply(&rig, &["--approve-removals", &number])
        .await
        .expect(0);
    assert_eq!(rig.user("jane@contoso.com")["active"], true);
    let still = rig.tenant().users_in_scope();
    assert!(still.contains(&jane), "{still:?}");
    let history = leaving[0].to_string();
    let history = rig.run(&["history", &history]).await.expect(0).out;
    assert!(history.contains("apply --approve-removals"), "{history}");
    let idle = rig.sync().await.expect(0).job();
    assert!(idle["held"].is_null(), "{idle:#}");
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_of_one_user_is_saved_and_carried_out_alone() {
    let rig = Rig::start(Size::new(10, 0, 0)).await;
    rig.joiner("jane");
    rig.run(&["plan", "--user", "jane@contoso.com", "--out", "p.json"])
        .await
        .expect(0);
    apply(&rig, &[]).await.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), 1);
    rig.user("jane@contoso.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_carries_the_key_of_its_own_seal_needs_its_digest() {
    let rig = Rig::start(Size::new(6, 0, 0)).await;
    rig.run(&SAVE).await.expect(0);
    let run = rig.run(&APPLY).await.expect(1);
    assert!(run.err.contains("add --expect"), "{run:?}");
    assert_eq!(rig.sandbox.target.traffic().writes(), 0);
    // With a state, its key recognises what it made.
    apply(&rig, &[]).await.expect(0);
    rig.joiner("jane");
    rig.run(&SAVE).await.expect(0);
    rig.run(&APPLY).await.expect(0);
    rig.user("jane@contoso.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plans_of_two_jobs_are_applied_together_by_the_command_that_is_printed() {
    let (rig, second) = crate::tenant::start().await;
    rig.sync().await.expect(0);
    rig.joiner("jane");
    let run = rig.run(&SAVE).await.expect(0);
    let good = fs::read_to_string(rig.path("p.json")).unwrap();
    // A plan is taken out of the file.
    let mut file = file(&rig);
    file["jobs"].as_array_mut().unwrap().pop();
    fs::write(rig.path("p.json"), file.to_string()).unwrap();
    let refused = rig.run(&APPLY).await.expect(1);
    assert!(refused.err.contains("it was changed"), "{refused:?}");
    fs::write(rig.path("p.json"), good).unwrap();
    let (_, command) = run.err.split_once("entrain apply").unwrap();
    let arguments: Vec<&str> = command.split_whitespace().collect();
    assert_eq!(arguments.len(), 5, "{run:?}");
    let one = rig
        .run(&["apply", "p.json", arguments[1], arguments[2]])
        .await;
    assert!(one.err.contains("has another digest"), "{one:?}");
    let all = [&["apply"], &arguments[..]].concat();
    rig.run(&all).await.expect(0);
    rig.user("jane@contoso.com");
    let there = second.users();
    assert!(
        there
            .iter()
            .any(|user| user["userName"] == "jane@contoso.com")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_made_overwrites_no_file() {
    let rig = Rig::start(Size::new(6, 1, 5)).await;
    rig.sync().await.expect(0);
    rig.joiner("jane");
    rig.run(&SAVE).await.expect(0);
    let good = fs::read(rig.path("p.json")).unwrap();
    let traffic = rig.sandbox.target.traffic();
    traffic.inject(Fault::new("/Users", Trouble::status(403)).forever());
    let run = rig.run(&SAVE).await.expect(1);
    assert!(run.err.contains("No plan was made"), "{run:?}");
    assert_eq!(fs::read(rig.path("p.json")).unwrap(), good);
    traffic.clear_faults();
    // A plan that is out of date is refused, and leaves no report.
    rig.joiner("john");
    fs::write(rig.path("done.html"), "old").unwrap();
    rig.run(&["apply", "p.json", "--out", "done.html"])
        .await
        .expect(1);
    assert_eq!(fs::read_to_string(rig.path("done.html")).unwrap(), "old");
    fs::write(rig.path("p.json"), "{\"saved_plan\":1,\"jobs\":[]}").unwrap();
    let run = rig.run(&APPLY).await.expect(1);
    assert!(run.err.contains("it holds no plan"), "{run:?}");
}
