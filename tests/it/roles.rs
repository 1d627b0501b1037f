//! Attributes with several values, the app roles above all: what the target receives, word for word.

use entrain::sandbox::Size;
use serde_json::json;

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
async fn values_in_another_order_or_form_are_no_change_when_somebody_is_adopted() {
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

    // Somebody of the same kind, whom another tool has made.
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
