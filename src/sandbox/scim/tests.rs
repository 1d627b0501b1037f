//! Tests of the target over HTTP: filters, PATCH, conflicts, habits and faults.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::testing::{ScimClient, small};
use super::super::{Fault, Quirk, Sandbox, Trouble};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

async fn people() -> (Sandbox, ScimClient, Vec<String>) {
    let sandbox = small().await;
    let scim = ScimClient::new(&sandbox);
    let people = [
        json!({
            "userName": "Anna@example.com", "externalId": "X1", "active": true, "title": "Engineer",
            "name": {"givenName": "Anna", "familyName": "O'Brien"},
            "emails": [
                {"value": "anna@example.com", "type": "work", "primary": true},
                {"value": "anna@home.example", "type": "home"},
            ],
            ENTERPRISE: {"department": "Sales", "employeeNumber": "7"},
        }),
        json!({
            "userName": "bert@example.com", "externalId": "x1", "active": false, "title": "Lead \"A\"",
            "emails": [{"value": "bert@example.com", "type": "work"}],
        }),
        json!({"userName": "carla@example.com", "active": true, "title": "engineer"}),
    ];
    let mut ids = Vec::new();
    for person in people {
        ids.push(scim.add_user(person).await);
    }
    (sandbox, scim, ids)
}

#[tokio::test]
async fn filters_find_what_they_say() {
    let (_sandbox, scim, _) = people().await;
    let (anna, bert, carla) = ("Anna@example.com", "bert@example.com", "carla@example.com");
    let cases: &[(&str, &[&str])] = &[
        ("userName eq \"anna@EXAMPLE.com\"", &[anna]),
        ("USERNAME Eq \"bert@example.com\"", &[bert]),
        ("externalId eq \"x1\"", &[bert]),
        ("title eq \"engineer\"", &[anna, carla]),
        ("title eq \"Lead \\\"A\\\"\"", &[bert]),
        ("title ne \"engineer\"", &[bert]),
        ("userName sw \"a\" or userName sw \"b\"", &[anna, bert]),
        (
            "userName eq \"bert@example.com\" or externalId eq \"X1\" or emails.value eq \"anna@example.com\"",
            &[anna, bert],
        ),
        (
            "externalId eq \"x1\" or title eq \"engineer\"",
            &[anna, bert, carla],
        ),
        ("userName ew \".com\" and active eq true", &[anna, carla]),
        ("name.familyName co \"'BR\"", &[anna]),
        ("externalId pr", &[anna, bert]),
        ("not (externalId pr)", &[carla]),
        ("emails.value eq \"anna@home.example\"", &[anna]),
        ("emails[type eq \"work\" and value sw \"b\"]", &[bert]),
        ("emails[type eq \"home\" and value sw \"b\"]", &[]),
        (
            "title eq \"engineer\" and (userName sw \"c\" or externalId pr)",
            &[anna, carla],
        ),
        ("userName gt \"b\"", &[bert, carla]),
        ("userName le \"bert@example.com\"", &[anna, bert]),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq \"sales\"",
            &[anna],
        ),
        (
            "urn:ietf:params:scim:schemas:core:2.0:User:userName eq \"carla@example.com\"",
            &[carla],
        ),
        (
            "meta.created gt \"2020-01-01T00:00:00Z\"",
            &[anna, bert, carla],
        ),
        ("userName eq \"nobody\"", &[]),
    ];
    for (filter, expected) in cases {
        assert_eq!(scim.matches(filter).await, *expected, "{filter}");
    }
}

#[tokio::test]
async fn malformed_filters_are_refused() {
    let (_sandbox, scim, _) = people().await;
    for filter in [
        "userName",
        "userName%20eq",
        "userName%20is%20%22a%22",
        "(userName%20pr",
        "nope%20eq%20%22a%22",
        "active%20gt%20true",
        "userName%20eq%20%22a",
    ] {
        let (status, body) = scim
            .send("GET", &format!("/Users?filter={filter}"), Value::Null)
            .await;
        assert_eq!(
            (status, body["scimType"].as_str()),
            (400, Some("invalidFilter")),
            "{filter}"
        );
    }
}

#[tokio::test]
async fn lists_are_paged_sorted_and_cut() {
    let (sandbox, scim, _) = people().await;
    let list = scim
        .get("/Users?sortBy=userName&sortOrder=descending&count=2&attributes=userName")
        .await;
    assert_eq!(list["totalResults"], 3);
    assert_eq!(list["Resources"][0]["userName"], "carla@example.com");
    assert!(list["Resources"][0].get("title").is_none());
    assert!(list["Resources"][0]["id"].is_string());
    let list = scim
        .get("/Users?startIndex=3&excludedAttributes=emails.type,title")
        .await;
    assert_eq!(list["itemsPerPage"], 1);
    sandbox
        .target
        .configure(|personality| personality.page_cap = 1);
    assert_eq!(scim.get("/Users?count=50").await["itemsPerPage"], 1);
    let body = json!({"filter": "title pr", "count": 0});
    let (status, list) = scim.send("POST", "/Users/.search", body).await;
    assert_eq!((status, &list["totalResults"]), (200, &json!(3)));
    assert_eq!(sandbox.target.writes(), 3, "a search is not a write");
}

#[tokio::test]
async fn a_page_begins_where_it_should_when_resources_come_and_go() {
    let (sandbox, scim, ids) = people().await;
    let page = async |start: usize| {
        let list = scim
            .get(&format!("/Users?startIndex={start}&count=1"))
            .await;
        assert_eq!(list["itemsPerPage"], 1, "{start}");
        list["Resources"][0]["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(page(1).await, ids[0]);
    assert_eq!(page(2).await, ids[1]);
    assert!(sandbox.target.delete(&ids[0]));
    assert_eq!(page(2).await, ids[2], "the first is gone");
    let last = scim.add_user(json!({"userName": "dora@example.com"})).await;
    assert_eq!(page(3).await, last);
    assert_eq!(page(1).await, ids[1]);
}

#[tokio::test]
async fn requests_are_counted_without_a_record() {
    let (sandbox, scim, ids) = people().await;
    let traffic = sandbox.target.traffic();
    traffic.reset();
    traffic.record(false);
    sandbox
        .target
        .configure(|personality| personality.latency = Duration::from_millis(30));
    let path = format!("/Users/{}", ids[0]);
    tokio::join!(scim.get(&path), scim.get(&path), scim.get(&path));
    assert_eq!(traffic.count(), 3);
    assert_eq!(traffic.most_under_way(), 3);
    assert!(traffic.exchanges().is_empty());
    traffic.reset();
    assert_eq!((traffic.count(), traffic.most_under_way()), (0, 0));
}

#[tokio::test]
async fn a_user_name_is_taken_whatever_its_case() {
    let (sandbox, scim, ids) = people().await;
    let twin = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ANNA@example.com"});
    let (status, body) = scim.send("POST", "/Users", twin.clone()).await;
    assert_eq!((status, &body["scimType"]), (409, &json!("uniqueness")));
    let operations = json!([{"op": "replace", "path": "userName", "value": "anna@example.com"}]);
    assert_eq!(
        scim.patch(&format!("/Users/{}", ids[1]), operations.clone())
            .await
            .0,
        409
    );
    assert_eq!(
        scim.patch(&format!("/Users/{}", ids[0]), operations)
            .await
            .0,
        204
    );
    sandbox.target.enable(Quirk::BareConflicts);
    assert!(
        scim.send("POST", "/Users", twin)
            .await
            .1
            .get("scimType")
            .is_none()
    );
}

#[tokio::test]
async fn patch_changes_what_its_paths_name() {
    let (_sandbox, scim, ids) = people().await;
    let path = format!("/Users/{}", ids[0]);
    let operations = json!([
        {"op": "Replace", "path": "active", "value": false},
        {"op": "replace", "path": "name.givenName", "value": "Änne"},
        {"op": "replace", "path": "emails[type eq \"work\"].value", "value": "new@example.com"},
        {"op": "add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "+1 5"},
        {"op": "remove", "path": "title"},
        {"op": "add", "path": format!("{ENTERPRISE}:costCenter"), "value": "CC"},
        {"op": "remove", "path": format!("{ENTERPRISE}:employeeNumber")},
        {"op": "add", "value": {"nickName": "A", "name.middleName": "M", "emails": [{"value": "third@example.com", "primary": true}]}},
    ]);
    assert_eq!(scim.patch(&path, operations).await, (204, Value::Null));
    let user = scim.get(&path).await;
    assert_eq!(user["active"], false);
    assert_eq!(
        user["name"],
        json!({"givenName": "Änne", "familyName": "O'Brien", "middleName": "M"})
    );
    assert_eq!(
        user["emails"][0],
        json!({"value": "new@example.com", "type": "work", "primary": false})
    );
    assert_eq!(user["emails"][2]["primary"], true);
    assert_eq!(
        user["phoneNumbers"],
        json!([{"type": "mobile", "value": "+1 5"}])
    );
    assert!(user.get("title").is_none());
    assert_eq!(
        user[ENTERPRISE],
        json!({"department": "Sales", "costCenter": "CC"})
    );
    assert_eq!(user["meta"]["version"], "W/\"2\"");
    assert_eq!(
        scim.matches("emails.value eq \"new@example.com\"")
            .await
            .len(),
        1
    );
    assert_eq!(
        scim.matches("emails.value eq \"anna@example.com\"")
            .await
            .len(),
        0
    );
}

#[tokio::test]
async fn a_refused_patch_changes_nothing() {
    let (sandbox, scim, ids) = people().await;
    let path = format!("/Users/{}", ids[0]);
    let before = sandbox.target.user(&ids[0]).unwrap();
    let first = json!({"op": "replace", "path": "title", "value": "Boss"});
    let cases = [
        (
            json!({"op": "replace", "path": "emails[type eq \"other\"].value", "value": "x"}),
            "noTarget",
        ),
        (json!({"op": "remove"}), "noTarget"),
        (json!({"op": "remove", "path": "userName"}), "mutability"),
        (
            json!({"op": "replace", "path": "id", "value": "x"}),
            "mutability",
        ),
        (
            json!({"op": "replace", "path": "groups", "value": []}),
            "mutability",
        ),
        (
            json!({"op": "replace", "path": "nope", "value": "x"}),
            "invalidPath",
        ),
        (
            json!({"op": "replace", "path": "active", "value": "False"}),
            "invalidValue",
        ),
        (json!({"op": "move", "path": "title"}), "invalidSyntax"),
    ];
    for (operation, kind) in cases {
        let (status, body) = scim.patch(&path, json!([first, operation])).await;
        assert_eq!(
            (status, body["scimType"].as_str()),
            (400, Some(kind)),
            "{operation}"
        );
    }
    assert_eq!(sandbox.target.user(&ids[0]).unwrap(), before);
    sandbox.target.enable(Quirk::CoerceBooleans);
    let operations = json!([{"op": "Replace", "path": "active", "value": "False"}]);
    assert_eq!(scim.patch(&path, operations).await.0, 204);
    assert_eq!(scim.get(&path).await["active"], false);
}

#[tokio::test]
async fn members_come_and_go() {
    let (sandbox, scim, ids) = people().await;
    let group = scim.add_group("Team", &[&ids[0]]).await;
    let path = format!("/Groups/{group}");
    let add =
        json!([{"op": "Add", "path": "members", "value": [{"value": ids[1]}, {"value": ids[2]}]}]);
    assert_eq!(scim.patch(&path, add.clone()).await.0, 204);
    assert_eq!(sandbox.target.members(&group).len(), 3);
    let version = scim.get(&path).await["meta"]["version"].clone();
    assert_eq!(scim.patch(&path, add).await.0, 204);
    assert_eq!(
        scim.get(&path).await["meta"]["version"],
        version,
        "nothing changed"
    );
    assert_eq!(
        scim.get(&format!("/Users/{}", ids[1])).await["groups"][0]["display"],
        "Team"
    );

    let remove = json!([{"op": "remove", "path": format!("members[value eq \"{}\"]", ids[0])}]);
    assert_eq!(scim.patch(&path, remove).await.0, 204);
    let remove = json!([{"op": "Remove", "path": "members", "value": [{"value": ids[1]}]}]);
    assert_eq!(scim.patch(&path, remove).await.0, 204);
    assert_eq!(sandbox.target.members(&group), [ids[2].clone()]);

    let broken = json!([
        {"op": "add", "path": "members", "value": [{"value": ids[0]}]},
        {"op": "add", "path": "members", "value": [{"value": "nobody"}]},
    ]);
    assert_eq!(
        scim.patch(&path, broken.clone()).await.1["scimType"],
        "invalidValue"
    );
    assert_eq!(
        sandbox.target.members(&group),
        [ids[2].clone()],
        "taken back"
    );
    sandbox.target.enable(Quirk::UnknownMembersAccepted);
    assert_eq!(scim.patch(&path, broken).await.0, 204);

    assert_eq!(
        scim.send("DELETE", &format!("/Users/{}", ids[2]), Value::Null)
            .await
            .0,
        204
    );
    assert!(!sandbox.target.members(&group).contains(&ids[2]));
    let found = scim
        .get(&format!(
            "/Groups?filter=members.value%20eq%20%22{}%22&excludedAttributes=members",
            ids[0]
        ))
        .await;
    assert_eq!(found["totalResults"], 1);
    assert!(found["Resources"][0].get("members").is_none());
    assert_eq!(
        scim.patch(&path, json!([{"op": "remove", "path": "members"}]))
            .await
            .0,
        204
    );
    assert!(sandbox.target.members(&group).is_empty());
}

#[tokio::test]
async fn put_replaces_everything() {
    let (sandbox, scim, ids) = people().await;
    let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "anna@example.com", "displayName": "A"});
    let (status, user) = scim.send("PUT", &format!("/Users/{}", ids[0]), body).await;
    assert_eq!(status, 200);
    assert!(user.get("title").is_none() && user.get("emails").is_none());
    assert_eq!(
        sandbox.target.find_user_by("displayName", "a").unwrap()["id"],
        json!(ids[0])
    );
    assert!(sandbox.target.find_user_by("externalId", "X1").is_none());
}

#[tokio::test]
async fn versions_guard_reads_and_writes() {
    let (_sandbox, scim, ids) = people().await;
    let url = format!("{}/Users/{}", scim.base, ids[0]);
    let token = "sandbox-target-token";
    let read = scim
        .http
        .get(&url)
        .bearer_auth(token)
        .header("if-none-match", "W/\"1\"");
    assert_eq!(read.send().await.unwrap().status(), 304);
    let write = scim
        .http
        .delete(&url)
        .bearer_auth(token)
        .header("if-match", "W/\"9\"");
    assert_eq!(write.send().await.unwrap().status(), 412);
    assert_eq!(scim.http.get(&url).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn limits_and_habits_are_kept() {
    let (sandbox, scim, ids) = people().await;
    let target = &sandbox.target;
    let group = scim.add_group("Team", &[]).await;
    target.configure(|personality| {
        personality.max_members_per_patch = Some(1);
        personality.filterable = Some(["userName".to_owned()].into());
    });
    let add =
        json!([{"op": "add", "path": "members", "value": [{"value": ids[0]}, {"value": ids[1]}]}]);
    assert_eq!(scim.patch(&format!("/Groups/{group}"), add).await.0, 413);
    let (status, body) = scim
        .send("GET", "/Users?filter=title%20pr", Value::Null)
        .await;
    assert_eq!((status, &body["scimType"]), (400, &json!("invalidFilter")));
    target.configure(|personality| personality.groups_refused = Some(501));
    assert_eq!(scim.send("GET", "/Groups", Value::Null).await.0, 501);
    target.enable(Quirk::DeleteDeactivates);
    scim.send("DELETE", &format!("/Users/{}", ids[0]), Value::Null)
        .await;
    assert_eq!(target.user(&ids[0]).unwrap()["active"], false);
    target.enable(Quirk::InactiveInvisible);
    assert_eq!(
        scim.send("GET", &format!("/Users/{}", ids[0]), Value::Null)
            .await
            .0,
        404
    );
    target.configure(|personality| personality.requests_per_second = Some(2));
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(scim.send("GET", "/Users", Value::Null).await.0);
    }
    assert!(statuses.contains(&429), "{statuses:?}");
}

#[tokio::test]
async fn an_answer_can_be_lost_after_the_work_is_done() {
    let sandbox = small().await;
    let scim = ScimClient::new(&sandbox);
    let traffic = sandbox.target.traffic();
    let user =
        json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "lost"});
    traffic.inject(Fault::new("/Users", Trouble::Refused).method("POST"));
    assert!(
        scim.try_send("POST", "/Users", Some(user.clone()))
            .await
            .is_err()
    );
    assert_eq!(sandbox.target.user_count(), 0);
    traffic.inject(Fault::new("/Users", Trouble::AnswerLost).method("POST"));
    assert!(
        scim.try_send("POST", "/Users", Some(user.clone()))
            .await
            .is_err()
    );
    assert_eq!(sandbox.target.user_count(), 1);
    assert_eq!(scim.send("POST", "/Users", user).await.0, 409);
    let statuses: Vec<Option<u16>> = traffic
        .exchanges()
        .iter()
        .map(|exchange| exchange.status)
        .collect();
    assert_eq!(statuses, [None, None, Some(409)]);
}

#[tokio::test]
async fn two_writes_at_once_for_one_resource_are_noticed() {
    let (sandbox, scim, ids) = people().await;
    let target = &sandbox.target;
    target.configure(|personality| personality.latency = Duration::from_millis(30));
    let (first, second) = (format!("/Users/{}", ids[0]), format!("/Users/{}", ids[1]));
    let change = json!([{"op": "replace", "path": "title", "value": "T"}]);
    tokio::join!(
        scim.patch(&first, change.clone()),
        scim.patch(&second, change.clone())
    );
    assert!(target.traffic().overlaps().is_empty());
    tokio::join!(
        scim.patch(&first, change.clone()),
        scim.patch(&first, change)
    );
    assert_eq!(target.traffic().overlaps().len(), 1);
}

#[tokio::test]
async fn a_stopped_target_answers_no_more() {
    let (sandbox, scim, _) = people().await;
    let target = sandbox.target.clone();
    sandbox.stop().await;
    assert!(scim.try_send("GET", "/Users", None).await.is_err());
    assert_eq!(target.user_count(), 3, "what it holds can still be seen");
}
