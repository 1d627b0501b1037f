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

async fn probe_and_audit(kind: Kind) {
    let Some(rig) = Rig::against(kind, Size::new(0, 0, 0)).await else {
        return;
    };
    let foreign = rig.foreign.as_ref().unwrap();
    let reads = rig.run(&["probe", "demo"]).await.expect(0);
    assert!(reads.out.contains("reports: "), "{reads:?}");
    assert!(foreign.users().await.is_empty());
    let probed = rig.run(&["probe", "demo", "--write", "--yes"]).await;
    let profile = probed.expect(0).out;
    assert!(profile.contains("# nothing to set"), "{profile}");
    // Nothing of it is left behind.
    assert!(foreign.users().await.is_empty(), "{profile}");
    assert!(foreign.groups().await.is_empty(), "{profile}");

    rig.configure(&settings(&profile));
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
    jane["displayName"] = json!("Janey");
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
    probe_and_audit(Kind::Scim2Server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scimmy_is_probed_and_audited() {
    probe_and_audit(Kind::Scimmy).await;
}
