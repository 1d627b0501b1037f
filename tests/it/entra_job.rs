//! Microsoft's provisioning job of the application: imported from the tenant, and warned of; and the
//! permissions that a configuration needs.

use entrain::sandbox::{Size, SynchronizationJob};
use serde_json::{Value, json};

use crate::rig::Rig;

const SAMPLE: &str =
    include_str!("../../src/config/entra/samples/synchronization-schema-scim-assembled.json");

const ID: &str = "scim.aaaabbbb0000cccc1111dddd2222eeee.00001111-aaaa-2222-bbbb-3333cccc4444";

fn job(id: &str, enabled: bool) -> SynchronizationJob {
    let mut schema: Value = serde_json::from_str(SAMPLE).unwrap();
    schema["id"] = json!(id);
    SynchronizationJob {
        id: id.to_owned(),
        enabled,
        schema,
    }
}

/// A tenant whose application Microsoft's service provisions.
async fn rig(enabled: bool) -> Rig {
    let rig = Rig::start(Size::new(20, 2, 20)).await;
    rig.tenant().grant_permission("Synchronization.Read.All");
    rig.tenant().set_synchronization(
        &[job(ID, enabled)],
        &[
            (
                "BaseAddress",
                "https://scim.example.com/v2?aadOptscim062020",
            ),
            ("SecretToken", "never shown"),
            ("SyncAll", "true"),
            ("SkipOutOfScopeDeletions", "True"),
            (
                "SyncNotificationSettings",
                r#"{"Enabled":true,"DeleteThresholdEnabled":true,"DeleteThresholdValue":77}"#,
            ),
        ],
    );
    rig
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_imported_from_the_tenant_with_its_settings() {
    let rig = rig(true).await;
    // A source is all that the configuration needs.
    rig.edit(|text| text.split_once("[[jobs]]").unwrap().0.to_owned());
    let (app_id, name) = (rig.sandbox.app_id(), rig.sandbox.application_name());
    let by_id = rig.run(&["import", "--from-tenant", &app_id]).await;
    let by_id = by_id.expect(0);
    for line in [
        &*format!("application = {{ app_id = \"{app_id}\" }}"),
        "base_url = \"https://scim.example.com/v2\"",
        "mode = \"all\"",
        "when_out_of_scope = \"keep\"",
        "max_deletions = 77",
        "# token = {",
    ] {
        assert!(
            by_id.out.lines().any(|one| one.starts_with(line)),
            "{line}\n{}",
            by_id.out
        );
    }
    assert!(by_id.err.contains("aadOptscim062020"), "{}", by_id.err);
    assert!(by_id.err.contains("is enabled"), "{}", by_id.err);
    assert!(!by_id.out.contains("never shown"));
    let principal = rig.sandbox.service_principal_id();
    for text in [&name, &principal] {
        let run = rig.run(&["import", "--from-tenant", text]).await.expect(0);
        assert_eq!(run.out, by_id.out);
    }
    let run = rig
        .run(&["import", "--from-tenant", &app_id, "--format", "json"])
        .await
        .expect(0);
    let document: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(document["entra_job"], json!({ "id": ID, "enabled": true }));
    let missing = document["to_fill_in"].as_array().unwrap();
    assert_eq!(missing.len(), 1, "{document:#}");
    assert_eq!(missing[0]["key"], "jobs.target.token");
}

#[tokio::test(flavor = "multi_thread")]
async fn obstacles_to_an_import_are_named() {
    let rig = rig(false).await;
    let name = rig.sandbox.application_name();
    let import = ["import", "--from-tenant", &name];
    let other = "scim.other";
    rig.tenant()
        .set_synchronization(&[job(ID, false), job(other, false)], &[]);
    let run = rig.run(&import).await.expect(2);
    assert!(run.err.contains("several provisioning jobs"), "{run:?}");
    let run = rig
        .run(&[&import[..], &["--sync-job", other]].concat())
        .await
        .expect(0);
    assert!(run.out.contains("of the schema scim.other"), "{}", run.out);
    assert!(run.out.contains("# base_url ="), "{}", run.out);
    assert!(!run.err.contains("is enabled"), "{}", run.err);

    rig.tenant().set_synchronization(&[], &[]);
    let run = rig.run(&import).await.expect(2);
    assert!(run.err.contains("no provisioning job"), "{run:?}");
    rig.tenant().revoke_permission("Synchronization.Read.All");
    let run = rig.run(&import).await.expect(1);
    assert!(run.err.contains("Synchronization.Read.All"), "{run:?}");
    let run = rig.run(&["import", "--from-tenant", "Nothing"]).await;
    assert!(run.expect(1).err.contains("no enterprise application"));
    rig.run(&["import"]).await.expect(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enabled_job_of_microsoft_is_warned_of() {
    let rig = rig(true).await;
    let words = "Microsoft's provisioning job of th";
    let run = rig.run(&["test"]).await.expect(0);
    assert!(run.out.contains(words) && run.out.contains(ID), "{run:?}");
    for _ in 0..2 {
        let run = rig.sync().await.expect(0);
        assert_eq!(run.err.matches(words).count(), 1, "{}", run.err);
    }
    rig.tenant().set_synchronization(&[job(ID, false)], &[]);
    let run = rig.run(&["test"]).await.expect(0);
    assert!(!run.out.contains(words), "{}", run.out);
    assert!(!rig.sync().await.expect(0).err.contains(words));
    // Where it may not be read, nothing is requested for it.
    rig.tenant().revoke_permission("Synchronization.Read.All");
    rig.tenant().traffic().reset();
    rig.sync().await.expect(0);
    let traffic = rig.tenant().traffic();
    assert_eq!(
        traffic.count_where(|one| one.path.contains("/synchronization")),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_missing_permission_is_named_with_the_commands_that_grant_it() {
    let rig = Rig::start(Size::new(20, 2, 20)).await;
    rig.configure("[[jobs.users.mappings]]\ntarget = \"nickName\"\nexpression = 'DefaultDomain()'");
    let run = rig.run(&["test"]).await.expect(0);
    assert!(
        run.out.contains("enough; the minimum is Application.Read.All, User.Read.All, GroupMember.Read.All, Domain.Read.All"),
        "{}",
        run.out
    );
    assert!(
        run.out
            .contains("more is granted than the jobs need: Organization.Read.All"),
        "{}",
        run.out
    );
    for (permission, reads) in [
        ("Application.Read.All", "the application"),
        ("User.Read.All", "users"),
        ("GroupMember.Read.All", "groups and their members"),
        ("Domain.Read.All", "the default domain"),
    ] {
        rig.tenant().revoke_permission(permission);
        rig.tenant().expire_access_tokens();
        let run = rig.run(&["test"]).await.expect(1);
        for words in [
            &*format!("missing: {permission} ({reads}"),
            &format!("for name in {permission}; do"),
            "az ad app permission admin-consent --id $app",
            &format!("foreach ($name in '{permission}') {{"),
            "New-MgServicePrincipalAppRoleAssignment",
            &format!("app={}", rig.sandbox.client_id()),
        ] {
            assert!(run.out.contains(words), "{words}\n{}", run.out);
        }
        rig.tenant().grant_permission(permission);
    }
    // One that includes the others.
    for permission in [
        "Application.Read.All",
        "User.Read.All",
        "GroupMember.Read.All",
    ] {
        rig.tenant().revoke_permission(permission);
    }
    rig.tenant().grant_permission("Directory.Read.All");
    let run = rig.run(&["test", "--format", "json"]).await.expect(0);
    let job = run.job();
    let checks = job["checks"].as_array().unwrap().iter();
    let mut checks = checks.filter(|check| check["check"] == "source: permissions");
    assert_eq!(checks.next().unwrap()["ok"], true, "{job:#}");
}
