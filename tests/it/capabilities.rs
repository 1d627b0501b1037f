//! What a target reports of itself, and what is done about it.

use std::time::Duration;

use entrain::sandbox::{Quirk, Size};
use serde_json::{Value, json};

use crate::cycles::settles;
use crate::rig::Rig;
use crate::target::Expected;

async fn start() -> Rig {
    Rig::start(Size::new(10, 2, 10)).await
}

/// Whether a path is that of a document in which the target reports what it can do.
pub(crate) fn is_document(path: &str) -> bool {
    let documents = ["ServiceProviderConfig", "ResourceTypes", "Schemas"];
    documents.iter().any(|name| path.ends_with(name))
}

fn discoveries(rig: &Rig) -> usize {
    let traffic = rig.sandbox.target.traffic();
    traffic.count_where(|one| is_document(&one.path))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_targets_capabilities_are_read_once_a_day_and_only_when_there_is_something_to_do() {
    let rig = start().await;
    rig.sync().await.expect(0);
    assert_eq!(discoveries(&rig), 3);
    rig.joiner("jane");
    rig.sync().await.expect(0);
    assert_eq!(discoveries(&rig), 3);
    // The next day, without a change and with one.
    let state = rusqlite::Connection::open(rig.path("entrain.db")).unwrap();
    let set = "UPDATE described SET read = '2020-01-01T00:00:00.000Z'";
    state.execute(set, []).unwrap();
    state.close().unwrap();
    rig.sandbox.target.traffic().reset();
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.traffic().exchanges().len(), 0);
    rig.joiner("john");
    rig.sync().await.expect(0);
    assert_eq!(discoveries(&rig), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_of_the_targets_report_is_not_known() {
    for quirk in [Quirk::NoDiscovery, Quirk::BareDiscovery] {
        let rig = start().await;
        rig.sandbox.target.enable(quirk);
        settles(&rig, &mut Expected::default()).await;
        let run = rig.run(&["test"]).await.expect(0);
        let reports = match quirk {
            Quirk::NoDiscovery => "nothing about its capabilities; PATCH and filters are assumed",
            _ => "PATCH, filters, no bulk, ETags, groups, at most 100 in a page, schemas",
        };
        assert!(run.out.contains(reports), "{}", run.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_reports_no_patch_gets_put_at_once() {
    let rig = start().await;
    rig.sandbox.target.enable(Quirk::NoPatch);
    let mut expected = Expected::default();
    let jane = rig.joiner("jane");
    settles(&rig, &mut expected).await;
    rig.tenant().set_property(jane, "jobTitle", json!("Boss"));
    settles(&rig, &mut expected).await;
    let traffic = rig.sandbox.target.traffic();
    assert_eq!(traffic.count_of("PATCH"), 0);
    assert!(traffic.count_of("PUT") > 0);
    // The configuration says otherwise, and is believed.
    rig.configure("update = \"patch\"");
    rig.tenant().set_property(jane, "jobTitle", json!("Chief"));
    settles(&rig, &mut expected).await;
    assert!(rig.sandbox.target.traffic().count_of("PATCH") > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_as_large_as_the_target_reports() {
    let rig = start().await;
    rig.sandbox.target.configure(|target| target.page_cap = 7);
    rig.sync().await.expect(0);
    let exchanges = rig.sandbox.target.traffic().exchanges();
    let mut counts = exchanges.iter().filter_map(|one| {
        let (_, count) = one.path.split_once("count=")?;
        count.split('&').next()?.parse::<u32>().ok()
    });
    assert!(counts.all(|count| count <= 7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_of_a_read_only_or_unknown_attribute_is_shown_before_anything_is_sent() {
    let rig = start().await;
    rig.sandbox.target.configure(|target| {
        target.read_only.insert("title".to_owned());
        target.unlisted.insert("preferredLanguage".to_owned());
    });
    let read_only = "title of users is read-only according to the target's schema";
    let unknown = "preferredLanguage of users is not in the target's schema";
    let has_both = |text: &str| text.contains(read_only) && text.contains(unknown);
    let run = rig.run(&["test"]).await.expect(0);
    assert!(has_both(&run.out), "{}", run.out);
    let run = rig.run(&["plan"]).await.expect(0);
    assert!(has_both(&run.out), "{}", run.out);
    let json: Value = rig.plan().await.expect(0).job();
    let reasons: Vec<&str> = json["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["reason"].as_str().unwrap())
        .collect();
    assert_eq!(reasons, ["read-only-attribute", "unknown-attribute"]);
    // The target takes the users without the title, and `check` knows without a network.
    rig.sync().await;
    let run = rig.run(&["check"]).await.expect(0);
    assert!(has_both(&run.out), "{}", run.out);
    // A schema that is trusted: neither is sent.
    rig.configure("schema = \"trust\"");
    rig.joiner("jane");
    rig.sandbox.target.traffic().reset();
    rig.sandbox.target.traffic().record_bodies(true);
    rig.sync().await.expect(0);
    let bodies = rig.sandbox.target.traffic().exchanges();
    let bodies: Vec<String> = bodies.into_iter().filter_map(|one| one.body).collect();
    assert!(!bodies.is_empty());
    assert!(bodies.iter().all(|body| !body.contains("\"title\"")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_target_cannot_do_is_shown_by_test() {
    let rig = start().await;
    rig.sandbox.target.configure(|target| {
        target
            .quirks
            .extend([Quirk::NoPatch, Quirk::NoPut, Quirk::NoDelete]);
    });
    let run = rig.run(&["test"]).await.expect(1);
    for words in [
        "it supports neither PATCH nor PUT, so nothing can be updated or disabled",
        "it does not support DELETE",
    ] {
        assert!(run.out.contains(words), "{}", run.out);
    }
    assert_eq!(rig.sandbox.target.writes(), 0);
    let rig = start().await;
    rig.sandbox.target.enable(Quirk::NoDelete);
    let run = rig.run(&["test"]).await.expect(0);
    assert!(
        run.out.contains("groups are emptied instead"),
        "{}",
        run.out
    );
    let rig = start().await;
    rig.sandbox
        .target
        .configure(|target| target.groups_refused = Some(501));
    let run = rig.run(&["test"]).await.expect(1);
    assert!(
        run.out.contains("write enabled = false in [jobs.groups]"),
        "{}",
        run.out
    );
    let rig = start().await;
    rig.sandbox
        .target
        .create_user(&json!({"userName": "somebody"}));
    rig.sandbox.target.enable(Quirk::FilterIgnored);
    let run = rig.run(&["test"]).await.expect(0);
    assert!(run.out.contains("ignores the filter"), "{}", run.out);
    assert!(run.out.contains("matched by"), "{}", run.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_does_not_answer_about_itself_is_served_anyway() {
    let rig = start().await;
    let hang = entrain::sandbox::Trouble::Delay(Duration::from_mins(1));
    let fault = entrain::sandbox::Fault::new("/ServiceProviderConfig", hang);
    rig.sandbox.target.traffic().inject(fault);
    settles(&rig, &mut Expected::default()).await;
}
