//! The module against small servers on loopback, which send what Microsoft documents (`samples/`) and
//! what goes wrong in between.

mod asked;
mod single;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::delta::Page;
use super::*;
use crate::config::{self, Application, Source};
use crate::engine::model::{DEFAULT_ACCESS_ROLE, ObjectKind, Presence, SourceId, Value};
use crate::http::testing::serve;

const SECRET: &str = "s3cr3t~Value";
const SERVICE_PRINCIPAL: &str = "8e881353-1735-45af-af21-ee1344582a4d";

/// A request as a server saw it.
#[derive(Clone, Debug)]
struct Seen {
    path: String,
    /// Decoded.
    query: String,
    token: String,
    /// `client-request-id`.
    id: String,
    /// How many came before it, those for tokens apart.
    number: usize,
}

struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

fn reply(status: u16, body: impl Into<String>) -> Reply {
    Reply {
        status,
        headers: Vec::new(),
        body: body.into(),
    }
}

fn ok(body: impl Into<String>) -> Reply {
    reply(200, body)
}

fn refusal(status: u16, code: &str) -> Reply {
    reply(
        status,
        format!(
            r#"{{"error":{{"code":"{code}","message":"Words of Graph.","innerError":{{"request-id":"r-1"}}}}}}"#
        ),
    )
}

/// One page of a delta with the values and links given as JSON.
fn delta(values: &str, link: &str) -> Reply {
    ok(format!(r#"{{"value":[{values}],{link}}}"#))
}

fn granted(number: usize) -> Reply {
    ok(format!(
        r#"{{"token_type":"Bearer","expires_in":3599,"access_token":"token-{number}"}}"#
    ))
}

/// A server and a client for it.
struct World {
    url: String,
    client: Client,
    stop: CancellationToken,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl World {
    /// Grants every token: the first is `token-0`. `ORIGIN` in answers becomes the server's origin.
    async fn new(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::with_tokens(granted, answer).await
    }

    async fn with_tokens(
        token: impl Fn(usize) -> Reply + Send + Sync + 'static,
        answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let tokens = Arc::new(Mutex::new(0));
        let answer = Arc::new(move |request: &Request| {
            let header = |name: &str| {
                let value = request.headers().get(name);
                value.map_or("", |v| v.to_str().unwrap()).to_owned()
            };
            let path = request.uri().path().to_owned();
            if path == "/contoso/oauth2/v2.0/token" {
                let mut count = tokens.lock().unwrap();
                *count += 1;
                return token(*count - 1);
            }
            let mut log = log.lock().unwrap();
            let query = request.uri().query().unwrap_or_default().replace('+', " ");
            let now = Seen {
                path,
                query: percent_encoding::percent_decode_str(&query)
                    .decode_utf8_lossy()
                    .into_owned(),
                token: header("authorization"),
                id: header("client-request-id"),
                number: log.len(),
            };
            log.push(now.clone());
            answer(&now)
        });
        let router = Router::new().fallback(move |request: Request| {
            let host = request.headers()["host"].to_str().unwrap().to_owned();
            let Reply {
                status,
                headers,
                body,
            } = answer(&request);
            let body = body
                .replace("https://graph.microsoft.com", "ORIGIN")
                .replace("ORIGIN", &format!("http://{host}"));
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            std::future::ready(response.body(Body::from(body)).unwrap())
        });
        let url = serve(router).await;
        let stop = CancellationToken::new();
        let client = Client::new(
            &source(&url, &url),
            Credential::of_secret("client", SECRET),
            stop.clone(),
        )
        .unwrap();
        Self {
            url,
            client,
            stop,
            seen,
        }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    async fn begin(&self, kind: ObjectKind, select: &[&str]) -> Result<Page, Error> {
        let select: Vec<String> = select.iter().map(|&name| name.to_owned()).collect();
        let at = At::Beginning { select: &select };
        self.client.fetch_page(kind, at).await
    }

    async fn users(&self) -> Result<Page, Error> {
        self.begin(ObjectKind::User, &["displayName"]).await
    }
}

pub(super) fn source(login_url: &str, graph_url: &str) -> Source {
    Source {
        tenant_id: "contoso".to_owned(),
        credential: config::Credential::AzureCli,
        login_url: login_url.to_owned(),
        graph_url: graph_url.to_owned(),
        token_scope: "https://graph.microsoft.com/.default".to_owned(),
    }
}

/// An error as a person would see it, which must hold no secret, token or query.
fn words(error: &Error) -> String {
    use std::error::Error as _;
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    for hidden in [SECRET, "token-0", "token-1", "select", "skiptoken"] {
        assert!(!words.contains(hidden), "{words}");
    }
    words
}

fn sample(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/graph/samples/");
    std::fs::read_to_string(format!("{folder}{name}.json")).unwrap()
}

/// The page that Graph would send as this sample.
async fn read_sample(kind: ObjectKind, name: &str) -> Page {
    let body = sample(name);
    let world = World::new(move |_| ok(body.clone())).await;
    world.begin(kind, &["displayName"]).await.unwrap()
}

fn cases(name: &str) -> Vec<Json> {
    let file: Json = serde_json::from_str(&sample(name)).unwrap();
    file["cases"].as_array().unwrap().clone()
}

fn reply_of(case: &Json) -> Reply {
    let body = match &case["body"] {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut headers = Vec::new();
    for (name, value) in case["headers"].as_object().into_iter().flatten() {
        let value = value.as_str().unwrap();
        // Nobody waits in a test.
        let value = if name == "Retry-After" { "0" } else { value };
        headers.push((name.clone(), value.to_owned()));
    }
    Reply {
        status: case["status"].as_u64().unwrap().try_into().unwrap(),
        headers,
        body,
    }
}

// ---- delta ----

#[tokio::test]
async fn a_round_of_two_pages_ends_with_the_watermark() {
    let world = World::new(|seen| match seen.number {
        0 => delta(
            r#"{"id":"A","displayName":"Anna"}"#,
            r#""@odata.nextLink":"ORIGIN/v1.0/users/delta?$skiptoken=a%2Fb=='x'""#,
        ),
        _ => delta(
            "",
            r#""@odata.deltaLink":"ORIGIN/v1.0/users/delta?$deltatoken=d""#,
        ),
    })
    .await;
    let first = world
        .begin(ObjectKind::User, &["displayName", "manager"])
        .await
        .unwrap();
    assert_eq!(first.changes.len(), 1);
    let Link::Next(next) = first.link else {
        panic!("{:?}", first.link);
    };
    let last = world
        .client
        .fetch_page(ObjectKind::User, At::Link(&next))
        .await
        .unwrap();
    let Link::Delta(watermark) = last.link else {
        panic!("{:?}", last.link);
    };
    assert_eq!(
        watermark.get(),
        &format!("{}/v1.0/users/delta?$deltatoken=d", world.url)
    );
    let seen = world.seen();
    assert_eq!(seen[0].path, "/v1.0/users/delta()");
    assert_eq!(seen[0].query, "$select=id,displayName,manager");
    assert_eq!(seen[1].path, "/v1.0/users/delta");
    assert_eq!(seen[1].query, "$skiptoken=a/b=='x'");
    assert_eq!(seen[1].token, "Bearer token-0");
    assert!(seen[0].id != seen[1].id && !seen[0].id.is_empty());
    assert_eq!(
        (world.client.requests(), world.client.token_requests()),
        (2, 1)
    );
}

#[tokio::test]
async fn the_documented_pages_of_users_are_read() {
    let user = ObjectKind::User;
    let page = read_sample(user, "users-delta-initial-page1").await;
    assert!(matches!(page.link, Link::Next(_)));
    assert_eq!(page.changes.len(), 4);
    assert_eq!(page.changes[2].presence, Presence::Deleted);
    assert_eq!(
        page.changes[0].attributes["surname"],
        Some(Value::text("White"))
    );
    assert!(!page.changes[3].attributes.contains_key("surname"));
    for (name, changes, is_last) in [
        ("users-delta-initial-page2", 2, false),
        ("users-delta-initial-final", 2, true),
        ("users-delta-nochange", 0, true),
        ("users-delta-latest", 0, true),
        ("users-delta-minimal", 2, true),
        ("users-delta-empty-page-with-nextlink", 0, false),
    ] {
        let page = read_sample(user, name).await;
        assert_eq!(page.changes.len(), changes, "{name}");
        assert_eq!(matches!(page.link, Link::Delta(_)), is_last, "{name}");
    }
}

#[tokio::test]
async fn the_documented_changes_of_users_are_read() {
    let page = read_sample(ObjectKind::User, "users-delta-incremental").await;
    let [lidia, grady, former, soft, hard, again] = page.changes.as_slice() else {
        panic!("{:?}", page.changes);
    };
    assert_eq!(lidia.attributes["department"], None);
    assert_eq!(
        lidia.attributes["accountEnabled"],
        Some(Value::Boolean(false))
    );
    let extension = [("extensionAttribute1".to_owned(), Value::text("CC-100"))];
    assert_eq!(
        lidia.attributes["onPremisesExtensionAttributes"],
        Some(Value::Object(extension.into()))
    );
    let manager = SourceId::new("99789584-a1e1-4232-90e5-866170e3d4e7");
    assert_eq!(grady.attributes["manager"], Some(Value::Reference(manager)));
    assert_eq!(former.attributes["manager"], None);
    assert_eq!(soft.presence, Presence::SoftDeleted);
    assert_eq!(hard.presence, Presence::Deleted);
    assert_eq!(again.id, lidia.id);
    assert!(!again.attributes.contains_key("department"));
}

#[tokio::test]
async fn the_documented_pages_of_groups_are_read() {
    for (name, members, presence) in [
        ("groups-delta-initial-page1", &[2, 0][..], Presence::Present),
        ("groups-delta-initial-final", &[0, 0], Presence::Present),
        ("groups-delta-incremental", &[2], Presence::Present),
        ("groups-delta-large-group-page1", &[2], Presence::Present),
        ("groups-delta-large-group-page2", &[2], Presence::Present),
        (
            "groups-delta-group-softdeleted",
            &[0],
            Presence::SoftDeleted,
        ),
        ("groups-delta-group-harddeleted", &[0], Presence::Deleted),
    ] {
        let page = read_sample(ObjectKind::Group, name).await;
        let counts: Vec<usize> = page.changes.iter().map(|c| c.members.len()).collect();
        assert_eq!(counts, members, "{name}");
        assert!(
            page.changes.iter().all(|c| c.presence == presence),
            "{name}"
        );
    }
    let page = read_sample(ObjectKind::Group, "groups-delta-incremental").await;
    let removed: Vec<bool> = page.changes[0].members.iter().map(|m| m.removed).collect();
    assert_eq!(removed, [true, false]);
}

#[tokio::test]
async fn a_throttled_page_is_asked_for_again() {
    let world = World::new(|seen| match seen.number {
        0 => Reply {
            headers: vec![("retry-after".into(), "0".into())],
            ..refusal(429, "TooManyRequests")
        },
        _ => delta("", r#""@odata.deltaLink":"ORIGIN/d""#),
    })
    .await;
    world.users().await.unwrap();
    assert_eq!(world.client.requests(), 2);
    assert_ne!(world.seen()[0].id, world.seen()[1].id);
}

#[tokio::test]
async fn a_torn_answer_is_asked_for_again() {
    let world = World::new(|seen| match seen.number {
        0 => ok(r#"{"value":[{"id":"1""#),
        1 => ok(""),
        _ => delta("", r#""@odata.deltaLink":"ORIGIN/d""#),
    })
    .await;
    world.users().await.unwrap();
    assert_eq!(world.client.requests(), 3);
}

#[tokio::test]
async fn an_answer_that_is_no_page_is_never_the_end() {
    for (body, why) in [
        (
            r#"{"error":{"code":"UnknownError","message":"Oops"}}"#,
            "it has no value, UnknownError, Oops",
        ),
        (
            r#"{"value":null,"@odata.deltaLink":"ORIGIN/d"}"#,
            "it has no value",
        ),
        ("{}", "it has no value"),
        (r#"{"value":[]}"#, "neither"),
    ] {
        let world = World::new(move |_| ok(body)).await;
        let error = world.users().await.unwrap_err();
        assert!(matches!(error, Error::NotAPage { .. }), "{error}");
        assert!(words(&error).contains(why), "{error}");
    }
}

#[tokio::test]
async fn a_page_with_a_broken_entry_is_an_error_that_quotes_nothing() {
    let world = World::new(|_| {
        delta(
            r#"{"id":["anna@contoso.com"]}"#,
            r#""@odata.deltaLink":"ORIGIN/d""#,
        )
    })
    .await;
    let error = world.users().await.unwrap_err();
    assert!(matches!(error, Error::Malformed { .. }), "{error}");
    assert!(!words(&error).contains("anna"));
}

#[tokio::test]
async fn a_page_that_names_itself_as_the_next_is_an_error() {
    let world =
        World::new(|_| delta("", r#""@odata.nextLink":"ORIGIN/v1.0/x?$skiptoken=1""#)).await;
    let link = format!("{}/v1.0/x?$skiptoken=1", world.url);
    let page = world.client.fetch_page(ObjectKind::User, At::Link(&link));
    assert!(matches!(page.await.unwrap_err(), Error::NotAPage { .. }));
}

#[tokio::test]
async fn a_link_to_another_origin_is_refused_before_anything_is_sent() {
    let world = World::new(|_| panic!("nothing may be sent")).await;
    for link in [
        "http://127.0.0.1:1/v1.0/users/delta?$skiptoken=x",
        "https://graph.microsoft.com/v1.0/users/delta?$skiptoken=x",
        "//evil.example.com/",
    ] {
        let at = At::Link(link);
        let error = world
            .client
            .fetch_page(ObjectKind::User, at)
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Link(_)), "{}", words(&error));
    }
    assert_eq!(world.client.requests(), 0);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let world = World::new(|_| Reply {
        headers: vec![("location".into(), "http://127.0.0.1:1/".into())],
        ..reply(302, "")
    })
    .await;
    let error = world.users().await.unwrap_err();
    assert!(words(&error).contains("status 302"), "{error}");
    assert_eq!(world.client.requests(), 1);
}

// ---- errors of Graph ----

#[tokio::test]
async fn every_documented_error_is_told_apart() {
    let mut seen = Vec::new();
    for case in cases("http-errors") {
        // Repeating is tested elsewhere, and takes its time.
        if case["status"].as_u64().unwrap() >= 500 {
            continue;
        }
        let code = case["body"]["error"]["code"].as_str().unwrap().to_owned();
        let world = World::new(move |_| reply_of(&case)).await;
        let error = world.users().await.unwrap_err();
        assert!(words(&error).contains(&code), "{error}");
        assert!(words(&error).contains("93b6f17e-c05d-4f45-ad2a-6665c708d8a0"));
        seen.push((code, error.expired()));
    }
    let seen: Vec<_> = seen.iter().map(|(c, e)| (c.as_str(), *e)).collect();
    assert_eq!(
        seen,
        [
            ("Request_UnsupportedQuery", None),
            ("Request_BadRequest", None),
            ("Directory_ExpiredPageToken", Some(Expired::Page)),
            ("syncStateNotFound", Some(Expired::Watermark)),
            ("InvalidAuthenticationToken", None),
            ("Authorization_IdentityNotFound", None),
            ("Authorization_RequestDenied", None),
            ("Request_ResourceNotFound", None),
            ("syncStateNotFound", Some(Expired::Watermark)),
            ("TooManyRequests", None),
            ("Request_ThrottledTemporarily", None),
        ]
    );
}

#[tokio::test]
async fn an_expired_watermark_is_known_by_status_or_by_any_code() {
    let nested = r#"{"error":{"code":"BadRequest","innererror":{"code":"resyncRequired"}}}"#;
    for (status, body, is_expired) in [
        (410, "", true),
        (410, "<html>gone</html>", true),
        (400, nested, true),
        (404, r#"{"error":{"code":"SyncStateNotFound"}}"#, true),
        (400, r#"{"error":{"code":"BadRequest"}}"#, false),
        (
            400,
            r#"{"error":{"code":"Directory_ExpiredPageToken"}}"#,
            false,
        ),
    ] {
        let world = World::new(move |_| reply(status, body)).await;
        let link = format!("{}/v1.0/users/delta?$deltatoken=old", world.url);
        let page = world.client.fetch_page(ObjectKind::User, At::Link(&link));
        let error = page.await.unwrap_err();
        let is_lost = error.expired() == Some(Expired::Watermark);
        assert_eq!(is_lost, is_expired, "{status} {body}");
    }
}

#[tokio::test]
async fn a_property_that_delta_does_not_know_is_named() {
    let body = sample("users-delta-unsupported-select-400");
    let world = World::new(move |_| reply(400, body.clone())).await;
    let error = world.users().await.unwrap_err();
    assert!(words_with_select(&error).contains("properties: signInActivity"));
}

/// For the one message in which Graph itself writes `$select`.
fn words_with_select(error: &Error) -> String {
    error.to_string()
}

#[tokio::test]
async fn a_stop_ends_the_reading() {
    let world = World::new(|_| panic!("nothing may be sent")).await;
    world.stop.cancel();
    let error = world.users().await.unwrap_err();
    assert!(matches!(error, Error::Stopped), "{error}");
}

#[tokio::test]
async fn a_stop_ends_a_long_wait() {
    let world = World::new(|_| Reply {
        headers: vec![("retry-after".into(), "250".into())],
        ..refusal(429, "TooManyRequests")
    })
    .await;
    let stop = world.stop.clone();
    let (page, ()) = tokio::join!(world.users(), async {
        while world.client.requests() == 0 {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        stop.cancel();
    });
    assert!(matches!(page.unwrap_err(), Error::Stopped));
}

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
async fn every_documented_token_error_is_told_apart() {
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
        assert!(error.remedy().is_some());
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
async fn a_silent_sign_in_service_is_told_from_a_silent_graph() {
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

// ---- assignments ----

#[tokio::test]
async fn assignments_are_read_to_the_last_page() {
    let world = World::new(|seen| {
        ok(if seen.number == 0 {
            sample("approleassignedto-page1")
        } else {
            sample("approleassignedto-page2")
        })
    })
    .await;
    let read = world
        .client
        .fetch_assignments(SERVICE_PRINCIPAL)
        .await
        .unwrap();
    let read: Vec<_> = read
        .get()
        .iter()
        .map(|a| (a.kind, &a.principal.as_str()[..8], &a.role[..8]))
        .collect();
    assert_eq!(
        read,
        [
            (ObjectKind::User, "cdb555e3", &DEFAULT_ACCESS_ROLE[..8]),
            (ObjectKind::Group, "c2f798fd", "18d14569"),
            (ObjectKind::User, "25dcffff", "18d14569"),
            (ObjectKind::User, "25dcffff", "b9632174"),
        ]
    );
    let seen = world.seen();
    assert_eq!(
        seen[0].path,
        format!("/v1.0/servicePrincipals/{SERVICE_PRINCIPAL}/appRoleAssignedTo")
    );
    assert_eq!(seen[0].query, "$top=999");
    assert_eq!(seen[1].query, "$top=3&$skiptoken=RFNwdAIAAQAAAAAAAAAA");
}

#[tokio::test]
async fn the_documented_assignment_is_read() {
    let world = World::new(|_| ok(sample("approleassignedto-documented"))).await;
    let read = world
        .client
        .fetch_assignments(SERVICE_PRINCIPAL)
        .await
        .unwrap();
    assert_eq!(read.get()[0].role, DEFAULT_ACCESS_ROLE);
}

#[tokio::test]
async fn assignments_cut_short_are_not_complete() {
    for second in [
        refusal(403, "Authorization_RequestDenied").body,
        "{}".to_owned(),
    ] {
        let status = if second == "{}" { 200 } else { 403 };
        let world = World::new(move |seen| match seen.number {
            0 => ok(sample("approleassignedto-page1")),
            _ => reply(status, second.clone()),
        })
        .await;
        let cut = world
            .client
            .fetch_assignments(SERVICE_PRINCIPAL)
            .await
            .unwrap_err();
        assert_eq!(cut.seen.len(), 2);
        assert!(cut.to_string().contains("(2 were)"));
        words(&cut.error);
    }
}

#[tokio::test]
async fn a_listing_whose_page_expired_begins_again() {
    let world = World::new(|seen| match seen.number {
        0 | 2 => ok(sample("approleassignedto-page1")),
        1 => refusal(400, "Directory_ExpiredPageToken"),
        _ => ok(sample("approleassignedto-page2")),
    })
    .await;
    let read = world
        .client
        .fetch_assignments(SERVICE_PRINCIPAL)
        .await
        .unwrap();
    assert_eq!(read.get().len(), 4);
    assert_eq!(world.client.requests(), 4);
}

// ---- the application ----

const APP_ID: &str = "bfc8712e-0986-4d47-896b-6872713598c6";
const OBJECT_ID: &str = "29f68db3-1000-46bf-a940-f5ea3ecc39e7";

/// A tenant with the application of the sample, registered under object id 1111….
async fn tenant_with_an_application() -> World {
    World::new(|seen| {
        let found = sample("serviceprincipal");
        let list = |values: &str| ok(format!(r#"{{"value":[{values}]}}"#));
        match seen.path.strip_prefix("/v1.0/").unwrap() {
            "servicePrincipals" => {
                let twin = found.replace(OBJECT_ID, "22222222-1000-46bf-a940-f5ea3ecc39e7");
                if seen.query.contains("'O''Twins'") {
                    list(&format!("{found},{twin}"))
                } else if seen.query.contains(APP_ID) || seen.query.contains("'AWS Contoso'") {
                    list(&found)
                } else {
                    list("")
                }
            }
            path if path == format!("servicePrincipals/{OBJECT_ID}") => ok(found),
            "applications/11111111-1000-46bf-a940-f5ea3ecc39e7" => ok(format!(
                r#"{{"id":"x","appId":"{APP_ID}","displayName":"AWS Contoso"}}"#
            )),
            _ => refusal(404, "Request_ResourceNotFound"),
        }
    })
    .await
}

#[tokio::test]
async fn the_application_is_found_by_each_of_its_names() {
    let world = tenant_with_an_application().await;
    for which in [
        Application::AppId(APP_ID.to_uppercase()),
        Application::ServicePrincipalId(OBJECT_ID.to_owned()),
        Application::DisplayName("AWS Contoso".to_owned()),
    ] {
        let found = world.client.find_application(&which).await.unwrap();
        assert_eq!(
            (found.id.as_str(), found.app_id.as_str()),
            (OBJECT_ID, APP_ID)
        );
        assert!(found.account_enabled);
        let roles: Vec<_> = found
            .roles
            .iter()
            .map(|r| r.display_name.as_str())
            .collect();
        assert_eq!(roles, ["User", "msiam_access"]);
    }
}

#[tokio::test]
async fn an_application_that_is_not_found_says_what_to_check() {
    let world = tenant_with_an_application().await;
    let registered = "11111111-1000-46bf-a940-f5ea3ecc39e7".to_owned();
    for (which, expected) in [
        (Application::ServicePrincipalId(registered.clone()), APP_ID),
        (
            Application::AppId(registered),
            "app registration \"AWS Contoso\"",
        ),
        (
            Application::ServicePrincipalId(APP_ID.to_owned()),
            "write app_id",
        ),
        (
            Application::AppId(OBJECT_ID.to_owned()),
            "write service_principal_id",
        ),
        (
            Application::AppId(SERVICE_PRINCIPAL.to_owned()),
            "\"Enterprise applications\"",
        ),
        (
            Application::DisplayName("Wizer".to_owned()),
            "check its spelling",
        ),
        (
            Application::DisplayName("O'Twins".to_owned()),
            "22222222-1000-46bf-a940-f5ea3ecc39e7",
        ),
        (Application::AppId("../users".to_owned()), "is not an id"),
    ] {
        let error = world.client.find_application(&which).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

// ---- Test Connection ----

#[tokio::test]
async fn a_connection_test_says_which_permission_is_missing() {
    let world = World::new(|seen| match seen.path.as_str() {
        "/v1.0/users/delta()" => {
            assert_eq!(seen.query, "$select=id,mail&$deltatoken=latest");
            delta("", r#""@odata.deltaLink":"ORIGIN/d""#)
        }
        "/v1.0/groups/delta()" => refusal(403, "Authorization_RequestDenied"),
        "/v1.0/servicePrincipals" => {
            let found = sample("serviceprincipal");
            ok(format!(r#"{{"value":[{found}]}}"#))
        }
        _ => ok(sample("approleassignedto-page1")),
    })
    .await;
    let select = |name: &str| vec![name.to_owned()];
    let which = Application::AppId(APP_ID.to_owned());
    let checks = world
        .client
        .test(
            &which,
            &Wanted {
                users: select("mail"),
                groups: select("members"),
                ..Wanted::default()
            },
        )
        .await;
    let good: Vec<_> = checks
        .iter()
        .map(|check| (check.what.as_str(), check.outcome.is_ok()))
        .collect();
    assert_eq!(
        good,
        [
            ("source: access token", true),
            ("source: application", true),
            ("source: assignments", true),
            ("source: users", true),
            ("source: groups", false),
        ]
    );
    let failed = checks[4].outcome.as_ref().unwrap_err();
    assert!(
        failed
            .words
            .contains("Authorization_RequestDenied: Words of Graph. (request-id r-1")
    );
    assert!(
        failed
            .remedy
            .as_ref()
            .unwrap()
            .contains("GroupMember.Read.All")
    );
}

#[tokio::test]
async fn a_connection_test_without_a_token_goes_no_further() {
    let case = cases("token-errors").remove(1);
    let world = World::with_tokens(move |_| reply_of(&case), |_| panic!("no token, no read")).await;
    let which = Application::AppId(APP_ID.to_owned());
    let checks = world.client.test(&which, &Wanted::default()).await;
    assert_eq!(checks.len(), 1);
    let failed = checks[0].outcome.as_ref().unwrap_err();
    assert!(failed.words.contains("AADSTS7000215"), "{}", failed.words);
    assert!(failed.remedy.as_ref().unwrap().contains("not its id"));
}

/// Cycles run in tasks of their own.
#[test]
fn readings_may_be_spawned() {
    fn is_send<T: Send>(_: &T) {}
    let client = Client::new(
        &source(
            "https://login.microsoftonline.com",
            "https://graph.microsoft.com",
        ),
        Credential::of_secret("client", SECRET),
        CancellationToken::new(),
    )
    .unwrap();
    let which = Application::DisplayName("x".to_owned());
    let select = [];
    is_send(&client.fetch_page(ObjectKind::User, At::Beginning { select: &select }));
    is_send(&client.fetch_page(ObjectKind::User, At::Link("x")));
    is_send(&client.fetch_assignments("x"));
    is_send(&client.find_application(&which));
    is_send(&client.test(&which, &Wanted::default()));
}
