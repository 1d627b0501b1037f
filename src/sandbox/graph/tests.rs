//! Tests of the Graph side over HTTP: tokens, delta rounds, listings, faults.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::testing::{GraphClient, active_users, ask_token, small};
use super::super::{Fault, GraphQuirk, Sandbox, Trouble};

const SELECT: &str = "/users/delta?$select=id,displayName,department,mobilePhone,manager";

#[tokio::test]
async fn token_errors_carry_their_codes() {
    let sandbox = small().await;
    let cases = [
        ("client_secret", "wrong", 401, 7_000_215),
        ("client_secret", "", 401, 7_000_218),
        (
            "client_id",
            "00001111-aaaa-2222-bbbb-3333cccc4444",
            400,
            700_016,
        ),
        ("tenant", "aaaabbbb-0000-cccc-1111-dddd2222eeee", 400, 90002),
        ("scope", "https://foo.example.com/.default", 400, 70011),
        ("grant_type", "password", 400, 70003),
    ];
    for (name, value, status, code) in cases {
        let answer = ask_token(&sandbox, &[(name, value)]).await;
        assert_eq!(answer.status().as_u16(), status, "{name}");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["error_codes"], json!([code]));
        let text = body["error_description"].as_str().unwrap();
        assert!(text.starts_with(&format!("AADSTS{code}: ")), "{text}");
    }
}

#[tokio::test]
async fn a_token_that_expired_is_refused() {
    let sandbox = small().await;
    let graph = GraphClient::new(&sandbox).await;
    sandbox.tenant.expire_access_tokens();
    let (status, code) = graph.problem("/users").await;
    assert_eq!((status, code.as_str()), (401, "InvalidAuthenticationToken"));
}

#[tokio::test]
async fn an_initial_round_names_every_active_user_once() {
    let sandbox = small().await;
    sandbox
        .tenant
        .configure(|settings| settings.users_per_page = 7);
    let graph = GraphClient::new(&sandbox).await;
    let round = graph.round(SELECT).await;
    let ids: BTreeSet<&str> = round.ids().into_iter().collect();
    assert_eq!(ids.len(), active_users(&sandbox.tenant));
    assert_eq!(round.entries.len(), ids.len());
    assert_eq!(round.pages, 9);
    let with_manager = round
        .entries
        .iter()
        .filter(|user| user.get("manager@delta").is_some());
    assert!(with_manager.count() > 40);
    assert!(
        round.entries.iter().all(|user| user.get("mail").is_none()),
        "not selected"
    );
}

#[tokio::test]
async fn never_set_is_absent_and_emptied_is_null() {
    let sandbox = small().await;
    let graph = GraphClient::new(&sandbox).await;
    let round = graph.round(SELECT).await;
    let absent = round
        .entries
        .iter()
        .any(|user| user.get("mobilePhone").is_none());
    let null = round
        .entries
        .iter()
        .any(|user| user.get("mobilePhone") == Some(&Value::Null));
    assert!(absent && null);
}

#[tokio::test]
async fn nothing_changed_is_an_empty_page_with_a_delta_link() {
    let sandbox = small().await;
    let graph = GraphClient::new(&sandbox).await;
    let first = graph.round(SELECT).await;
    let second = graph.round(&first.delta_link).await;
    assert_eq!((second.entries.len(), second.pages), (0, 1));
    assert!(second.delta_link.contains("$deltatoken="));
}

#[tokio::test]
async fn an_incremental_round_reports_what_is_tracked_and_nothing_else() {
    let sandbox = small().await;
    let tenant = &sandbox.tenant;
    let graph = GraphClient::new(&sandbox).await;
    let first = graph.round(SELECT).await;
    let ids = tenant.user_ids();
    tenant.set_property(ids[1], "department", json!("Moved"));
    tenant.set_property(ids[2], "city", json!("untracked"));
    tenant.soft_delete_user(ids[3]);
    tenant.soft_delete_user(ids[4]);
    tenant.hard_delete_user(ids[4]);
    tenant.set_manager(ids[5], Some(ids[6]));
    tenant.set_manager(ids[7], None);
    let added = tenant.add_user(serde_json::Map::new());

    let round = graph.round(&first.delta_link).await;
    let by_id: BTreeMap<&str, &Value> = round.ids().into_iter().zip(&round.entries).collect();
    let entry = |id: &uuid::Uuid| by_id.get(id.to_string().as_str()).copied();
    let moved = entry(&ids[1]).unwrap();
    assert_eq!(moved["department"], "Moved");
    assert!(
        moved.get("displayName").is_some(),
        "all selected properties come along"
    );
    assert!(entry(&ids[2]).is_none());
    assert_eq!(entry(&ids[3]).unwrap()["@removed"]["reason"], "changed");
    assert_eq!(entry(&ids[4]).unwrap()["@removed"]["reason"], "deleted");
    let manager = &entry(&ids[5]).unwrap()["manager@delta"][0];
    assert_eq!(manager["id"], json!(ids[6]));
    assert_eq!(
        entry(&ids[7]).unwrap()["manager@delta"][0]["@removed"]["reason"],
        "deleted"
    );
    assert!(entry(&added).unwrap().get("@removed").is_none());

    assert!(tenant.restore_user(ids[3]));
    let round = graph.round(&round.delta_link).await;
    assert_eq!(round.ids(), [ids[3].to_string()]);
    assert!(round.entries[0].get("displayName").is_some());
}

#[tokio::test]
async fn minimal_returns_only_what_changed() {
    let sandbox = small().await;
    let graph = GraphClient::new(&sandbox).await;
    let first = graph.round(SELECT).await;
    let id = sandbox.tenant.user_ids()[1];
    sandbox.tenant.set_property(id, "department", Value::Null);
    let answer = graph.send(&first.delta_link, Some("return=minimal")).await;
    let page: Value = answer.json().await.unwrap();
    assert_eq!(page["value"], json!([{"id": id, "department": null}]));
}

#[tokio::test]
async fn what_changes_during_a_round_is_not_lost() {
    let sandbox = small().await;
    sandbox
        .tenant
        .configure(|settings| settings.users_per_page = 2);
    let graph = GraphClient::new(&sandbox).await;
    let first = graph.round(SELECT).await;
    let ids = sandbox.tenant.user_ids();
    for id in &ids[..6] {
        sandbox
            .tenant
            .set_property(*id, "department", json!("Moved"));
    }
    let page = graph.read(&first.delta_link).await;
    let next = page["@odata.nextLink"].as_str().unwrap();
    // A change of something untracked moves the object behind the reader's back.
    sandbox
        .tenant
        .set_property(ids[3], "city", json!("elsewhere"));
    let rest = graph.round(next).await;
    assert!(rest.ids().contains(&ids[3].to_string().as_str()));
    let after = graph.round(&rest.delta_link).await;
    assert!(after.entries.is_empty());
}

#[tokio::test]
async fn a_large_group_comes_in_slices_that_add_up() {
    let sandbox = small().await;
    sandbox
        .tenant
        .configure(|settings| settings.members_per_page = 10);
    let graph = GraphClient::new(&sandbox).await;
    let round = graph
        .round("/groups/delta?$select=id,displayName,members")
        .await;
    for group in sandbox.tenant.groups() {
        let slices: Vec<&Value> = round
            .entries
            .iter()
            .filter(|entry| entry["id"] == json!(group.id))
            .collect();
        let told: BTreeSet<String> = slices
            .iter()
            .flat_map(|slice| slice["members@delta"].as_array().into_iter().flatten())
            .map(|member| member["id"].as_str().unwrap().to_owned())
            .collect();
        let members: BTreeSet<String> = group.members.iter().map(ToString::to_string).collect();
        assert_eq!(told, members);
        assert!(
            slices
                .iter()
                .all(|slice| slice["displayName"] == group.properties["displayName"])
        );
        if members.is_empty() {
            assert!(slices[0].get("members@delta").is_none());
        }
        if members.len() > 10 {
            assert!(slices.len() > 1);
        }
    }
}

#[tokio::test]
async fn membership_changes_come_without_the_rest_of_the_group() {
    let sandbox = small().await;
    let tenant = &sandbox.tenant;
    let graph = GraphClient::new(&sandbox).await;
    let first = graph
        .round("/groups/delta()?$select=id,displayName,members")
        .await;
    let group = tenant.groups()[0].clone();
    let newcomer = tenant.add_user(serde_json::Map::new());
    tenant.add_members(group.id, &[newcomer]);
    tenant.remove_members(group.id, &[group.members[0]]);
    tenant.soft_delete_user(group.members[1]);
    let round = graph.round(&first.delta_link).await;
    assert_eq!(round.ids(), [group.id.to_string()]);
    let told = round.entries[0]["members@delta"].as_array().unwrap();
    assert_eq!(told.len(), 2, "the soft-deleted member stays unmentioned");
    let gone = told
        .iter()
        .find(|member| member.get("@removed").is_some())
        .unwrap();
    assert_eq!(gone["id"], json!(group.members[0]));

    tenant.hard_delete_user(group.members[1]);
    tenant.soft_delete_group(tenant.groups()[1].id);
    let round = graph.round(&round.delta_link).await;
    assert_eq!(
        round
            .entries
            .iter()
            .filter(|entry| entry["@removed"]["reason"] == "changed")
            .count(),
        1
    );
    let told = round
        .entries
        .iter()
        .find(|entry| entry["id"] == json!(group.id))
        .unwrap();
    assert_eq!(told["members@delta"][0]["id"], json!(group.members[1]));
}

#[tokio::test]
async fn a_filtered_round_reports_only_its_ids() {
    let sandbox = small().await;
    let graph = GraphClient::new(&sandbox).await;
    let groups = sandbox.tenant.groups();
    let path = format!(
        "/groups/delta?$select=displayName,members&$filter=id eq '{}' or id eq '{}'",
        groups[0].id, groups[2].id
    );
    let round = graph.round(&path).await;
    assert_eq!(round.entries.len(), 2);
    sandbox.tenant.rename_group(groups[1].id, "not asked for");
    sandbox.tenant.rename_group(groups[2].id, "asked for");
    let round = graph.round(&round.delta_link).await;
    assert_eq!(round.ids(), [groups[2].id.to_string()]);
}

#[tokio::test]
async fn latest_starts_from_now() {
    let sandbox = small().await;
    let graph = GraphClient::new(&sandbox).await;
    let round = graph
        .round("/users/microsoft.graph.delta?$select=displayName&$deltatoken=latest")
        .await;
    assert!(round.entries.is_empty());
    let id = sandbox.tenant.user_ids()[0];
    sandbox
        .tenant
        .set_property(id, "displayName", json!("New Name"));
    assert_eq!(graph.round(&round.delta_link).await.entries.len(), 1);
}

#[tokio::test]
async fn untracked_properties_cannot_be_selected() {
    let sandbox = small().await;
    let graph = GraphClient::new(&sandbox).await;
    let answer = graph
        .send("/users/delta?$select=id,signInActivity,aboutMe", None)
        .await;
    assert_eq!(answer.status(), 400);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(
        body["error"]["message"],
        "Invalid request for delta query: for this entity set, $expand/$select is not supported for the following properties: signInActivity, aboutMe"
    );
    assert!(body["error"]["innerError"]["request-id"].is_string());
    let (status, _) = graph.problem("/users/delta?$select=notThere").await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn custom_security_attributes_show_in_lists_where_selected_and_permitted() {
    let sandbox = small().await;
    let tenant = &sandbox.tenant;
    let id = tenant.user_ids()[0];
    let graph = GraphClient::new(&sandbox).await;
    let first = graph.round(SELECT).await;
    let projects = json!(["Baker", "Alpine"]);
    tenant.set_custom_security_attribute(id, "Engineering", "Project", Some(&projects));
    tenant.set_custom_security_attribute(id, "Engineering", "Level", Some(&json!(7)));
    let round = graph.round(&first.delta_link).await;
    assert_eq!(round.entries.len(), 0);
    let delta = "/users/delta?$select=id,customSecurityAttributes";
    assert_eq!(graph.problem(delta).await.0, 400);

    let list = "/users?$select=id,customSecurityAttributes";
    let shown = async || {
        let page = graph.read(list).await;
        let users = page["value"].as_array().unwrap().clone();
        let found = users.into_iter().find(|user| user["id"] == json!(id));
        found.unwrap()["customSecurityAttributes"].clone()
    };
    assert_eq!(shown().await, Value::Null, "not permitted");
    tenant.grant_permission("CustomSecAttributeAssignment.Read.All");
    assert_eq!(
        shown().await,
        json!({"Engineering": {
            "@odata.type": "#microsoft.graph.customSecurityAttributeValue",
            "Project@odata.type": "#Collection(String)",
            "Project": ["Baker", "Alpine"],
            "Level": 7,
        }})
    );
    let unasked = graph.read("/users").await;
    let user = &unasked["value"][0];
    assert_eq!(user.get("customSecurityAttributes"), None);
    tenant.set_custom_security_attribute(id, "Engineering", "Project", None);
    tenant.set_custom_security_attribute(id, "Engineering", "Level", None);
    assert_eq!(shown().await, Value::Null);
}

#[tokio::test]
async fn quirks_of_the_service_can_be_switched_on() {
    let sandbox = small().await;
    sandbox
        .tenant
        .soft_delete_user(sandbox.tenant.user_ids()[0]);
    for quirk in [
        GraphQuirk::RemovedInInitialRound,
        GraphQuirk::Replays,
        GraphQuirk::EmptyPages,
    ] {
        sandbox.tenant.enable(quirk);
    }
    let graph = GraphClient::new(&sandbox).await;
    let round = graph.round(SELECT).await;
    assert_eq!(round.pages, 2, "an empty one comes first");
    assert_eq!(round.entries.len(), 61, "one comes twice");
    assert_eq!(round.entries[0]["@removed"]["reason"], "changed");
}

#[tokio::test]
async fn expired_links_are_refused() {
    let sandbox = small().await;
    sandbox
        .tenant
        .configure(|settings| settings.users_per_page = 20);
    let graph = GraphClient::new(&sandbox).await;
    let page = graph.read(SELECT).await;
    let next = page["@odata.nextLink"].as_str().unwrap();
    let round = graph.round(next).await;
    sandbox.tenant.expire_next_links();
    assert_eq!(
        graph.problem(next).await,
        (400, "Directory_ExpiredPageToken".to_owned())
    );
    sandbox.tenant.expire_delta_links();
    assert_eq!(
        graph.problem(&round.delta_link).await,
        (400, "syncStateNotFound".to_owned())
    );
    sandbox.tenant.enable(GraphQuirk::GoneForExpired);
    let answer = graph.send(&round.delta_link, None).await;
    assert_eq!(answer.status(), 410);
    assert!(
        answer.headers()["location"]
            .to_str()
            .unwrap()
            .ends_with("$deltatoken=")
    );
}

#[tokio::test]
async fn assignments_come_in_pages() {
    let sandbox = small().await;
    let graph = GraphClient::new(&sandbox).await;
    let all = sandbox.tenant.assignments();
    for key in [
        format!("/{}", sandbox.service_principal_id()),
        format!("(appId='{}')", sandbox.app_id()),
    ] {
        let round = graph
            .round(&format!("/servicePrincipals{key}/appRoleAssignedTo?$top=3"))
            .await;
        assert!(round.pages > 1);
        let ids: Vec<&str> = all.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!(round.ids(), ids);
        let selected = graph
            .read(&format!(
                "/servicePrincipals{key}/appRoleAssignedTo?$select=principalId"
            ))
            .await;
        assert_eq!(
            selected["value"][0],
            json!({"principalId": all[0].principal})
        );
    }
}

#[tokio::test]
async fn the_application_is_found_by_id_key_and_name() {
    let sandbox = small().await;
    let graph = GraphClient::new(&sandbox).await;
    let own = sandbox.service_principal_id();
    let by_id = graph.read(&format!("/servicePrincipals/{own}")).await;
    assert_eq!(by_id["appRoles"].as_array().unwrap().len(), 3);
    let by_key = graph
        .read(&format!(
            "/servicePrincipals(appId='{}')?$select=id",
            sandbox.app_id()
        ))
        .await;
    assert_eq!(by_key["id"], json!(own));
    let found = graph
        .read("/servicePrincipals?$filter=displayName eq 'Wingtip Training'&$select=id,appId")
        .await;
    assert_eq!(
        found["value"],
        json!([{"id": own, "appId": sandbox.app_id()}])
    );
    let none = graph
        .read("/servicePrincipals?$filter=displayName eq 'O''Brien''s'")
        .await;
    assert_eq!(none["value"], json!([]));
}

#[tokio::test]
async fn reads_outside_delta_show_what_is_there() {
    let sandbox = small().await;
    let tenant = &sandbox.tenant;
    let graph = GraphClient::new(&sandbox).await;
    let ids = tenant.user_ids();
    tenant.soft_delete_user(ids[1]);
    let users = graph.round("/users?$select=id,mail&$top=25").await;
    assert_eq!((users.entries.len(), users.pages), (59, 3));
    assert_eq!(graph.problem(&format!("/users/{}", ids[1])).await.0, 404);
    let deleted = graph
        .read("/directory/deletedItems/microsoft.graph.user?$select=id,userPrincipalName")
        .await;
    let name = deleted["value"][0]["userPrincipalName"].as_str().unwrap();
    assert!(name.starts_with(&ids[1].simple().to_string()));
    let manager = graph
        .read(&format!("/users/{}/manager?$select=id", ids[2]))
        .await;
    assert_eq!(manager["id"], json!(tenant.manager(ids[2]).unwrap()));
    assert_eq!(
        graph.problem(&format!("/users/{}/manager", ids[0])).await.0,
        404
    );
    let organization = graph.read("/organization").await;
    assert_eq!(organization["value"][0]["id"], json!(sandbox.tenant_id()));
    let group = &tenant.groups()[0];
    let members = graph
        .round(&format!("/groups/{}/members?$select=id&$top=5", group.id))
        .await;
    assert!(members.entries.len() >= group.members.len() - 1);
}

#[tokio::test]
async fn a_missing_permission_is_refused() {
    let sandbox = small().await;
    let graph = GraphClient::new(&sandbox).await;
    sandbox.tenant.revoke_permission("GroupMember.Read.All");
    let (status, code) = graph.problem("/groups/delta").await;
    assert_eq!(
        (status, code.as_str()),
        (403, "Authorization_RequestDenied")
    );
    assert_eq!(graph.send("/users", None).await.status(), 200);
}

#[tokio::test]
async fn faults_befall_the_requests_they_are_meant_for() {
    let sandbox = small().await;
    let traffic = sandbox.tenant.traffic();
    let graph = GraphClient::new(&sandbox).await;
    traffic.reset();
    traffic.inject(
        Fault::new("/users/delta", Trouble::throttled(3))
            .after(1)
            .times(2),
    );
    assert_eq!(graph.send("/users/delta", None).await.status(), 200);
    for _ in 0..2 {
        let answer = graph.send("/users/delta", None).await;
        assert_eq!(answer.status(), 429);
        assert_eq!(answer.headers()["retry-after"], "3");
    }
    assert_eq!(graph.send("/users/delta", None).await.status(), 200);
    assert!(!traffic.has_faults());
    assert_eq!(traffic.count(), 4);
    assert_eq!(
        traffic.count_where(|exchange| exchange.status == Some(429)),
        2
    );

    traffic.inject(Fault::new("/users", Trouble::EmptyList));
    assert_eq!(graph.read("/users/delta").await, json!({"value": []}));
    traffic.inject(Fault::new("/users", Trouble::TornBody));
    let answer = graph.send("/users", None).await;
    assert!(answer.json::<Value>().await.is_err());
    traffic.inject(Fault::new("/users", Trouble::CutAnswer));
    let answer = graph.send("/users", None).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await.is_err());
}

#[tokio::test]
async fn a_batch_answers_each_request() {
    let sandbox = small().await;
    let graph = GraphClient::new(&sandbox).await;
    let answer = batch(&sandbox, &graph).await;
    let statuses: Vec<&Value> = answer["responses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["status"])
        .collect();
    assert_eq!(statuses, [&json!(200), &json!(404)]);
}

async fn batch(sandbox: &Sandbox, graph: &GraphClient) -> Value {
    let ids = sandbox.tenant.user_ids();
    let body = json!({"requests": [
        {"id": "1", "method": "GET", "url": format!("/users/{}?$select=id", ids[1])},
        {"id": "2", "method": "GET", "url": format!("/users/{}/manager", ids[0])},
    ]});
    graph.post("/$batch", &body).await
}
