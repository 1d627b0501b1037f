//! Who is in the target already is adopted, whatever the target's habits; no user exists twice.

use entrain::sandbox::{Fault, Quirk, ROLE_USER, Size, Trouble};
use serde_json::{Value, json};

use crate::cycles::settles;
use crate::rig::Rig;
use crate::target::Expected;

async fn start() -> Rig {
    Rig::start(Size::new(30, 4, 60)).await
}

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

fn put_user(rig: &Rig, name: &str) -> String {
    let user = json!({"schemas": [USER], "userName": name, "active": false, "title": "Old"});
    rig.sandbox.target.create_user(&user).unwrap()
}

fn put_group(rig: &Rig, name: &str, members: &[&str]) -> String {
    let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
    let group = json!({"schemas": [GROUP], "displayName": name, "members": members});
    rig.sandbox.target.create_group(&group).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn users_that_exist_already_are_adopted_however_they_are_spelt() {
    let rig = start().await;
    let names = [
        ("o'neil", "o'neil@contoso.com"),
        ("jane+test", "JANE+Test@Contoso.com"),
        ("jürgen.groß", "jürgen.groß@contoso.com"),
        ("say\"hi\"", "say\"hi\"@contoso.com"),
        ("back\\slash", "back\\slash@contoso.com"),
        ("a&b#c", "A&B#C@contoso.com"),
        ("東海林", "東海林@contoso.com"),
        ("100%25", "100%25@contoso.com"),
    ];
    let mut ids = Vec::new();
    for (alias, there) in names {
        rig.joiner(alias);
        ids.push((put_user(&rig, there), format!("{alias}@contoso.com")));
    }
    let before = rig.sandbox.target.user_count();
    let plan = rig.plan().await.expect(0).job();
    assert_eq!(plan["totals"]["adopt"], before, "{plan:#}");
    assert_eq!(rig.sandbox.target.writes(), 0);
    for (id, name) in &ids {
        let user = rig.sandbox.target.user(id).unwrap();
        assert_ne!(user["title"], "Engineer", "{name}");
    }
    rig.sync().await.expect(0);
    assert_eq!(rig.target().await.duplicates, Vec::<String>::new());
    assert_eq!(
        rig.sandbox.target.user_count(),
        rig.target().await.users.len()
    );
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
    for (id, name) in ids {
        let user = rig.sandbox.target.user(&id).unwrap();
        assert_eq!(user["active"], true, "{name}");
        assert_eq!(user["title"], "Engineer");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_from_nothing_fills_what_an_adopted_person_lacks() {
    let rig = start().await;
    rig.configure(
        "[jobs.users]\nmappings = [\n\
         { target = 'title', none = true, default = 'unknown' },\n\
         { target = 'nickName', none = true, default = 'nobody' },\n\
         { target = 'locale', source = 'usageLocation', default = 'xx', apply = 'on-create' } ]",
    );
    rig.joiner("jane");
    let jane = put_user(&rig, "jane@contoso.com");
    rig.joiner("new");
    rig.sync().await.expect(0);
    let user = rig.sandbox.target.user(&jane).unwrap();
    assert_eq!(
        (&user["title"], &user["nickName"]),
        (&json!("Old"), &json!("nobody"))
    );
    // What applies on create alone is another thing.
    assert_eq!(user["locale"], Value::Null);
    let new = rig.user("new@contoso.com");
    assert_eq!(
        (&new["title"], &new["nickName"]),
        (&json!("unknown"), &json!("nobody"))
    );
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_by_one_they_are_found_too() {
    let rig = start().await;
    rig.sync().await.expect(0);
    let others = rig.sandbox.target.user_count();
    let people = [
        ("o'neil", "o'neil@contoso.com"),
        ("jane+test", "JANE+Test@Contoso.com"),
        ("say\"hi\"", "say\"hi\"@contoso.com"),
        ("back\\slash", "back\\slash@contoso.com"),
        ("a&b#c", "A&B#C@contoso.com"),
        ("東海林", "東海林@contoso.com"),
        ("100%25", "100%25@contoso.com"),
    ];
    for (number, (alias, there)) in people.into_iter().enumerate() {
        rig.joiner(alias);
        let id = put_user(&rig, there);
        let summary = rig.sync().await.expect(0).job();
        assert_eq!(summary["done"]["adopt"], 1, "{summary:#}");
        assert_eq!(rig.sandbox.target.user_count(), others + number + 1);
        assert_eq!(
            rig.sandbox.target.user(&id).unwrap()["active"],
            true,
            "{alias}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_there_gets_its_type_and_is_not_added_again() {
    let address = "jane@mail.contoso.com";
    let shown = [
        json!([{"value": address}]),
        json!([{"value": address, "type": "home", "primary": true}]),
        json!([{"value": "JANE@mail.contoso.com", "type": "Work"}]),
        json!([{"value": "other@elsewhere.example", "type": "home"}, {"value": address}]),
    ];
    for emails in shown {
        for put in [false, true] {
            let rig = Rig::start(Size::new(0, 0, 0)).await;
            if put {
                rig.sandbox.target.enable(Quirk::NoPatch);
            }
            rig.joiner("jane");
            let user = json!({"schemas": [USER], "userName": "jane@contoso.com", "emails": emails});
            let id = rig.sandbox.target.create_user(&user).unwrap();
            rig.sync().await.expect(0);
            let user = rig.sandbox.target.user(&id).unwrap();
            let there = user["emails"].as_array().unwrap();
            assert_eq!(there.len(), emails.as_array().unwrap().len(), "{user:#}");
            let is_ours = |one: &&Value| {
                let text = |name: &str| one[name].as_str().unwrap_or_default().to_lowercase();
                (text("value"), text("type")) == (address.to_owned(), "work".to_owned())
            };
            assert_eq!(there.iter().filter(is_ours).count(), 1, "{user:#}");
            let idle = rig.sync().await.expect(0).job();
            assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_answers_404_where_no_user_matches_works() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.sandbox.target.enable(Quirk::NobodyIsNotFound);
    let test = rig.run(&["test"]).await.expect(0);
    assert!(
        test.out.contains("404 for a user that does not exist"),
        "{test:?}"
    );
    rig.joiner("jane");
    let there = put_user(&rig, "john@contoso.com");
    rig.joiner("john");
    let group = rig.tenant().add_group("Fans");
    rig.tenant().assign(group, ROLE_USER);
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["active"], true);
    assert_eq!(rig.sandbox.target.user(&there).unwrap()["active"], true);
    assert_eq!(rig.sandbox.target.group_count(), 1);
    // A target that answers nothing but that is not there.
    let elsewhere = Fault::new("/Users", Trouble::body(404, &error_body(404))).forever();
    rig.sandbox.target.traffic().inject(elsewhere);
    let test = rig.run(&["test"]).await.expect(1);
    assert!(test.out.contains("check target.base_url"), "{test:?}");
    rig.joiner("late");
    rig.sync().await.expect(1);
    assert_eq!(rig.sandbox.target.user_count(), 2);
}

fn error_body(status: u16) -> String {
    let urn = "urn:ietf:params:scim:api:messages:2.0:Error";
    json!({"schemas": [urn], "status": status.to_string(), "detail": "Not found."}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_group_gets_who_is_missing_and_keeps_who_is_not_ours() {
    let rig = start().await;
    let jane = rig.joiner("jane");
    let john = rig.joiner("john");
    let group = rig.tenant().add_group("Fans");
    rig.tenant().add_members(group, &[jane, john]);
    rig.tenant().assign(group, ROLE_USER);
    let jane_there = put_user(&rig, "jane@contoso.com");
    let stranger = put_user(&rig, "stranger@elsewhere.example");
    let there = put_group(&rig, "FANS", &[&jane_there, &stranger]);
    rig.sync().await.expect(0);
    let group = rig.sandbox.target.group(&there).unwrap();
    // Names that differ in nothing but case are the same (RFC 7643 section 2.2).
    assert_eq!(group["displayName"], "FANS");
    let mut members = rig.sandbox.target.members(&there);
    members.sort();
    let john_there = rig.user("john@contoso.com")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut wanted = vec![jane_there, john_there, stranger];
    wanted.sort();
    assert_eq!(members, wanted);
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_hits_are_that_objects_failure_alone() {
    let rig = start().await;
    rig.configure(
        "[[jobs.users.mappings]]\ntarget = \"title\"\nsource = \"jobTitle\"\nmatch = 2\n",
    );
    let names = |rig: &Rig| rig.sandbox.target.user_count();
    let jane = rig.joiner("jane");
    rig.tenant()
        .set_property(jane, "jobTitle", json!("Unique title"));
    for name in ["a@elsewhere.example", "b@elsewhere.example"] {
        let user = json!({"schemas": [USER], "userName": name, "title": "Unique title"});
        rig.sandbox.target.create_user(&user).unwrap();
    }
    for id in rig.tenant().user_ids() {
        if id != jane {
            rig.tenant().set_property(id, "jobTitle", Value::Null);
        }
    }
    let summary = rig.sync().await.expect(3).job();
    assert_eq!(summary["failed"], 1, "{summary:#}");
    let words = summary["failures"][0]["message"].as_str().unwrap();
    assert!(
        words.contains("title") || words.contains("several"),
        "{words}"
    );
    assert!(names(&rig) > 10);
    let plan = rig.plan().await.expect(3).job();
    assert_eq!(plan["skipped"][0]["reason"], "ambiguous", "{plan:#}");
    rig.tenant().set_property(jane, "jobTitle", Value::Null);
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["active"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_users_with_one_key_do_not_share_an_account() {
    let rig = start().await;
    rig.joiner("jane");
    let twin = rig.joiner("twin");
    rig.tenant()
        .set_property(twin, "userPrincipalName", json!("JANE@contoso.com"));
    let summary = rig.sync().await.expect(3).job();
    assert_eq!(summary["failed"], 1, "{summary:#}");
    let there = rig.sandbox.target.user_count() + rig.sandbox.target.group_count();
    assert_eq!(summary["done"]["create"], there, "{summary:#}");
    let summary = rig.sync().await.expect(3).job();
    assert_eq!(summary["failed"], 1, "{summary:#}");
    rig.tenant()
        .set_property(twin, "userPrincipalName", json!("twin@contoso.com"));
    // Whichever of them was first, the other one's name is free after this.
    rig.sync().await;
    settles(&rig, &mut Expected::default()).await;
}

const ACME: &str = "urn:acme:params:scim:schemas:2.0:User";

/// People are matched by a badge of the target's own schema, and by nothing else.
fn badges(extra: &str) -> String {
    format!(
        "[jobs.users]\nmappings = [\n\
         {{ target = 'userName', source = 'userPrincipalName' }},\n\
         {{ target = '{ACME}:badge', source = 'employeeId', match = 1{extra} }} ]",
    )
}

fn put_badge(rig: &Rig, name: &str, badge: &Value) -> String {
    let user = json!({"schemas": [USER, ACME], "userName": name, ACME: {"badge": badge}});
    rig.sandbox.target.create_user(&user).unwrap()
}

/// Only the users that the test adds.
async fn with_badges(extra: &str) -> Rig {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.sandbox.target.enable(Quirk::NumbersInOtherSchemas);
    rig.configure(&badges(extra));
    rig
}

fn badge_holder(rig: &Rig, alias: &str, badge: &str) {
    let id = rig.joiner(alias);
    rig.tenant().set_property(id, "employeeId", json!(badge));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_shown_with_a_number_is_found_by_the_text_that_means_it() {
    for (extra, badge) in [("", json!(4711)), (", type = 'integer'", json!(" 4711"))] {
        let rig = with_badges(extra).await;
        let jane = put_badge(&rig, "jane@elsewhere.example", &badge);
        badge_holder(&rig, "jane", "4711");
        let plan = rig.plan().await.expect(0).job();
        assert_eq!(plan["totals"]["adopt"], 1, "{plan:#}");
        rig.sync().await.expect(0);
        assert_eq!(rig.sandbox.target.user_count(), 1);
        let user = rig.sandbox.target.user(&jane).unwrap();
        assert_eq!(user["userName"], "jane@contoso.com");
        assert_eq!(user[ACME]["badge"], badge);
        let idle = rig.sync().await.expect(0).job();
        assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_create_is_found_by_a_text_that_the_target_shows_as_a_number() {
    let rig = with_badges("").await;
    badge_holder(&rig, "jane", "4711");
    let lost = Fault::new("/Users", Trouble::AnswerLost).method("POST");
    rig.sandbox.target.traffic().inject(lost);
    rig.sync().await;
    let there = rig.sandbox.target.users();
    assert_eq!(there[0][ACME]["badge"], 4711, "{there:#?}");
    let writes = rig.sandbox.target.writes();
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), 1);
    assert_eq!(rig.sandbox.target.writes(), writes);
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn case_counts_for_matching_where_the_mapping_says_so() {
    for (extra, found) in [("", 1), (", case_exact = true", 0)] {
        let rig = with_badges(extra).await;
        put_badge(&rig, "jane@elsewhere.example", &json!("a-1"));
        badge_holder(&rig, "jane", "A-1");
        let plan = rig.plan().await.expect(0).job();
        assert_eq!(plan["totals"]["adopt"], found, "{extra}: {plan:#}");
        assert_eq!(plan["totals"]["create"], 1 - found, "{extra}: {plan:#}");
    }
}

/// Everything that can happen to people and groups, against a target with habits.
async fn lives_with(extra: &str, habits: impl Fn(&Rig)) {
    let rig = start().await;
    rig.configure(extra);
    habits(&rig);
    let mut expected = Expected::default();
    let jane = rig.joiner("jane");
    let john = rig.joiner("john");
    let mary = rig.joiner("mary");
    let group = rig.tenant().add_group("Fans");
    rig.tenant().add_members(group, &[jane, john]);
    rig.tenant().assign(group, ROLE_USER);
    put_user(&rig, "jane@contoso.com");
    put_group(&rig, "Fans", &[]);
    settles(&rig, &mut expected).await;

    rig.tenant().set_property(jane, "jobTitle", json!("Boss"));
    rig.tenant()
        .set_property(jane, "userPrincipalName", json!("janet@contoso.com"));
    rig.tenant().set_property(john, "mail", Value::Null);
    rig.tenant()
        .set_property(john, "mobilePhone", json!("+49 30 1234"));
    rig.tenant().set_manager(john, Some(mary));
    rig.tenant().rename_group(group, "Great fans");
    rig.tenant().remove_members(group, &[jane]);
    rig.tenant().add_members(group, &[mary]);
    rig.joiner("late");
    settles(&rig, &mut expected).await;

    rig.tenant().disable_user(jane);
    rig.tenant().unassign(john);
    rig.tenant().remove_members(group, &[john]);
    settles(&rig, &mut expected).await;

    rig.tenant().enable_user(jane);
    rig.tenant().assign(john, ROLE_USER);
    rig.tenant().add_members(group, &[jane, john]);
    rig.tenant().hard_delete_user(mary);
    settles(&rig, &mut expected).await;
    rig.tenant().unassign(group);
    settles(&rig, &mut expected).await;
}

async fn lives_with_quirk(quirk: Quirk) {
    lives_with("", |rig| rig.sandbox.target.enable(quirk)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_textbook_target_is_lived_with() {
    lives_with("", |_| {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_ignores_filters_is_lived_with() {
    lives_with_quirk(Quirk::FilterIgnored).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_refuses_filters_is_lived_with() {
    lives_with_quirk(Quirk::FilterForbidden).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_refuses_a_parameter_of_lists_is_lived_with() {
    lives_with("", |rig| {
        rig.sandbox.target.enable(Quirk::FilterIgnored);
        rig.sandbox.target.enable(Quirk::ExcludingRefused);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_takes_members_out_only_by_a_list_is_lived_with() {
    lives_with_quirk(Quirk::MemberFilterRefused).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_hides_members_is_lived_with() {
    lives_with_quirk(Quirk::MembersHidden).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_target_is_lived_with() {
    lives_with_quirk(Quirk::StrictAttributes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_with_unique_addresses_is_lived_with() {
    lives_with_quirk(Quirk::UniqueEmails).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_with_unique_group_names_is_lived_with() {
    lives_with_quirk(Quirk::UniqueGroupNames).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_with_bare_conflicts_is_lived_with() {
    lives_with_quirk(Quirk::BareConflicts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_takes_texts_for_booleans_is_lived_with() {
    lives_with_quirk(Quirk::CoerceBooleans).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_answers_patches_with_whole_resources_works() {
    lives_with_quirk(Quirk::PatchAnswersWhole).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_takes_unknown_members_is_lived_with() {
    lives_with_quirk(Quirk::UnknownMembersAccepted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_without_put_is_lived_with() {
    lives_with_quirk(Quirk::NoPut).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_finds_by_few_attributes_is_lived_with() {
    let only = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    lives_with("", |rig| {
        rig.sandbox
            .target
            .configure(|target| target.filterable = only(&["userName", "displayName"]));
    })
    .await;
    lives_with("", |rig| {
        rig.sandbox
            .target
            .configure(|target| target.filterable = only(&["userName"]));
    })
    .await;
    lives_with("", |rig| {
        rig.sandbox
            .target
            .configure(|target| target.filterable = only(&[]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_with_short_pages_and_patches_is_lived_with() {
    lives_with("", |rig| {
        rig.sandbox.target.configure(|target| {
            target.page_cap = 5;
            target.max_members_per_patch = Some(4);
        });
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_stays_behind_a_deletion_does_no_harm() {
    let rig = start().await;
    rig.sandbox.target.enable(Quirk::DanglingMembersKept);
    let jane = rig.joiner("jane");
    let group = rig.tenant().add_group("Fans");
    rig.tenant().add_members(group, &[jane]);
    rig.tenant().assign(group, ROLE_USER);
    rig.sync().await.expect(0);
    rig.tenant().hard_delete_user(jane);
    rig.sync().await.expect(0);
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
    let john = rig.joiner("john");
    rig.tenant().add_members(group, &[john]);
    rig.sync().await.expect(0);
    let fans = rig
        .sandbox
        .target
        .find_group_by("displayName", "Fans")
        .unwrap();
    let members = rig.sandbox.target.members(fans["id"].as_str().unwrap());
    assert!(
        members.contains(
            &rig.user("john@contoso.com")["id"]
                .as_str()
                .unwrap()
                .to_owned()
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_deactivates_what_is_deleted_is_lived_with() {
    let rig = start().await;
    rig.sandbox.target.enable(Quirk::DeleteDeactivates);
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    rig.tenant().hard_delete_user(jane);
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["active"], false);
    // Another person by that name takes the account over.
    rig.joiner("jane");
    let summary = rig.sync().await.expect(0).job();
    assert_eq!(summary["done"]["adopt"], 1, "{summary:#}");
    assert_eq!(rig.user("jane@contoso.com")["active"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_refuses_deletes_or_changes_is_quoted() {
    let rig = start().await;
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    rig.sandbox.target.enable(Quirk::NoDelete);
    let fans = rig.tenant().add_group("Fans");
    rig.tenant().assign(fans, ROLE_USER);
    rig.sync().await.expect(0);
    rig.tenant().unassign(fans);
    // A group can be emptied instead; this one has no members.
    rig.sync().await.expect(0);
    // A user can be disabled instead, and no other is sent a delete.
    let leah = rig.joiner("leah");
    rig.sync().await;
    for (leaver, deletes) in [(jane, 1), (leah, 0)] {
        rig.tenant().hard_delete_user(leaver);
        rig.sandbox.target.traffic().reset();
        let summary = rig.sync().await.job();
        assert_eq!(summary["done"]["disable"], 1, "{summary:#}");
        let traffic = rig.sandbox.target.traffic();
        let of_users = |one: &entrain::sandbox::Exchange| {
            one.method == "DELETE" && one.path.contains("/Users/")
        };
        assert_eq!(traffic.count_where(of_users), deletes, "{summary:#}");
    }
    assert_eq!(rig.user("jane@contoso.com")["active"], false);
    rig.tenant().assign(fans, ROLE_USER);
    rig.sandbox.target.configure(|target| target.quirks.clear());
    rig.sandbox.target.enable(Quirk::NoPatch);
    rig.sandbox.target.enable(Quirk::NoPut);
    let john = rig.joiner("john");
    rig.sync().await.expect(0);
    rig.tenant().set_property(john, "jobTitle", json!("Boss"));
    let summary = rig.sync().await.expect(3).job();
    assert_eq!(summary["failures"][0]["http_status"], 501, "{summary:#}");
    rig.sandbox.target.configure(|target| target.quirks.clear());
    for leaver in ["jane@contoso.com", "leah@contoso.com"] {
        let id = rig.user(leaver)["id"].as_str().unwrap().to_owned();
        assert!(rig.sandbox.target.delete(&id));
    }
    settles(&rig, &mut Expected::default()).await;
}
