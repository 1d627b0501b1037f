//! Readings that one cycle began and a later one finished: what they say is older than the cycle, and removes
//! no user who is back meanwhile.

use entrain::sandbox::{Fault, ROLE_USER, Size, Trouble, Uuid};

use crate::rig::Rig;
use crate::scope::members;

const PEOPLE: usize = 30;

/// Thirty people in one group, all of them assigned themselves, and pages of ten.
async fn start() -> (Rig, Uuid, Vec<Uuid>) {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.configure("[jobs.safety]\nmax_deletions = 1000\nmax_membership_removals = 1000");
    let group = rig.tenant().add_group("Fans");
    let people: Vec<Uuid> = (0..PEOPLE)
        .map(|number| rig.joiner(&format!("p{number}")))
        .collect();
    rig.tenant().add_members(group, &people);
    rig.tenant().assign(group, ROLE_USER);
    rig.sync().await.expect(0);
    rig.tenant().configure(|settings| {
        settings.users_per_page = 10;
        settings.groups_per_page = 1;
        settings.members_per_page = 10;
    });
    (rig, group, people)
}

/// A cycle that reads from the beginning, and no further than the first page.
async fn is_cut_short(rig: &Rig, path: &str) {
    rig.tenant().expire_delta_links();
    // The delta link is refused, and the first page is read.
    let fault = Fault::new(path, Trouble::status(403)).after(2).times(1);
    rig.tenant().traffic().inject(fault);
    let run = rig.sync().await.expect(1);
    assert!(run.job()["incomplete"].is_string(), "{run:?}");
    assert!(!rig.tenant().traffic().has_faults());
}

/// The next cycle finishes the reading, and no user loses anything, then or later.
async fn loses_nobody(rig: &Rig) {
    let writes = rig.sandbox.target.writes();
    for _ in 0..3 {
        let run = rig.sync().await;
        let users = rig.sandbox.target.users();
        let active = users.iter().filter(|user| user["active"] == true);
        assert_eq!(active.count(), PEOPLE, "{run:?}");
        assert_eq!(members(rig, "Fans"), PEOPLE, "{run:?}");
    }
    assert_eq!(rig.sandbox.target.writes(), writes);
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn users_who_were_restored_before_a_reading_was_finished_keep_their_accounts() {
    let (rig, _, people) = start().await;
    for user in &people[..15] {
        rig.tenant().soft_delete_user(*user);
    }
    is_cut_short(&rig, "users/delta").await;
    for user in &people[..15] {
        rig.tenant().restore_user(*user);
    }
    loses_nobody(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_who_were_unblocked_before_a_reading_was_finished_keep_their_accounts() {
    let (rig, _, people) = start().await;
    for user in &people {
        rig.tenant().disable_user(*user);
    }
    rig.tenant().expire_delta_links();
    // No user is blocked any more before a cycle can act on what its first page said.
    let fault = Fault::new("users/delta", Trouble::status(403));
    rig.tenant().traffic().inject(fault.after(2).times(1));
    let held = Fault::new("/Users", Trouble::status(503)).forever();
    rig.sandbox.target.traffic().inject(held);
    rig.sync().await.expect(1);
    rig.sandbox.target.traffic().clear_faults();
    for user in &people {
        rig.tenant().enable_user(*user);
    }
    rig.sync().await;
    rig.sync().await.expect(0);
    let users = rig.sandbox.target.users();
    let active = users.iter().filter(|user| user["active"] == true);
    assert_eq!(active.count(), PEOPLE);
    assert_eq!(members(&rig, "Fans"), PEOPLE);
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn members_who_were_put_back_before_a_reading_was_finished_stay_in_their_group() {
    let (rig, group, people) = start().await;
    // A group before it, so that the reading has a second page.
    rig.tenant().add_group("Other");
    rig.tenant().remove_members(group, &people[..15]);
    is_cut_short(&rig, "groups/delta").await;
    rig.tenant().add_members(group, &people[..15]);
    loses_nobody(&rig).await;
}
