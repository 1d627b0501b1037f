//! The second look before a removal: what changed since keeps its account, and so does what the tenant
//! still holds although a list did not report it.

use entrain::sandbox::{Fault, GraphQuirk, ROLE_USER, Size, Trouble};
use serde_json::json;

use crate::rig::Rig;
use crate::scope::{is_active, members};

async fn start() -> Rig {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    rig.joiner("jane");
    rig.sync().await.expect(0);
    rig
}

fn id(rig: &Rig, alias: &str) -> entrain::sandbox::Uuid {
    let user = rig
        .tenant()
        .find_user_by("userPrincipalName", &format!("{alias}@contoso.com"));
    user.unwrap().id
}

fn reads(rig: &Rig, part: &str) -> usize {
    let traffic = rig.tenant().traffic();
    traffic.count_where(|exchange| exchange.path.contains(part))
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_cycle_that_removes_looks_a_second_time() {
    let rig = start().await;
    rig.joiner("john");
    rig.tenant().traffic().reset();
    rig.sync().await.expect(0);
    assert_eq!((reads(&rig, "users/delta"), reads(&rig, "$batch")), (1, 0));
    rig.tenant().unassign(id(&rig, "jane"));
    rig.tenant().traffic().reset();
    rig.plan().await.expect(0);
    assert_eq!(reads(&rig, "users/delta"), 2);
    assert!(reads(&rig, "$batch") > 0);
    rig.sync().await.expect(0);
    assert_eq!(is_active(&rig, "jane"), Some(false));
    assert_eq!(is_active(&rig, "john"), Some(true));
}

/// Answers the next reading of the assignments as if there were none.
fn empty_assignments(rig: &Rig, times: usize) {
    let empty = json!({"@odata.context": "x", "value": []}).to_string();
    let fault = Fault::new("appRoleAssignedTo", Trouble::body(200, &empty)).times(times);
    rig.tenant().traffic().inject(fault);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assignment_that_is_back_at_the_second_look_keeps_the_account() {
    let rig = start().await;
    let before = rig.sandbox.target.users();
    empty_assignments(&rig, 1);
    let run = rig.sync().await;
    assert_eq!(rig.sandbox.target.users(), before, "{run:?}");
    rig.tenant().traffic().clear_faults();
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.users(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn assignments_that_each_user_holds_contradict_an_emptied_list() {
    let rig = start().await;
    rig.tenant().grant_permission("Directory.Read.All");
    let before = rig.sandbox.target.users();
    empty_assignments(&rig, 100);
    let run = rig.sync().await;
    assert_eq!(rig.sandbox.target.users(), before, "{run:?}");
    let why = run.job()["incomplete"].to_string();
    assert!(why.contains("the tenant has"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_at_the_second_look_is_not_removed() {
    let rig = start().await;
    rig.tenant().unassign(id(&rig, "jane"));
    let fault = Fault::new("$batch", Trouble::status(403)).forever();
    rig.tenant().traffic().inject(fault);
    rig.sync().await;
    assert_eq!(is_active(&rig, "jane"), Some(true));
    rig.tenant().traffic().clear_faults();
    rig.sync().await.expect(0);
    assert_eq!(is_active(&rig, "jane"), Some(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_leaves_a_group_once_the_second_look_agrees() {
    let rig = start().await;
    let jane = id(&rig, "jane");
    let fans = rig.tenant().add_group("Fans");
    rig.tenant().add_members(fans, &[jane]);
    rig.tenant().assign(fans, entrain::sandbox::ROLE_USER);
    rig.sync().await.expect(0);
    assert_eq!(members(&rig, "Fans"), 1);
    rig.tenant().remove_members(fans, &[jane]);
    rig.sync().await.expect(0);
    assert_eq!(members(&rig, "Fans"), 0);
    // A blocked user needs no second look.
    rig.tenant().disable_user(jane);
    let fault = Fault::new("$batch", Trouble::status(403)).forever();
    rig.tenant().traffic().inject(fault);
    rig.sync().await.expect(0);
    assert_eq!(is_active(&rig, "jane"), Some(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn members_whom_a_group_still_holds_contradict_an_emptied_reading() {
    let rig = start().await;
    let jane = id(&rig, "jane");
    let fans = rig.tenant().add_group("Fans");
    let friends = ["ann", "bob"].map(|alias| rig.joiner(alias));
    rig.tenant().add_members(fans, &[jane]);
    rig.tenant().add_members(fans, &friends);
    rig.tenant().assign(fans, entrain::sandbox::ROLE_USER);
    rig.sync().await.expect(0);
    let before = rig.sandbox.target.groups();
    rig.tenant().enable(GraphQuirk::NoMembersInInitialRound);
    rig.tenant().expire_delta_links();
    rig.tenant().traffic().record_bodies(true);
    rig.tenant().traffic().reset();
    let run = rig.sync().await;
    assert_eq!(rig.sandbox.target.groups(), before, "{run:?}");
    let why = run.job()["incomplete"].to_string();
    assert!(why.contains("the tenant has"), "{why}");
    let traffic = rig.tenant().traffic();
    let batches = traffic.exchanges().into_iter();
    let mut batches = batches.filter(|one| one.path.contains("$batch"));
    assert!(batches.any(|one| {
        one.body
            .is_some_and(|body| body.contains(&format!("/groups/{fans}/members")))
    }));

    rig.tenant().configure(|settings| settings.quirks.clear());
    rig.sync().await.expect(0);
    rig.tenant().remove_members(fans, &friends[..1]);
    rig.sync().await.expect(0);
    assert_eq!(members(&rig, "Fans"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_was_read_as_deleted_long_ago_is_read_again_where_the_list_cannot_be() {
    let rig = start().await;
    let jane = id(&rig, "jane");
    let add = |name: &str| {
        let group = rig.tenant().add_group(name);
        rig.tenant().add_members(group, &[jane]);
        rig.tenant().assign(group, ROLE_USER);
        group
    };
    let [restored, deleted] = ["Restored", "Deleted"].map(add);
    // So many that two may go.
    for number in 0..12 {
        add(&format!("Other {number}"));
    }
    rig.sync().await.expect(0);
    for group in [restored, deleted] {
        rig.tenant().soft_delete_group(group);
    }
    // The tenant is read, and the cycle crashes with its first request to the target.
    let target = rig.sandbox.target.traffic();
    let (sent, mut seen) = tokio::sync::mpsc::unbounded_channel();
    target.befall(move |_, _| {
        let _ = sent.send(());
        Some(Trouble::status(503))
    });
    let file = rig.path("entrain.toml");
    tokio::select! {
        ended = Box::pin(entrain::in_process::sync(&file)) => panic!("{ended:?}"),
        _ = seen.recv() => {}
    }
    target.clear_faults();
    let names = || {
        let groups = rig.sandbox.target.groups();
        let names = groups.iter().map(|group| group["displayName"].clone());
        names.collect::<Vec<_>>()
    };
    assert!(names().contains(&json!("Restored")) && names().contains(&json!("Deleted")));
    rig.tenant().restore_group(restored);
    let unread = Fault::new("/groups/delta", Trouble::status(400)).forever();
    rig.tenant().traffic().inject(unread);
    let run = rig.sync().await;
    assert!(names().contains(&json!("Restored")), "{run:?}");
    assert!(!names().contains(&json!("Deleted")), "{run:?}");
    rig.tenant().traffic().clear_faults();
    rig.sync().await.expect(0);
    assert!(names().contains(&json!("Restored")), "{:?}", names());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_read_as_blocked_long_ago_is_read_again_where_the_list_cannot_be() {
    let rig = start().await;
    let (jane, john) = (id(&rig, "jane"), rig.joiner("john"));
    rig.sync().await.expect(0);
    for user in [jane, john] {
        rig.tenant().disable_user(user);
    }
    // The tenant is read, and nothing is done.
    let target = rig.sandbox.target.traffic();
    target.inject(Fault::new("/Users", Trouble::status(403)).forever());
    rig.sync().await;
    target.clear_faults();
    rig.run(&["resume", "demo"]).await;
    let active = |alias| is_active(&rig, alias).unwrap();
    assert!(active("jane") && active("john"));
    rig.tenant().enable_user(jane);
    let unread = Fault::new("/users/delta", Trouble::status(400)).forever();
    rig.tenant().traffic().inject(unread);
    rig.sync().await;
    assert!(active("jane"));
    assert!(!active("john"), "he is still blocked");
    rig.tenant().traffic().clear_faults();
    rig.sync().await.expect(0);
    assert!(active("jane"));
}
