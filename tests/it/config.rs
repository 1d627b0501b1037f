//! What a configuration means to the program: what `check` warns of, how names may be written, and what
//! the environment must not change.

use std::fs;
use std::process::{Command, Stdio};

use entrain::sandbox::Size;
use serde_json::{Value, json};

use crate::rig::{Rig, Run};

/// A job whose mapping of `active` has this expression.
async fn with_active(expression: &str) -> Rig {
    let rig = Rig::start(Size::new(5, 1, 5)).await;
    rig.configure(&format!(
        "[[jobs.users.mappings]]\ntarget = \"active\"\nexpression = '{expression}'\n"
    ));
    rig
}

async fn warnings(rig: &Rig) -> Vec<String> {
    let run = rig.run(&["check", "--format", "json"]).await.expect(0);
    let document: Value = serde_json::from_str(&run.out).unwrap();
    let warnings = document["warnings"].as_array().unwrap().iter();
    warnings
        .map(|warning| warning["message"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_with_small_booleans_disables_users_who_are_blocked() {
    let switch = r#"Switch([IsSoftDeleted], , "false", "true", "true", "false")"#;
    let rig = with_active(switch).await;
    assert_eq!(warnings(&rig).await, Vec::<String>::new());
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["active"], true);
    rig.tenant()
        .set_property(jane, "accountEnabled", json!(false));
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["active"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_warns_of_a_mapping_of_active_that_never_disables_or_never_enables() {
    for (expression, expected) in [
        (
            r#"Switch([IsSoftDeleted], , "False", "True")"#,
            "active never becomes False when IsSoftDeleted is True",
        ),
        (
            r#"Switch([IsSoftDeleted], "True", "yes", "False")"#,
            "active never becomes False when IsSoftDeleted is True",
        ),
        (
            r#"Switch([IsSoftDeleted], , "False", "False", "True", "True")"#,
            "active never becomes True when IsSoftDeleted is False",
        ),
        (
            r#"IIF([IsSoftDeleted] = "True", "False", IgnoreAttributeFlow)"#,
            "active never becomes True when IsSoftDeleted is False",
        ),
        (
            r#"Switch([accountEnabled], , "True", "True")"#,
            "active never becomes False when accountEnabled is False",
        ),
        (
            r#"IIF([department] = "Sales", "False", Not([IsSoftDeleted]))"#,
            "",
        ),
        (
            r#"IIF([department] = "Sales", Not([IsSoftDeleted]), "True")"#,
            "",
        ),
        ("Not([IsSoftDeleted])", ""),
        (
            r#"IIF([accountEnabled], Not([IsSoftDeleted]), "False")"#,
            "",
        ),
        (
            r#"IIF(DateDiff("d", Now(), CDate([employeeHireDate])) > 5, "False", Not([IsSoftDeleted]))"#,
            "",
        ),
    ] {
        let rig = with_active(expression).await;
        let found = warnings(&rig).await;
        let of_active: Vec<_> = found
            .iter()
            .filter(|warning| warning.starts_with("active"))
            .collect();
        match expected {
            "" => assert_eq!(of_active, Vec::<&String>::new(), "{expression}"),
            expected => assert!(
                of_active[0].starts_with(expected),
                "{expression}: {found:?}"
            ),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_in_another_case_work_with_a_remark() {
    let rig = Rig::start(Size::new(5, 1, 5)).await;
    rig.configure(
        r#"
[[jobs.users.mappings]]
target = "nickName"
expression = 'switch([Department], "other", "R&D", tolower([JobTitle]))'

[[jobs.users.mappings]]
target = "title"
source = "JOBTITLE"

[jobs.users]
filters = [ { all = [ { attribute = "DisplayName", operator = "equals", value = "jane" } ] } ]
"#,
    );
    let found = warnings(&rig).await;
    let remarks = [
        "the name is spelled Switch",
        "the name is spelled ToLower",
        "the name is spelled department",
        "the name is spelled jobTitle",
        "the attribute is called jobTitle",
        "the attribute is called displayName",
    ];
    for remark in remarks {
        assert!(
            found.iter().any(|one| one.starts_with(remark)),
            "{remark}: {found:#?}"
        );
    }
    assert_eq!(found.len(), remarks.len(), "{found:#?}");
    rig.joiner("jane");
    rig.joiner("john");
    rig.sync().await.expect(0);
    let jane = rig.user("jane@contoso.com");
    assert_eq!(
        (&jane["nickName"], &jane["title"]),
        (&json!("engineer"), &json!("Engineer"))
    );
    assert!(
        rig.sandbox
            .target
            .find_user_by("userName", "john@contoso.com")
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_file_that_is_missing_or_empty_is_a_remark_of_check() {
    let rig = Rig::start(Size::new(5, 1, 5)).await;
    fs::remove_file(rig.path("token")).unwrap();
    fs::write(rig.path("secret"), "\n").unwrap();
    let run = rig.run(&["check"]).await.expect(0);
    assert!(
        run.out.contains("token cannot be read: No such file"),
        "{run:?}"
    );
    assert!(run.out.contains("secret is empty"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_writes_nothing_where_the_environment_points() {
    let rig = Rig::start(Size::new(5, 1, 5)).await;
    fs::write(rig.path("entrain.toml"), "not even TOML").unwrap();
    let state = rig.path("real.db");
    let child = Command::new(env!("CARGO_BIN_EXE_entrain"))
        .args(["demo", "--users", "50"])
        .current_dir(rig.path(""))
        .env("ENTRAIN_CONFIG", rig.path("entrain.toml"))
        .env("ENTRAIN_STATE__PATH", &state)
        .env("ENTRAIN_JOBS__0__TARGET__BASE_URL", rig.sandbox.scim_url())
        .env("ENTRAIN_SOURCE__GRAPH_URL", rig.sandbox.graph_url())
        .env("ENTRAIN_JOBS__0__NAME", "not a name")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let Run { code, err, .. } = Rig::finish(child).await;
    assert_eq!(code, 0, "{err}");
    assert_eq!(rig.sandbox.target.traffic().count(), 0);
    assert_eq!(rig.sandbox.target.user_count(), 0);
    assert!(!state.exists());
}
