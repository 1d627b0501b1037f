//! Two jobs on one tenant: it is read once for both, and their cycles run at the same time.

use std::time::Duration;

use entrain::sandbox::{Fault, Size, TargetHandle, TargetOptions, Trouble};
use serde_json::{Value, json};

use crate::rig::{Rig, Run};
use crate::service::{Service, until};

/// A rig with a second job, `other`, for a target of its own.
pub(crate) async fn start() -> (Rig, TargetHandle) {
    let rig = Rig::start(Size::new(60, 3, 60)).await;
    let second = TargetHandle::start(TargetOptions::default()).await.unwrap();
    rig.edit(|text| {
        let (head, job) = text.split_once("[[jobs]]").unwrap();
        let other = job
            .replace("\"demo\"", "\"other\"")
            .replace(&rig.sandbox.scim_url(), &second.scim_url());
        format!("{head}[[jobs]]{job}\n[[jobs]]{other}")
    });
    (rig, second)
}

fn names(run: &Run) -> Vec<String> {
    let document: Value = serde_json::from_str(&run.out).unwrap();
    let jobs = document["jobs"].as_array().unwrap().iter();
    jobs.map(|job| job["job"].as_str().unwrap().to_owned())
        .collect()
}

/// How often each of the tenant's lists was read since the last reset.
fn reads(rig: &Rig) -> [usize; 3] {
    ["users/delta", "groups/delta", "appRoleAssignedTo"].map(|list| {
        let traffic = rig.tenant().traffic();
        traffic.count_where(|exchange| exchange.path.contains(list))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn two_jobs_share_one_reading_of_the_source() {
    let (rig, second) = start().await;
    let run = rig.sync().await.expect(0);
    assert_eq!(names(&run), ["demo", "other"]);
    assert_eq!(second.user_count(), rig.sandbox.target.user_count());
    assert_eq!(second.group_count(), rig.sandbox.target.group_count());

    for command in ["sync", "plan"] {
        rig.tenant().traffic().reset();
        let run = rig.run(&[command, "--format", "json"]).await.expect(0);
        assert_eq!(names(&run), ["demo", "other"]);
        assert_eq!(reads(&rig), [1, 1, 1], "{command}");
        // And the token.
        assert_eq!(rig.tenant().traffic().count(), 4, "{command}");
    }

    rig.joiner("jane");
    let jane = |target: &TargetHandle| target.find_user_by("userName", "jane@contoso.com");
    rig.run(&["sync", "other"]).await.expect(0);
    assert_eq!(jane(&rig.sandbox.target), None);
    assert!(jane(&second).is_some());
    rig.run(&["sync", "demo"]).await.expect(0);
    assert!(jane(&rig.sandbox.target).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn units_and_custom_security_attributes_of_two_jobs_are_read_once() {
    let (rig, second) = start().await;
    for permission in [
        "AdministrativeUnit.Read.All",
        "CustomSecAttributeAssignment.Read.All",
    ] {
        rig.tenant().grant_permission(permission);
    }
    let [oslo, bergen] = ["Oslo", "Bergen"].map(|name| rig.tenant().add_unit(name));
    let [jane, john] = ["jane", "john"].map(|alias| rig.joiner(alias));
    rig.tenant().add_to_unit(oslo, &[jane]);
    rig.tenant().add_to_unit(bergen, &[john]);
    let (level, set) = (json!("Senior"), "Engineering");
    rig.tenant()
        .set_custom_security_attribute(jane, set, "Level", Some(&level));
    let scope = |units: &str, attribute: &str| {
        format!(
            "visibility_delay = \"0s\"\n[jobs.scope]\nmode = \"administrative_unit\"\n\
             administrative_units = [{units}]\n[[jobs.users.mappings]]\ntarget = \"title\"\n\
             source = \"customSecurityAttributes.{attribute}\"\n"
        )
    };
    let first = "visibility_delay = \"0s\"\n";
    rig.edit(|text| {
        let text = text.replacen(first, &scope("\"Oslo\"", "Engineering.Level"), 1);
        let (head, last) = text.rsplit_once(first).unwrap();
        let both = scope("\"Oslo\", \"Bergen\"", "Engineering.Level");
        format!("{head}{both}{last}")
    });
    rig.tenant().traffic().reset();
    rig.sync().await.expect(0);
    let titles = |target: &TargetHandle| {
        let users = target.users();
        let titles = users.iter().map(|user| user["title"].clone());
        titles.collect::<Vec<_>>()
    };
    assert_eq!(titles(&rig.sandbox.target), [json!("Senior")]);
    assert_eq!(titles(&second).len(), 2);
    let list = |path: &str| {
        let traffic = rig.tenant().traffic();
        traffic.count_where(|one| one.path.contains(path) && one.method == "GET")
    };
    let units = "/directory/administrativeUnits";
    for path in [
        format!("{units}?"),
        format!("{units}/{oslo}/members?"),
        format!("{units}/{bergen}/members?"),
        "customSecurityAttributes".to_owned(),
    ] {
        assert_eq!(list(&path), 1, "{path}");
    }

    // A set of which no user has a value stops the job that needs it, and not the other.
    rig.edit(|text| {
        let (before, after) = text.rsplit_once("Engineering.Level").unwrap();
        format!("{before}Marketing.Level{after}")
    });
    let run = rig.sync().await.expect(1);
    let document: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(document["jobs"][0]["error"], Value::Null, "{document:#}");
    let error = document["jobs"][1]["error"].to_string();
    assert!(error.contains("Marketing"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cycles_of_two_jobs_run_at_the_same_time() {
    let (rig, second) = start().await;
    for target in [&rig.sandbox.target, &second] {
        target.configure(|target| target.latency = Duration::from_millis(60));
    }
    let all = rig.tenant().users_in_scope().len();
    let service = Service::start(&rig, &["sync"]);
    let under_way = |target: &TargetHandle| (1..all).contains(&target.user_count());
    until("both are under way", || {
        under_way(&rig.sandbox.target) && under_way(&second)
    })
    .await;
    assert_eq!(service.end().await.0, 0);
    assert_eq!(second.user_count(), rig.sandbox.target.user_count());
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_the_service_that_are_due_together_share_a_reading() {
    let (rig, second) = start().await;
    let service = Service::start(&rig, &["run"]);
    let ended = |times| service.log().matches("cycle ended").count() >= times;
    until("the first cycles", || ended(2)).await;
    assert!(second.user_count() > 10);
    rig.tenant().traffic().reset();
    service.signal("-USR1");
    until("the second cycles", || ended(4)).await;
    assert_eq!(reads(&rig), [1, 1, 1]);
    service.signal("-TERM");
    assert_eq!(service.end().await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_application_that_is_not_there_does_not_stop_the_other_job() {
    let (rig, second) = start().await;
    let app = rig.sandbox.app_id();
    rig.edit(|text| {
        let (head, last) = text.rsplit_once(&app).unwrap();
        format!("{head}00000000-1111-2222-3333-444444444444{last}")
    });
    let run = rig.sync().await.expect(1);
    assert_eq!(names(&run), ["demo", "other"]);
    let document: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(document["jobs"][0]["failed"], 0);
    assert!(document["jobs"][1]["error"].is_string(), "{document:#}");
    assert!(rig.sandbox.target.user_count() > 10);
    assert_eq!(second.user_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_job_reports_why_the_tenant_could_not_be_read() {
    let (rig, second) = start().await;
    rig.sync().await.expect(0);
    rig.tenant()
        .traffic()
        .inject(Fault::new("/users/delta", Trouble::status(403)).forever());
    let run = rig.sync().await;
    let document: Value = serde_json::from_str(&run.out).unwrap();
    for job in [0, 1] {
        let why = document["jobs"][job]["incomplete"].as_str();
        assert!(why.unwrap().starts_with("users: "), "{document:#}");
    }
    rig.tenant().traffic().clear_faults();
    rig.tenant().set_client_secret("another");
    let run = rig.sync().await.expect(1);
    let document: Value = serde_json::from_str(&run.out).unwrap();
    for job in [0, 1] {
        assert!(document["jobs"][job]["error"].is_string(), "{document:#}");
    }
    assert_eq!(second.user_count(), rig.sandbox.target.user_count());
}
