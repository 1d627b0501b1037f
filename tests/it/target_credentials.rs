//! Each way in which a target knows who sends a request, through the commands: right, refused, and replaced in the
//! middle of a cycle.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use entrain::sandbox::{Authentication, AuthorizationServer, Fault, Size, Trouble, Uuid};
use serde_json::{Value, json};

use crate::rig::{Rig, Run};

const TOKEN: &str = "token = { file = \"token\" }";

/// A tenant with some people, and a target that is signed in to by these lines.
async fn signing_in(people: usize, authentication: Authentication, lines: &str) -> Rig {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.sandbox.target.set_authentication(authentication);
    rig.edit(|text| text.replace(TOKEN, lines));
    for number in 0..people {
        rig.joiner(&format!("p{number}"));
    }
    rig
}

fn write_secret(rig: &Rig, name: &str, secret: &str) {
    fs::write(rig.path(name), secret).unwrap();
    fs::set_permissions(rig.path(name), Permissions::from_mode(0o600)).unwrap();
}

/// A target with an authorization server, and more keys of `oauth`.
async fn with_server(people: usize, server: AuthorizationServer, more: &str) -> Rig {
    let rig = signing_in(people, Authentication::Server(server), TOKEN).await;
    write_secret(&rig, "client-secret", "client:secret/1");
    write_secret(&rig, "client-secret-2", "client:secret/2");
    let url = rig.sandbox.target.token_url();
    let more = if more.contains("client_secret") {
        more.to_owned()
    } else {
        format!("client_secret = {{ file = \"client-secret\" }}{more}")
    };
    let line =
        format!("oauth = {{ token_url = \"{url}\", client_id = \"entrain client\", {more} }}");
    rig.edit(|text| text.replace(TOKEN, &line));
    rig
}

/// What `test` prints of the look-up in the target.
async fn looked_up(rig: &Rig, code: i32) -> String {
    let run = rig.run(&["test"]).await.expect(code);
    let mut lines = run.out.lines();
    let line = lines.find(|line| line.contains("look-up of a random user"));
    let line = line.unwrap_or_else(|| panic!("{run:?}"));
    let remedy = lines.next().unwrap_or_default();
    for secret in ["client:secret", "granted-", "sandbox-target-token"] {
        assert!(
            !run.out.contains(secret) && !run.err.contains(secret),
            "{run:?}"
        );
    }
    format!("{}\n{}", line.trim(), remedy.trim())
}

/// Runs a cycle, and does something to it after the second write.
async fn sync_while(rig: &Rig, change: impl FnOnce()) -> Run {
    let target = &rig.sandbox.target;
    target.configure(|target| target.latency = Duration::from_millis(100));
    rig.edit(|text| text.replace("timeout = ", "concurrency = 1\ntimeout = "));
    let child = rig.command(&["sync", "--format", "json"]).spawn().unwrap();
    while target.writes() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    change();
    let run = Rig::finish(child).await;
    target.configure(|target| target.latency = Duration::ZERO);
    run
}

#[track_caller]
fn says(text: &str, expected: &[&str]) {
    for one in expected {
        assert!(text.contains(one), "{one}\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_sign_in_works_through_check_test_and_sync() {
    let basic = Authentication::Basic {
        user: "entrain ä".to_owned(),
    };
    let header = Authentication::Header {
        name: "x-api-key".to_owned(),
    };
    let own = Authentication::Header {
        name: "authorization".to_owned(),
    };
    for (authentication, lines, key) in [
        (
            basic,
            "basic = { user = \"entrain ä\", password = { file = \"token\" } }",
            "target.basic",
        ),
        (
            header,
            "headers = { \"X-Api-Key\" = { file = \"token\" } }",
            "target.headers",
        ),
        (
            own,
            "headers = { Authorization = { file = \"token\" } }",
            "target.headers",
        ),
        (
            Authentication::Bearer,
            "token = { file = \"token\" }\nheaders = { \"X-Api-Key\" = { file = \"secret\" } }",
            "target.token",
        ),
    ] {
        let rig = signing_in(3, authentication, lines).await;
        rig.run(&["check"]).await.expect(0);
        says(&looked_up(&rig, 0).await, &["answered with an empty list"]);
        rig.sync().await.expect(0);
        assert_eq!(rig.sandbox.target.user_count(), 3, "{lines}");
        let idle = rig.sync().await.expect(0).job();
        assert_eq!(idle["requests"]["target"], 0, "{idle:#}");

        rig.sandbox.target.set_token("another");
        let refused = looked_up(&rig, 1).await;
        says(&refused, &["status 401", "does not accept", key]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_replaced_in_the_middle_of_a_cycle_is_used_at_once() {
    let basic = Authentication::Basic {
        user: "entrain".to_owned(),
    };
    let line = "basic = { user = \"entrain\", password = { file = \"token\" } }";
    let rig = signing_in(6, basic, line).await;
    let target = &rig.sandbox.target;
    let run = sync_while(&rig, || {
        write_secret(&rig, "token", "another");
        target.set_token("another");
    });
    run.await.expect(0);
    assert_eq!(target.user_count(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_token_takes_over_and_stays() {
    let lines = "token = [{ file = \"token\" }, { file = \"token-2\" }]";
    let rig = signing_in(6, Authentication::Bearer, lines).await;
    write_secret(&rig, "token-2", "the second token");
    let target = &rig.sandbox.target;
    let run = sync_while(&rig, || target.set_token("the second token")).await;
    let run = run.expect(0);
    says(&run.err, &["the next one in token is used"]);
    assert_eq!(target.user_count(), 6);

    // It is known now, and the first is not tried again.
    rig.joiner("later");
    target.traffic().reset();
    let run = rig.sync().await.expect(0);
    assert_eq!(target.user_count(), 7);
    let refused = target.traffic().exchanges().into_iter();
    assert_eq!(refused.filter(|one| one.status == Some(401)).count(), 0);
    assert!(!run.err.contains("verifying the links"), "{run:?}");

    target.set_token("a third one");
    says(&looked_up(&rig, 1).await, &["status 401", "target.token"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_token_that_leads_to_another_organisation_writes_nothing_there() {
    let lines = "token = [{ file = \"token\" }, { file = \"token-2\" }]";
    let rig = signing_in(0, Authentication::Bearer, lines).await;
    let people: Vec<Uuid> = (0..6)
        .map(|number| rig.joiner(&format!("p{number}")))
        .collect();
    write_secret(&rig, "token-2", "the second token");
    rig.sync().await.expect(0);
    for one in people {
        rig.tenant().set_property(one, "jobTitle", json!("Boss"));
    }
    let target = &rig.sandbox.target;
    target.traffic().reset();
    let run = sync_while(&rig, || {
        for user in target.users() {
            target.delete(user["id"].as_str().unwrap());
        }
        target.set_token("the second token");
    });
    run.await.expect(4);
    assert_eq!(target.user_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_day_on_which_a_token_expires_is_warned_of_everywhere() {
    let lines = "token = { file = \"token\", expires = \"2000-01-31\" }";
    let rig = signing_in(1, Authentication::Bearer, lines).await;
    let run = rig.run(&["test"]).await.expect(0);
    says(&run.out, &["target: token", "2000-01-31"]);
    let run = rig.sync().await.expect(0);
    says(&run.err, &["jobs.demo.target.token expired on 2000-01-31"]);
    let run = rig.run(&["status"]).await;
    says(&run.err, &["jobs.demo.target.token expired on 2000-01-31"]);
    let run = rig.run(&["status", "--format", "json"]).await;
    let status: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(status["credentials"][0]["key"], "jobs.demo.target.token");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_an_authorization_server_are_requested_once_and_kept() {
    for (takes_basic, takes_post, more, grants) in [
        (true, true, "", 1),
        (false, true, "", 1),
        (true, false, "", 1),
        (true, true, ", authentication = \"post\"", 1),
        (true, true, ", scope = \"scim.write\"", 1),
        (true, true, ", audience = \"https://acme.example/\"", 1),
    ] {
        let server = AuthorizationServer {
            takes_basic,
            takes_post,
            scope: more.contains("scope").then(|| "scim.write".to_owned()),
            audience: more
                .contains("audience")
                .then(|| "https://acme.example/".to_owned()),
            ..AuthorizationServer::default()
        };
        let rig = with_server(5, server, more).await;
        rig.run(&["check"]).await.expect(0);
        says(&looked_up(&rig, 0).await, &["answered with an empty list"]);
        let before = rig.sandbox.target.grants();
        rig.sync().await.expect(0);
        assert_eq!(rig.sandbox.target.user_count(), 5);
        assert_eq!(rig.sandbox.target.grants() - before, grants, "{more}");
        let idle = rig.sync().await.expect(0).job();
        assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
        assert_eq!(rig.sandbox.target.grants() - before, grants, "{more}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_in_the_middle_of_a_cycle_is_renewed() {
    let rig = with_server(6, AuthorizationServer::default(), "").await;
    let target = &rig.sandbox.target;
    let run = sync_while(&rig, || target.revoke_tokens()).await;
    run.expect(0);
    assert_eq!(target.user_count(), 6);
    assert_eq!(target.grants(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_client_secret_takes_over_in_the_middle_of_a_cycle() {
    let server = AuthorizationServer::default();
    let more = "client_secret = [{ file = \"client-secret\" }, { file = \"client-secret-2\" }]";
    let rig = with_server(6, server, more).await;
    let target = &rig.sandbox.target;
    let run = sync_while(&rig, || {
        target.configure_server(|server| {
            server.secrets = BTreeSet::from(["client:secret/2".to_owned()]);
        });
        target.revoke_tokens();
    });
    let run = run.await.expect(0);
    says(&run.err, &["client_secret[1]"]);
    assert_eq!(target.user_count(), 6);
    // The first is not tried again.
    rig.joiner("later");
    target.traffic().reset();
    rig.sync().await.expect(0);
    let exchanges = target.traffic().exchanges().into_iter();
    assert_eq!(exchanges.filter(|one| one.status == Some(401)).count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_client_secret_that_leads_to_another_organisation_writes_nothing_there() {
    let more = "client_secret = [{ file = \"client-secret\" }, { file = \"client-secret-2\" }]";
    let rig = with_server(0, AuthorizationServer::default(), more).await;
    let people: Vec<Uuid> = (0..6)
        .map(|number| rig.joiner(&format!("p{number}")))
        .collect();
    rig.sync().await.expect(0);
    for one in people {
        rig.tenant().set_property(one, "jobTitle", json!("Boss"));
    }
    let target = &rig.sandbox.target;
    target.traffic().reset();
    let run = sync_while(&rig, || {
        target.configure_server(|server| {
            server.secrets = BTreeSet::from(["client:secret/2".to_owned()]);
        });
        target.revoke_tokens();
        for user in target.users() {
            target.delete(user["id"].as_str().unwrap());
        }
    });
    run.await.expect(4);
    assert_eq!(target.user_count(), 0);
    let exchanges = target.traffic().exchanges().into_iter();
    let sent = exchanges.filter(|one| one.method == "PATCH" && one.status == Some(404));
    assert_eq!(sent.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_secret_is_read_again_where_it_was_refused() {
    let rig = with_server(6, AuthorizationServer::default(), "").await;
    let target = &rig.sandbox.target;
    let run = sync_while(&rig, || {
        write_secret(&rig, "client-secret", "client:secret/3");
        target.configure_server(|server| {
            server.secrets = BTreeSet::from(["client:secret/3".to_owned()]);
        });
        target.revoke_tokens();
    });
    run.await.expect(0);
    assert_eq!(target.user_count(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_endpoint_refuses_is_shown_in_its_own_words() {
    for (server, more, expected) in [
        (
            AuthorizationServer {
                secrets: BTreeSet::new(),
                ..AuthorizationServer::default()
            },
            "",
            &[
                "status 401: invalid_client: Client authentication failed for",
                "client_secret",
            ][..],
        ),
        (
            AuthorizationServer {
                scope: Some("scim.write".to_owned()),
                ..AuthorizationServer::default()
            },
            "",
            &["status 400: invalid_scope", "add scope ="],
        ),
        (
            AuthorizationServer {
                takes_basic: false,
                ..AuthorizationServer::default()
            },
            ", authentication = \"basic\"",
            &["status 401: invalid_client: No client authentication included"],
        ),
    ] {
        let rig = with_server(1, server, more).await;
        let shown = looked_up(&rig, 1).await;
        says(&shown, &["no token for the target"]);
        says(&shown, expected);
        let run = rig.sync().await;
        assert_ne!(run.code, 0, "{run:?}");
        assert_eq!(rig.sandbox.target.writes(), 0);
        assert!(!format!("{run:?}").contains("client:secret"), "{run:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_token_endpoint_is_an_error_and_nothing_more() {
    let huge = format!("{{\"access_token\":\"{}\"}}", "x".repeat(2_000_000));
    for (status, kind, body, expected) in [
        (200, "application/json", huge, "longer than"),
        (
            200,
            "text/html",
            "<html><p>Sign in</p></html>".to_owned(),
            "an HTML page",
        ),
        (
            200,
            "application/json",
            "[]".to_owned(),
            "holds no access_token",
        ),
        (
            200,
            "application/json",
            "{\"access_token\":\"a\\nb\"}".to_owned(),
            "cannot stand in a header",
        ),
        (
            200,
            "application/json",
            "{\"access_token\":\"abc\",\"token_type\":\"mac\"}".to_owned(),
            "not a bearer token",
        ),
        (302, "text/plain", String::new(), "status 302"),
        (
            404,
            "text/html",
            "<html><p>Nothing here</p></html>".to_owned(),
            "Nothing here",
        ),
        (
            200,
            "application/json",
            "{\"access_token\":".to_owned() + &"[".repeat(100_000),
            "no access_token",
        ),
    ] {
        let server = AuthorizationServer {
            instead: Some((status, kind, body)),
            ..AuthorizationServer::default()
        };
        let rig = with_server(1, server, "").await;
        let shown = looked_up(&rig, 1).await;
        says(&shown, &["no token for the target", expected]);
        let run = rig.sync().await;
        assert_ne!(run.code, 0, "{run:?}");
        assert_eq!(rig.sandbox.target.user_count(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lifetime_in_any_form_is_understood() {
    for expires_in in [
        json!(null),
        json!("3600"),
        json!("soon"),
        json!(-1),
        json!(0),
        json!(1e300),
        json!([]),
    ] {
        let server = AuthorizationServer {
            expires_in: expires_in.clone(),
            ..AuthorizationServer::default()
        };
        let rig = with_server(4, server, "").await;
        rig.sync().await.expect(0);
        assert_eq!(rig.sandbox.target.user_count(), 4, "{expires_in}");
        assert_eq!(rig.sandbox.target.grants(), 1, "{expires_in}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_endpoint_that_is_away_for_a_moment_stops_nothing() {
    let rig = with_server(4, AuthorizationServer::default(), "").await;
    let fault = Fault::new("/oauth2/token", Trouble::status(503)).times(1);
    rig.sandbox.target.traffic().inject(fault);
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn entra_signs_tokens_for_the_targets_own_application() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    let audience = format!("api://{}", rig.sandbox.app_id());
    rig.sandbox
        .target
        .set_authentication(Authentication::Tenant {
            tenant: rig.tenant().clone(),
            audience: audience.clone(),
        });
    let line = format!("entra = {{ scope = \"{audience}/.default\" }}");
    rig.edit(|text| text.replace(TOKEN, &line));
    for number in 0..4 {
        rig.joiner(&format!("p{number}"));
    }
    rig.run(&["check"]).await.expect(0);
    says(&looked_up(&rig, 0).await, &["answered with an empty list"]);
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), 4);

    for number in 4..8 {
        rig.joiner(&format!("p{number}"));
    }
    rig.sandbox.target.traffic().reset();
    let run = sync_while(&rig, || rig.tenant().expire_access_tokens()).await;
    run.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), 8);

    rig.edit(|text| text.replace(&audience, "api://unknown"));
    let shown = looked_up(&rig, 1).await;
    says(
        &shown,
        &[
            "no token for the target",
            "AADSTS70011",
            "check target.entra.scope",
        ],
    );
}

/// The first leads on to the second, which is of the same organisation, and that one to a third, which is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_third_token_that_leads_to_another_organisation_writes_nothing_there() {
    let lines = "token = [{ file = \"token\" }, { file = \"token-2\" }, { file = \"token-3\" }]";
    let rig = signing_in(0, Authentication::Bearer, lines).await;
    let people: Vec<Uuid> = (0..12)
        .map(|number| rig.joiner(&format!("p{number}")))
        .collect();
    write_secret(&rig, "token-2", "the second token");
    write_secret(&rig, "token-3", "the third token");
    rig.sync().await.expect(0);
    for one in people {
        rig.tenant().set_property(one, "jobTitle", json!("Boss"));
    }
    let target = &rig.sandbox.target;
    target.configure(|target| target.latency = Duration::from_millis(100));
    rig.edit(|text| text.replace("timeout = ", "concurrency = 1\ntimeout = "));
    let before = target.writes();
    let child = rig.command(&["sync", "--format", "json"]).spawn().unwrap();
    let written = async |count: usize| {
        while target.writes() - before < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    written(2).await;
    target.set_token("the second token");
    // The refused write counts; those after it show that the second one is used.
    written(6).await;
    for user in target.users() {
        target.delete(user["id"].as_str().unwrap());
    }
    target.set_token("the third token");
    let run = Rig::finish(child).await.expect(4);
    assert_eq!(target.user_count(), 0, "{run:?}");
}
