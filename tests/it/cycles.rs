//! Whole cycles through the commands: against the sandbox's target and against servers that we did
//! not write, compared with what the tenant alone says must come out.

use std::collections::BTreeSet;

use entrain::sandbox::{ROLE_USER, Size, TenantHandle, Uuid};
use serde_json::{Map, Value, json};

use crate::foreign::Kind;
use crate::rig::Rig;
use crate::target::{Expected, View};

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_arrives_exactly_in_the_sandbox() {
    arrives_exactly(Rig::start(Size::new(300, 30, 1500)).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_arrives_exactly_in_scim2_server() {
    if let Some(rig) = Rig::against(Kind::Scim2Server, Size::new(1000, 50, 5000)).await {
        arrives_exactly(rig).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_arrives_exactly_in_scimmy() {
    if let Some(rig) = Rig::against(Kind::Scimmy, Size::new(1000, 50, 5000)).await {
        arrives_exactly(rig).await;
    }
}

/// An initial cycle, one without changes, a batch of changes: after each the target holds exactly
/// what it should, and `plan` had announced exactly what happened.
async fn arrives_exactly(rig: Rig) {
    rig.configure("[jobs.safety]\nmax_deletions = \"100%\"\nmax_membership_removals = \"100%\"");
    let mut expected = Expected::default();
    announced_and_done(&rig, &mut expected, false).await;
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");

    change(rig.tenant());
    announced_and_done(&rig, &mut expected, true).await;
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
    let traffic = rig.sandbox.target.traffic();
    assert_eq!(traffic.overlaps(), Vec::<String>::new());
}

/// Plans, syncs, and holds the three against each other: plan, target before and after, expectation.
async fn announced_and_done(rig: &Rig, expected: &mut Expected, incremental: bool) {
    let before = rig.target().await;
    let plan = rig.plan().await.expect(0).job();
    same(&rig.target().await, &before);
    let kind = if incremental {
        "incremental"
    } else {
        "initial"
    };
    assert_eq!(plan["kind"], kind);

    let summary = rig.sync().await.expect(0).job();
    let after = rig.target().await;
    let expected = expected.after_cycle(rig.tenant());
    assert_eq!(after.duplicates, Vec::<String>::new());
    same(&after, &expected);
    let (announced, happened) = (announced(&plan), before.changed(&after));
    let not_announced: Vec<_> = happened.difference(&announced).collect();
    let did_not_happen: Vec<_> = announced.difference(&happened).collect();
    assert_eq!((not_announced, did_not_happen), (vec![], vec![]));
    assert_eq!(count_by_word(&plan), summary["done"], "action by action");
}

/// One more cycle brings the target exactly to where the tenant says, the one after sends nothing,
/// and no object ever had two writes in flight.
pub(crate) async fn settles(rig: &Rig, expected: &mut Expected) {
    rig.sync().await.expect(0);
    settled(rig, expected).await;
}

/// The target is as the tenant says, and a cycle sends nothing.
pub(crate) async fn settled(rig: &Rig, expected: &mut Expected) {
    let expected = expected.after_cycle(rig.tenant());
    let actual = rig.target().await;
    assert_eq!(actual.duplicates, Vec::<String>::new());
    same(&actual, &expected);
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
    let traffic = rig.sandbox.target.traffic();
    assert_eq!(traffic.overlaps(), Vec::<String>::new());
}

#[track_caller]
pub(crate) fn same(actual: &View, expected: &View) {
    for (name, person) in &expected.users {
        assert_eq!(actual.users.get(name), Some(person), "user {name}");
    }
    for (name, members) in &expected.groups {
        assert_eq!(actual.groups.get(name), Some(members), "group {name}");
    }
    let names = |view: &View| -> (BTreeSet<String>, BTreeSet<String>) {
        let (users, groups) = (view.users.keys(), view.groups.keys());
        (users.cloned().collect(), groups.cloned().collect())
    };
    assert_eq!(names(actual), names(expected));
}

/// The names of all objects that a plan touches, as they stand before and after.
fn announced(plan: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for action in plan["actions"].as_array().unwrap() {
        let key = match action["subject"]["kind"].as_str().unwrap() {
            "user" => "userName",
            _ => "displayName",
        };
        let label = action["subject"]["label"].as_str().unwrap();
        let created = action["attributes"][key].as_str();
        names.insert(created.map_or_else(|| home_address(label), str::to_owned));
        for change in action["changes"].as_array().into_iter().flatten() {
            if change["path"] == key {
                names.extend(change["old"].as_str().map(str::to_owned));
                names.extend(change["new"].as_str().map(str::to_owned));
            }
        }
    }
    names
}

fn home_address(label: &str) -> String {
    match label.split_once("#EXT#") {
        Some((home, _)) => {
            let at = home.rfind('_').unwrap();
            format!("{}@{}", &home[..at], &home[at + 1..])
        }
        None => label.to_owned(),
    }
}

/// As the summary counts: membership actions by their members.
fn count_by_word(plan: &Value) -> Value {
    let mut counts: Map<String, Value> = Map::new();
    for action in plan["actions"].as_array().unwrap() {
        let word = match action["action"].as_str().unwrap() {
            // What was done is counted apart.
            "set-reference" if action["new"].is_null() => "clear-reference",
            word => word,
        };
        let weight = action["members"].as_array().map_or(1, Vec::len) as u64;
        let count = counts.entry(word).or_insert(json!(0));
        *count = json!(count.as_u64().unwrap() + weight);
    }
    Value::Object(counts)
}

/// 20 joiners, 20 renames, 20 leavers, 20 disabled, 10 enabled again, 5 groups with 100 membership
/// changes, 5 managers; and some who were deleted for good.
fn change(tenant: &TenantHandle) {
    let in_scope: BTreeSet<Uuid> = tenant.users_in_scope();
    let (enabled, blocked): (Vec<_>, Vec<_>) = tenant
        .users()
        .into_iter()
        .filter(|user| in_scope.contains(&user.id))
        .partition(|user| user.properties["accountEnabled"] == true);
    let enabled: Vec<Uuid> = enabled.into_iter().map(|user| user.id).collect();
    assert!(enabled.len() > 150, "{}", enabled.len());

    for number in 0..20 {
        let properties = json!({
            "userPrincipalName": format!("joiner{number}.o'neil@contoso.com"),
            "displayName": format!("Joiner №{number} \"Jo\""),
            "givenName": "Jo",
            "surname": format!("O'Neil-{number}"),
            "mailNickname": format!("joiner{number}"),
            "mail": format!("joiner+{number}@contoso.com"),
            "accountEnabled": true,
        });
        let Value::Object(properties) = properties else {
            unreachable!("it is an object")
        };
        let id = tenant.add_user(properties);
        tenant.assign(id, ROLE_USER);
    }
    for (number, id) in enabled[0..20].iter().enumerate() {
        let name = json!(format!("renamed{number}@contoso.com"));
        tenant.set_property(*id, "userPrincipalName", name);
        tenant.set_property(*id, "displayName", json!(format!("Renamed {number}")));
        tenant.set_property(*id, "mobilePhone", Value::Null);
    }
    for id in &enabled[20..34] {
        tenant.soft_delete_user(*id);
    }
    for id in &enabled[34..40] {
        tenant.hard_delete_user(*id);
    }
    for id in &enabled[40..60] {
        tenant.disable_user(*id);
    }
    for user in blocked.iter().take(10) {
        tenant.enable_user(user.id);
    }
    let groups: Vec<_> = tenant.groups_in_scope().into_iter().take(5).collect();
    for (number, group) in groups.iter().enumerate() {
        let members = tenant.members(*group);
        let out: Vec<Uuid> = members.iter().copied().take(5).collect();
        let outside = enabled[60..].iter().filter(|id| !members.contains(id));
        let into: Vec<Uuid> = outside.copied().skip(number).take(20 - out.len()).collect();
        tenant.remove_members(*group, &out);
        tenant.add_members(*group, &into);
        tenant.rename_group(*group, &format!("Renamed group {number}"));
    }
    for number in 0..5 {
        tenant.set_manager(enabled[100 + number], Some(enabled[120 + number]));
    }
    tenant.set_manager(enabled[110], None);
}
