//! Members and addresses that a target refuses: one keeps no other out, and no refusal becomes a storm.

use std::time::{Duration, Instant};

use entrain::sandbox::{Fault, Quirk, ROLE_USER, Size, Trouble, Uuid};
use serde_json::{Value, json};

use crate::refused_attributes::is_settled;
use crate::rig::Rig;

pub(crate) async fn start() -> Rig {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.sandbox.target.traffic().record_bodies(true);
    rig
}

pub(crate) fn inject(rig: &Rig, fault: Fault) {
    rig.sandbox.target.traffic().inject(fault);
}

/// A refusal in the target's own words.
pub(crate) fn words(status: u16, scim_type: &str, detail: &str) -> Trouble {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": status.to_string(),
        "scimType": scim_type,
        "detail": detail,
    });
    Trouble::body(status, &body.to_string())
}

/// A group with so many members, all of them in scope.
pub(crate) fn group_of(rig: &Rig, members: usize) -> (Uuid, Vec<Uuid>) {
    let group = rig.tenant().add_group("Fans");
    let members: Vec<_> = (0..members)
        .map(|number| rig.joiner(&format!("fan{number}")))
        .collect();
    rig.tenant().add_members(group, &members);
    rig.tenant().assign(group, ROLE_USER);
    (group, members)
}

pub(crate) fn id_of(rig: &Rig, alias: &str) -> String {
    let user = rig.user(&format!("{alias}@contoso.com"));
    user["id"].as_str().unwrap().to_owned()
}

/// Takes a member out of the group behind our back.
pub(crate) fn take_out(rig: &Rig, alias: &str) {
    let target = &rig.sandbox.target;
    let fans = target.find_group_by("displayName", "Fans").unwrap();
    let gone = id_of(rig, alias);
    let kept = members_of_fans(rig).into_iter().filter(|id| *id != gone);
    let kept: Vec<Value> = kept.map(|id| json!({"value": id})).collect();
    assert!(target.change_group(fans["id"].as_str().unwrap(), &json!({"members": kept})));
}

pub(crate) fn members_of_fans(rig: &Rig) -> Vec<String> {
    let fans = rig.sandbox.target.find_group_by("displayName", "Fans");
    let id = fans.unwrap()["id"].as_str().unwrap().to_owned();
    rig.sandbox.target.members(&id)
}

/// How many members each PATCH of a group carried, in order.
pub(crate) fn chunks(rig: &Rig) -> Vec<usize> {
    let sent = rig.sandbox.target.traffic().exchanges();
    sent.iter()
        .filter(|exchange| exchange.method == "PATCH" && exchange.path.contains("/Groups/"))
        .map(|exchange| {
            let body: Value = serde_json::from_str(exchange.body.as_ref().unwrap()).unwrap();
            let operations = body["Operations"].as_array().unwrap();
            let members = operations.iter().map(|operation| {
                let members = operation["value"].as_array();
                members.map_or(1, Vec::len)
            });
            members.sum()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_target_says_which_address_is_taken() {
    let rig = start().await;
    rig.joiner("jane");
    let taken = words(409, "uniqueness", "userName 'jane@contoso.com' is taken");
    inject(&rig, Fault::new("/Users", taken).method("POST"));
    let summary = rig.sync().await.expect(3).job();
    let message = summary["failures"][0]["message"].as_str().unwrap();
    assert!(
        message.contains("userName 'jane@contoso.com' is taken"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_refused_row_is_sent_once_while_a_create_waits_for_room() {
    let rig = start().await;
    let people: Vec<_> = (0..4)
        .map(|number| rig.joiner(&format!("p{number}")))
        .collect();
    rig.sync().await.expect(0);
    assert!(rig.sandbox.target.delete(&id_of(&rig, "p3")));
    let fans = rig.tenant().add_group("Fans");
    rig.tenant().add_members(fans, &people);
    rig.tenant().assign(fans, ROLE_USER);
    rig.joiner("late");
    let no_room = Fault::new("/Users", Trouble::status(402)).method("POST");
    inject(&rig, no_room.forever());
    rig.sync().await.expect(3);
    assert_eq!(members_of_fans(&rig).len(), 3);
    assert_eq!(chunks(&rig), [4, 2, 2, 1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_says_at_once_is_not_stormed() {
    for people in [1, 24] {
        let rig = start().await;
        for number in 0..people {
            rig.joiner(&format!("p{number}"));
        }
        let at_once = Fault::new("/Users", Trouble::throttled(0)).method("POST");
        inject(&rig, at_once.forever());
        let began = Instant::now();
        let summary = rig.sync().await.expect(3).job();
        assert_eq!(summary["failures"][0]["class"], "throttled", "{summary:#}");
        assert_eq!(rig.sandbox.target.traffic().count_of("POST"), 5 * people);
        // At least half of 0.5, 1, 2 and 4 seconds.
        assert!(began.elapsed() > Duration::from_millis(3_700));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_route_is_not_about_the_members() {
    for status in [501, 405, 428] {
        let rig = start().await;
        group_of(&rig, 120);
        let route = |method| Fault::new("/Groups/", Trouble::status(status)).method(method);
        inject(&rig, route("PATCH").forever());
        inject(&rig, route("PUT").forever());
        rig.sync().await.expect(3);
        let traffic = rig.sandbox.target.traffic();
        for _ in 0..2 {
            let sent = traffic.count_of("PATCH") + traffic.count_of("PUT");
            assert!(sent <= 3, "{status}: {sent}");
            traffic.reset();
            rig.sync().await.expect(3);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_too_large_is_halved_and_never_sent_one_by_one() {
    let rig = start().await;
    group_of(&rig, 60);
    rig.sandbox
        .target
        .configure(|target| target.max_members_per_patch = Some(8));
    rig.sync().await.expect(0);
    assert_eq!(members_of_fans(&rig).len(), 60);
    let chunks = chunks(&rig);
    assert!(chunks.iter().all(|chunk| *chunk > 1), "{chunks:?}");
    assert!(chunks.len() <= 15, "{chunks:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_update_nothing_is_sent_to_accounts_that_exist() {
    let rig = start().await;
    let boss = rig.joiner("boss");
    rig.sync().await.expect(0);
    let jane = rig.joiner("jane");
    rig.tenant().set_manager(jane, Some(boss));
    let there = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "jane@contoso.com",
        "active": true,
    });
    rig.sandbox.target.create_user(&there).unwrap();
    rig.configure("[jobs.users]\nactions = [\"create\"]\n[jobs.groups]\nactions = [\"create\"]");
    let adopted = rig.sync().await.expect(0).job();
    assert_eq!(adopted["done"], json!({"adopt": 1}), "{adopted:#}");
    rig.tenant().set_manager(boss, Some(jane));
    rig.tenant().set_property(jane, "jobTitle", json!("Boss"));
    rig.sync().await.expect(0);
    let writes = |exchange: &entrain::sandbox::Exchange| exchange.path.contains("/Users/");
    let traffic = rig.sandbox.target.traffic();
    let sent = traffic.count_where(|one| one.method != "GET" && writes(one));
    assert_eq!(sent, 0, "{:#?}", traffic.exchanges());

    // It is sent once it is allowed.
    rig.configure("");
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["title"], "Boss");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_update_nothing_is_sent_to_groups_that_exist() {
    let rig = start().await;
    let (group, fans) = group_of(&rig, 3);
    rig.sync().await.expect(0);
    rig.configure("[jobs.groups]\nactions = [\"create\"]");
    let jane = rig.joiner("jane");
    rig.tenant().add_members(group, &[jane]);
    rig.tenant().remove_members(group, &fans[..1]);
    rig.tenant().rename_group(group, "Friends");
    let traffic = rig.sandbox.target.traffic();
    traffic.reset();
    rig.sync().await.expect(0);
    let sent = traffic.count_where(|one| one.method != "GET" && one.path.contains("/Groups"));
    assert_eq!(sent, 0, "{:#?}", traffic.exchanges());
    assert_eq!(members_of_fans(&rig).len(), 3);

    rig.configure("");
    rig.sync().await.expect(0);
    assert_eq!(rig.target().await.groups["Friends"].len(), 3);
    is_settled(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_unknown_member_keeps_no_other_out() {
    for quirk in [Quirk::UnknownMembersCrash, Quirk::BareConflicts] {
        let rig = start().await;
        rig.sandbox.target.enable(quirk);
        let members: Vec<Uuid> = (0..20).map(|n| rig.joiner(&format!("fan{n}"))).collect();
        rig.sync().await.expect(0);
        rig.sandbox.target.delete(&id_of(&rig, "fan7"));
        let group = rig.tenant().add_group("Fans");
        rig.tenant().add_members(group, &members);
        rig.tenant().assign(group, ROLE_USER);
        rig.sandbox.target.traffic().reset();
        let summary = rig.sync().await.expect(3).job();
        assert_eq!(members_of_fans(&rig).len(), 19, "{summary:#}");
        assert_eq!(summary["failed"], 1, "{summary:#}");
        let message = summary["failures"][0]["message"].as_str().unwrap();
        assert!(message.contains("member fan7@contoso.com"), "{message}");
        let sent = chunks(&rig);
        assert!(sent.len() <= 11, "{sent:?}");

        // The one whose account is gone is created again, and gets in.
        rig.sync().await.expect(0);
        assert_eq!(members_of_fans(&rig).len(), 20);
        let idle = rig.sync().await.expect(0).job();
        assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_whose_members_are_refused_whatever_is_sent_is_given_up_for_this_cycle() {
    for status in [400, 500] {
        let rig = start().await;
        group_of(&rig, 64);
        let refused = Fault::new("/Groups/", words(status, "invalidValue", "no")).method("PATCH");
        inject(&rig, refused.forever());
        for _ in 0..2 {
            rig.sandbox.target.traffic().reset();
            let summary = rig.sync().await.expect(3).job();
            let sent = chunks(&rig);
            assert!(sent.len() <= 2 * 6 + 3, "{status}: {sent:?}");
            let message = summary["failures"][0]["message"].as_str().unwrap();
            assert!(message.contains("member fan"), "{message}");
        }
        rig.sandbox.target.traffic().clear_faults();
        rig.sync().await.expect(0);
        assert_eq!(members_of_fans(&rig).len(), 64);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_membership_that_is_gone_already_is_done() {
    for form in ["filter", "value-list"] {
        for hidden in [false, true] {
            let rig = start().await;
            rig.edit(|text| {
                text.replace(
                    "[jobs.target]",
                    &format!("[jobs.target]\nmember_remove = \"{form}\""),
                )
            });
            rig.sandbox.target.enable(Quirk::MissingMembersRefused);
            let (group, fans) = group_of(&rig, 6);
            rig.sync().await.expect(0);
            take_out(&rig, "fan1");
            take_out(&rig, "fan2");
            if hidden {
                rig.sandbox.target.enable(Quirk::MembersHidden);
            }
            rig.tenant().remove_members(group, &fans[..4]);
            let summary = rig.sync().await.expect(0).job();
            assert_eq!(members_of_fans(&rig).len(), 2, "{summary:#}");
            assert_eq!(summary["done"]["remove-members"], 4, "{summary:#}");
            let idle = rig.sync().await.expect(0).job();
            assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_membership_is_gone_whatever_the_target_answers_to_its_removal() {
    for status in [400, 404] {
        let rig = start().await;
        let (group, fans) = group_of(&rig, 4);
        rig.sync().await.expect(0);
        take_out(&rig, "fan1");
        let unknown = words(status, "", "no such member");
        inject(&rig, Fault::new("/Groups/", unknown).method("PATCH"));
        rig.tenant().remove_members(group, &fans[1..2]);
        let summary = rig.sync().await.expect(0).job();
        assert_eq!(summary["done"]["remove-members"], 1, "{summary:#}");
        assert_eq!(members_of_fans(&rig).len(), 3);
        is_settled(&rig).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_stays_although_it_is_taken_out_is_a_failure() {
    let rig = start().await;
    let (group, fans) = group_of(&rig, 4);
    rig.sync().await.expect(0);
    let refused = Fault::new("/Groups/", words(400, "invalidValue", "no")).method("PATCH");
    inject(&rig, refused.forever());
    rig.tenant().remove_members(group, &fans[..1]);
    let summary = rig.sync().await.expect(3).job();
    let message = summary["failures"][0]["message"].as_str().unwrap();
    assert!(
        message.starts_with("member fan0@contoso.com: "),
        "{message}"
    );
    rig.sandbox.target.traffic().clear_faults();
    rig.sync().await.expect(0);
    assert_eq!(members_of_fans(&rig).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn memberships_that_the_target_dropped_while_a_user_was_disabled_come_back() {
    for put in [false, true] {
        let rig = start().await;
        if put {
            rig.sandbox.target.enable(Quirk::NoPatch);
        }
        let (group, fans) = group_of(&rig, 4);
        rig.sync().await.expect(0);
        rig.tenant().disable_user(fans[1]);
        rig.tenant().disable_user(fans[2]);
        rig.sync().await.expect(0);
        take_out(&rig, "fan1");
        take_out(&rig, "fan2");
        rig.tenant().enable_user(fans[1]);
        rig.tenant().enable_user(fans[2]);
        rig.sandbox.target.traffic().reset();
        let summary = rig.sync().await.expect(0).job();
        assert_eq!(members_of_fans(&rig).len(), 4, "{summary:#}");
        let to_groups =
            |one: &entrain::sandbox::Exchange| one.method != "GET" && one.path.contains("/Groups");
        let traffic = rig.sandbox.target.traffic();
        assert!(traffic.count_where(to_groups) <= 2, "{summary:#}");
        is_settled(&rig).await;

        // Enabled alone: the next cycle sends the groups.
        rig.tenant().disable_user(fans[1]);
        rig.sync().await.expect(0);
        take_out(&rig, "fan1");
        rig.tenant().enable_user(fans[1]);
        rig.run(&["sync", "--user", "fan1@contoso.com"])
            .await
            .expect(0);
        rig.sync().await.expect(0);
        assert_eq!(members_of_fans(&rig).len(), 4);

        // Out of the group meanwhile: nothing comes back.
        rig.tenant().disable_user(fans[1]);
        rig.sync().await.expect(0);
        rig.tenant().enable_user(fans[1]);
        rig.tenant().remove_members(group, &fans[1..2]);
        rig.tenant().assign(fans[1], ROLE_USER);
        rig.sync().await.expect(0);
        assert_eq!(members_of_fans(&rig).len(), 3);
        is_settled(&rig).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_not_sent_as_members_where_the_target_takes_none() {
    for preset in ["sosafe", "symantec-wss", "generic"] {
        let rig = start().await;
        rig.edit(|text| text.replace("preset = \"generic\"", &format!("preset = \"{preset}\"")));
        let (outer, _) = group_of(&rig, 2);
        let inner = rig.tenant().add_group("Inner");
        rig.tenant().assign(inner, ROLE_USER);
        rig.tenant().add_members(outer, &[inner]);
        let takes_groups = preset == "generic";
        let plan = rig.plan().await.expect(0).job();
        let warnings: Vec<&Value> = plan["warnings"].as_array().unwrap().iter().collect();
        assert_eq!(warnings.is_empty(), takes_groups, "{plan:#}");
        for warning in warnings {
            assert_eq!(warning["reason"], "nested-members");
            assert_eq!(warning["subject"]["label"], "Fans");
            assert_eq!(warning["groups"][0]["label"], "Inner");
        }
        rig.sync().await.expect(0);
        let expected = if takes_groups { 3 } else { 2 };
        assert_eq!(members_of_fans(&rig).len(), expected, "{preset}");
        is_settled(&rig).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_refused_as_a_member_is_named_and_keeps_no_user_out() {
    let rig = start().await;
    rig.sandbox.target.enable(Quirk::GroupsAsMembersRefused);
    let (outer, _) = group_of(&rig, 5);
    let inner = rig.tenant().add_group("Inner");
    rig.tenant().assign(inner, ROLE_USER);
    rig.tenant().add_members(outer, &[inner]);
    let summary = rig.sync().await.expect(3).job();
    assert_eq!(members_of_fans(&rig).len(), 5, "{summary:#}");
    let message = summary["failures"][0]["message"].as_str().unwrap();
    assert!(message.starts_with("member Inner: "), "{message}");
    rig.edit(|text| format!("{text}\n[jobs.groups]\nnested_members = false\n"));
    rig.sync().await.expect(0);
    is_settled(&rig).await;
}
