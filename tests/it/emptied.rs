//! Answers that are empty although they should not be, in trials of one and of two users, which no limit
//! protects; and the repair of what such an answer did.

use entrain::sandbox::{Fault, GraphQuirk, ROLE_USER, Size, Trouble, Uuid};
use serde_json::json;

use crate::rig::Rig;

/// How people come into scope.
#[derive(Clone, Copy, Debug, PartialEq)]
enum By {
    Assignment,
    /// A group that is assigned, and provisioned.
    Group,
    /// A filter that asks for the group.
    Filter,
}

/// A trial of so many users, all in the group "Pilot".
async fn trial(people: usize, by: By) -> (Rig, Vec<Uuid>) {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    let group = rig.tenant().add_group("Pilot");
    let people: Vec<Uuid> = (0..people)
        .map(|number| rig.joiner(&format!("p{number}")))
        .collect();
    rig.tenant().add_members(group, &people);
    match by {
        By::Assignment => {}
        By::Group => {
            for one in &people {
                rig.tenant().unassign(*one);
            }
            rig.tenant().assign(group, ROLE_USER);
        }
        By::Filter => rig.configure(
            r#"[jobs.users]
filters = [ { all = [ { attribute = "memberOf", operator = "EQUALS", value = "Pilot" } ] } ]"#,
        ),
    }
    rig.sync().await.expect(0);
    assert_eq!(active(&rig), people.len());
    (rig, people)
}

fn active(rig: &Rig) -> usize {
    let users = rig.sandbox.target.users();
    users.iter().filter(|user| user["active"] == true).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_answer_disables_no_user_of_a_trial_of_one_or_two() {
    for quirk in [
        GraphQuirk::NoUsersInInitialRound,
        GraphQuirk::NoGroupsInInitialRound,
        GraphQuirk::NoMembersInInitialRound,
    ] {
        for by in [By::Assignment, By::Group, By::Filter] {
            for size in [1, 2] {
                let (rig, _) = trial(size, by).await;
                let before = (rig.sandbox.target.users(), rig.sandbox.target.groups());
                rig.tenant().enable(quirk);
                rig.tenant().expire_delta_links();
                for _ in 0..2 {
                    let run = rig.sync().await;
                    let after = (rig.sandbox.target.users(), rig.sandbox.target.groups());
                    assert_eq!(after, before, "{quirk:?} {by:?} {size}: {run:?}");
                }
                rig.tenant().configure(|settings| settings.quirks.clear());
                // No delta reports a group that did not change, whose name a filter asks for.
                let repair: &[&str] = match by {
                    By::Assignment | By::Group => &["sync"],
                    By::Filter => &["sync", "--initial"],
                };
                rig.run(repair).await.expect(0);
                let after = (rig.sandbox.target.users(), rig.sandbox.target.groups());
                assert_eq!(after, before, "{quirk:?} {by:?} {size}");
                let idle = rig.sync().await.expect(0).job();
                assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_matches_none_of_a_kind_is_held_though_the_other_kind_stays() {
    for kind in ["user", "group"] {
        let rig = Rig::start(Size::new(0, 0, 0)).await;
        let people: Vec<Uuid> = (0..4)
            .map(|number| rig.joiner(&format!("p{number}")))
            .collect();
        for name in ["Fans", "Friends", "Family"] {
            let group = rig.tenant().add_group(name);
            rig.tenant().add_members(group, &people);
            rig.tenant().assign(group, ROLE_USER);
        }
        rig.sync().await.expect(0);
        let before = (rig.sandbox.target.users(), rig.sandbox.target.groups());
        rig.configure(&format!(
            "[jobs.safety]\nmax_deletions = 1000\nmax_membership_removals = 1000\n[jobs.{kind}s]\n\
             filters = [ {{ all = [ {{ attribute = \"displayName\", operator = \"EQUALS\", \
             value = \"nothing\" }} ] }} ]"
        ));
        for _ in 0..2 {
            let held = rig.sync().await.expect(4).job();
            assert_eq!(held["held"]["reason"], "emptied-scope", "{held:#}");
            assert_eq!(held["held"]["kind"], kind, "{held:#}");
            assert_eq!(held["held"]["by"], "filters", "{held:#}");
            let text = held["held"]["text"].as_str().unwrap();
            assert!(text.contains("passes the scoping filters"), "{text}");
            let after = (rig.sandbox.target.users(), rig.sandbox.target.groups());
            assert_eq!(after, before, "{kind}");
        }
        rig.configure("");
        rig.sync().await.expect(0);
        assert_eq!(rig.sandbox.target.users(), before.0);
        assert_eq!(rig.sandbox.target.groups(), before.1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_of_assignments_disables_no_user_of_a_trial_of_one_or_two() {
    for size in [1, 2] {
        let (rig, _) = trial(size, By::Assignment).await;
        rig.tenant().grant_permission("Directory.Read.All");
        let fault = Fault::new("appRoleAssignedTo", Trouble::EmptyList).forever();
        rig.tenant().traffic().inject(fault);
        for _ in 0..2 {
            let run = rig.sync().await;
            assert_eq!(active(&rig), size, "{run:?}");
        }
        rig.tenant().traffic().clear_faults();
        rig.sync().await.expect(0);
        assert_eq!(active(&rig), size);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_empty_answer_did_is_repaired_by_reading_from_the_beginning() {
    let (rig, people) = trial(1, By::Assignment).await;
    // Nothing in the tenant knows the user for a while, whatever is asked.
    rig.tenant().enable(GraphQuirk::NoUsersInInitialRound);
    rig.tenant().expire_delta_links();
    let nobody = json!({"value": []}).to_string();
    let fault = Fault::new("getByIds", Trouble::body(200, &nobody)).forever();
    rig.tenant().traffic().inject(fault);
    rig.sync().await.expect(0);
    assert_eq!(active(&rig), 0);

    rig.tenant().configure(|settings| settings.quirks.clear());
    rig.tenant().traffic().clear_faults();
    // No delta reports a user who did not change.
    rig.sync().await.expect(0);
    assert_eq!(active(&rig), 0);
    rig.run(&["sync", "--initial"]).await.expect(0);
    assert_eq!(active(&rig), people.len());
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_watermark_stays_until_a_reading_from_the_beginning_is_complete() {
    let (rig, people) = trial(2, By::Assignment).await;
    let fault = Fault::new("users/delta", Trouble::status(403));
    rig.tenant().traffic().inject(fault.times(1));
    let run = rig.run(&["sync", "--initial", "--format", "json"]).await;
    assert_ne!(run.job()["incomplete"], json!(null), "{run:?}");
    rig.tenant().disable_user(people[0]);
    rig.sync().await.expect(0);
    assert_eq!(active(&rig), 1);
}
