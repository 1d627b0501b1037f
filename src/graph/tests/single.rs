//! Reads of certain objects: found, absent, and not known.

use std::collections::BTreeSet;

use super::*;
use crate::sandbox::{self, ROLE_DEFAULT_ACCESS, ROLE_USER, Sandbox, Size, Uuid};

struct Tenant {
    sandbox: Sandbox,
    client: Client,
}

async fn tenant() -> Tenant {
    let options = sandbox::Options {
        size: Size::new(60, 4, 120),
        ..sandbox::Options::default()
    };
    let sandbox = Sandbox::start(options).await.unwrap();
    let mut source = source(&sandbox.login_url(), &sandbox.graph_url());
    source.tenant_id = sandbox.tenant_id();
    let credential = Credential::of_secret(sandbox.client_id(), sandbox.client_secret());
    let client = Client::new(&source, credential, CancellationToken::new()).unwrap();
    Tenant { sandbox, client }
}

fn ids(ids: &[Uuid]) -> Vec<SourceId> {
    ids.iter().map(|id| SourceId::new(id.to_string())).collect()
}

#[tokio::test]
async fn objects_are_present_in_the_recycle_bin_or_nowhere() {
    let Tenant { sandbox, client } = tenant().await;
    let users = sandbox.tenant.user_ids();
    let group = sandbox.tenant.add_group("Fans");
    let [there, binned, purged] = [users[0], users[1], users[2]];
    sandbox.tenant.soft_delete_user(binned);
    sandbox.tenant.hard_delete_user(purged);
    let all = ids(&[there, binned, purged, group]);
    let present = client.present_among(ObjectKind::User, &all);
    let expected = ids(&[there, group]).into_iter().collect();
    assert_eq!(present.await.unwrap(), expected);
    let binned = client.in_recycle_bin(&all).await.unwrap();
    let binned: Vec<bool> = all.iter().map(|id| binned[id]).collect();
    assert_eq!(binned, [false, true, false, false]);
    // More than a batch takes.
    let everyone = ids(&users);
    assert_eq!(client.in_recycle_bin(&everyone).await.unwrap().len(), 60);
}

#[tokio::test]
async fn groups_and_roles_are_read_of_each_object() {
    let Tenant { sandbox, client } = tenant().await;
    let tenant = &sandbox.tenant;
    let jane = tenant.add_user(serde_json::Map::new());
    let [fans, others] = ["Fans", "Others"].map(|name| tenant.add_group(name));
    for group in [fans, others] {
        tenant.add_members(group, &[jane]);
    }
    tenant.assign(jane, ROLE_DEFAULT_ACCESS);
    tenant.assign(fans, ROLE_USER);
    let users = ids(&[jane]);
    let groups = client.groups_of(ObjectKind::User, &users).await.unwrap();
    assert_eq!(
        groups[&users[0]],
        ids(&[fans, others]).into_iter().collect()
    );
    let application = SourceId::new(tenant.service_principal_id().to_string());
    let held = |principal: Uuid, role: Uuid| Held {
        principal: SourceId::new(principal.to_string()),
        role: role.to_string(),
    };
    let roles = client.roles_of(ObjectKind::User, &users, &application);
    // Without the permission it is not known, and not empty.
    assert_eq!(roles.await.unwrap(), None);
    tenant.grant_permission("Directory.Read.All");
    let roles = client.roles_of(ObjectKind::User, &users, &application);
    let expected = [held(jane, ROLE_DEFAULT_ACCESS), held(fans, ROLE_USER)];
    let roles = roles.await.unwrap().unwrap();
    assert_eq!(roles[&users[0]], BTreeSet::from(expected));
    let groups = ids(&[fans, others]);
    let roles = client.roles_of(ObjectKind::Group, &groups, &application);
    let roles = roles.await.unwrap().unwrap();
    assert_eq!(roles[&groups[0]], BTreeSet::from([held(fans, ROLE_USER)]));
    assert!(roles[&groups[1]].is_empty());
    // What belongs to other applications does not count, and an object that is not there is not known.
    let other = SourceId::new("other");
    let roles = client.roles_of(ObjectKind::User, &users, &other);
    assert!(roles.await.unwrap().unwrap()[&users[0]].is_empty());
    tenant.hard_delete_user(jane);
    assert!(
        client
            .groups_of(ObjectKind::User, &users)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_throttled_part_of_a_batch_is_sent_again_and_a_refused_one_is_not_known() {
    let world = World::new(|seen| match seen.number {
        0 => ok(r#"{"responses":[
            {"id":"B","status":429,"headers":{"Retry-After":"0"},"body":{"error":{"code":"TooManyRequests"}}},
            {"id":"a","status":200,"body":{"id":"a"}},
            {"id":"c","status":403,"body":{"error":{"code":"Authorization_RequestDenied"}}}]}"#),
        _ => ok(r#"{"responses":[{"id":"b","status":404,"body":{}}]}"#),
    })
    .await;
    let ids = ["a", "b", "c", "d"].map(SourceId::new);
    let binned = world.client.in_recycle_bin(&ids[..3]).await.unwrap();
    let binned: Vec<(&str, bool)> = binned.iter().map(|(id, is)| (id.as_str(), *is)).collect();
    assert_eq!(binned, [("a", true), ("b", false)]);
    assert_eq!(world.seen().len(), 2);
    assert_eq!(world.seen()[0].path, "/v1.0/$batch");
}

#[tokio::test]
async fn a_part_that_is_never_answered_is_not_known() {
    let world = World::new(|_| {
        ok(r#"{"responses":[{"id":"a","status":503,"headers":{"retry-after":"0"},"body":null}]}"#)
    })
    .await;
    let ids = ["a"].map(SourceId::new);
    let groups = world
        .client
        .groups_of(ObjectKind::User, &ids)
        .await
        .unwrap();
    assert!(groups.is_empty());
    assert_eq!(world.seen().len(), 5);
}

#[tokio::test]
async fn without_the_permission_for_many_each_object_is_read() {
    let world = World::new(|seen| match seen.number {
        0 => refusal(403, "Authorization_RequestDenied"),
        _ => ok(r#"{"responses":[
            {"id":"a","status":200,"headers":{},"body":{"id":"a"}},
            {"id":"b","status":404,"headers":{},"body":{}}]}"#),
    })
    .await;
    let ids = ["a", "b"].map(SourceId::new);
    let present = world.client.present_among(ObjectKind::User, &ids).await;
    assert_eq!(present.unwrap(), BTreeSet::from([SourceId::new("a")]));
    // What is not answered is not absent.
    let ids = ["a", "b", "c"].map(SourceId::new);
    let world = World::new(|seen| match seen.number {
        0 => refusal(403, "Authorization_RequestDenied"),
        _ => ok(r#"{"responses":[
            {"id":"a","status":200,"headers":{},"body":{"id":"a"}},
            {"id":"b","status":403,"headers":{},"body":{}},
            {"id":"c","status":404,"headers":{},"body":{}}]}"#),
    })
    .await;
    let present = world.client.present_among(ObjectKind::User, &ids).await;
    assert!(matches!(present, Err(Error::Refused(_))), "{present:?}");
}
