//! Targets that want their changes in another form, or accept a form without effect: what is found out by
//! itself, and what is remembered of it.

use entrain::sandbox::{Quirk, Size};
use serde_json::json;

use crate::cycles::settles;
use crate::rig::Rig;
use crate::target::Expected;

/// A life in which each kind of change occurs; after each step the target is as the tenant says.
pub(crate) async fn lives(rig: &Rig) {
    let mut expected = Expected::default();
    let [jane, john] = ["jane", "john"].map(|name| rig.joiner(name));
    rig.tenant().set_manager(john, Some(jane));
    settles(rig, &mut expected).await;
    rig.tenant().set_property(jane, "jobTitle", json!("Boss"));
    rig.tenant().set_property(jane, "givenName", json!("Janet"));
    rig.tenant()
        .set_property(jane, "mail", json!("janet@mail.contoso.com"));
    rig.tenant()
        .set_property(jane, "mobilePhone", json!("+49 1"));
    rig.tenant()
        .set_property(john, "department", json!("Sales"));
    rig.tenant().set_manager(jane, Some(john));
    settles(rig, &mut expected).await;
    rig.tenant().set_property(jane, "jobTitle", json!(null));
    rig.tenant().set_property(jane, "mobilePhone", json!(null));
    rig.tenant().set_manager(john, None);
    rig.tenant().disable_user(john);
    settles(rig, &mut expected).await;
}

async fn start(quirk: Quirk) -> Rig {
    let rig = Rig::start(Size::new(5, 1, 5)).await;
    rig.sandbox.target.enable(quirk);
    rig
}

#[tokio::test(flavor = "multi_thread")]
async fn another_form_is_found_where_one_is_refused_or_has_no_effect() {
    for quirk in [
        Quirk::PlainJsonOnly,
        Quirk::ValuePathsRefused,
        Quirk::ValuePathsIgnored,
        Quirk::SubAttributesRefused,
        Quirk::ExtensionPathsIgnored,
        Quirk::RemoveIgnored,
        Quirk::ManagerTextOnly,
        Quirk::PatchIgnored,
    ] {
        let rig = start(quirk).await;
        lives(&rig).await;
        // The same where the answer shows the resource.
        let rig = start(quirk).await;
        rig.sandbox.target.enable(Quirk::PatchAnswersWhole);
        lives(&rig).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_nothing_shows_is_a_setting() {
    for (quirk, knobs) in [
        (Quirk::OneOperation, "patch_operations = \"one\""),
        (Quirk::CapitalVerbs, "op_case = \"capital\""),
    ] {
        let rig = start(quirk).await;
        rig.configure(knobs);
        lives(&rig).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_target_accepts_without_effect_is_never_reported_as_done() {
    let rig = start(Quirk::PatchIgnored).await;
    rig.sandbox.target.enable(Quirk::NoPut);
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    rig.tenant().disable_user(jane);
    let cycle = rig.sync().await.expect(3).job();
    let failure = &cycle["failures"][0];
    let message = failure["message"].as_str().unwrap();
    assert!(message.contains("accepted without effect"), "{cycle:#}");
    assert!(message.contains("active"), "{cycle:#}");
    assert_eq!(rig.user("jane@contoso.com")["active"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_change_something_is_read_back_once() {
    let rig = Rig::start(Size::new(5, 1, 5)).await;
    let people = ["ann", "bob", "cid", "dan"].map(|name| rig.joiner(name));
    rig.sync().await.expect(0);
    let reads = || {
        let traffic = rig.sandbox.target.traffic();
        traffic.count_where(|one| one.method == "GET" && one.path.contains("/Users/"))
    };
    for (round, expected) in [("Boss", 1), ("Chief", 0)] {
        rig.sandbox.target.traffic().reset();
        for person in &people[..1] {
            rig.tenant().set_property(*person, "jobTitle", json!(round));
        }
        rig.sync().await.expect(0);
        assert_eq!(reads(), expected, "{round}");
    }
}
