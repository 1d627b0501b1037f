//! Progress as it happens, by server-sent events. What is sent has the places of jobs in the configuration and
//! our own words, and no name of anything.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::unfold;
use serde_json::{Value as Json, json};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Site;
use super::answer::text;
use super::live::Live;

/// At most so often, however fast a cycle is.
const EVERY: Duration = Duration::from_millis(250);

struct Stream {
    site: Arc<Site>,
    live: watch::Receiver<Arc<Live>>,
    is_first: bool,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
}

pub(super) async fn events(State(site): State<Arc<Site>>) -> Response {
    let Ok(place) = Arc::clone(&site.watchers).try_acquire_owned() else {
        let words = "Too many pages are open; reload this page to update it.\n";
        return text(StatusCode::SERVICE_UNAVAILABLE, words);
    };
    let stream = Stream {
        live: site.live.clone(),
        stop: site.view.stop.clone(),
        is_first: true,
        site,
        _place: place,
    };
    let events = unfold(stream, |mut stream| async {
        if !stream.is_first {
            let changed = stream.stop.run_until_cancelled(async {
                sleep(EVERY).await;
                stream.live.changed().await
            });
            match changed.await {
                Some(Ok(())) => {}
                Some(Err(_)) | None => return None,
            }
        }
        stream.is_first = false;
        let live = Arc::clone(&stream.live.borrow_and_update());
        let event = Event::default()
            .event("jobs")
            .data(document(&stream.site, &live).to_string());
        Some((Ok::<_, Infallible>(event), stream))
    });
    Sse::new(events)
        .keep_alive(KeepAlive::default())
        .into_response()
}

fn document(site: &Site, live: &Live) -> Json {
    let config = site.view.config();
    let jobs = config.jobs.iter().enumerate().map(|(place, job)| {
        match live.running.get(&job.rules.name) {
            None => json!({ "place": place, "running": false }),
            Some(running) => {
                let (done, total) = running.line.measured.unwrap_or_default();
                json!({
                    "place": place,
                    "running": true,
                    "words": running.words(),
                    "done": done,
                    "total": total,
                })
            }
        }
    });
    json!({ "change": live.change, "jobs": jobs.collect::<Vec<_>>() })
}
