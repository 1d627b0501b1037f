//! Targets that want their changes in another form, or accept a form without effect: what is found out by
//! itself, and what is remembered of it.

use entrain::sandbox::{Quirk, ROLE_USER, Size};
use serde_json::{Value, json};

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
        Quirk::PlainJsonAccepted,
        Quirk::VersionRequired,
        Quirk::ValuePathsRefused,
        Quirk::ValuePathsIgnored,
        Quirk::SubAttributesRefused,
        Quirk::ExtensionPathsIgnored,
        Quirk::RemoveIgnored,
        Quirk::RemoveRefused,
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

/// Other changes of users take effect, so what is known of these says nothing of `active`.
#[tokio::test(flavor = "multi_thread")]
async fn a_disable_without_effect_is_a_failure_in_each_cycle_and_for_each_user() {
    let rig = start(Quirk::ActiveIgnored).await;
    let [jane, john, ann] = ["jane", "john", "ann"].map(|name| rig.joiner(name));
    rig.sync().await.expect(0);
    rig.tenant().set_property(ann, "jobTitle", json!("Boss"));
    rig.sync().await.expect(0);
    rig.tenant().disable_user(jane);
    for left in ["jane", "john"] {
        rig.tenant().set_property(ann, "jobTitle", json!(left));
        for _ in 0..2 {
            let cycle = rig.sync().await.expect(3).job();
            assert_eq!(cycle["done"]["disable"], json!(null), "{cycle:#}");
            for failure in cycle["failures"].as_array().unwrap() {
                assert_eq!(failure["class"], "no-effect", "{cycle:#}");
            }
            let user = rig.user(&format!("{left}@contoso.com"));
            assert_eq!(user["active"], true);
        }
        rig.tenant().disable_user(john);
    }
    let status = rig
        .run(&["escrow", "list", "demo", "--format", "json"])
        .await;
    assert!(status.out.contains("john"), "{status:?}");
    // Once it takes effect, it is done.
    rig.sandbox.target.configure(|target| target.quirks.clear());
    rig.sync().await.expect(0);
    for left in ["jane", "john"] {
        assert_eq!(rig.user(&format!("{left}@contoso.com"))["active"], false);
    }
}

/// A target that shows a hundred members of a group at most, in which others are.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_may_not_be_shown_whole_is_not_replaced() {
    for quirk in [None, Some(Quirk::NoPatch)] {
        for most in [3, 100] {
            let rig = Rig::start(Size::new(0, 0, 0)).await;
            let target = &rig.sandbox.target;
            let theirs: Vec<_> = (0..150)
                .map(|number| {
                    let name = format!("theirs{number}@contoso.com");
                    let user = json!({"userName": name, "active": false});
                    json!({"value": target.create_user(&user).unwrap()})
                })
                .collect();
            let group = json!({"displayName": "Fans", "members": theirs});
            target.create_group(&group).unwrap();
            let fans = rig.tenant().add_group("Fans");
            rig.tenant().assign(fans, ROLE_USER);
            let ann = rig.joiner("ann");
            rig.tenant().add_members(fans, &[ann]);
            target.configure(|target| {
                target.members_shown = Some(most);
                target.quirks.extend(quirk);
            });
            if most == 3 && quirk.is_some() {
                // Nothing shows that three are not all.
                continue;
            }
            rig.run(&["sync"]).await;
            rig.run(&["sync"]).await;
            target.configure(|target| target.members_shown = None);
            let there = rig.target().await.groups["Fans"].len();
            let added = usize::from(quirk.is_none());
            assert_eq!(there, 150 + added, "{most} {quirk:?}");
        }
    }
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

#[tokio::test(flavor = "multi_thread")]
async fn an_addition_of_members_without_effect_is_never_reported_as_done() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    let target = &rig.sandbox.target;
    target.enable(Quirk::MemberAddIgnored);
    // So that it is known that members are shown.
    let theirs = target.create_user(&json!({"userName": "theirs@contoso.com", "active": false}));
    let members = json!([{"value": theirs.unwrap()}]);
    target.create_group(&json!({"displayName": "Theirs", "members": members}));
    let ann = rig.joiner("ann");
    let fans = rig.tenant().add_group("Fans");
    rig.tenant().add_members(fans, &[ann]);
    rig.tenant().assign(fans, ROLE_USER);
    // Where there is another way, it is found.
    let summary = rig.sync().await.expect(0).job();
    assert_eq!(rig.target().await.groups["Fans"].len(), 1, "{summary:#}");

    target.enable(Quirk::NoPut);
    rig.run(&["sync", "--initial"]).await;
    let bob = rig.joiner("bob");
    rig.tenant().add_members(fans, &[bob]);
    let summary = rig.sync().await.expect(3).job();
    let failure = &summary["failures"][0];
    assert_eq!(failure["class"], "no-effect", "{summary:#}");
    let message = failure["message"].as_str().unwrap();
    assert!(message.contains("accepted without effect"), "{message}");
    assert_eq!(rig.target().await.groups["Fans"].len(), 1);
    // The next cycle tries it again, and says so again.
    let summary = rig.sync().await.expect(3).job();
    assert_eq!(summary["done"]["add-members"], Value::Null, "{summary:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_addition_of_members_is_read_back_once() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    let ann = rig.joiner("ann");
    let fans = rig.tenant().add_group("Fans");
    rig.tenant().assign(fans, ROLE_USER);
    rig.sync().await.expect(0);
    let reads = || {
        let traffic = rig.sandbox.target.traffic();
        traffic.count_where(|one| one.method == "GET" && one.path.contains("/Groups/"))
    };
    // Bob is the first who comes to a member that must stay, so that the group is read before and after.
    let (bob, cyd) = (rig.joiner("bob"), rig.joiner("cyd"));
    for (member, expected) in [(ann, 2), (bob, 2), (cyd, 0)] {
        rig.sandbox.target.traffic().reset();
        rig.tenant().add_members(fans, &[member]);
        rig.sync().await.expect(0);
        assert_eq!(reads(), expected);
    }
    // Members that are never shown are no failure, and looked for only once.
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.sandbox.target.enable(Quirk::MembersHidden);
    let ann = rig.joiner("ann");
    let fans = rig.tenant().add_group("Fans");
    rig.tenant().add_members(fans, &[ann]);
    rig.tenant().assign(fans, ROLE_USER);
    rig.sync().await.expect(0);
    let bob = rig.joiner("bob");
    rig.tenant().add_members(fans, &[bob]);
    rig.sandbox.target.traffic().reset();
    rig.sync().await.expect(0);
    let reads = rig
        .sandbox
        .target
        .traffic()
        .count_where(|one| one.method == "GET" && one.path.contains("/Groups/"));
    assert_eq!(reads, 0);
}

/// Three groups with four members each, two of whom leave two of the groups.
async fn members_leave(quirks: &[Quirk], settings: &str) -> (Rig, i32, Vec<usize>) {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.configure(settings);
    for quirk in quirks {
        rig.sandbox.target.enable(*quirk);
    }
    let people: Vec<_> = (0..4)
        .map(|number| rig.joiner(&format!("p{number}")))
        .collect();
    let groups: Vec<_> = ["Fans", "Sales", "Staff"]
        .into_iter()
        .map(|name| {
            let group = rig.tenant().add_group(name);
            rig.tenant().add_members(group, &people);
            rig.tenant().assign(group, ROLE_USER);
            group
        })
        .collect();
    rig.sync().await.expect(0);
    for group in &groups[..2] {
        rig.tenant().remove_members(*group, &people[..2]);
    }
    let code = rig.sync().await.code;
    let target = &rig.sandbox.target;
    let groups = target.groups().into_iter();
    let counts = groups.map(|group| target.members(group["id"].as_str().unwrap()).len());
    let mut counts: Vec<usize> = counts.collect();
    counts.sort_unstable();
    (rig, code, counts)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_of_members_that_takes_out_everyone_is_undone_and_another_form_is_used() {
    let (rig, code, counts) = members_leave(&[Quirk::FilterRemovesEveryone], "").await;
    assert_eq!((code, counts), (0, vec![2, 2, 4]));
    // The addition is a row of its own, like everything that is sent.
    let log = ["log", "--format", "json", "--action", "add-members"];
    let log = rig.run(&log).await.expect(0).out;
    let log: Value = serde_json::from_str(&log).unwrap();
    let entries = log["entries"].as_array().unwrap();
    let added = entries.iter().filter(|one| one["cycle"] == 2);
    let added: Vec<&Value> = added.collect();
    assert_eq!(added.len(), 1, "{log:#}");
    assert_eq!(added[0]["status"], "succeeded", "{log:#}");
    assert_eq!(added[0]["requests"], 1, "{log:#}");
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
    let state = rusqlite::Connection::open(rig.path("entrain.db")).unwrap();
    let sql = "SELECT word FROM learned WHERE knob = 'member_remove'";
    let learned: String = state.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(learned, "value-list");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_addition_that_replaces_the_members_is_undone_and_all_are_sent_from_then_on() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    let target = &rig.sandbox.target;
    target.enable(Quirk::MemberAddReplaces);
    target.enable(Quirk::NoPut);
    // Somebody of theirs is in a group that is adopted.
    let theirs = target.create_user(&json!({"userName": "theirs@contoso.com", "active": true}));
    let theirs = json!([{"value": theirs.unwrap()}]);
    target.create_group(&json!({"displayName": "Fans", "members": theirs}));
    let people: Vec<_> = (0..4)
        .map(|number| rig.joiner(&format!("p{number}")))
        .collect();
    let groups: Vec<_> = ["Fans", "Sales"]
        .into_iter()
        .map(|name| {
            let group = rig.tenant().add_group(name);
            rig.tenant().add_members(group, &people[..2]);
            rig.tenant().assign(group, ROLE_USER);
            group
        })
        .collect();
    rig.run(&["sync"]).await;
    let count = async |name: &str| rig.target().await.groups[name].len();
    assert_eq!((count("Fans").await, count("Sales").await), (3, 2));
    let state = rusqlite::Connection::open(rig.path("entrain.db")).unwrap();
    let sql = "SELECT word, evidence FROM learned WHERE knob = 'member_add'";
    let learned: (String, String) = state
        .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(learned.0, "all");
    assert!(
        learned.1.contains("took out others that were in the group"),
        "{}",
        learned.1
    );

    for group in &groups {
        rig.tenant().add_members(*group, &people[2..]);
    }
    rig.sync().await.expect(0);
    assert_eq!((count("Fans").await, count("Sales").await), (5, 4));
    rig.tenant().remove_members(groups[1], &people[..1]);
    rig.sync().await.expect(0);
    assert_eq!((count("Fans").await, count("Sales").await), (5, 3));
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
    // What was learned of members is shown by a probe that only reads, and by a test.
    let probe = rig.run(&["probe", "demo"]).await.expect(0).out;
    // In columns.
    let test = rig.run(&["test"]).await.out;
    let test = test.split_whitespace().collect::<Vec<_>>().join(" ");
    for (what, seen) in [
        ("additions of members", "have an effect"),
        (
            "removals of members",
            "take out only the requested members (filter)",
        ),
        ("member_add", "\"all\"; PATCH "),
    ] {
        let (probed, tested) = (
            format!("cycles learned: {what}: {seen}"),
            format!("target: learned: {what} {seen}"),
        );
        assert!(probe.contains(&probed), "{probe}");
        assert!(test.contains(&tested), "{test}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_an_addition_took_out_are_added_by_rows_of_their_own() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    let people: Vec<_> = (0..4)
        .map(|number| rig.joiner(&format!("p{number}")))
        .collect();
    let fans = rig.tenant().add_group("Fans");
    rig.tenant().add_members(fans, &people[..3]);
    rig.tenant().assign(fans, ROLE_USER);
    rig.sync().await.expect(0);
    rig.sandbox.target.enable(Quirk::MemberAddReplaces);
    rig.tenant().add_members(fans, &people[3..]);
    rig.sync().await.expect(0);
    assert_eq!(rig.target().await.groups["Fans"].len(), 4);
    let log = ["log", "--format", "json", "--action", "add-members"];
    let log = rig.run(&log).await.expect(0).out;
    let log: Value = serde_json::from_str(&log).unwrap();
    let entries = log["entries"].as_array().unwrap();
    let added = entries.iter().filter(|one| one["cycle"] == 2);
    let added: Vec<&Value> = added.collect();
    assert_eq!(added.len(), 2, "{log:#}");
    assert!(
        added.iter().all(|one| one["status"] == "succeeded"),
        "{log:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_of_members_without_effect_is_never_reported_as_done() {
    let quirks = [Quirk::MemberRemovalIgnored];
    let (rig, code, counts) = members_leave(&quirks, "").await;
    assert_eq!((code, counts), (3, vec![4, 4, 4]));
    let again = rig.sync().await;
    assert_ne!(again.code, 0, "{again:?}");
}
