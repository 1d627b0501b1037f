//! The commands that look at the tenant, and plans from a snapshot of it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use entrain::sandbox::{Fault, GraphQuirk, ROLE_AUDITOR, Size, Trouble, Uuid};
use serde_json::{Value, json};

use crate::rig::{Rig, Run};

async fn rig() -> Rig {
    Rig::start(Size::new(60, 4, 80)).await
}

async fn snapshot(rig: &Rig, more: &[&str]) -> Run {
    let arguments = [&["source", "snapshot", "tenant.json"], more].concat();
    rig.run(&arguments).await.expect(0)
}

async fn plan_from(rig: &Rig, file: &str) -> Run {
    rig.run(&["plan", "--source", file, "--format", "json"])
        .await
}

/// What a plan would do, without what it took to make it.
fn changes(run: &Run) -> Value {
    let mut job = run.job();
    let job = job.as_object_mut().unwrap();
    job.remove("requests");
    job.remove("snapshot");
    json!(job)
}

async fn show(rig: &Rig, object: &str) -> Value {
    let run = rig
        .run(&["source", "show", object, "--format", "json"])
        .await
        .expect(0);
    serde_json::from_str(&run.out).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_tenant_says_of_a_user_is_shown_with_groups_and_roles() {
    let rig = rig().await;
    let jane = rig.joiner("jane");
    let boss = rig.joiner("boss");
    rig.tenant().set_manager(jane, Some(boss));
    let crew = rig.tenant().add_group("Crew");
    rig.tenant().add_members(crew, &[jane]);
    rig.tenant().assign(crew, ROLE_AUDITOR);
    for text in [
        "jane@contoso.com".to_owned(),
        "jane@mail.contoso.com".to_owned(),
        "jane".to_owned(),
        jane.to_string(),
    ] {
        let seen = show(&rig, &text).await;
        assert_eq!(seen["kind"], "user", "{text}");
        assert_eq!(seen["id"], jane.to_string());
        assert_eq!(seen["state"], "present");
        assert_eq!(seen["attributes"]["jobTitle"], "Engineer");
        assert_eq!(seen["attributes"]["employeeId"], Value::Null);
        assert_eq!(seen["manager"]["name"], "boss@contoso.com");
        assert_eq!(seen["groups"][0]["name"], "Crew");
        let roles = &seen["applications"][0]["roles"];
        assert_eq!(roles[0]["role"], "User");
        assert_eq!(roles[0]["group"], Value::Null);
        assert_eq!(roles[1]["role"], "audit.all");
        assert_eq!(roles[1]["group"]["name"], "Crew");
        assert_eq!(seen["not_read"], json!([]));
    }
    let run = rig.run(&["source", "show", "Crew"]).await.expect(0);
    assert!(run.out.contains("direct members: 1 user"), "{}", run.out);
    assert!(run.out.contains("audit.all, directly"), "{}", run.out);

    rig.tenant().disable_user(jane);
    assert_eq!(show(&rig, "jane@contoso.com").await["state"], "blocked");
    rig.tenant().soft_delete_user(jane);
    let seen = show(&rig, &jane.to_string()).await;
    assert_eq!(seen["state"], "recycle-bin");
    assert_eq!(seen["attributes"], json!({}));
    let run = rig.run(&["source", "show", "jane@contoso.com"]).await;
    let run = run.expect(2);
    assert!(run.err.contains("no user or group"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_property_that_no_object_came_with_is_named() {
    let rig = rig().await;
    let mapping =
        "target = \"nickName\"\nsource = \"extension_0123456789abcdef0123456789abcdef_badge\"";
    rig.configure(&format!("[[jobs.users.mappings]]\n{mapping}"));
    let run = rig.run(&["sync", "-v"]).await.expect(0);
    let lines = run
        .err
        .lines()
        .filter(|line| line.contains("of the tenant has"));
    let lines: Vec<&str> = lines.collect();
    assert_eq!(lines.len(), 1, "{}", run.err);
    assert!(lines[0].contains("no user of the tenant has"), "{lines:?}");
    assert!(
        lines[0].contains("extension_0123456789abcdef0123456789abcdef_badge"),
        "{lines:?}"
    );
    assert!(!lines[0].contains("displayName"), "{lines:?}");
    // Said of a whole round alone.
    let run = rig.run(&["sync", "-v"]).await.expect(0);
    assert!(!run.err.contains("of the tenant has"), "{}", run.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_read_of_an_object_is_named() {
    let rig = rig().await;
    rig.joiner("jane");
    rig.tenant()
        .traffic()
        .inject(Fault::new("/appRoleAssignedTo", Trouble::status(403)).forever());
    let run = rig.run(&["source", "show", "jane"]).await.expect(0);
    assert!(run.out.contains("Not read"), "{}", run.out);
    assert!(run.out.contains("the assignments of demo"), "{}", run.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_from_a_snapshot_is_the_plan_from_the_tenant() {
    for quirk in [
        None,
        Some(GraphQuirk::RemovedInInitialRound),
        Some(GraphQuirk::Replays),
        Some(GraphQuirk::EmptyPages),
    ] {
        let rig = rig().await;
        rig.configure(concat!(
            "[[jobs.users.mappings]]\ntarget = \"nickName\"\n",
            "expression = 'DefaultDomain()'\n[jobs.scope]\nnested_groups = true\n",
        ));
        if let Some(quirk) = quirk {
            rig.tenant().enable(quirk);
        }
        rig.tenant().configure(|settings| {
            settings.users_per_page = 7;
            settings.members_per_page = 9;
        });
        snapshot(&rig, &[]).await;
        let expected = rig.plan().await.expect(0);
        rig.tenant().traffic().reset();
        let run = plan_from(&rig, "tenant.json").await.expect(0);
        assert_eq!(changes(&run), changes(&expected), "{quirk:?}");
        assert_eq!(rig.tenant().traffic().count(), 0);
        assert_eq!(run.job()["snapshot"]["redacted"], false);
        assert_eq!(run.job()["requests"]["source"], 0);

        // On a state that knows the tenant, leavers included.
        rig.sync().await.expect(0);
        let users: Vec<Uuid> = rig.tenant().users_in_scope().into_iter().collect();
        rig.tenant().soft_delete_user(users[0]);
        rig.tenant().disable_user(users[1]);
        rig.tenant().unassign(users[2]);
        rig.tenant()
            .set_property(users[3], "jobTitle", json!("Captain"));
        let crew = rig.tenant().groups_in_scope().into_iter().next().unwrap();
        let members = rig.tenant().members(crew);
        rig.tenant().remove_members(crew, &members[..1]);
        rig.joiner("jane");
        snapshot(&rig, &[]).await;
        let mut expected = changes(&rig.plan().await.expect(0));
        let mut found = changes(&plan_from(&rig, "tenant.json").await.expect(0));
        for plan in [&mut expected, &mut found] {
            assert!(plan["totals"]["disable"].as_u64().unwrap() >= 2, "{plan:#}");
            assert_eq!(plan["totals"]["create"], 1);
        }
        assert_eq!(found, expected, "{quirk:?}");
        // It kept nothing.
        assert_eq!(changes(&rig.plan().await.expect(0)), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_from_a_snapshot_needs_no_credential_of_the_source() {
    let rig = rig().await;
    snapshot(&rig, &[]).await;
    fs::remove_file(rig.path("secret")).unwrap();
    let reports = ["plan.html", "plan.md"];
    let out: Vec<&str> = reports.iter().flat_map(|name| ["--out", name]).collect();
    let arguments = [&["plan", "--source", "tenant.json"], out.as_slice()].concat();
    let run = rig.run(&arguments).await.expect(0);
    assert!(
        run.out
            .contains("Planned from the snapshot tenant.json of 2"),
        "{}",
        run.out
    );
    for name in reports {
        let text = fs::read_to_string(rig.path(name)).unwrap();
        assert!(text.contains("lanned from the snapshot"), "{name}");
    }
    let saved = ["plan", "--source", "tenant.json", "--out", "plan.json"];
    let run = rig.run(&saved).await.expect(2);
    assert!(run.err.contains("is not saved"), "{run:?}");
    assert!(!rig.path("entrain.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_configuration_is_compared_on_a_snapshot_too() {
    let rig = rig().await;
    snapshot(&rig, &["--attribute", "city"]).await;
    let old = fs::read_to_string(rig.path("entrain.toml")).unwrap();
    fs::write(rig.path("old.toml"), &old).unwrap();
    rig.configure("[[jobs.users.mappings]]\ntarget = \"nickName\"\nsource = \"city\"\n");
    fs::remove_file(rig.path("secret")).unwrap();
    let run = rig
        .run(&["plan", "--source", "tenant.json", "--against", "old.toml"])
        .await
        .expect(0);
    assert!(run.out.contains("Compared with old.toml"), "{}", run.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_lacks_what_a_mapping_reads_is_refused() {
    let rig = rig().await;
    snapshot(&rig, &[]).await;
    rig.configure("[[jobs.users.mappings]]\ntarget = \"nickName\"\nsource = \"employeeType\"\n");
    let run = plan_from(&rig, "tenant.json").await.expect(1);
    assert!(
        run.err.contains("does not contain employeeType of users"),
        "{run:?}"
    );
    rig.configure("[[jobs.users.mappings]]\ntarget = \"nickName\"\nexpression = 'DefaultDomain()'");
    let run = plan_from(&rig, "tenant.json").await.expect(1);
    assert!(run.err.contains("default domain"), "{run:?}");
    let run = rig
        .run(&["source", "snapshot", "x.json", "--attribute", "skills"])
        .await
        .expect(2);
    assert!(run.err.contains("--attribute skills"), "{run:?}");
    assert!(!rig.path("x.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_cut_or_of_another_version_or_tenant_is_refused() {
    let rig = rig().await;
    snapshot(&rig, &[]).await;
    let text = fs::read_to_string(rig.path("tenant.json")).unwrap();
    for (changed, expected) in [
        (text[..text.len() / 2].to_owned(), "truncated"),
        (
            text.replacen("\"snapshot\":1", "\"snapshot\":3", 1),
            "it has version 3",
        ),
        (
            text.replacen("\"snapshot\":1", "\"snapshot\":2", 1),
            "damaged",
        ),
        (
            text.replacen("\"snapshot\":1", "\"picture\":1", 1),
            "not a snapshot",
        ),
        (
            text.replace(&rig.sandbox.tenant_id(), &Uuid::nil().to_string()),
            "from the tenant 00000000",
        ),
        (
            text.replacen("\"redacted\":false", "\"redacted\":3", 1),
            "damaged",
        ),
        (text.replacen("\"made\":\"2", "\"made\":\"x", 1), "damaged"),
        ("[]".to_owned(), "not a snapshot"),
        ("{\"snapshot\" 1}".to_owned(), "not JSON"),
    ] {
        fs::write(rig.path("other.json"), changed).unwrap();
        let run = plan_from(&rig, "other.json").await.expect(2);
        assert!(run.err.contains(expected), "{expected}: {}", run.err);
        assert!(run.err.contains("other.json"), "{}", run.err);
    }
    let run = plan_from(&rig, "nowhere.json").await.expect(2);
    assert!(run.err.contains("cannot be read"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_cannot_be_read_completely_gives_no_snapshot() {
    let rig = rig().await;
    rig.tenant()
        .traffic()
        .inject(Fault::new("/groups/delta", Trouble::status(403)).forever());
    let run = rig.run(&["source", "snapshot", "tenant.json"]).await;
    let run = run.expect(1);
    assert!(run.err.contains("403"), "{run:?}");
    assert!(!rig.path("tenant.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn pseudonyms_are_stable_and_leave_the_plan_as_it_is() {
    let rig = rig().await;
    let jane = rig.joiner("janette");
    rig.tenant().set_property(
        jane,
        "proxyAddresses",
        json!(["SMTP:janette@contoso.com", "smtp:old@contoso.com"]),
    );
    fs::write(rig.path("key"), "a key that stays and is long enough").unwrap();
    fs::set_permissions(rig.path("key"), Permissions::from_mode(0o600)).unwrap();
    rig.edit(|text| format!("[state]\nkey = {{ file = \"key\" }}\n\n{text}"));
    snapshot(&rig, &[]).await;
    let whole = fs::read_to_string(rig.path("tenant.json")).unwrap();
    assert!(whole.contains("janette@contoso.com"));
    snapshot(&rig, &["--redact"]).await;
    let read = || fs::read_to_string(rig.path("tenant.json")).unwrap();
    let redacted = read();
    let made = |text: &str| {
        let at = text.find("\"made\"").unwrap();
        text[..at].to_owned() + &text[at + 30..]
    };
    snapshot(&rig, &["--redact"]).await;
    assert_eq!(made(&read()), made(&redacted));
    assert!(!redacted.to_lowercase().contains("janette"), "{redacted}");
    for user in rig.tenant().users() {
        for name in ["userPrincipalName", "mail", "surname", "mobilePhone"] {
            let Some(value) = user.properties.get(name).and_then(Value::as_str) else {
                continue;
            };
            assert!(!redacted.contains(&format!("\"{value}\"")), "{value}");
        }
    }
    assert!(redacted.contains("R&D"), "departments are kept");
    snapshot(&rig, &["--redact", "--keep", "jobTitle"]).await;
    assert!(read().contains("Engineer"));

    let expected = rig.plan().await.expect(0).job();
    let run = plan_from(&rig, "tenant.json").await.expect(0);
    assert_eq!(run.job()["snapshot"]["redacted"], true);
    assert_eq!(run.job()["totals"], expected["totals"]);
}
