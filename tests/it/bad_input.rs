//! What is wrong is reported at once, completely, with what to do about it; and no secret is ever shown.

use std::fs;

use entrain::sandbox::{Fault, GraphQuirk, Size, Trouble};
use serde_json::{Value, json};

use crate::cycles::{settled, settles};
use crate::rig::{Rig, Run};
use crate::target::Expected;

async fn start() -> Rig {
    Rig::start(Size::new(20, 3, 40)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_problem_of_the_config_is_reported_at_once_and_nothing_is_changed() {
    let rig = start().await;
    rig.configure(
        r#"
[jobs.scope]
mode = "assigend"
nested_group = true

[jobs.safety]
max_deletions = "110%"

[[jobs.users.mappings]]
target = "title"
expression = 'Join(" ", [jobTitle]'

[[jobs.users.mappings]]
target = "nickName"
source = "mailNickname"
constant = "both"

[schedule]
interval = "soon"
"#,
    );
    rig.edit(|text| text.replace("base_url = \"http", "base_url = \"ftp"));
    let check = rig.run(&["check", "--format", "json"]).await.expect(2);
    let document: Value = serde_json::from_str(&check.out).unwrap();
    let text = fs::read_to_string(rig.path("entrain.toml")).unwrap();
    let problems = document["problems"].as_array().unwrap();
    for word in [
        "base_url = ",
        "mode = ",
        "nested_group = ",
        "max_deletions = ",
        "expression = ",
        "source = \"mailNickname",
        "interval = ",
    ] {
        let line = text
            .lines()
            .position(|line| line.starts_with(word))
            .unwrap()
            + 1;
        let found = problems.iter().find(|problem| problem["line"] == line);
        let found = found.unwrap_or_else(|| panic!("{word}{line}: {document:#}"));
        assert!(!found["remedy"].as_str().unwrap().is_empty(), "{found:#}");
        assert!(!found["key"].as_str().unwrap().is_empty(), "{found:#}");
        assert!(found["file"].as_str().unwrap().ends_with("entrain.toml"));
    }
    assert_eq!(problems.len(), 7, "{document:#}");
    for command in ["sync", "run", "plan", "test", "status"] {
        let run = rig.run(&[command]).await.expect(2);
        assert!(run.out.is_empty(), "{run:?}");
        for problem in problems {
            let place = format!("entrain.toml:{}", problem["line"]);
            assert!(run.err.contains(&place), "{command}: {place}: {run:?}");
        }
    }
    let mut files: Vec<_> = fs::read_dir(rig.path(""))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["entrain.toml", "secret", "token"]);
    assert_eq!(
        rig.tenant().traffic().count() + rig.sandbox.target.traffic().count(),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_that_cannot_be_read_is_named() {
    let rig = start().await;
    let text = fs::read_to_string(rig.path("entrain.toml")).unwrap();
    for (broken, words) in [
        (text.replace("[[jobs]]", "[[jobs"), "entrain.toml:"),
        (
            text.replace("name = \"demo\"", "name = \"demo"),
            "entrain.toml:",
        ),
        (format!("{text}\n[source]\n"), "entrain.toml:"),
        (String::new(), "source"),
        ("\u{0}\u{1}".to_owned(), "entrain.toml"),
    ] {
        fs::write(rig.path("entrain.toml"), broken).unwrap();
        let run = rig.run(&["sync"]).await.expect(2);
        assert!(run.err.contains(words), "{run:?}");
    }
    fs::write(rig.path("entrain.toml"), [0xff, 0xfe, b'a']).unwrap();
    let run = rig.run(&["sync"]).await.expect(2);
    assert!(run.err.contains("entrain.toml"), "{run:?}");
    fs::remove_file(rig.path("entrain.toml")).unwrap();
    fs::create_dir(rig.path("entrain.toml")).unwrap();
    rig.run(&["sync"]).await.expect(2);
}

/// The failed checks of `test`: what, in which words, and what to do.
async fn failed_checks(rig: &Rig) -> Vec<(String, String, String)> {
    let run = rig.run(&["test", "--format", "json"]).await.expect(1);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let checks = run.job()["checks"].as_array().unwrap().clone();
    let failed = checks.iter().filter(|check| check["ok"] == false);
    failed
        .map(|check| {
            (
                text(&check["check"]),
                text(&check["problem"]),
                text(&check["remedy"]),
            )
        })
        .collect()
}

#[track_caller]
fn tells(failed: &[(String, String, String)], what: &str, words: &str, remedy: &str) {
    let told = failed.iter().any(|(check, problem, advice)| {
        check.contains(what) && problem.contains(words) && advice.contains(remedy)
    });
    assert!(told, "{what}, {words}, {remedy}: {failed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn test_says_which_setting_is_wrong_in_the_services_own_words() {
    let rig = start().await;
    rig.run(&["test"]).await.expect(0);
    let good = fs::read_to_string(rig.path("entrain.toml")).unwrap();
    let with = |old: String, new: &str| {
        fs::write(rig.path("entrain.toml"), good.replace(&old, new)).unwrap();
    };
    let stranger = "11111111-2222-3333-4444-555555555555";

    with(rig.sandbox.tenant_id(), stranger);
    let failed = failed_checks(&rig).await;
    tells(&failed, "source", "AADSTS90002", "tenant_id");

    with(rig.sandbox.client_id(), stranger);
    let failed = failed_checks(&rig).await;
    tells(&failed, "source", "AADSTS700016", "client_id");

    with(rig.sandbox.app_id(), stranger);
    let failed = failed_checks(&rig).await;
    tells(&failed, "source", stranger, "");

    with(
        format!("app_id = \"{}\"", rig.sandbox.app_id()),
        "display_name = \"Wingtip Trainnig\"",
    );
    let failed = failed_checks(&rig).await;
    tells(&failed, "source", "Wingtip Trainnig", "");

    with("/scim/v2\"".to_owned(), "/scmi/v2\"");
    let failed = failed_checks(&rig).await;
    tells(&failed, "target", "404", "base_url");

    with(rig.sandbox.scim_url(), "http://127.0.0.1:9/scim/v2");
    let failed = failed_checks(&rig).await;
    tells(&failed, "target", "connect", "base_url");

    fs::write(rig.path("entrain.toml"), &good).unwrap();
    fs::write(rig.path("token"), "wrong-target-token").unwrap();
    let failed = failed_checks(&rig).await;
    tells(&failed, "target", "401", "target.token");
    assert!(!format!("{failed:?}").contains("wrong-target-token"));
    fs::write(rig.path("token"), rig.sandbox.scim_token()).unwrap();

    fs::write(rig.path("secret"), "wrong~client~secret").unwrap();
    let failed = failed_checks(&rig).await;
    tells(&failed, "source", "AADSTS7000215", "secret");
    assert!(!format!("{failed:?}").contains("wrong~client~secret"));
    fs::write(rig.path("secret"), rig.sandbox.client_secret()).unwrap();

    for (permission, needed) in [
        ("User.Read.All", "User.Read.All"),
        ("GroupMember.Read.All", "GroupMember.Read.All"),
        ("Application.Read.All", "Application.Read.All"),
    ] {
        rig.tenant().revoke_permission(permission);
        let failed = failed_checks(&rig).await;
        tells(&failed, "source", "Authorization_RequestDenied", needed);
        rig.tenant().grant_permission(permission);
    }

    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": "403",
        "detail": "seat limit reached",
    });
    let trouble = Trouble::body(403, &body.to_string());
    rig.sandbox
        .target
        .traffic()
        .inject(Fault::new("/Users", trouble));
    let failed = failed_checks(&rig).await;
    tells(&failed, "target", "seat limit reached", "rights");
    rig.run(&["test"]).await.expect(0);

    rig.tenant().enable(GraphQuirk::NoDelta);
    rig.run(&["test"]).await.expect(0);
    assert_eq!(rig.sandbox.target.writes(), 0);
    assert!(!rig.path("entrain.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_service_that_answers_something_else_is_named_with_what_to_do() {
    let rig = start().await;
    for (status, body, words, remedy) in [
        (
            200,
            "<html>Sign in</html>",
            "an HTML page",
            "source.login_url",
        ),
        (200, "{}", "no access token", "source.login_url"),
        (
            200,
            r#"{"access_token":"a"}"#,
            "when the token expires",
            "source.login_url",
        ),
        (302, "", "status 302", "redirects are not followed"),
        (404, "<html>", "status 404", "a proxy"),
    ] {
        let traffic = rig.tenant().traffic();
        traffic.inject(Fault::new("/token", Trouble::body(status, body)).forever());
        let failed = failed_checks(&rig).await;
        traffic.clear_faults();
        tells(&failed, "source", words, remedy);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_leads_nowhere_is_not_followed_in_later_cycles() {
    let rig = start().await;
    let mut expected = Expected::default();
    settles(&rig, &mut expected).await;
    let graph = rig.sandbox.graph_url();
    for (number, link) in [
        "https://graph.example.com/v1.0/users/delta?$skiptoken=x".to_owned(),
        "http://".to_owned(),
        format!("{graph}/v1.0/organization"),
        format!("{graph}/v1.0/nothing"),
    ]
    .iter()
    .enumerate()
    {
        rig.joiner(&format!("joiner{number}"));
        for (path, key) in [
            ("/users/delta", "@odata.nextLink"),
            ("/groups/delta", "@odata.nextLink"),
            ("/users/delta", "@odata.deltaLink"),
        ] {
            if link.ends_with("/organization") && key == "@odata.deltaLink" {
                continue;
            }
            let body = json!({ "value": [], key: link }).to_string();
            let traffic = rig.tenant().traffic();
            traffic.inject(Fault::new(path, Trouble::body(200, &body)).times(3));
            let broken = rig.sync().await;
            traffic.clear_faults();
            assert!([0, 1].contains(&broken.code), "{link}: {broken:?}");
            rig.sync().await.expect(0);
        }
        settled(&rig, &mut expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_cannot_be_read_is_named() {
    let rig = start().await;
    fs::remove_file(rig.path("secret")).unwrap();
    for command in ["test", "sync", "plan", "run"] {
        let run: Run = rig.run(&[command]).await;
        assert!([1, 2].contains(&run.code), "{run:?}");
        let all = format!("{}{}", run.out, run.err);
        assert!(all.contains("source.client_secret"), "{command}: {run:?}");
    }
    fs::write(rig.path("secret"), rig.sandbox.client_secret()).unwrap();
    fs::write(rig.path("token"), "").unwrap();
    for command in ["test", "sync", "plan"] {
        let run = rig.run(&[command]).await;
        assert!([1, 2].contains(&run.code), "{run:?}");
        let all = format!("{}{}", run.out, run.err);
        assert!(all.contains("target.token"), "{command}: {run:?}");
    }
    fs::write(rig.path("token"), rig.sandbox.scim_token()).unwrap();
    settles(&rig, &mut Expected::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_file_that_is_not_ours_or_not_whole_is_left_as_it_is() {
    let rig = start().await;
    rig.sync().await.expect(0);
    let good = fs::read(rig.path("entrain.db")).unwrap();
    let mut newer = good.clone();
    // The user version in the header of an SQLite file (its file format, section 1.3).
    newer[60..64].copy_from_slice(&99_u32.to_be_bytes());
    let mut damaged = good.clone();
    let middle = damaged.len() / 2;
    damaged[4096..middle].fill(0x5a);
    let foreign = b"Dear diary, this is not a database.".repeat(100);
    let cut = good[..good.len() / 2 + 100].to_vec();
    rig.sandbox.target.traffic().reset();
    for (content, words) in [
        (newer, "newer version of entrain"),
        (damaged, "is damaged"),
        (cut, "is damaged"),
        (foreign, "is not a state file"),
    ] {
        for side in ["entrain.db-wal", "entrain.db-shm"] {
            // Only there when a process died.
            let _ = fs::remove_file(rig.path(side));
        }
        fs::write(rig.path("entrain.db"), &content).unwrap();
        for command in ["sync", "run", "plan", "status"] {
            let run = rig.run(&[command]).await.expect(1);
            assert!(run.err.contains(words), "{command}: {words}: {run:?}");
            assert!(run.err.contains("entrain.db"), "{run:?}");
        }
        assert!(
            fs::read(rig.path("entrain.db")).unwrap() == content,
            "{words}"
        );
    }
    assert_eq!(rig.sandbox.target.traffic().count(), 0);
    fs::write(rig.path("entrain.db"), good).unwrap();
    settles(&rig, &mut Expected::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_state_file_costs_no_duplicate() {
    let rig = start().await;
    settles(&rig, &mut Expected::default()).await;
    fs::remove_file(rig.path("entrain.db")).unwrap();
    rig.sandbox.target.traffic().reset();
    settles(&rig, &mut Expected::default()).await;
    assert_eq!(rig.sandbox.target.writes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_ever_shown() {
    let rig = start().await;
    let traffic = rig.sandbox.target.traffic();
    rig.tenant().traffic().record_bodies(true);
    let mut told = String::new();
    let secrets = [rig.sandbox.client_secret(), rig.sandbox.scim_token()];
    // A server that repeats in its errors what it was sent.
    let echo = Trouble::body(400, &format!("no: Authorization: Bearer {}", secrets[1]));
    traffic.inject(Fault::new("/Users", echo).method("POST").times(3));
    traffic.inject(Fault::new("/Users", Trouble::AnswerLost).method("POST"));
    let echo = Trouble::body(
        400,
        &format!(
            "{{\"error\": \"invalid_client\", \"error_description\": \"AADSTS7000215: Invalid secret {}\"}}",
            secrets[0]
        ),
    );
    let login = rig.tenant().traffic();
    login.inject(Fault::new("/oauth2/", echo));
    login.inject(Fault::new("/users/delta", Trouble::status(401)));
    login.inject(Fault::new("/groups/delta", Trouble::status(403)));
    for arguments in [
        &["test", "-vvv"][..],
        &["sync", "-vvv"],
        &["sync", "-vvv", "--format", "json"],
        &["plan", "-vvv"],
        &["status", "-vvv"],
        &["check", "-vvv"],
    ] {
        let run = rig.run(arguments).await;
        told.push_str(&run.out);
        told.push_str(&run.err);
    }
    traffic.inject(Fault::new("/Users", Trouble::status(401)).forever());
    let jane = rig.joiner("jane");
    let run = rig.run(&["sync", "-vvv"]).await;
    told.push_str(&run.out);
    told.push_str(&run.err);
    traffic.clear_faults();
    rig.sync().await;
    rig.tenant().soft_delete_user(jane);
    rig.sync().await;
    for file in ["entrain.db", "entrain.db-wal", "entrain.db.lock"] {
        let bytes = fs::read(rig.path(file)).unwrap_or_default();
        told.push_str(&String::from_utf8_lossy(&bytes));
    }
    for secret in &secrets {
        assert!(!told.contains(secret.as_str()), "{}", place(&told, secret));
    }
    // An access token is a JWT: a header that begins so, as base64, and two parts behind it.
    for word in ["eyJ0eXAi", "eyJhbGci", "access_token", "client_secret="] {
        assert!(!told.contains(word), "{}", place(&told, word));
    }
}

fn place(told: &str, secret: &str) -> String {
    let at = told.find(secret).unwrap_or_default();
    let before: String = told[..at].chars().rev().take(300).collect();
    before.chars().rev().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_that_can_never_fit_is_reported_before_any_request() {
    let rig = start().await;
    for (mapping, word) in [
        (
            r#"{ target = "nickName", expression = 'Split([city], ",")' }"#,
            "Join",
        ),
        (
            r#"{ target = "nickName", expression = 'CDate("garbage")' }"#,
            "not a date that can be read",
        ),
        (
            r#"{ target = "name", constant = { givenName = "CONST" } }"#,
            "name.givenName",
        ),
        (
            r#"{ target = "roles", constant = [ { valu = "x" } ] }"#,
            "did you mean value?",
        ),
        (
            r####"{ target = "x509Certificates[type eq \"a\"].value", constant = "###" }"####,
            "base64",
        ),
    ] {
        rig.configure(&format!("[jobs.users]\nmappings = [ {mapping} ]"));
        let check = rig.run(&["check"]).await.expect(2);
        assert!(check.out.contains(word), "{word}: {check:?}");
    }
    // What depends on an object is reported for that object.
    rig.configure(
        "[jobs.users]\nmappings = [ { target = 'x509Certificates[type eq \"a\"].value', \
         source = 'employeeId' } ]",
    );
    rig.run(&["check"]).await.expect(0);
    let odd = rig.joiner("odd");
    let fine = rig.joiner("fine");
    rig.tenant()
        .set_property(odd, "employeeId", json!("odd@contoso.com"));
    rig.tenant().set_property(fine, "employeeId", json!("AAEC"));
    let of = async |id: &str, code: i32| {
        let plan = rig.run(&["plan", "--format", "json", "--user", id]).await;
        plan.expect(code).job()
    };
    let plan = of(&odd.to_string(), 3).await;
    assert!(plan["actions"].as_array().unwrap().is_empty(), "{plan:#}");
    assert!(plan["skipped"].to_string().contains("base64"), "{plan:#}");
    let plan = of(&fine.to_string(), 0).await;
    assert!(plan["actions"].to_string().contains("AAEC"), "{plan:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_end_or_a_folder_is_refused_wherever_a_file_is_named() {
    let rig = start().await;
    let rejected = [("/dev/zero", "larger than"), ("/", "it is a folder")];
    let tell = |run: &Run, file: &str, what: &str| {
        let told = format!("{}{}", run.out, run.err);
        assert!(told.contains(file) && told.contains(what), "{run:?}");
    };
    for (file, what) in rejected {
        let run = rig.run(&["check", "--config", file]).await.expect(2);
        tell(&run, file, what);
        let run = rig.run(&["import", file]).await.expect(2);
        tell(&run, file, what);
        let run = rig.run(&["eval", "[mail]", "--object", file]).await;
        tell(&run.expect(2), file, what);
    }
    let settings = [
        ("preset = \"generic\"", "preset = ", 2, "1 MiB"),
        ("{ file = \"token\" }", "token.file = ", 1, "64 KiB"),
        ("[jobs.scope]", "ca_certificate = ", 1, "1 MiB"),
    ];
    for (file, what) in rejected {
        for (before, key, code, cap) in settings {
            rig.configure("[jobs.scope]");
            rig.edit(|text| match key {
                "preset = " => text.replace(before, &format!("preset = \"{file}\"")),
                "token.file = " => text.replace(before, &format!("{{ file = \"{file}\" }}")),
                _ => text.replace(before, &format!("ca_certificate = \"{file}\"")),
            });
            let run = rig.run(&["plan"]).await.expect(code);
            tell(&run, file, what);
            assert!(file == "/" || run.err.contains(cap), "{run:?}");
        }
    }
}
