//! `plan --what-if`: what a change of the directory would do, before it is made.

use std::collections::BTreeSet;

use entrain::sandbox::{ROLE_USER, Size, Uuid};
use serde_json::{Value, json};

use crate::rig::{Rig, Run};

/// Two users in scope by a group, one directly, and one who is not in scope.
struct World {
    rig: Rig,
    group: Uuid,
    ann: Uuid,
    dan: Uuid,
}

async fn world() -> World {
    let rig = Rig::start(Size::new(3, 0, 0)).await;
    let group = rig.tenant().add_group("Sales EMEA");
    rig.tenant().assign(group, ROLE_USER);
    let user = |alias: &str| {
        let properties = json!({
            "userPrincipalName": format!("{alias}@contoso.com"),
            "displayName": alias,
            "mailNickname": alias,
            "accountEnabled": true,
        });
        rig.tenant()
            .add_user(properties.as_object().unwrap().clone())
    };
    let (ann, ben, dan) = (user("ann"), user("ben"), user("dan"));
    rig.tenant().add_members(group, &[ann, ben]);
    rig.joiner("cas");
    rig.sync().await.expect(0);
    World {
        rig,
        group,
        ann,
        dan,
    }
}

async fn what_if(rig: &Rig, change: &str) -> Run {
    rig.run(&["plan", "--what-if", change, "--format", "json"])
        .await
}

/// Actions by the label of their object.
fn actions(plan: &Value) -> BTreeSet<String> {
    let actions = plan["actions"].as_array().unwrap().iter();
    actions
        .map(|one| {
            let label = one["subject"]["label"].as_str().unwrap();
            format!("{} {label}", one["action"].as_str().unwrap())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supposed_change_is_planned_as_the_real_one_would_be() {
    let World {
        rig,
        group,
        ann,
        dan,
    } = world().await;
    let cases: [(&str, &[&str]); 7] = [
        (
            "remove-member \"Sales EMEA\" ann@contoso.com",
            &["disable ann@contoso.com", "remove-members Sales EMEA"],
        ),
        (
            "add-member 'sales emea' dan@contoso.com",
            &["create dan@contoso.com", "add-members Sales EMEA"],
        ),
        ("block cas@contoso.com", &["disable cas@contoso.com"]),
        ("assign dan@contoso.com", &["create dan@contoso.com"]),
        ("unassign cas@contoso.com", &["disable cas@contoso.com"]),
        ("delete cas@contoso.com", &["disable cas@contoso.com"]),
        (
            "unassign \"Sales EMEA\"",
            &[
                "disable ann@contoso.com",
                "disable ben@contoso.com",
                "delete Sales EMEA",
            ],
        ),
    ];
    rig.sandbox.target.traffic().reset();
    for (change, expected) in cases {
        let plan = what_if(&rig, change).await.expect(0).job();
        let all: BTreeSet<String> = expected.iter().map(ToString::to_string).collect();
        let found = actions(&plan);
        assert!(all.is_subset(&found), "{change}: {found:?}");
        for action in &found {
            let is_expected = all.contains(action) || action.contains("members Sales EMEA");
            assert!(is_expected, "{change}: {found:?}");
        }
        assert_eq!(plan["snapshot"]["what_if"], json!([change]));
        // Nothing that is skipped is skipped because of the change.
        assert_eq!(plan["skipped"], json!([]), "{change}");
    }
    // Nothing was touched, and the next plan knows nothing of it.
    assert_eq!(rig.sandbox.target.traffic().writes(), 0);
    assert_eq!(actions(&rig.plan().await.expect(0).job()).len(), 0);

    // The real change does what was announced.
    let announced = what_if(&rig, "remove-member \"Sales EMEA\" ann@contoso.com").await;
    rig.tenant().remove_members(group, &[ann]);
    assert_eq!(actions(&rig.plan().await.job()), actions(&announced.job()));
    let _ = dan;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_changes_are_supposed_together_and_reports_name_them() {
    let World { rig, .. } = world().await;
    let run = rig
        .run(&[
            "plan",
            "--what-if",
            "block cas@contoso.com",
            "--what-if",
            "assign dan@contoso.com",
            "--out",
            "a.md",
        ])
        .await
        .expect(0);
    assert!(
        run.out.contains(
            "with these simulated changes: block cas@contoso.com; assign dan@contoso.com"
        ),
        "{run:?}"
    );
    assert!(
        run.out.contains("Compared with the directory as it is"),
        "{run:?}"
    );
    assert!(
        run.out.contains("1 to create") && run.out.contains("1 to disable"),
        "{run:?}"
    );
    assert!(rig.path("a.md").exists());
}

/// What is planned anyway is left out, and what would no longer be done is named.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_effect_of_the_change_is_shown() {
    let World { rig, .. } = world().await;
    rig.joiner("eve");
    rig.joiner("fay");
    let plan = what_if(&rig, "block eve@contoso.com").await.expect(0).job();
    assert_eq!(actions(&plan).len(), 0, "{plan:#}");
    let there = plan["against"]["only_there"].to_string();
    assert!(there.contains("create user eve@contoso.com"), "{there}");
    assert!(!there.contains("fay"), "{there}");
    // Who is blocked before anything was created is skipped now, and for that reason alone.
    let skipped = plan["skipped"].as_array().unwrap();
    let labels: Vec<_> = skipped.iter().map(|one| &one["subject"]["label"]).collect();
    assert_eq!(labels, ["eve@contoso.com"], "{plan:#}");
    // The other way round: dan is no longer skipped, which his account says.
    let plan = what_if(&rig, "assign dan@contoso.com")
        .await
        .expect(0)
        .job();
    assert_eq!(plan["skipped"], json!([]));
    assert_eq!(plan["against"]["skipped_there"], json!([]), "{plan:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_that_are_none_are_refused_with_the_reason() {
    let World { rig, .. } = world().await;
    for (change, words) in [
        ("rename ann bob", "start with one of"),
        ("block", "write block USER"),
        ("block ann@contoso.con", "did you mean \"ann@contoso.com\""),
        (
            "block nobody@contoso.com",
            "entrain source show finds one by any of its names",
        ),
        (
            "add-member \"Sales EMEA\" ann@contoso.com",
            "is already a member",
        ),
        (
            "remove-member \"Sales EMEA\" cas@contoso.com",
            "not a direct member",
        ),
        ("unassign dan@contoso.com", "is not assigned"),
        (
            "assign dan@contoso.com Nothing",
            "no job has the application",
        ),
    ] {
        let run = what_if(&rig, change).await.expect(2);
        assert!(run.err.contains(words), "{change}: {run:?}");
    }
    let saved = [
        "plan",
        "--what-if",
        "block cas@contoso.com",
        "--out",
        "a.json",
    ];
    let run = rig.run(&saved).await.expect(2);
    assert!(run.err.contains("is not saved"), "{run:?}");
}
