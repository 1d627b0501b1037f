//! `probe` and `audit` against servers that we did not write: what a probe finds is a configuration with which
//! cycles pass, and an audit finds what others did there. What each server does wrong is in
//! `docs/targets/quirks.md`.

use entrain::sandbox::{ROLE_USER, Size};
use serde_json::{Value, json};

use crate::foreign::Kind;
use crate::rig::Rig;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// The settings of a profile, without its comments and its section.
fn settings(profile: &str) -> String {
    let (_, settings) = profile.split_once("[jobs.target]").unwrap();
    settings.to_owned()
}

/// `setting` is in the profile.
async fn probe_and_audit(kind: Kind, setting: &str) {
    let Some(rig) = Rig::against(kind, Size::new(0, 0, 0)).await else {
        return;
    };
    let foreign = rig.foreign.as_ref().unwrap();
    let reads = rig.run(&["probe", "demo"]).await.expect(0);
    assert!(reads.out.contains("reports: "), "{reads:?}");
    assert!(foreign.users().await.is_empty());
    let probed = rig.run(&["probe", "demo", "--write", "--yes"]).await;
    let profile = probed.expect(0).out;
    assert!(profile.contains(setting), "{profile}");
    // Nothing of it is left behind.
    assert!(foreign.users().await.is_empty(), "{profile}");
    assert!(foreign.groups().await.is_empty(), "{profile}");

    let computed = "[[jobs.users.mappings]]\ntarget = \"displayName\"\nremove = true\n";
    let computed = if kind == Kind::DjangoScim2 {
        // It makes it from the other names, so that a written one has no effect.
        computed
    } else {
        ""
    };
    rig.configure(&format!("{}\n{computed}", settings(&profile)));
    let people = ["jane", "john", "jim"].map(|alias| rig.joiner(alias));
    rig.tenant().set_manager(people[1], Some(people[0]));
    let fans = rig.tenant().add_group("Fans");
    rig.tenant().add_members(fans, &people);
    rig.tenant().assign(fans, ROLE_USER);
    rig.sync().await.expect(0);
    rig.tenant()
        .set_property(people[0], "jobTitle", json!("Boss"));
    rig.tenant().remove_members(fans, &people[2..]);
    rig.tenant().disable_user(people[2]);
    rig.sync().await.expect(0);
    let audit = async || {
        let run = rig.run(&["audit", "demo", "--format", "json"]).await;
        serde_json::from_str::<Value>(&run.expect(0).out).unwrap()
    };
    let found = audit().await;
    let count = |found: &Value, what: &str| {
        let all = found["users"][what].as_array();
        all.unwrap_or_else(|| panic!("{what}: {found:#}")).len()
    };
    assert_eq!(count(&found, "differing"), 0, "{found:#}");
    assert_eq!(count(&found, "orphans"), 0, "{found:#}");
    // Others change one account and create another.
    let users = foreign.users().await;
    let jane = users
        .iter()
        .find(|one| one["userName"] == "jane@contoso.com");
    let mut jane = jane.unwrap().clone();
    jane["name"]["givenName"] = json!("Janey");
    foreign.replace("Users", &jane).await;
    let stranger = json!({"schemas": [USER], "userName": "stranger@contoso.com"});
    foreign.create("Users", &stranger).await;
    let found = audit().await;
    assert_eq!(count(&found, "differing"), 1, "{found:#}");
    assert_eq!(count(&found, "orphans"), 1, "{found:#}");
    rig.run(&["sync", "--initial"]).await.expect(0);
    let found = audit().await;
    assert_eq!(count(&found, "differing"), 0, "{found:#}");
    assert_eq!(count(&found, "orphans"), 1, "{found:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn scim2_server_is_probed_and_audited() {
    probe_and_audit(Kind::Scim2Server, "# nothing to set").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scimmy_is_probed_and_audited() {
    probe_and_audit(Kind::Scimmy, "# nothing to set").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn better_auth_is_probed_and_audited() {
    probe_and_audit(Kind::BetterAuth, "# nothing to set").await;
}

/// It has PUT for what its PATCH does not do, and drops what its models do not have.
#[tokio::test(flavor = "multi_thread")]
async fn django_scim2_is_probed_and_audited() {
    probe_and_audit(Kind::DjangoScim2, "update = \"put\"").await;
}

/// Nothing is known of it but its address.
async fn is_served_without_a_setting(kind: Kind) {
    let Some(rig) = Rig::against(kind, Size::new(0, 0, 0)).await else {
        return;
    };
    let foreign = rig.foreign.as_ref().unwrap();
    let people: Vec<_> = (0..30)
        .map(|number| rig.joiner(&format!("p{number}")))
        .collect();
    let fans = rig.tenant().add_group("Fans");
    rig.tenant().add_members(fans, &people[..20]);
    rig.tenant().assign(fans, ROLE_USER);
    rig.sync().await.expect(0);
    rig.tenant()
        .set_property(people[0], "givenName", json!("Janet"));
    rig.tenant().disable_user(people[1]);
    rig.tenant().remove_members(fans, &people[2..4]);
    rig.tenant().add_members(fans, &people[20..]);
    rig.sync().await.expect(0);
    let users = foreign.users().await;
    assert_eq!(users.len(), 30);
    let user = |name: &str| {
        let found = users.iter().find(|one| one["userName"] == name);
        found.unwrap_or_else(|| panic!("{name}: {users:#?}"))
    };
    assert_eq!(user("p0@contoso.com")["name"]["givenName"], "Janet");
    assert_eq!(user("p1@contoso.com")["active"], false);
    let members = foreign.groups().await[0]["members"].clone();
    let members = members.as_array().unwrap();
    assert_eq!(members.len(), 28);
    for gone in ["p2@contoso.com", "p3@contoso.com"] {
        let id = &user(gone)["id"];
        assert!(members.iter().all(|member| member["value"] != *id));
    }
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn django_scim2_is_served_without_a_setting() {
    is_served_without_a_setting(Kind::DjangoScim2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn better_auth_is_served_without_a_setting() {
    is_served_without_a_setting(Kind::BetterAuth).await;
}
