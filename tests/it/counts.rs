//! How many requests each kind of cycle takes, object by object. `--nocapture` prints them.

use entrain::sandbox::{Quirk, ROLE_USER, Size, Uuid};

use crate::rig::Rig;

/// Carries out a cycle and counts what it sends to the target.
async fn cycle(rig: &Rig, what: &str, code: i32) -> usize {
    let traffic = rig.sandbox.target.traffic();
    traffic.reset();
    rig.sync().await.expect(code);
    let count = traffic.count();
    print(what, count);
    count
}

#[expect(clippy::print_stdout, reason = "the figures are what documents quote")]
fn print(what: &str, count: usize) {
    println!("{what}: {count} requests");
}

/// Only so many people who are assigned, and a group that they are not in yet.
async fn start(people: usize) -> (Rig, Uuid, Vec<Uuid>) {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    let people = (0..people)
        .map(|number| rig.joiner(&format!("p{number}")))
        .collect();
    let group = rig.tenant().add_group("Fans");
    rig.tenant().assign(group, ROLE_USER);
    (rig, group, people)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_object_takes_one_request_and_what_is_unchanged_none() {
    let (rig, group, people) = start(600).await;
    rig.tenant().add_members(group, &people[..500]);
    // What the target reports of itself, and whether it holds anything.
    let first = 3 + 2;
    // The first additions of members, which are read back.
    let read_back = 5;
    let initial = cycle(&rig, "600 users and a group of 500, empty target", 0).await;
    assert!(initial <= 601 + 5 + first + read_back, "{initial}");
    let unchanged = cycle(&rig, "nothing changed", 0).await;
    assert_eq!(unchanged, 0);
    rig.tenant().add_members(group, &people[500..501]);
    let one = cycle(&rig, "one member more of 500", 0).await;
    assert_eq!(one, 1);
    std::fs::remove_file(rig.path("entrain.db")).unwrap();
    // The group's members are read, and found as they should be.
    rig.run(&["sync", "--format", "json"]).await;
    let again = rig.sandbox.target.traffic().count() - one;
    print("600 users and a group of 501, all of them there", again);
    assert!(again <= 6 + 1 + 1 + first, "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_unknown_among_two_hundred_and_fifty_new_members_takes_few_requests() {
    for (status, quirk) in [
        (500, Quirk::UnknownMembersCrash),
        (400, Quirk::BareConflicts),
    ] {
        let (rig, group, people) = start(250).await;
        rig.sandbox.target.enable(quirk);
        rig.sync().await.expect(0);
        let gone = rig.user("p137@contoso.com")["id"].clone();
        rig.sandbox.target.delete(gone.as_str().unwrap());
        rig.tenant().add_members(group, &people);
        let what = format!("250 new members, one of them answered by {status}");
        cycle(&rig, &what, 3).await;
        let patches = rig.sandbox.target.traffic().count_of("PATCH");
        print("of these changes of the group", patches);
        // 3 + 2 log2(250)
        assert!(patches <= 18, "{patches}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_is_too_large_is_halved_once() {
    let (rig, group, people) = start(250).await;
    rig.sync().await.expect(0);
    rig.sandbox
        .target
        .configure(|target| target.max_members_per_patch = Some(50));
    rig.tenant().add_members(group, &people);
    let count = cycle(&rig, "250 new members, 413 at half of the chunk", 0).await;
    // Five halves and the two whole chunks before them. The group is read around the first addition, and around the
    // first one to a group that has members.
    assert_eq!(count, 7 + 5);
}
