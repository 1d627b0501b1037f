//! The status page of the service: read-only, with metrics and health checks. It looks at the service by
//! channels and at the state by connections of its own, and so never makes a cycle wait.

mod agents;
mod answer;
mod doors;
mod error;
mod events;
mod live;
mod metrics;
mod pages;
mod readers;
mod ready;
mod server;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use self::agents::Agents;
use self::answer::text;
use self::doors::Doors;
pub(crate) use self::error::Error;
use self::live::Live;
use self::readers::Readers;
use crate::config::{Listen, Web};
use crate::report::html::site;
use crate::scheduler::{self, Ends, View};
use crate::store::Store;

/// The page, while the service runs.
pub(crate) struct Page {
    task: JoinHandle<()>,
    socket: Option<PathBuf>,
}

impl Page {
    /// Waits for its end, which comes soon after that of the service.
    pub(crate) async fn end(self) {
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the status page crashed; this is a bug");
        }
        if let Some(socket) = self.socket {
            // It may be gone already.
            let _ = std::fs::remove_file(socket);
        }
    }
}

/// What every request sees.
struct Site {
    view: View,
    readers: Readers,
    doors: Arc<Doors>,
    started: DateTime<Utc>,
    ends: Arc<Ends>,
    live: watch::Receiver<Arc<Live>>,
    agents: Agents,
    /// Pages that are kept up to date at once; others are when they are loaded again.
    watchers: Arc<Semaphore>,
}

const WATCHERS: usize = 48;

/// Bytes of the form by which a user signs in.
const LARGEST_FORM: usize = 8 * 1024;

/// Begins to listen; an error ends the service before its first cycle.
pub(crate) fn start(settings: &Web, store: &Store, view: View) -> Result<Page, Error> {
    let doors = Arc::new(Doors::new(settings, store)?);
    let readers = Readers::open(store).map_err(Error::State)?;
    let listener = server::Listener::bind(&settings.listen)?;
    let tls = settings
        .tls
        .as_ref()
        .map(|tls| server::Tls::new(tls, view.clone()));
    let tls = tls.transpose()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let address = match listener.address() {
        Some(address) => format!("{scheme}://{address}/"),
        None => match &settings.listen {
            Listen::Socket(path) => path.display().to_string(),
            Listen::Address(address) => address.to_string(),
        },
    };
    if let Some(file) = doors.token_file() {
        let token = file.display().to_string();
        tracing::info!(
            address,
            token,
            "the status page is ready; sign in with the token in this file"
        );
    } else {
        tracing::info!(address, "the status page is ready");
    }
    let socket = match &settings.listen {
        Listen::Socket(path) => Some(path.clone()),
        Listen::Address(_) => None,
    };
    let stop = view.stop.clone();
    let site = Arc::new(Site {
        live: live::follow(view.clone()),
        agents: Agents::default(),
        watchers: Arc::new(Semaphore::new(WATCHERS)),
        view,
        readers,
        doors,
        started: scheduler::now(),
        ends: Arc::new(Ends::new()),
    });
    let task = tokio::spawn(server::serve(listener, tls, router(site), stop));
    Ok(Page { task, socket })
}

fn router(site: Arc<Site>) -> Router {
    let door = from_fn_with_state(Arc::clone(&site), pages::door);
    let check = from_fn_with_state(Arc::clone(&site.doors), doors::check);
    let alive = || async { text(StatusCode::OK, "alive\n") };
    let style = || async { own_file("text/css; charset=utf-8", site::STYLE) };
    let script = || async { own_file("text/javascript; charset=utf-8", site::SCRIPT) };
    let unknown = || async { text(StatusCode::NOT_FOUND, "There is no such page.\n") };
    Router::new()
        .route("/", get(pages::overview))
        .route("/jobs/{name}", get(pages::job))
        .route("/log", get(pages::log))
        .route("/cycles/{number}", get(pages::cycle))
        .route("/people", get(pages::find))
        .route("/people/{id}", get(pages::person))
        .route("/events", get(events::events))
        .route_layer(door)
        .route("/sign-in", get(pages::sign_in).post(pages::enter))
        .route("/sign-out", post(pages::leave))
        .route("/style.css", get(style))
        .route("/page.js", get(script))
        .route("/healthz", get(alive))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .layer(check)
        .with_state(site)
}

/// The same for all users, and only another after an update.
fn own_file(form: &'static str, content: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, form),
        (header::CACHE_CONTROL, "max-age=600"),
    ];
    (headers, content).into_response()
}

async fn readyz(State(site): State<Arc<Site>>) -> Response {
    match ready::problems(&site).await {
        problems if problems.is_empty() => text(StatusCode::OK, "ready\n"),
        problems => text(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready\n{}\n", problems.join("\n")),
        ),
    }
}

async fn scrape(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    let accepts = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    let form = if accepts.is_some_and(|accept| accept.contains("application/openmetrics-text")) {
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    } else {
        "text/plain; version=0.0.4; charset=utf-8"
    };
    match metrics::scrape(&site).await {
        Ok(body) => ([(header::CONTENT_TYPE, form)], body).into_response(),
        Err(words) => text(StatusCode::SERVICE_UNAVAILABLE, words + "\n"),
    }
}
