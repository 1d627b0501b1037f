//! Staged removal: who leaves is disabled at once and deleted after a time, unless something speaks against it.

use std::time::Duration;

use chrono::{DateTime, Timelike as _, Utc};
use entrain::sandbox::{Fault, Size, Trouble, Uuid};
use serde_json::{Value, json};

use crate::rig::Rig;

const STAGED: &str = "[jobs.users]\ndelete_after = \"3s\"\n";

/// A tenant that was provisioned, and a user of it.
async fn provisioned(extra: &str) -> (Rig, Uuid, String) {
    let rig = Rig::start(Size::new(12, 0, 0)).await;
    rig.configure(extra);
    let id = rig.joiner("jane");
    rig.sync().await.expect(0);
    (rig, id, "jane@contoso.com".to_owned())
}

fn is_active(rig: &Rig, name: &str) -> Option<bool> {
    rig.sandbox.target.find_user_by("userName", name)?["active"].as_bool()
}

async fn status(rig: &Rig) -> Value {
    rig.run(&["status", "--format", "json"]).await.job()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the clock of this machine is what is compared"
)]
fn now() -> DateTime<Utc> {
    Utc::now()
}

async fn wait() {
    tokio::time::sleep(Duration::from_millis(4_200)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leavers_are_disabled_at_once_and_deleted_after_the_time() {
    let (rig, jane, name) = provisioned(STAGED).await;
    rig.tenant().unassign(jane);
    rig.sync().await.expect(0);
    assert_eq!(is_active(&rig, &name), Some(false));

    // It is seen until then, and costs nothing.
    let staged = status(&rig).await["staged"].clone();
    assert_eq!(
        (&staged["waiting"], &staged["after_seconds"]),
        (&json!(1), &json!(3))
    );
    assert!(staged["first"].is_string(), "{staged}");
    let text = rig.run(&["status"]).await.expect(0).out;
    let words =
        "Users who left are disabled, and deleted after 3 seconds: 1 waits, the first until";
    assert!(text.contains(words), "{text}");
    let plan = rig.run(&["plan"]).await.expect(0).out;
    assert!(plan.contains(words), "{plan}");
    let why = rig.run(&["explain", "demo", "jane"]).await.expect(0).out;
    assert!(
        why.contains("Its account is disabled, and deleted after"),
        "{why}"
    );
    rig.sandbox.target.traffic().reset();
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.traffic().count(), 0);

    wait().await;
    let plan = rig.plan().await.job();
    assert_eq!(plan["totals"]["delete"], 1, "{plan:#}");
    rig.sync().await.expect(0);
    assert_eq!(is_active(&rig, &name), None);
    assert_eq!(status(&rig).await["staged"]["waiting"], 0);
    rig.sandbox.target.traffic().reset();
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.traffic().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_deleted_for_good_waits_too_and_who_comes_back_stays() {
    let (rig, jane, name) = provisioned(STAGED).await;
    let joe = rig.joiner("joe");
    rig.sync().await.expect(0);
    rig.tenant().soft_delete_user(jane);
    rig.tenant().hard_delete_user(jane);
    rig.tenant().unassign(joe);
    rig.sync().await.expect(0);
    assert_eq!(is_active(&rig, &name), Some(false));
    assert_eq!(is_active(&rig, "joe@contoso.com"), Some(false));
    let id = rig.user("joe@contoso.com")["id"].clone();
    rig.tenant().assign(joe, entrain::sandbox::ROLE_USER);
    rig.sync().await.expect(0);
    assert_eq!(is_active(&rig, "joe@contoso.com"), Some(true));
    wait().await;
    rig.sync().await.expect(0);
    assert_eq!(is_active(&rig, &name), None);
    assert_eq!(rig.user("joe@contoso.com")["id"], id);
    // And who leaves again waits from then on.
    rig.tenant().unassign(joe);
    rig.sync().await.expect(0);
    rig.sync().await.expect(0);
    assert_eq!(is_active(&rig, "joe@contoso.com"), Some(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_blocked_long_before_leaving_waits_from_leaving_on() {
    let (rig, jane, name) = provisioned(STAGED).await;
    rig.tenant().disable_user(jane);
    rig.sync().await.expect(0);
    assert_eq!(is_active(&rig, &name), Some(false));
    wait().await;
    // Blocked, and in scope: nothing is deleted.
    rig.sync().await.expect(0);
    rig.tenant().unassign(jane);
    rig.sync().await.expect(0);
    rig.sync().await.expect(0);
    assert_eq!(is_active(&rig, &name), Some(false));
    wait().await;
    rig.sync().await.expect(0);
    assert_eq!(is_active(&rig, &name), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_was_enabled_in_the_target_since_is_left_and_reported() {
    let (rig, jane, name) = provisioned(STAGED).await;
    rig.tenant().unassign(jane);
    rig.sync().await.expect(0);
    let id = rig.user(&name)["id"].as_str().unwrap().to_owned();
    let enabled = json!({ "active": true });
    assert!(rig.sandbox.target.change_user(&id, &enabled));
    wait().await;
    let plan = rig.run(&["plan", "-v"]).await.expect(0).out;
    assert!(
        plan.contains("it was enabled in the target since"),
        "{plan}"
    );
    rig.sync().await.expect(0);
    assert_eq!(is_active(&rig, &name), Some(true));
    let staged = status(&rig).await["staged"].clone();
    assert_eq!(staged["waiting"], 0, "{staged}");
    assert_eq!(
        staged["enabled_since"][0]["label"],
        name.as_str(),
        "{staged}"
    );
    let text = rig.run(&["status"]).await.expect(0).out;
    assert!(
        text.contains("was enabled in the target after it was disabled"),
        "{text}"
    );
    rig.sandbox.target.traffic().reset();
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.traffic().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_clocks_differ_nothing_is_due() {
    let (rig, jane, name) = provisioned(STAGED).await;
    rig.tenant().unassign(jane);
    rig.sync().await.expect(0);
    wait().await;
    let year = chrono::TimeDelta::days(365);
    for (clock, side) in [
        (now() + year, " behind that"),
        (now() - year, " ahead of that"),
    ] {
        rig.tenant()
            .configure(|settings| settings.clock = Some(clock));
        let run = rig.run(&["sync"]).await.expect(0);
        assert_eq!(is_active(&rig, &name), Some(false), "{run:?}");
        assert!(run.out.contains(side), "{run:?}");
        assert!(run.out.contains("until they agree"), "{run:?}");
    }
    rig.tenant().configure(|settings| settings.clock = None);
    rig.sync().await.expect(0);
    assert_eq!(is_active(&rig, &name), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_counts_from_the_day_that_the_key_is_set_and_a_shorter_one_again() {
    let (rig, jane, name) = provisioned("").await;
    rig.tenant().unassign(jane);
    rig.sync().await.expect(0);
    assert_eq!(status(&rig).await["staged"], Value::Null);
    wait().await;
    for after in ["3s", "2s"] {
        rig.configure(&format!("[jobs.users]\ndelete_after = \"{after}\"\n"));
        rig.sync().await.expect(0);
        assert_eq!(is_active(&rig, &name), Some(false), "{after}");
        assert_eq!(status(&rig).await["staged"]["waiting"], 1);
    }
    wait().await;
    rig.sync().await.expect(0);
    assert_eq!(is_active(&rig, &name), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_cannot_be_read_is_not_deleted() {
    let (rig, jane, name) = provisioned(STAGED).await;
    rig.tenant().unassign(jane);
    rig.sync().await.expect(0);
    wait().await;
    let id = rig.user(&name)["id"].as_str().unwrap().to_owned();
    let path = format!("/Users/{id}");
    let traffic = rig.sandbox.target.traffic();
    traffic.inject(
        Fault::new(&path, Trouble::status(403))
            .method("GET")
            .times(1),
    );
    rig.sync().await.expect(3);
    assert_eq!(is_active(&rig, &name), Some(false));
    rig.sync().await.expect(0);
    assert_eq!(is_active(&rig, &name), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_go_out_at_their_times_and_disables_at_any_time() {
    let later = (now().hour() + 12) % 24;
    let closed = format!("[jobs.safety]\ndeletes = \"{later:02}:00-{later:02}:30\"\n");
    let delete = "[jobs.users]\nwhen_out_of_scope = \"delete\"\n";
    let (rig, jane, name) = provisioned(&format!("{delete}\n{closed}")).await;
    rig.tenant().unassign(jane);
    for _ in 0..2 {
        rig.sync().await.expect(0);
        assert_eq!(is_active(&rig, &name), Some(false));
    }
    let plan = rig.run(&["plan", "-v"]).await.expect(0).out;
    assert!(
        plan.contains("it will be deleted when deletes are sent again"),
        "{plan}"
    );
    rig.configure(&format!(
        "{delete}\n[jobs.safety]\ndeletes = \"Mon-Sun 00:00-24:00\"\n"
    ));
    rig.sync().await.expect(0);
    assert_eq!(is_active(&rig, &name), None);
    rig.configure("[jobs.safety]\ndeletes = \"at night\"\n");
    let check = rig.run(&["check"]).await.expect(2);
    assert!(
        check.out.contains("\"at night\" is not a time of the week"),
        "{check:?}"
    );
    rig.configure("[jobs.users]\nwhen_out_of_scope = \"keep\"\ndelete_after = \"30d\"\n");
    let check = rig.run(&["check"]).await.expect(2);
    assert!(
        check
            .out
            .contains("it has no effect with when_out_of_scope = \"keep\""),
        "{check:?}"
    );
}
