//! Attributes with several values, the app roles above all: what the target receives, word for word.

use entrain::sandbox::{Fault, ROLE_AUDITOR, ROLE_USER, Size, Trouble};
use serde_json::{Value, json};

use crate::rig::Rig;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// A job that writes nothing of a user but its name, its state and what `mappings` add.
async fn start(mappings: &str) -> Rig {
    let rig = Rig::start(Size::new(5, 1, 5)).await;
    rig.configure(mappings);
    rig.sync().await.expect(0);
    rig.sandbox.target.traffic().record_bodies(true);
    rig
}

fn mapping(target: &str, flow: &str) -> String {
    format!("[[jobs.users.mappings]]\ntarget = '{target}'\n{flow}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn values_in_another_order_or_form_are_no_change_when_a_user_is_adopted() {
    let rig = start(
        &[
            mapping(
                "roles",
                "constant = [{ value = \"b\" }, { value = \"a\", primary = true }]",
            ),
            mapping("entitlements", "expression = 'Split(\"y;x\", \";\")'"),
        ]
        .concat(),
    )
    .await;
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    let mut there = rig.user("jane@contoso.com");
    assert_eq!(
        there["roles"],
        json!([{"value": "a", "primary": true}, {"value": "b"}])
    );
    rig.tenant().hard_delete_user(jane);
    rig.sync().await.expect(0);

    // A person of the same kind, whom another tool has made.
    for (name, value) in [
        ("userName", json!("john@contoso.com")),
        ("externalId", json!("john")),
        ("displayName", json!("john")),
        ("active", json!(true)),
        (
            "roles",
            json!([{"value": "b", "primary": false}, {"primary": true, "value": "A"}]),
        ),
        ("entitlements", json!([{"value": "x"}, {"value": "y"}])),
    ] {
        there[name] = value;
    }
    there["emails"] = json!([{"type": "work", "value": "john@mail.contoso.com", "primary": true}]);
    there["name"] = json!({"givenName": "Jo", "familyName": "john", "formatted": "Jo john"});
    there["schemas"] = json!([USER]);
    rig.sandbox.target.create_user(&there).unwrap();
    rig.joiner("john");
    let plan = rig.plan().await.expect(0).job();
    let adopt = &plan["actions"][0];
    assert_eq!(adopt["action"], "adopt", "{plan:#}");
    assert_eq!(adopt["changes"], json!([]), "{plan:#}");
    let writes = rig.sandbox.target.writes();
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.writes(), writes);
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

const TYPE: &str = "WindowsAzureActiveDirectoryRole";

/// The bodies of the writes with this method since the last look, without what all have in common.
fn bodies(rig: &Rig, method: &str, member: &str) -> Vec<Value> {
    let traffic = rig.sandbox.target.traffic();
    let exchanges = traffic.exchanges();
    traffic.reset();
    let sent = exchanges.iter().filter(|one| one.method == method);
    sent.map(|one| {
        let body: Value = serde_json::from_str(one.body.as_ref().unwrap()).unwrap();
        body[member].clone()
    })
    .collect()
}

/// One cycle that must succeed, and one after it that has nothing to do.
async fn sync(rig: &Rig) {
    rig.sandbox.target.traffic().reset();
    rig.sync().await.expect(0);
    let kept = rig.sandbox.target.traffic().count();
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
    assert_eq!(rig.sandbox.target.traffic().count(), kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_created_as_objects_added_as_texts_and_never_taken_away() {
    let flow = "expression = 'AppRoleAssignmentsComplex([appRoleAssignments])'";
    let rig = start(&mapping("roles", flow)).await;
    let jane = rig.joiner("jane");
    sync(&rig).await;
    let user = json!({"displayName": "User", "primary": false, "type": TYPE, "value": "User"});
    assert_eq!(bodies(&rig, "POST", "roles"), [json!([user])]);

    rig.tenant().assign(jane, ROLE_AUDITOR);
    rig.tenant().unassign_role(jane, ROLE_USER);
    let auditor =
        format!(r#"{{"id":"{ROLE_AUDITOR}","value":"audit.all","displayName":"Auditor"}}"#);
    let plan = rig.run(&["plan", "--format", "json"]).await;
    let plan: Value = serde_json::from_str(&plan.expect(0).out).unwrap();
    assert_eq!(
        plan["jobs"][0]["actions"][0]["changes"][0]["added"],
        json!([{"value": auditor}])
    );
    let text = rig.run(&["plan"]).await;
    assert!(text.out.contains("by adding"), "{}", text.out);
    sync(&rig).await;
    assert_eq!(
        bodies(&rig, "PATCH", "Operations"),
        [json!([{"op": "add", "path": "roles", "value": [{"value": auditor}]}])]
    );
    assert_eq!(
        rig.user("jane@contoso.com")["roles"]
            .as_array()
            .unwrap()
            .len(),
        2
    );

    // The role comes back: the target has it still.
    rig.tenant().assign(jane, ROLE_USER);
    sync(&rig).await;
    assert_eq!(rig.sandbox.target.traffic().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_that_an_adopted_user_has_are_not_added_again() {
    let flow = "expression = 'AppRoleAssignmentsComplex([appRoleAssignments])'";
    let rig = start(&mapping("roles", flow)).await;
    let jane = rig.joiner("jane");
    rig.tenant().assign(jane, ROLE_AUDITOR);
    let auditor =
        format!(r#"{{"id":"{ROLE_AUDITOR}","value":"audit.all","displayName":"Auditor"}}"#);
    let there = json!({
        "schemas": [USER], "userName": "jane@contoso.com",
        "roles": [{"value": auditor}, {"value": "their own"}],
    });
    rig.sandbox.target.create_user(&there).unwrap();
    sync(&rig).await;
    let operations = bodies(&rig, "PATCH", "Operations").remove(0);
    let operations = operations.as_array().unwrap();
    let of_roles: Vec<_> = operations
        .iter()
        .filter(|one| one["path"] == "roles")
        .collect();
    let user = format!(r#"{{"id":"{ROLE_USER}","value":"User","displayName":"User"}}"#);
    assert_eq!(
        of_roles,
        [&json!({"op": "add", "path": "roles", "value": [{"value": user}]})]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_in_another_case_are_not_added_again_after_an_interrupted_write() {
    let flow = "expression = 'AppRoleAssignmentsComplex([appRoleAssignments])'";
    let rig = start(&mapping("roles", flow)).await;
    let jane = rig.joiner("jane");
    sync(&rig).await;
    let id = rig.user("jane@contoso.com")["id"].clone();
    let roles = json!([{"value": "user", "display": "User", "type": TYPE}]);
    let folded = json!({ "roles": roles });
    assert!(
        rig.sandbox
            .target
            .change_user(id.as_str().unwrap(), &folded)
    );
    rig.tenant().set_property(jane, "jobTitle", json!("Boss"));
    let lost = Fault::new("/Users", Trouble::AnswerLost).method("PATCH");
    rig.sandbox.target.traffic().inject(lost);
    rig.sync().await.expect(3);
    sync(&rig).await;
    let jane = rig.user("jane@contoso.com");
    assert_eq!(jane["title"], "Boss");
    assert_eq!(jane["roles"], roles);
}

#[tokio::test(flavor = "multi_thread")]
async fn asserted_roles_replace_all_others_and_go_with_the_last() {
    let flow = "expression = 'AssertiveAppRoleAssignmentsComplex([appRoleAssignments])'";
    // Entra calls the attribute text with several values; it is the same here.
    let flow = format!("{flow}\ntype = \"string\"\nmulti_valued = true");
    let group = "[jobs.scope]\nmode = \"groups\"\ngroups = [\"Fans\"]\n";
    let rig = start(&mapping("roles", &flow)).await;
    let role = |name: &str, value: &str| json!({"display": name, "primary": false, "type": TYPE, "value": value});
    let there = json!({
        "schemas": [USER], "userName": "john@contoso.com", "roles": [{"value": "their own"}],
    });
    rig.sandbox.target.create_user(&there).unwrap();
    let jane = rig.joiner("jane");
    rig.joiner("john");
    sync(&rig).await;
    let traffic = rig.sandbox.target.traffic().exchanges();
    let body = |method: &str| -> Value {
        let sent = traffic.iter().find(|one| one.method == method).unwrap();
        serde_json::from_str(sent.body.as_ref().unwrap()).unwrap()
    };
    assert_eq!(body("POST")["roles"], json!([role("User", "User")]));
    let adopted = body("PATCH");
    let operations = adopted["Operations"].as_array().unwrap();
    let whole = json!({"op": "replace", "path": "roles", "value": [role("User", "User")]});
    assert!(operations.contains(&whole), "{adopted:#}");

    rig.tenant().assign(jane, ROLE_AUDITOR);
    sync(&rig).await;
    assert_eq!(
        bodies(&rig, "PATCH", "Operations"),
        [json!([{
            "op": "replace", "path": "roles",
            "value": [role("Auditor", "audit.all"), role("User", "User")],
        }])]
    );
    rig.tenant().unassign_role(jane, ROLE_AUDITOR);
    sync(&rig).await;
    assert_eq!(
        bodies(&rig, "PATCH", "Operations"),
        [json!([{"op": "replace", "path": "roles", "value": [role("User", "User")]}])]
    );

    // In scope without any role.
    let fans = rig.tenant().add_group("Fans");
    rig.tenant().add_members(fans, &[jane]);
    rig.configure(&format!("{group}{}", mapping("roles", &flow)));
    rig.tenant().unassign(jane);
    sync(&rig).await;
    let sent = bodies(&rig, "PATCH", "Operations");
    assert!(
        sent.contains(&json!([{"op": "remove", "path": "roles"}])),
        "{sent:#?}"
    );
    assert_eq!(rig.user("jane@contoso.com").get("roles"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_role_is_the_primary_element_and_changes_in_its_place() {
    let single = "expression = 'SingleAppRoleAssignment([appRoleAssignments])'";
    let rig = start(
        &[
            mapping("roles[primary eq \"True\"].value", single),
            mapping("roles[primary eq \"True\"].display", single),
            mapping(
                "roles[primary eq \"True\"].type",
                &format!("constant = \"{TYPE}\""),
            ),
        ]
        .concat(),
    )
    .await;
    let jane = rig.joiner("jane");
    sync(&rig).await;
    let user = json!({"display": "User", "primary": true, "type": TYPE, "value": "User"});
    assert_eq!(bodies(&rig, "POST", "roles"), [json!([user])]);

    rig.tenant().unassign_role(jane, ROLE_USER);
    rig.tenant().assign(jane, ROLE_AUDITOR);
    sync(&rig).await;
    assert_eq!(
        bodies(&rig, "PATCH", "Operations"),
        [json!([
            {"op": "replace", "path": "roles[primary eq true].display", "value": "Auditor"},
            {"op": "replace", "path": "roles[primary eq true].value", "value": "Auditor"},
        ])]
    );
    assert_eq!(
        rig.user("jane@contoso.com")["roles"],
        json!([{"display": "Auditor", "primary": true, "type": TYPE, "value": "Auditor"}])
    );
}
