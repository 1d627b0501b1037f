//! The comparison of linked objects with the target by schedule, and who owns an attribute.

use std::time::Duration;

use entrain::sandbox::{ROLE_USER, Size, Uuid};
use serde_json::{Value, json};

use crate::rig::{Rig, Run};
use crate::service::{Service, until};

const OFTEN: &str = "[jobs.schedule]\nverify = \"1s\"\n";

async fn start(extra: &str) -> (Rig, Uuid) {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.configure(extra);
    let jane = rig.joiner("jane");
    rig.tenant()
        .set_property(jane, "jobTitle", json!("Engineer"));
    let crew = rig.tenant().add_group("Crew");
    rig.tenant().add_members(crew, &[jane]);
    rig.tenant().assign(crew, ROLE_USER);
    rig.sync().await.expect(0);
    (rig, jane)
}

fn meddle(rig: &Rig, attributes: &Value) {
    let id = rig.user("jane@contoso.com")["id"].clone();
    assert!(
        rig.sandbox
            .target
            .change_user(id.as_str().unwrap(), attributes)
    );
}

fn title(rig: &Rig) -> Value {
    rig.user("jane@contoso.com")["title"].clone()
}

fn drifts(run: Run) -> usize {
    let job = run.expect(0).job();
    let warnings = job["warnings"].as_array().into_iter().flatten();
    warnings.filter(|one| one["reason"] == "drift").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_target_is_compared_as_often_as_the_schedule_says() {
    let weekly = "[jobs.schedule]\nverify = \"weekly\"\n";
    let (rig, _) = start(weekly).await;
    meddle(&rig, &json!({"title": "Boss"}));
    // The first cycle had nothing to compare, and counts.
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
    rig.configure(OFTEN);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    // Looks at some objects alone do not compare all, and plans put nothing on record.
    rig.run(&["sync", "--user", "jane@contoso.com"])
        .await
        .expect(0);
    assert_eq!(title(&rig), "Boss");
    for _ in 0..2 {
        let plan = rig.plan().await;
        assert_eq!(plan.job()["totals"]["update"], 1, "{plan:?}");
        assert_eq!(drifts(plan), 1);
    }
    assert_eq!(drifts(rig.sync().await), 1);
    assert_eq!(title(&rig), "Engineer");
    let status = rig.run(&["status"]).await.expect(0);
    assert!(
        status.out.contains("Last compared with the target: "),
        "{status:?}"
    );
    // An account that is gone comes back, and a cycle that is not due asks nothing.
    let id = rig.user("jane@contoso.com")["id"].clone();
    assert!(rig.sandbox.target.delete(id.as_str().unwrap()));
    rig.configure(weekly);
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
    rig.configure(OFTEN);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(drifts(rig.sync().await), 1);
    assert_eq!(title(&rig), "Engineer");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_compares_on_schedule_too() {
    let (rig, _) = start("").await;
    meddle(&rig, &json!({"title": "Boss"}));
    rig.configure("[jobs.schedule]\ninterval = \"1s\"\nverify = \"1s\"\n");
    let service = Service::start(&rig, &["run"]);
    until("the repair", || title(&rig) == "Engineer").await;
    service.signal("-TERM");
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_attribute_has_its_own_owner() {
    let mapping = |target: &str, source: &str, owner: &str| {
        format!(
            "[[jobs.users.mappings]]\ntarget = \"{target}\"\nsource = \"{source}\"\n\
             on_drift = \"{owner}\"\n"
        )
    };
    let changed = json!({"title": "Boss", "displayName": "Janey"});
    let (rig, jane) = start(&mapping("title", "jobTitle", "report")).await;
    let initial = async || rig.run(&["sync", "--initial", "--format", "json"]).await;
    meddle(&rig, &changed);
    let run = initial().await.expect(0).job();
    let differences = run["warnings"][0]["differences"].to_string();
    assert!(differences.contains("\"report\""), "{run:#}");
    assert!(differences.contains("\"repair\""), "{run:#}");
    assert_eq!(title(&rig), "Boss");
    assert_ne!(rig.user("jane@contoso.com")["displayName"], "Janey");
    // It is reported again, and written once the source changes.
    assert_eq!(drifts(initial().await), 1);
    rig.tenant().set_property(jane, "jobTitle", json!("Chief"));
    rig.sync().await.expect(0);
    assert_eq!(title(&rig), "Chief");

    // The other way round: the job reports, and one attribute is repaired.
    let own = mapping("displayName", "displayName", "repair");
    rig.configure(&format!("{own}[jobs.safety]\non_drift = \"report\""));
    meddle(&rig, &changed);
    assert_eq!(drifts(initial().await), 1);
    assert_eq!(title(&rig), "Boss");
    assert_ne!(rig.user("jane@contoso.com")["displayName"], "Janey");
    let audit = rig.run(&["audit", "demo"]).await;
    assert!(audit.out.contains("on_drift"), "{audit:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_members_of_groups_have_an_owner_too() {
    let (rig, _) = start(
        "[[jobs.groups.mappings]]\ntarget = \"members\"\nsource = \"members\"\non_drift = \"report\"",
    )
    .await;
    let crew = || {
        rig.sandbox
            .target
            .find_group_by("displayName", "Crew")
            .unwrap()
    };
    let id = crew()["id"].as_str().unwrap().to_owned();
    let changed = json!({"members": [], "displayName": "Others"});
    assert!(rig.sandbox.target.change_group(&id, &changed));
    let run = rig.run(&["sync", "--initial", "--format", "json"]).await;
    assert_eq!(drifts(run), 1);
    assert!(
        crew()["members"].as_array().is_none_or(Vec::is_empty),
        "{}",
        crew()
    );
}
