//! The scope mode `administrative_unit`: what is in the units that the configuration names is provisioned.

use entrain::sandbox::{Fault, Size, Trouble, Uuid};
use serde_json::{Value, json};

use crate::rig::{Rig, Run};

/// A job whose scope is the unit Oslo, with two users and a group of theirs in it.
async fn rig() -> (Rig, Uuid, [Uuid; 3]) {
    let rig = Rig::start(Size::new(20, 2, 20)).await;
    rig.tenant().grant_permission("AdministrativeUnit.Read.All");
    let oslo = rig.tenant().add_unit("Oslo");
    let [jane, kim] = ["jane", "kim"].map(|alias| {
        let id = rig.joiner(alias);
        rig.tenant().unassign(id);
        id
    });
    let crew = rig.tenant().add_group("Crew");
    rig.tenant().add_members(crew, &[jane, kim]);
    rig.tenant().add_to_unit(oslo, &[jane, kim, crew]);
    scope(&rig, "\"Oslo\"");
    (rig, oslo, [jane, kim, crew])
}

fn scope(rig: &Rig, units: &str) {
    rig.configure(&format!(
        "[jobs.scope]\nmode = \"administrative_unit\"\nadministrative_units = [{units}]"
    ));
}

fn is_active(rig: &Rig, name: &str) -> bool {
    rig.user(&format!("{name}@contoso.com"))["active"] == true
}

fn disables(run: &Run) -> Vec<Value> {
    let job = run.job();
    let actions = job["actions"].as_array().unwrap().iter();
    let disables = actions.filter(|action| action["action"] == "disable");
    disables.cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_unit_are_provisioned_and_leave_with_it() {
    let (rig, oslo, [jane, kim, _]) = rig().await;
    let done = rig.sync().await.expect(0).job();
    assert_eq!(
        done["in_scope"],
        json!({ "users": 2, "groups": 1 }),
        "{done:#}"
    );
    assert_eq!(rig.sandbox.target.user_count(), 2);
    let run = rig.run(&["explain", "demo", "jane@contoso.com"]).await;
    let run = run.expect(0);
    assert!(
        run.out.contains("in the administrative unit Oslo"),
        "{}",
        run.out
    );
    // A second cycle has nothing to do, and a renamed unit is meant by its id.
    rig.tenant().rename_unit(oslo, "Oslo and Bergen");
    scope(&rig, &format!("\"{oslo}\""));
    assert_eq!(rig.sync().await.expect(0).job()["done"], json!({}));

    rig.tenant().remove_from_unit(oslo, &[jane]);
    let plan = rig.plan().await.expect(0);
    let disables = disables(&plan);
    assert_eq!(disables.len(), 1, "{plan:?}");
    assert_eq!(disables[0]["why"]["reason"], "not-in-unit");
    // It was read on the membership itself before.
    let traffic = rig.tenant().traffic();
    let bodies = traffic.exchanges();
    assert!(
        bodies.iter().any(|one| one.path.ends_with("/$batch")),
        "the removal is confirmed"
    );
    rig.sync().await.expect(0);
    assert!(!is_active(&rig, "jane") && is_active(&rig, "kim"));
    let run = rig.run(&["explain", "demo", "jane@contoso.com"]).await;
    let run = run.expect(0);
    assert!(
        run.out.contains("in none of the administrative units"),
        "{}",
        run.out
    );
    rig.tenant().add_to_unit(oslo, &[jane]);
    rig.sync().await.expect(0);
    assert!(is_active(&rig, "jane"));
    rig.tenant().disable_user(kim);
    rig.sync().await.expect(0);
    assert!(!is_active(&rig, "kim"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_cannot_be_read_removes_no_user_and_others_still_add() {
    let (rig, oslo, [jane, kim, _]) = rig().await;
    let bergen = rig.tenant().add_unit("Bergen");
    scope(&rig, "\"Oslo\", \"Bergen\"");
    rig.sync().await.expect(0);
    for trouble in [
        Trouble::status(403),
        Trouble::body(200, "{}"),
        Trouble::body(200, r#"{"value":[{"id""#),
    ] {
        let path = format!("administrativeUnits/{oslo}/members");
        let fault = Fault::new(&path, trouble).forever();
        rig.tenant().traffic().inject(fault);
        rig.tenant().remove_from_unit(oslo, &[jane]);
        let joiner = rig.joiner(&format!("new{}", rig.sandbox.target.user_count()));
        rig.tenant().unassign(joiner);
        rig.tenant().add_to_unit(bergen, &[joiner]);
        let users = rig.sandbox.target.user_count();
        let done = rig.sync().await.expect(1).job();
        let why = done["incomplete"].as_str().unwrap();
        assert!(why.starts_with("administrative units: "), "{why}");
        assert_eq!(rig.sandbox.target.user_count(), users + 1);
        assert!(is_active(&rig, "jane"));
        rig.tenant().traffic().clear_faults();
        rig.tenant().add_to_unit(oslo, &[jane]);
    }
    // Blocked is read on the user.
    let fault = Fault::new("/directory/administrativeUnits", Trouble::status(403));
    rig.tenant().traffic().inject(fault.forever());
    rig.tenant().disable_user(kim);
    rig.sync().await.expect(1);
    assert!(!is_active(&rig, "kim") && is_active(&rig, "jane"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_a_unit_that_lacks_a_member_removes_no_user() {
    let (rig, oslo, _) = rig().await;
    rig.sync().await.expect(0);
    let path = format!("administrativeUnits/{oslo}/members?");
    let fault = Fault::new(&path, Trouble::EmptyList).method("GET");
    rig.tenant().traffic().inject(fault.forever());
    let done = rig.sync().await.expect(1).job();
    let why = done["incomplete"].as_str().unwrap();
    assert!(
        why.contains("has objects or relations that its delta lists did not report"),
        "{why}"
    );
    assert!(is_active(&rig, "jane") && is_active(&rig, "kim"));
    rig.tenant().traffic().clear_faults();
    let done = rig.sync().await.expect(0).job();
    assert_eq!(done["incomplete"], Value::Null);
    assert_eq!(done["done"], json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_hides_its_members_is_not_taken_for_an_empty_one() {
    let (rig, oslo, _) = rig().await;
    rig.sync().await.expect(0);
    rig.tenant().hide_unit(oslo);
    let done = rig.sync().await.expect(1).job();
    let why = done["incomplete"].as_str().unwrap();
    assert!(why.contains("hides its members"), "{why}");
    assert!(is_active(&rig, "jane"));
    rig.tenant().grant_permission("Member.Read.Hidden");
    assert_eq!(rig.sync().await.expect(0).job()["incomplete"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_means_no_unit_leaves_its_members_as_they_are() {
    let (rig, oslo, [jane, ..]) = rig().await;
    rig.sync().await.expect(0);
    rig.tenant().rename_unit(oslo, "Osloo");
    let done = rig.sync().await.expect(1).job();
    let misnamed = &done["misnamed"][0];
    assert_eq!(misnamed["key"], "scope.administrative_units", "{done:#}");
    assert_eq!(misnamed["nearest"], json!(["Osloo"]));
    assert!(is_active(&rig, "jane"));
    let run = rig.run(&["test"]).await.expect(1);
    assert!(
        run.out.contains("no administrative unit has"),
        "{}",
        run.out
    );

    // Another unit of the same name: both count.
    rig.tenant().rename_unit(oslo, "Oslo");
    let second = rig.tenant().add_unit("oslo");
    rig.tenant().remove_from_unit(oslo, &[jane]);
    rig.tenant().add_to_unit(second, &[jane]);
    let done = rig.sync().await.expect(0).job();
    assert_eq!(done["misnamed"][0]["found"].as_array().unwrap().len(), 2);
    assert!(is_active(&rig, "jane"));
}

#[tokio::test(flavor = "multi_thread")]
async fn units_are_checked_tested_and_saved_in_a_snapshot() {
    let (rig, oslo, [jane, ..]) = rig().await;
    let run = rig.run(&["test"]).await.expect(0);
    assert!(
        run.out.contains("AdministrativeUnit.Read.All"),
        "{}",
        run.out
    );
    rig.run(&["source", "snapshot", "tenant.json"])
        .await
        .expect(0);
    let from_file = ["plan", "--source", "tenant.json", "--format", "json"];
    let plan = rig.run(&from_file).await.expect(0).job();
    assert_eq!(plan["actions"], rig.plan().await.expect(0).job()["actions"]);
    assert_eq!(plan["totals"]["create"], 3);
    rig.sync().await.expect(0);
    rig.tenant().remove_from_unit(oslo, &[jane]);
    rig.run(&["source", "snapshot", "tenant.json"])
        .await
        .expect(0);
    let run = rig.run(&from_file).await.expect(0);
    assert_eq!(disables(&run), disables(&rig.plan().await.expect(0)));
    assert_eq!(disables(&run).len(), 1);

    rig.tenant()
        .revoke_permission("AdministrativeUnit.Read.All");
    let run = rig.run(&["test"]).await.expect(1);
    assert!(
        run.out.contains("missing: AdministrativeUnit.Read.All"),
        "{}",
        run.out
    );
    scope(&rig, "");
    let run = rig.run(&["check"]).await.expect(2);
    assert!(run.out.contains("requires names or ids"), "{}", run.out);
    rig.configure("[jobs.scope]\nadministrative_units = [\"Oslo\"]");
    let run = rig.run(&["check"]).await.expect(2);
    assert!(
        run.out
            .contains("administrative units are listed, but the mode is not"),
        "{}",
        run.out
    );
}
