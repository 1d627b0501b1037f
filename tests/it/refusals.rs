//! What a target refuses: one attribute, one member or one address keeps nothing else out, and no refusal
//! becomes a storm.

use std::time::{Duration, Instant};

use entrain::sandbox::{Fault, Quirk, ROLE_USER, Size, Trouble, Uuid};
use serde_json::{Value, json};

use crate::rig::Rig;

async fn start() -> Rig {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.sandbox.target.traffic().record_bodies(true);
    rig
}

fn inject(rig: &Rig, fault: Fault) {
    rig.sandbox.target.traffic().inject(fault);
}

/// A refusal in the target's own words.
fn words(status: u16, scim_type: &str, detail: &str) -> Trouble {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": status.to_string(),
        "scimType": scim_type,
        "detail": detail,
    });
    Trouble::body(status, &body.to_string())
}

/// A group with so many members, all of them in scope.
fn group_of(rig: &Rig, members: usize) -> (Uuid, Vec<Uuid>) {
    let group = rig.tenant().add_group("Fans");
    let members: Vec<_> = (0..members)
        .map(|number| rig.joiner(&format!("fan{number}")))
        .collect();
    rig.tenant().add_members(group, &members);
    rig.tenant().assign(group, ROLE_USER);
    (group, members)
}

fn id_of(rig: &Rig, alias: &str) -> String {
    let user = rig.user(&format!("{alias}@contoso.com"));
    user["id"].as_str().unwrap().to_owned()
}

/// Takes a member out of the group behind our back.
fn take_out(rig: &Rig, alias: &str) {
    let target = &rig.sandbox.target;
    let fans = target.find_group_by("displayName", "Fans").unwrap();
    let gone = id_of(rig, alias);
    let kept = members_of_fans(rig).into_iter().filter(|id| *id != gone);
    let kept: Vec<Value> = kept.map(|id| json!({"value": id})).collect();
    assert!(target.change_group(fans["id"].as_str().unwrap(), &json!({"members": kept})));
}

fn members_of_fans(rig: &Rig) -> Vec<String> {
    let fans = rig.sandbox.target.find_group_by("displayName", "Fans");
    let id = fans.unwrap()["id"].as_str().unwrap().to_owned();
    rig.sandbox.target.members(&id)
}

/// How many members each PATCH of a group carried, in order.
fn chunks(rig: &Rig) -> Vec<usize> {
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

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn refuse(rig: &Rig, attribute: &str, status: u16, words: &str) {
    rig.sandbox.target.configure(|target| {
        let words = (status, words.to_owned());
        target
            .refused_attributes
            .insert(attribute.to_owned(), words);
    });
}

fn take_everything(rig: &Rig) {
    rig.sandbox.target.configure(|target| {
        target.refused_attributes.clear();
        target.taken_alone.clear();
    });
    rig.sandbox.target.traffic().clear_faults();
}

fn writes(rig: &Rig) -> usize {
    rig.sandbox.target.writes()
}

async fn escrow(rig: &Rig) -> Vec<Value> {
    let status = rig.run(&["status", "--format", "json"]).await.expect(0);
    status.job()["escrow"].as_array().unwrap().clone()
}

/// Nothing is left to do, and nothing failed.
async fn is_settled(rig: &Rig) {
    assert_eq!(escrow(rig).await, Vec::<Value>::new());
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaver_whose_new_name_is_refused_is_disabled_first() {
    let rig = start().await;
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    refuse(
        &rig,
        "userName",
        400,
        "Attribute 'userName' cannot be changed",
    );
    let tenant = rig.tenant();
    tenant.set_property(jane, "userPrincipalName", json!("janet@contoso.com"));
    tenant.set_property(jane, "jobTitle", json!("Boss"));
    tenant.disable_user(jane);
    rig.sandbox.target.traffic().reset();
    let summary = rig.sync().await.expect(3).job();
    let there = rig.user("jane@contoso.com");
    assert_eq!(there["active"], false, "{summary:#}");
    assert_eq!(there["title"], "Boss", "{summary:#}");
    let sent = rig.sandbox.target.traffic().exchanges();
    let first = sent.iter().find(|one| one.method == "PATCH").unwrap();
    let first: Value = serde_json::from_str(first.body.as_ref().unwrap()).unwrap();
    assert_eq!(
        first["Operations"].as_array().unwrap().len(),
        1,
        "{first:#}"
    );
    assert_eq!(first["Operations"][0]["path"], "active");

    let waiting = escrow(&rig).await;
    assert_eq!(waiting.len(), 1, "{waiting:#?}");
    let message = waiting[0]["message"].as_str().unwrap();
    assert!(message.starts_with("userName is left out: "), "{message}");
    assert!(
        message.contains("'userName' cannot be changed"),
        "{message}"
    );
    let log = rig.run(&["log", "--status", "failed"]).await.expect(0);
    assert!(log.out.contains("userName is left out"), "{}", log.out);

    // The name is tried again by itself, and nothing else is sent.
    rig.sandbox.target.traffic().reset();
    rig.sync().await.expect(3);
    assert_eq!(writes(&rig), 1);
    assert_eq!(escrow(&rig).await[0]["attempts"], 2);

    take_everything(&rig);
    rig.sync().await.expect(0);
    assert_eq!(rig.user("janet@contoso.com")["active"], false);
    is_settled(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_takes_active_alone_disables_and_enables() {
    let rig = start().await;
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    rig.sandbox.target.configure(|target| {
        target.taken_alone.insert("active".to_owned());
    });
    for (boss, active) in [("Boss", false), ("Chief", true)] {
        rig.tenant().set_property(jane, "jobTitle", json!(boss));
        if active {
            rig.tenant().enable_user(jane);
        } else {
            rig.tenant().disable_user(jane);
        }
        rig.sync().await.expect(0);
        let there = rig.user("jane@contoso.com");
        assert_eq!(there["active"], active, "{there:#}");
        assert_eq!(there["title"], boss, "{there:#}");
        is_settled(&rig).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attribute_that_is_refused_without_a_name_is_found_and_keeps_no_other_out() {
    for (status, words) in [(400, "no"), (422, "Something is not valid.")] {
        let rig = start().await;
        let people: Vec<Uuid> = ["jane", "john", "jill"].map(|one| rig.joiner(one)).to_vec();
        rig.sync().await.expect(0);
        refuse(&rig, "department", status, words);
        for person in people {
            for name in [
                "jobTitle",
                "department",
                "city",
                "state",
                "givenName",
                "surname",
            ] {
                rig.tenant().set_property(person, name, json!("New"));
            }
        }
        rig.sandbox.target.traffic().reset();
        let summary = rig.sync().await.expect(3).job();
        assert_eq!(summary["failed"], 3, "{summary:#}");
        for name in ["jane", "john", "jill"] {
            let there = rig.user(&format!("{name}@contoso.com"));
            assert_eq!(there["title"], "New", "{there:#}");
            assert_eq!(there["name"]["givenName"], "New", "{there:#}");
            assert_eq!(there["addresses"][0]["locality"], "New", "{there:#}");
            assert_eq!(there[ENTERPRISE]["department"], "R&D", "{there:#}");
        }
        // Seven changes each: 2·log2(7) + 3 is 8.
        assert!(writes(&rig) <= 3 * 8, "{}", writes(&rig));
        for one in escrow(&rig).await {
            let message = one["message"].as_str().unwrap();
            let expected = format!("{ENTERPRISE}:department is left out: ");
            assert!(message.starts_with(&expected), "{message}");
        }

        // The next cycle does not search again, and what changes meanwhile is not kept out.
        let jane = rig.tenant().find_user_by("mailNickname", "jane").unwrap();
        rig.tenant()
            .set_property(jane.id, "jobTitle", json!("Boss"));
        rig.sandbox.target.traffic().reset();
        rig.sync().await.expect(3);
        assert_eq!(writes(&rig), 4);
        assert_eq!(rig.user("jane@contoso.com")["title"], "Boss");

        take_everything(&rig);
        rig.sync().await.expect(0);
        let there = rig.user("jane@contoso.com");
        assert_eq!(there[ENTERPRISE]["department"], "New", "{there:#}");
        is_settled(&rig).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_whom_the_target_refuses_whatever_is_sent_is_searched_once() {
    let rig = start().await;
    let jane = rig.joiner("jane");
    rig.joiner("john");
    rig.sync().await.expect(0);
    let path = format!("/Users/{}", id_of(&rig, "jane"));
    inject(
        &rig,
        Fault::new(&path, words(400, "invalidValue", "protected"))
            .method("PATCH")
            .forever(),
    );
    for name in ["jobTitle", "department", "givenName", "surname"] {
        rig.tenant().set_property(jane, name, json!("New"));
    }
    rig.sandbox.target.traffic().reset();
    rig.sync().await.expect(3);
    assert!(writes(&rig) <= 8, "{}", writes(&rig));
    for _ in 0..2 {
        rig.sandbox.target.traffic().reset();
        let summary = rig.sync().await.expect(3).job();
        assert_eq!(summary["failed"], 1, "{summary:#}");
        assert_eq!(writes(&rig), 1);
        let waiting = escrow(&rig).await;
        let message = waiting[0]["message"].as_str().unwrap();
        assert!(message.contains("protected"), "{message}");
        assert!(!message.contains("left out"), "{message}");
    }
    take_everything(&rig);
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["title"], "New");
    is_settled(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_goes_without_an_attribute_that_the_answer_names() {
    for status in [400, 403, 409, 422] {
        let rig = start().await;
        refuse(&rig, "title", status, "title: not a known job");
        rig.joiner("jane");
        let summary = rig.sync().await.expect(3).job();
        let there = rig.user("jane@contoso.com");
        assert_eq!(there["title"], Value::Null, "{summary:#}");
        assert_eq!(there["active"], true);
        let message = escrow(&rig).await[0]["message"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(message.starts_with("title is left out: "), "{message}");
        rig.sandbox.target.traffic().reset();
        rig.sync().await.expect(3);
        assert_eq!(writes(&rig), 1);
        take_everything(&rig);
        rig.sync().await.expect(0);
        assert_eq!(rig.user("jane@contoso.com")["title"], "Engineer");
        is_settled(&rig).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_is_never_sent_without_what_it_needs_or_what_is_not_named() {
    for (attribute, words) in [
        ("userName", "userName: not allowed"),
        ("active", "active is read-only"),
        ("title", "no"),
    ] {
        let rig = start().await;
        refuse(&rig, attribute, 400, words);
        rig.joiner("jane");
        for _ in 0..2 {
            rig.sandbox.target.traffic().reset();
            let summary = rig.sync().await.expect(3).job();
            assert_eq!(writes(&rig), 1, "{summary:#}");
            assert_eq!(rig.sandbox.target.user_count(), 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_adopted_although_one_of_its_attributes_is_refused() {
    let rig = start().await;
    refuse(&rig, "title", 400, "no");
    let jane = rig.joiner("jane");
    let there = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "jane@contoso.com",
        "active": true,
    });
    rig.sandbox.target.create_user(&there).unwrap();
    rig.sync().await.expect(3);
    let there = rig.user("jane@contoso.com");
    assert_eq!(there["name"]["familyName"], "jane", "{there:#}");
    assert_eq!(there["title"], Value::Null, "{there:#}");
    // Linked, so that a leaver is disabled.
    rig.tenant().disable_user(jane);
    rig.sync().await.expect(3);
    assert_eq!(rig.user("jane@contoso.com")["active"], false);
    take_everything(&rig);
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["title"], "Engineer");
    is_settled(&rig).await;
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
async fn a_group_that_is_refused_as_a_member_is_named_and_keeps_nobody_out() {
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
