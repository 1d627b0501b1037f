//! Sending against servers that throttle, fail, break off and fall silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use super::testing::{channel, lose_answers, serve};
use super::*;

const BODY: Expect = Expect::Body { limit: 100 };

/// Answers the first `count` requests with `answer`, the others with 200 and `fine`.
async fn failing_first(count: u32, answer: fn() -> Response) -> String {
    let seen = Arc::new(AtomicU32::new(0));
    let handler = move || {
        let seen = seen.fetch_add(1, Ordering::Relaxed);
        async move {
            if seen < count {
                answer()
            } else {
                "fine".into_response()
            }
        }
    };
    serve(Router::new().fallback(any(handler))).await
}

async fn post(base: &str, repeat: Idempotency, want: Expect) -> Result<Answer, Error> {
    let url = format!("{base}/a/b?filter=secret");
    let channel = channel(&CancellationToken::new());
    channel.send(repeat, want, |client| client.post(&url)).await
}

#[tokio::test]
async fn a_throttled_create_is_sent_again_when_the_server_says_so() {
    let throttled = || (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")]).into_response();
    let base = failing_first(1, throttled).await;
    let begun = Instant::now();
    let answer = post(&base, Idempotency::IfNotProcessed, BODY)
        .await
        .unwrap();
    assert_eq!((answer.status, answer.exchange.attempts), (200, 2));
    assert_eq!(answer.body, b"fine");
    assert_eq!(answer.exchange.path, "/a/b");
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_failed_create_is_not_sent_again() {
    let base = failing_first(1, || StatusCode::BAD_GATEWAY.into_response()).await;
    let answer = post(&base, Idempotency::IfNotProcessed, BODY)
        .await
        .unwrap();
    assert_eq!((answer.status, answer.exchange.attempts), (502, 1));
}

#[tokio::test]
async fn a_failed_read_is_sent_again() {
    let base = failing_first(2, || StatusCode::BAD_GATEWAY.into_response()).await;
    let answer = post(&base, Idempotency::Always, BODY).await.unwrap();
    assert_eq!((answer.status, answer.exchange.attempts), (200, 3));
}

#[tokio::test]
async fn a_lost_answer_leaves_a_create_unconfirmed() {
    let error = post(&lose_answers(), Idempotency::IfNotProcessed, BODY)
        .await
        .unwrap_err();
    assert!(error.may_be_processed());
    assert!(matches!(error, Error::Broken { .. }));
    let text = error.to_string();
    assert!(text.contains("POST /a/b: no answer, 1 attempt"), "{text}");
    let chain = format!("{:#}", anyhow::Error::from(error));
    assert!(!chain.contains("secret"), "{chain}");
}

#[tokio::test]
async fn a_refused_connection_proves_that_nothing_was_carried_out() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = post(&base, Idempotency::Never, BODY).await.unwrap_err();
    assert!(matches!(error, Error::NotConnected { .. }));
    assert!(!error.may_be_processed());
}

#[tokio::test]
async fn a_silent_server_runs_out_of_time() {
    let silent = || async { tokio::time::sleep(Duration::from_mins(1)).await };
    let base = serve(Router::new().fallback(any(silent))).await;
    let error = post(&base, Idempotency::IfNotProcessed, BODY)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    assert!(error.may_be_processed());
}

#[tokio::test]
async fn a_body_that_breaks_off_matters_only_to_who_wants_it() {
    let half = || {
        let parts = [Ok("half"), Err(std::io::Error::other("cut"))];
        // Without a pause the server breaks off before it has sent the head.
        let parts = futures::stream::iter(parts).then(|part| async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            part
        });
        Response::new(Body::from_stream(parts))
    };
    let base = failing_first(u32::MAX, half).await;
    let answer = post(&base, Idempotency::IfNotProcessed, Expect::Status).await;
    assert_eq!(answer.unwrap().status, 200);
    let error = post(&base, Idempotency::IfNotProcessed, BODY)
        .await
        .unwrap_err();
    assert_eq!(error.exchange().unwrap().status, Some(200));
    assert!(error.may_be_processed());
}

#[tokio::test]
async fn a_long_body_is_cut_or_refused() {
    let long = || "x".repeat(200_000).into_response();
    let base = failing_first(u32::MAX, long).await;
    let error = post(&base, Idempotency::Always, BODY).await.unwrap_err();
    assert!(matches!(error, Error::TooLong { limit: 100, .. }));
    assert_eq!(error.exchange().unwrap().attempts, 1);
    let answer = post(&base, Idempotency::Always, Expect::Status)
        .await
        .unwrap();
    assert_eq!(answer.body.len(), 64 * 1024);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let elsewhere = || (StatusCode::FOUND, [("location", "http://example.com/")]).into_response();
    let base = failing_first(u32::MAX, elsewhere).await;
    let answer = post(&base, Idempotency::Always, BODY).await.unwrap();
    assert_eq!(answer.status, 302);
    assert_eq!(answer.header("location"), Some("http://example.com/"));
}

#[tokio::test]
async fn a_stop_cuts_waits_short() {
    let throttled = || (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "60")]).into_response();
    let base = failing_first(u32::MAX, throttled).await;
    let stop = CancellationToken::new();
    let channel = channel(&stop);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        stop.cancel();
    });
    let begun = Instant::now();
    let sent = channel.send(Idempotency::IfNotProcessed, BODY, |client| {
        client.post(&base)
    });
    let error = sent.await.unwrap_err();
    assert!(error.is_stop() && !error.may_be_processed());
    assert!(begun.elapsed() < Duration::from_secs(5));
    let error = channel
        .send(Idempotency::Always, BODY, |client| client.get(&base))
        .await
        .unwrap_err();
    assert_eq!(error.exchange().unwrap().attempts, 0);
    assert_eq!(channel.requests(), 1);
}

#[tokio::test]
async fn a_stop_lets_the_request_in_flight_finish() {
    let slow = || async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        "done"
    };
    let base = serve(Router::new().fallback(any(slow))).await;
    let stop = CancellationToken::new();
    let channel = channel(&stop);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        stop.cancel();
    });
    let sent = channel.send(Idempotency::IfNotProcessed, BODY, |client| {
        client.post(&base)
    });
    assert_eq!(sent.await.unwrap().body, b"done");
}

#[tokio::test]
async fn requests_that_are_not_polled_keep_no_other_from_being_sent() {
    let seen = Arc::new(AtomicU32::new(0));
    let handler = move || {
        let seen = seen.fetch_add(1, Ordering::Relaxed);
        async move {
            if seen == 0 {
                return StatusCode::SERVICE_UNAVAILABLE.into_response();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            "fine".into_response()
        }
    };
    let base = serve(Router::new().fallback(any(handler))).await;
    let channel = channel(&CancellationToken::new()).learning(&base, None, 8);
    let get = || async {
        let sent = channel.send(Idempotency::Never, BODY, |client| client.get(&base));
        sent.await.unwrap().status
    };
    // The first answer halves what is permitted, while all others have their places.
    let all = async {
        let mut first = futures::stream::iter(0..8)
            .map(|_| get())
            .buffer_unordered(8);
        while first.next().await.is_some() {
            get().await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(10), all).await;
    assert!(ended.is_ok(), "it waits for ever");
}
