//! Tokens, and the addresses that they are sent to.

use super::*;

// ---- tokens ----

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let world = World::new(|seen| {
        if seen.token == "Bearer token-0" {
            refusal(401, "InvalidAuthenticationToken")
        } else {
            delta("", r#""@odata.deltaLink":"ORIGIN/d""#)
        }
    })
    .await;
    world.users().await.unwrap();
    world.users().await.unwrap();
    let tokens: Vec<String> = world.seen().into_iter().map(|s| s.token).collect();
    assert_eq!(
        tokens,
        ["Bearer token-0", "Bearer token-1", "Bearer token-1"]
    );
    assert_eq!(world.client.token_requests(), 2);
}

#[tokio::test]
async fn a_token_refused_twice_is_an_error() {
    let world = World::new(|_| refusal(401, "Authorization_IdentityNotFound")).await;
    let error = world.users().await.unwrap_err();
    assert!(matches!(&error, Error::Refused(refusal) if refusal.status == 401));
    assert_eq!(
        (world.client.requests(), world.client.token_requests()),
        (2, 2)
    );
}

#[tokio::test]
async fn many_readers_share_one_token() {
    let world = World::new(|_| delta("", r#""@odata.deltaLink":"ORIGIN/d""#)).await;
    let readers = (0..8).map(|_| world.users());
    for page in futures::future::join_all(readers).await {
        page.unwrap();
    }
    assert_eq!(
        (world.client.requests(), world.client.token_requests()),
        (8, 1)
    );
}

#[tokio::test]
async fn a_token_without_a_future_is_not_kept() {
    let world = World::with_tokens(
        |number| {
            ok(sample("token-response")
                .replace("3599", "0")
                .replace("...", &number.to_string()))
        },
        |_| delta("", r#""@odata.deltaLink":"ORIGIN/d""#),
    )
    .await;
    world.users().await.unwrap();
    world.users().await.unwrap();
    assert_eq!(world.client.token_requests(), 2);
}

#[tokio::test]
async fn every_documented_token_error_is_distinguished() {
    let mut seen = Vec::new();
    for case in cases("token-errors") {
        let status = case["status"].as_u64().unwrap();
        if status >= 500 {
            continue;
        }
        let code = case["body"]["error_codes"][0].as_u64().unwrap();
        let world =
            World::with_tokens(move |_| reply_of(&case), |_| panic!("no token, no read")).await;
        let error = world.users().await.unwrap_err();
        let said = words(&error);
        assert!(said.contains(&format!("AADSTS{code}: ")), "{said}");
        assert!(
            said.contains("255d1aef-8c98-452f-ac51-23d051240864"),
            "{said}"
        );
        assert!(!said.contains("Timestamp"), "{said}");
        let Error::TokenRefused(refusal) = &error else {
            panic!("{said}");
        };
        assert_eq!(refusal.code, Some(code));
        assert!(error.remedy("source").is_some());
        seen.push(code);
    }
    assert_eq!(
        seen,
        [
            70_011, 7_000_215, 7_000_222, 700_016, 7_000_112, 90_002, 700_027, 700_024, 700_211,
            700_213,
        ]
    );
}

#[tokio::test]
async fn temporary_trouble_with_a_token_is_waited_out() {
    let temporary = r#"{"error":"invalid_request","error_description":"AADSTS90033: Busy.","error_codes":[90033]}"#;
    let world = World::with_tokens(
        move |number| match number {
            0 => Reply {
                headers: vec![("retry-after".into(), "0".into())],
                ..reply(400, temporary)
            },
            1 => Reply {
                headers: vec![("retry-after".into(), "0".into())],
                ..reply(503, temporary)
            },
            _ => granted(number),
        },
        |_| delta("", r#""@odata.deltaLink":"ORIGIN/d""#),
    )
    .await;
    world.users().await.unwrap();
    assert_eq!(world.client.token_requests(), 3);
}

#[tokio::test]
async fn a_token_answer_that_makes_no_sense_quotes_nothing() {
    for body in [
        "<html>",
        r#"{"access_token":["token-0"],"expires_in":1}"#,
        r#"{"access_token":"","expires_in":1}"#,
        r#"{"access_token":"token-0"}"#,
    ] {
        let world = World::with_tokens(move |_| ok(body), |_| panic!("no token, no read")).await;
        let error = world.users().await.unwrap_err();
        assert!(
            matches!(error, Error::TokenMalformed { .. }),
            "{}",
            words(&error)
        );
    }
}

#[tokio::test]
async fn a_silent_sign_in_service_is_distinguished_from_a_silent_graph() {
    let closed = "http://127.0.0.1:1";
    let world = World::new(|_| panic!("no token, no read")).await;
    let client = Client::new(
        &source(closed, &world.url),
        Credential::of_secret("client", SECRET),
        CancellationToken::new(),
    )
    .unwrap();
    let select = [];
    let at = At::Beginning { select: &select };
    let error = client.fetch_page(ObjectKind::User, at).await.unwrap_err();
    assert!(
        matches!(error, Error::TokenUnanswered(_)),
        "{}",
        words(&error)
    );
}

#[test]
fn only_this_machine_is_spoken_to_in_plain_http() {
    for (login, graph, key) in [
        (
            "http://login.example.com",
            "https://graph.microsoft.com",
            "source.login_url",
        ),
        (
            "https://login.microsoftonline.com",
            "http://graph.example.com",
            "source.graph_url",
        ),
        (
            "https://login.microsoftonline.com",
            "graph",
            "source.graph_url",
        ),
    ] {
        let client = Client::new(
            &source(login, graph),
            Credential::of_secret("client", SECRET),
            CancellationToken::new(),
        );
        let error = client.unwrap_err();
        assert!(error.to_string().starts_with(key), "{error}");
    }
}

#[test]
fn no_cloud_and_no_override_makes_the_sdk_panic() {
    for graph in [
        "https://graph.microsoft.com",
        "https://dod-graph.microsoft.us",
        "https://microsoftgraph.chinacloudapi.cn/",
        "https://proxy.example.com/graph",
    ] {
        let client = Client::new(
            &source("https://login.microsoftonline.us", graph),
            Credential::of_secret("client", SECRET),
            CancellationToken::new(),
        )
        .unwrap();
        let printed = format!("{client:?}");
        assert!(
            printed.contains(&format!("{}/v1.0", graph.trim_end_matches('/'))),
            "{printed}"
        );
        assert!(!printed.contains(SECRET));
    }
}
