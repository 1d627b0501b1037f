//! Tests of the tenant alone: what a seed gives, and what scope it has.

use std::collections::BTreeSet;

use super::*;

fn handle(seed: u64) -> TenantHandle {
    TenantHandle::new(Tenant::generate(seed, &Size::new(400, 12, 900)))
}

#[test]
fn the_same_seed_gives_the_same_tenant() {
    let (left, right) = (handle(3), handle(3));
    assert_eq!(left.users(), right.users());
    assert_eq!(left.groups(), right.groups());
    assert_eq!(left.assignments(), right.assignments());
    assert_eq!(left.client_secret(), right.client_secret());
}

#[test]
fn another_seed_gives_another_tenant() {
    assert_ne!(handle(3).users(), handle(4).users());
}

#[test]
fn names_that_must_be_unique_are_unique() {
    let users = handle(3).users();
    for name in ["userPrincipalName", "mailNickname", "employeeId"] {
        let values: BTreeSet<String> = users
            .iter()
            .map(|user| user.properties[name].as_str().unwrap().to_lowercase())
            .collect();
        assert_eq!(values.len(), users.len(), "{name}");
    }
}

#[test]
fn the_tenant_has_what_makes_tenants_difficult() {
    let tenant = handle(3);
    let users = tenant.users();
    let some = |condition: &dyn Fn(&UserView) -> bool| users.iter().any(condition);
    assert!(some(&|user| user.properties["mail"].is_null()));
    assert!(some(&|user| user.properties["accountEnabled"] == false));
    assert!(some(&|user| user.properties["userType"] == "Guest"));
    assert!(some(&|user| user.manager.is_none()));
    assert!(some(&|user| !user.properties.contains_key("mobilePhone")));
    assert!(some(
        &|user| user.properties.get("mobilePhone") == Some(&Value::Null)
    ));
    assert!(some(&|user| user.properties["mail"]
        .as_str()
        .is_some_and(|mail| mail.contains('+'))));
    let groups = tenant.groups();
    assert!(groups.iter().any(|group| group.members.is_empty()));
    let ids: BTreeSet<Uuid> = groups.iter().map(|group| group.id).collect();
    let nested = groups
        .iter()
        .flat_map(|group| &group.members)
        .any(|member| ids.contains(member));
    assert!(nested);
    let assignments = tenant.assignments();
    let service = assignments
        .iter()
        .any(|entry| entry.principal_type == PrincipalType::ServicePrincipal);
    assert!(service);
    assert!(
        assignments
            .iter()
            .any(|entry| entry.role == ROLE_DEFAULT_ACCESS)
    );
}

#[test]
fn all_but_a_handful_are_in_scope() {
    let tenant = handle(3);
    let in_scope = tenant.users_in_scope().len();
    assert_eq!(in_scope, tenant.users().len() - 5);
    assert_eq!(tenant.groups_in_scope().len(), 12);
}

#[test]
fn unassigning_takes_out_of_scope_and_purging_takes_everything() {
    let tenant = handle(3);
    let direct = tenant
        .assignments()
        .into_iter()
        .find(|entry| entry.principal_type == PrincipalType::User)
        .unwrap();
    assert!(tenant.unassign(direct.principal));
    assert!(!tenant.users_in_scope().contains(&direct.principal));

    let group = tenant.groups()[0].clone();
    let member = group.members[0];
    assert!(tenant.hard_delete_user(member));
    assert!(!tenant.members(group.id).contains(&member));
    assert!(
        !tenant
            .users()
            .iter()
            .any(|user| user.manager == Some(member))
    );
    assert!(!tenant.restore_user(member), "purged is for good");
}

#[test]
fn a_property_taken_out_becomes_null() {
    let tenant = handle(3);
    let id = tenant.user_ids()[0];
    tenant.update_user(id, |properties| {
        properties.remove("department");
    });
    assert_eq!(
        tenant.user(id).unwrap().properties["department"],
        Value::Null
    );
}
