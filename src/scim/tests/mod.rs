//! Reader and writer against servers with the quirks of real ones, over real HTTP.

mod lists;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::pager::ListSummary;
use super::*;
use crate::config::{self, DialectSettings, Filterable, Knobs, Secret, Target};
use crate::engine::model::{
    Complete, Key, MatchKey, ObjectKind, SourceId, TargetId, TargetObject, TargetPath, Value,
};
use crate::engine::outcome::Class;
use crate::engine::plan::{
    Action, Change, ElementChange, Operation, Proof, Referenced, Subject, WhyRemoved, WriteMode,
};
use crate::engine::redact::Hidden;
use crate::http::Gate;
use crate::http::testing::{lose_answers, serve};

#[derive(Clone, Debug)]
struct Seen {
    method: Method,
    /// Path and decoded query.
    url: String,
    headers: HeaderMap,
    body: Json,
}

impl Seen {
    fn number(&self, name: &str) -> Option<usize> {
        let (_, rest) = self.url.split_once(&format!("{name}="))?;
        rest.split('&').next()?.parse().ok()
    }
}

/// A server of one function, which remembers what it was asked.
struct Server {
    base: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    async fn new(answer: impl Fn(&Seen) -> Response + Clone + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let handler = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let url = percent_encoding::percent_decode_str(&uri.to_string())
                .decode_utf8()
                .unwrap()
                .into_owned();
            let request = Seen {
                method,
                url,
                headers,
                body: serde_json::from_slice(&body).unwrap_or_default(),
            };
            let response = answer(&request);
            log.lock().unwrap().push(request);
            async move { response }
        };
        let base = serve(Router::new().fallback(any(handler))).await;
        Self { base, seen }
    }

    fn reader(&self) -> Reader {
        reader(&self.base)
    }

    async fn send(&self, action: &Action) -> Result<Option<Sent>, Error> {
        send(&self.reader(), action).await
    }

    fn urls(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .map(|seen| format!("{} {}", seen.method, seen.url))
            .collect()
    }

    fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().unwrap().clone()
    }
}

fn reader(base: &str) -> Reader {
    Reader::new(
        &target(base),
        Access::of_token("s3cr3t-token"),
        CancellationToken::new(),
        Gate::default(),
    )
    .unwrap()
}

fn target(base: &str) -> Target {
    Target {
        base_url: format!("{base}/v2/?flag"),
        access: config::Access::of_token(Secret::Env("UNUSED".to_owned())),
        proxy: None,
        concurrency: 2,
        requests_per_second: None,
        timeout: Duration::from_secs(2),
        visibility_delay: Duration::ZERO,
        ca_certificate: None,
        dialect: DialectSettings {
            filterable: Filterable {
                users: Some(
                    ["userName", "displayName", "externalId"]
                        .map(str::to_owned)
                        .to_vec(),
                ),
                groups: Some(["displayName", "externalId"].map(str::to_owned).to_vec()),
            },
            member_chunk: 100,
            page_size: Some(10),
            knobs: Knobs::default(),
        },
    }
}

async fn send(reader: &Reader, action: &Action) -> Result<Option<Sent>, Error> {
    let dialect = Dialect::new(&target("http://localhost").dialect);
    match dialect.requests(action, None)?.pop() {
        Some(request) => {
            let (writer, hidden) = (Writer::new(reader), Hidden::default());
            writer.send(&request, &hidden).await.map(Some)
        }
        None => Ok(None),
    }
}

fn action(kind: ObjectKind, target: Option<&str>, operation: Operation) -> Action {
    Action {
        subject: Subject {
            kind,
            key: Key::new(1),
            id: SourceId::new("s"),
            label: "somebody".to_owned(),
        },
        target: target.map(TargetId::new),
        operation,
    }
}

fn add_member(group: &str, member: &str) -> Action {
    let members = vec![Referenced {
        key: Key::new(2),
        target: Some(TargetId::new(member)),
    }];
    let operation = Operation::AddMembers { members };
    action(ObjectKind::Group, Some(group), operation)
}

fn delete(id: &str) -> Action {
    let operation = Operation::Delete {
        why: WhyRemoved::Deleted,
        proof: Proof::on_record(),
    };
    action(ObjectKind::User, Some(id), operation)
}

fn path(text: &str) -> TargetPath {
    TargetPath::parse(text).unwrap()
}

fn user(number: usize) -> Json {
    json!({"id": number.to_string(), "userName": format!("User{number}@example.com")})
}

fn users(numbers: impl IntoIterator<Item = usize>) -> Vec<Json> {
    numbers.into_iter().map(user).collect()
}

/// An empty list where a list is asked for.
fn nobody(seen: &Seen) -> Option<Response> {
    seen.number("count").map(|_| list(0, &[]))
}

fn list(total: usize, resources: &[Json]) -> Response {
    axum::Json(json!({"totalResults": total, "Resources": resources})).into_response()
}

fn key(text: &str) -> MatchKey {
    MatchKey {
        path: path("userName"),
        value: Value::text(text),
    }
}

fn scim_error(status: u16, detail: &str) -> Response {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": status.to_string(),
        "detail": detail,
    });
    (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response()
}

#[tokio::test]
async fn a_look_up_takes_one_request_and_keeps_what_matches() {
    let server = Server::new(|_| list(3, &users([7, 8, 7]))).await;
    let reader = server.reader();
    let paths = [path("userName")];
    let found = reader
        .find(
            ObjectKind::User,
            &key("user7@EXAMPLE.com"),
            |shown| *shown == Value::text("User7@example.com"),
            &paths,
        )
        .await
        .unwrap();
    let ids: Vec<&str> = found.iter().map(|found| found.id.as_str()).collect();
    assert_eq!(ids, ["7"]);
    assert_eq!(
        found[0].attributes[&paths[0]],
        Value::text("User7@example.com")
    );
    assert_eq!(reader.requests(), 1);
    let seen = server.last();
    assert_eq!(
        seen.url,
        "/v2/Users?flag&filter=userName eq \"user7@EXAMPLE.com\""
    );
    assert_eq!(seen.headers["authorization"], "Bearer s3cr3t-token");
    assert!(
        seen.headers["user-agent"]
            .to_str()
            .unwrap()
            .starts_with("entrain/")
    );
    assert!(
        seen.headers["accept"]
            .to_str()
            .unwrap()
            .contains("application/json")
    );
    assert!(!seen.headers.contains_key("content-type"));
}

#[tokio::test]
async fn a_look_up_that_only_a_list_can_answer_is_recognised() {
    let ignoring = Server::new(|_| list(30, &users(1..10))).await;
    let found = ignoring
        .reader()
        .find(ObjectKind::User, &key("nobody"), |_| false, &[])
        .await;
    assert!(found.unwrap_err().is_filter_unsupported());
    let refusing = Server::new(|_| scim_error(400, "cannot convert")).await;
    let found = refusing
        .reader()
        .find(ObjectKind::User, &key("nobody"), |_| false, &[])
        .await;
    assert!(found.unwrap_err().is_filter_unsupported());
    let key = MatchKey {
        path: path("emails[type eq \"work\"].value"),
        value: Value::text("a"),
    };
    let found = refusing
        .reader()
        .find(ObjectKind::User, &key, |_| true, &[])
        .await;
    assert!(found.unwrap_err().is_filter_unsupported());
    assert_eq!(
        refusing.urls().len(),
        1,
        "what the dialect excludes is not sent"
    );
}

#[tokio::test]
async fn a_connection_is_tested_by_a_random_look_up() {
    let fine = Server::new(|_| list(0, &[])).await;
    fine.reader().test_connection().await.unwrap();
    for (answer, class, words) in [
        (
            (|_| scim_error(401, "token s3cr3t-token expired")) as fn(&Seen) -> Response,
            Class::Unauthorized,
            "token [redacted] expired",
        ),
        (
            |_| (StatusCode::OK, "<html><title>Welcome</title>").into_response(),
            Class::Malformed,
            "HTML page: Welcome",
        ),
        (
            |_| StatusCode::NOT_FOUND.into_response(),
            Class::Transient,
            "status 404",
        ),
        (|_| "{}".into_response(), Class::Malformed, "not SCIM"),
        (
            |_| list(1, &users([1])),
            Class::Malformed,
            "ignores the filter",
        ),
        (
            |_| {
                (
                    StatusCode::FOUND,
                    [("location", "https://x.example/login?t=1")],
                )
                    .into_response()
            },
            Class::Malformed,
            "redirects to https://x.example/login",
        ),
    ] {
        let server = Server::new(answer).await;
        let error = server.reader().test_connection().await.unwrap_err();
        let text = error.failure().message;
        assert!(text.contains(words) && !text.contains("s3cr3t"), "{text}");
        assert_eq!(error.class(), class, "{text}");
        assert!(error.advice().is_some(), "{text}");
        assert_eq!(server.urls().len(), 1, "{text}");
    }
}

#[tokio::test]
async fn only_a_target_that_speaks_scim_says_that_an_object_is_gone() {
    let read = async |answer: fn(&Seen) -> Response| {
        let server = Server::new(answer).await;
        let id = TargetId::new("a/b");
        server
            .reader()
            .read(ObjectKind::Group, &id, &[], true)
            .await
    };
    let gone = read(|seen| nobody(seen).unwrap_or_else(|| scim_error(404, "no such")));
    assert_eq!(gone.await.unwrap(), None);
    let gone = read(|seen| nobody(seen).unwrap_or_else(|| StatusCode::NOT_FOUND.into_response()));
    assert_eq!(gone.await.unwrap(), None);
    // Where not even the list is there, the service was moved or switched off.
    let moved = read(|_| scim_error(404, "no such")).await.unwrap_err();
    assert!(moved.stops_everything(), "{moved}");
    let page = read(|_| (StatusCode::NOT_FOUND, "<html>").into_response()).await;
    assert_eq!(page.unwrap_err().class(), Class::Transient);
    let found = read(|seen| {
        assert_eq!(seen.url, "/v2/Groups/a/b?flag");
        let group = json!({"id": 5, "members": [{"value": "u1"}]});
        axum::Json(group).into_response()
    });
    let found = found.await.unwrap().unwrap();
    assert_eq!(found.id, TargetId::new("5"));
    assert_eq!(found.members, Some(vec![TargetId::new("u1")]));
    let wrong = read(|_| "{}".into_response()).await;
    assert_eq!(wrong.unwrap_err().class(), Class::Malformed);
}

#[tokio::test]
async fn a_create_finds_its_id_or_says_that_there_is_none() {
    let create = async |answer: fn(&Seen) -> Response| {
        let server = Server::new(answer).await;
        let attributes = BTreeMap::from([(path("userName"), Value::text("anna"))]);
        let create = Operation::Create {
            attributes,
            references: Vec::new(),
            keys: Vec::new(),
            via: Vec::new(),
        };
        let created = server.send(&action(ObjectKind::User, None, create)).await;
        assert_eq!(server.urls(), ["POST /v2/Users?flag"]);
        assert_eq!(
            server.last().headers["content-type"],
            "application/scim+json"
        );
        assert_eq!(server.last().body["userName"], "anna");
        created.map(|sent| sent.expect("a create is always sent"))
    };
    let created = create(|_| (StatusCode::CREATED, axum::Json(user(7))).into_response()).await;
    let created = created.unwrap();
    assert_eq!(created.id, Some(TargetId::new("7")));
    assert_eq!(
        (created.exchange.status, created.exchange.attempts),
        (Some(201), 1)
    );
    let location =
        |_: &Seen| (StatusCode::CREATED, [("location", "/v2/Users/8%20x")]).into_response();
    let created = create(location).await.unwrap();
    assert_eq!(created.id, Some(TargetId::new("8 x")));

    let nothing = create(|_| StatusCode::CREATED.into_response())
        .await
        .unwrap_err();
    assert!(matches!(nothing, Error::NoIdInAnswer { .. }) && nothing.unconfirmed());
    let taken = create(|_| scim_error(409, "taken")).await.unwrap_err();
    assert!(taken.class() == Class::Conflict && taken.may_be_duplicate() && !taken.unconfirmed());
    let inside = create(|_| {
        let mut response = scim_error(409, "taken");
        *response.status_mut() = StatusCode::OK;
        response
    });
    let inside = inside.await.unwrap_err();
    assert_eq!(
        (inside.class(), inside.http_status()),
        (Class::Conflict, Some(409))
    );
    assert!(inside.may_be_duplicate() && !inside.unconfirmed());
    let failed = create(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response()).await;
    assert!(failed.unwrap_err().unconfirmed());
}

#[tokio::test]
async fn a_lost_answer_leaves_a_write_unconfirmed_and_sends_it_once() {
    let base = lose_answers();
    let sent = send(&reader(&base), &add_member("1", "u")).await;
    let error = sent.unwrap_err();
    assert!(error.unconfirmed());
    assert_eq!(error.class(), Class::Transient);
    assert_eq!(error.exchange().unwrap().attempts, 1);
}

#[tokio::test]
async fn a_write_that_was_turned_away_is_sent_again_while_patience_lasts() {
    let first = Arc::new(Mutex::new(true));
    let server = Server::new(move |_| {
        if std::mem::take(&mut *first.lock().unwrap()) {
            let busy = StatusCode::TOO_MANY_REQUESTS;
            return (busy, [("retry-after", "0")]).into_response();
        }
        StatusCode::NO_CONTENT.into_response()
    })
    .await;
    let sent = server.send(&add_member("g", "u")).await;
    let exchange = sent.unwrap().unwrap().exchange;
    assert_eq!((exchange.status, exchange.attempts), (Some(204), 2));

    for (status, class, unconfirmed) in [
        (429, Class::Throttled, false),
        (503, Class::Transient, true),
    ] {
        let server = Server::new(move |_| {
            let status = StatusCode::from_u16(status).unwrap();
            (status, [("retry-after", "9999")]).into_response()
        })
        .await;
        let sent = server.send(&add_member("g", "u")).await;
        let error = sent.unwrap_err();
        assert_eq!((error.class(), error.unconfirmed()), (class, unconfirmed));
        assert_eq!(server.urls().len(), 1);
    }
}

#[tokio::test]
async fn as_many_requests_are_in_flight_as_the_target_may_get() {
    // No request is answered before eight have come.
    let all = Arc::new(tokio::sync::Barrier::new(8));
    let handler = move || {
        let all = Arc::clone(&all);
        async move {
            all.wait().await;
            StatusCode::NO_CONTENT
        }
    };
    let base = serve(Router::new().fallback(any(handler))).await;
    let target = Target {
        concurrency: 8,
        ..target(&base)
    };
    let reader = Reader::new(
        &target,
        Access::of_token("x"),
        CancellationToken::new(),
        Gate::default(),
    )
    .unwrap();
    let add = add_member("g", "u");
    let sends = (0..24).map(|_| send(&reader, &add));
    let sent: Vec<_> = futures::StreamExt::collect(futures::StreamExt::buffer_unordered(
        futures::stream::iter(sends),
        8,
    ))
    .await;
    assert!(sent.iter().all(Result::is_ok));
}

#[tokio::test]
async fn all_changes_of_an_object_go_in_one_request() {
    let server = Server::new(|_| (StatusCode::OK, "x".repeat(3_000_000)).into_response()).await;
    let change = |text: &str, new: &str| Change {
        path: path(text),
        old: Some(Value::text("old")),
        new: Some(Value::text(new)),
        element: ElementChange::None,
        written: WriteMode::Whole,
    };
    let update = |changes| action(ObjectKind::User, Some("u1"), Operation::Update { changes });
    let changes = vec![change("title", "Boss"), change("active", "False")];
    let sent = server.send(&update(changes)).await.unwrap().unwrap();
    assert_eq!((sent.id, sent.exchange.status), (None, Some(200)));
    let seen = server.last();
    assert_eq!(seen.url, "/v2/Users/u1?flag");
    assert_eq!(
        seen.body["schemas"][0],
        "urn:ietf:params:scim:api:messages:2.0:PatchOp"
    );
    assert_eq!(seen.body["Operations"].as_array().unwrap().len(), 2);
    assert_eq!(seen.body["Operations"][1]["value"], false);

    assert_eq!(server.send(&update(Vec::new())).await.unwrap(), None);
    assert_eq!(server.urls().len(), 1, "nothing to send, nothing sent");
}

#[tokio::test]
async fn only_a_success_says_that_something_was_deleted() {
    for (status, is_done) in [
        (204, true),
        (200, true),
        (404, false),
        (410, false),
        (405, false),
        (403, false),
    ] {
        let status = move || StatusCode::from_u16(status).unwrap().into_response();
        let server = Server::new(move |seen| nobody(seen).unwrap_or_else(status)).await;
        let deleted = server.send(&delete("1")).await;
        assert_eq!(deleted.is_ok(), is_done, "{:?}", status());
    }
    let none = Server::new(|_| StatusCode::NOT_FOUND.into_response()).await;
    let deleted = none.send(&delete("1")).await;
    assert_eq!(deleted.unwrap_err().class(), Class::Gone);
    let page = |_: &Seen| (StatusCode::NOT_FOUND, "<html>").into_response();
    let server = Server::new(page).await;
    assert!(server.send(&delete("1")).await.is_err());
}

#[test]
fn a_target_that_cannot_be_talked_to_is_refused_at_once() {
    let target = Target {
        base_url: "http://scim.example.com".to_owned(),
        access: config::Access::of_token(Secret::Env("UNUSED".to_owned())),
        proxy: None,
        concurrency: 1,
        requests_per_second: None,
        timeout: Duration::from_secs(1),
        visibility_delay: Duration::ZERO,
        ca_certificate: None,
        dialect: DialectSettings {
            filterable: Filterable::default(),
            member_chunk: 1,
            page_size: Some(1),
            knobs: Knobs::default(),
        },
    };
    let open = |target: &Target, token| {
        let reader = Reader::new(
            target,
            Access::of_token(token),
            CancellationToken::new(),
            Gate::default(),
        );
        reader.map(|_| ()).unwrap_err()
    };
    assert!(open(&target, "x").failure().message.contains("use https"));
    let https = Target {
        base_url: "https://scim.example.com".to_owned(),
        ..target
    };
    assert!(matches!(open(&https, ""), Error::Credential { .. }));
    let without_file = Target {
        ca_certificate: Some("/does/not/exist.pem".into()),
        ..https
    };
    assert!(matches!(
        open(&without_file, "x"),
        Error::Certificate { .. }
    ));
}
