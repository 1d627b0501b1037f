//! What operators do by hand: it says nothing of the job's schedule, and a mistyped name or number does
//! nothing.

use entrain::sandbox::{Fault, Size, Trouble};
use serde_json::{Value, json};

use crate::rig::Rig;

async fn start() -> Rig {
    let rig = Rig::start(Size::new(8, 1, 8)).await;
    rig.sync().await.expect(0);
    rig
}

async fn status(rig: &Rig) -> Value {
    let run = rig.run(&["status", "--format", "json"]).await;
    run.expect(0).job()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_provisioned_on_demand_is_no_cycle_of_the_schedule() {
    let rig = start().await;
    let before = status(&rig).await["last_cycle"].clone();
    rig.joiner("jane");
    let one = ["sync", "--user", "jane@contoso.com", "--format", "json"];
    let done = rig.run(&one).await.expect(0).job();
    assert_eq!(done["kind"], "on-demand", "{done:#}");
    assert_eq!(done["done"]["create"], 1, "{done:#}");
    rig.joiner("joe");
    rig.run(&["provision", "demo", "joe@contoso.com"])
        .await
        .expect(0);
    rig.user("joe@contoso.com");
    // The next cycle of the schedule is due when it was.
    assert_eq!(status(&rig).await["last_cycle"], before);
    let number = done["cycle"].to_string();
    let report = rig.run(&["report", &number]).await.expect(0);
    assert!(report.out.contains("jane@contoso.com"), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistyped_name_is_wrong_usage_and_no_failed_cycle() {
    let rig = start().await;
    let before = status(&rig).await;
    for command in [
        &["sync", "--user", "nobody"][..],
        &["sync", "--group", "nobody"],
        &["provision", "demo", "nobody"],
        &["plan", "--user", "nobody"],
    ] {
        let run = rig.run(command).await.expect(2);
        assert!(run.err.contains("\"nobody\""), "{run:?}");
    }
    assert_eq!(status(&rig).await, before);
    let found = rig.run(&["log", "--object", "nobody"]).await.expect(0);
    let words = "no entries: the state has no user or group \"nobody\"";
    assert!(found.err.contains(words), "{found:?}");
    for command in [
        &["undo", "99"][..],
        &["report", "99"],
        &["report", "--since", "1h", "--until", "2h"],
        &["log", "--since", "2999-01-01"],
        &["links", "relink", "demo", "nobody", ""],
    ] {
        rig.run(command).await.expect(2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_no_cycle_has_decides_nothing_of_what_is_held() {
    let rig = start().await;
    rig.configure("[jobs.safety]\nmax_deletions = 0\n");
    let leaver = rig.tenant().user_ids()[0];
    rig.tenant().disable_user(leaver);
    let held = rig.sync().await.expect(4);
    let number = held.job()["cycle"].as_i64().unwrap();
    let wrong = (number + 1).to_string();
    for verb in ["approve", "reject"] {
        let run = rig.run(&[verb, "demo", "--cycle", &wrong]).await.expect(2);
        let words = format!("there is no cycle {wrong} of demo");
        assert!(run.err.contains(&words), "{run:?}");
    }
    let text = rig.run(&["sync"]).await.expect(4);
    assert!(!text.out.contains("in sync"), "{text:?}");
    rig.run(&["approve", "demo", "--cycle", &number.to_string()])
        .await
        .expect(0);
    rig.sync().await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_in_the_recycle_bin_is_out_of_scope_in_every_report() {
    let rig = start().await;
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    rig.tenant().soft_delete_user(jane);
    rig.sync().await.expect(0);
    let explain = ["explain", "demo", &jane.to_string()];
    let text = rig.run(&explain).await.expect(0);
    let words = "out of scope: it is in the tenant's recycle bin";
    assert!(text.out.contains(words), "{text:?}");
    let as_json = [&explain[..], &["--format", "json"]].concat();
    let found: Value = serde_json::from_str(&rig.run(&as_json).await.expect(0).out).unwrap();
    assert_eq!(found["scope"]["verdict"], "out", "{found:#}");
    assert_eq!(found["scope"]["reason"], "soft-deleted");
    assert_ne!(found["remedies"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_with_an_object_in_escrow_has_not_succeeded() {
    let rig = start().await;
    let refuse = Fault::new("/Users", Trouble::status(400)).method("POST");
    rig.sandbox.target.traffic().inject(refuse.forever());
    rig.joiner("jane");
    rig.sync().await.expect(3);
    let run = rig.run(&["status", "--exit-code"]).await.expect(3);
    assert!(run.out.contains("objects-failed"), "{run:?}");
    // By its name, as every other command finds it.
    let log = rig.run(&["log", "--object", "jane"]).await.expect(0);
    assert!(log.out.contains("create"), "{log:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_plan_that_is_out_of_date_is_no_failed_cycle() {
    let rig = start().await;
    rig.joiner("jane");
    let saved = rig.run(&["plan", "--out", "it's a plan.json"]).await;
    let saved = saved.expect(0);
    let command = saved
        .err
        .lines()
        .find(|line| line.contains("entrain apply"));
    let command = command.unwrap_or_else(|| panic!("{saved:?}"));
    assert!(
        command.starts_with(r"  entrain apply 'it'\''s a plan.json' --expect "),
        "{command}"
    );
    rig.joiner("joe");
    let before = status(&rig).await;
    rig.run(&["apply", "it's a plan.json"]).await.expect(1);
    assert_eq!(status(&rig).await["last_cycle"], before["last_cycle"]);
}
