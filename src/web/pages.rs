//! The pages: what each reads, and what its address says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, RawForm, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use chrono::{DateTime, Utc};

use super::Site;
use super::agents::Known;
use super::answer::text;
use super::doors::{self, Certified};
use super::readers::Error;
use crate::config::{Config, Job, Schedule};
use crate::cycle;
use crate::engine::model::{JobName, Key, ObjectKind, SourceId, nearest};
use crate::engine::plan::{Operation, Subject};
use crate::engine::record::{LogEntry, LogStatus};
use crate::report::JobStatus;
use crate::report::html::site::{
    self, Agents, CycleView, Found, Frame, LogView, Outbox, PersonView,
};
use crate::report::page::{JobView, Running};
use crate::scheduler;
use crate::store::{CYCLE, LogFilter, PLAN, Store};

/// Cycles that a job's page shows.
const CYCLES: u32 = 60;

/// Entries on one page; the log has more pages.
const ENTRIES: u32 = 100;

/// Members of a group that an entry names: `entrain log` and reports name all.
const MEMBERS: usize = 10;

type Shared = State<Arc<Site>>;

/// Why a page cannot be shown, as a page.
pub(super) struct Problem {
    status: StatusCode,
    frame: Frame,
    title: &'static str,
    words: String,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let page = site::problem(self.frame, self.title, &self.words);
        (self.status, Html(page)).into_response()
    }
}

fn frame(is_live: bool) -> Frame {
    Frame {
        now: scheduler::now(),
        is_live,
        can_sign_out: doors::can_sign_out(),
    }
}

fn not_found(words: &str) -> Problem {
    Problem {
        status: StatusCode::NOT_FOUND,
        frame: frame(false),
        title: "Not found",
        words: words.to_owned(),
    }
}

impl Site {
    /// Reads the state, or says why it cannot be read.
    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Store>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Problem> {
        self.readers.read(work).await.map_err(|error| Problem {
            status: StatusCode::SERVICE_UNAVAILABLE,
            frame: frame(false),
            title: "This cannot be shown now",
            words: match error {
                Error::TooLong => format!("{error}. Choose one job, or a shorter part of the log."),
                Error::State(_) => error.to_string(),
            },
        })
    }
}

/// One job as it is now. The newest cycles are read, as many as are asked for.
fn view_of(
    store: &Store,
    (config, job): (&Config, &Job),
    cycles: u32,
    activity: Activity,
) -> Result<JobView, Error> {
    let Activity {
        next,
        running,
        is_elsewhere,
    } = activity;
    let name = &job.rules.name;
    let readings = cycle::readings(config, store)?.into_iter();
    let denied = readings.filter_map(|mut reading| {
        reading.denied.retain(|one| one.job == *name);
        reading.denied()
    });
    Ok(JobView {
        status: JobStatus {
            job: name.clone(),
            enabled: job.enabled,
            next,
            retries: config.retries,
            record: store.status(name, cycles)?,
        },
        in_scope: store.scope_counts(name)?,
        denied: denied.collect(),
        running,
        is_elsewhere,
        target: without_query(&job.target.base_url),
        schedule: schedule(&job.schedule),
    })
}

/// A query may hold what is secret.
fn without_query(address: &str) -> String {
    address
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn schedule(schedule: &Schedule) -> String {
    match schedule {
        Schedule::Interval { every, .. } => {
            format!("every {}", site::length(*every))
        }
        Schedule::Cron {
            expression,
            timezone,
            ..
        } => format!("{} ({timezone})", expression.source()),
    }
}

/// When a job's next cycle is due, and what its cycle does now, as far as this service runs it.
struct Activity {
    next: Option<DateTime<Utc>>,
    running: Option<Running>,
    is_elsewhere: bool,
}

fn activity(site: &Site, name: &JobName) -> Activity {
    let running = site.live.borrow().running.get(name).cloned();
    let status = site.view.status.borrow();
    let next = status
        .jobs
        .get(name)
        .and_then(|activity| match activity.state {
            scheduler::State::Waiting { next } => next,
            scheduler::State::Running { .. } => None,
        });
    Activity {
        next,
        running,
        is_elsewhere: !site.view.runs(name),
    }
}

pub(super) async fn overview(State(site): Shared) -> Result<Html<String>, Problem> {
    let config = site.view.config();
    let jobs: Vec<_> = config
        .jobs
        .iter()
        .map(|job| (job.clone(), activity(&site, &job.rules.name)))
        .collect();
    let known = Arc::clone(&config);
    let views = site.ask(move |store| {
        let views = jobs
            .into_iter()
            .map(|(job, activity)| view_of(store, (&known, &job), 2, activity));
        let views = views.collect::<Result<Vec<_>, _>>()?;
        Ok((views, store.waiting()?))
    });
    let (views, waiting) = views.await?;
    let outbox = Outbox {
        has_channels: config.notify.mail.is_some() || !config.notify.webhooks.is_empty(),
        waiting: &waiting,
    };
    let known = site.agents.known(&site.view).await;
    let agents = shown(known.as_ref());
    Ok(Html(site::overview(frame(true), &views, agents, outbox)))
}

pub(super) async fn job(
    State(site): Shared,
    Path(name): Path<String>,
) -> Result<Html<String>, Problem> {
    let config = site.view.config();
    let mut jobs = config.jobs.iter().enumerate();
    let Some((place, job)) = jobs.find(|(_, job)| job.rules.name.as_str() == name) else {
        return Err(not_found("The configuration has no such job."));
    };
    let activity = activity(&site, &job.rules.name);
    let (known, job) = (Arc::clone(&config), job.clone());
    let view = site.ask(move |store| view_of(store, (&known, &job), CYCLES, activity));
    let view = view.await?;
    let known = site.agents.known(&site.view).await;
    let agents = shown(known.as_ref());
    Ok(Html(site::job(frame(true), place, &view, agents)))
}

fn shown(known: Option<&Known>) -> Agents<'_> {
    match known.map(|known| &**known) {
        None => Agents::One,
        Some(Ok(agents)) => Agents::Several(agents),
        Some(Err(words)) => Agents::Unknown(words),
    }
}

pub(super) async fn log(
    State(site): Shared,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Html<String>, Problem> {
    let config = site.view.config();
    let given = |name: &str| {
        let value = query.get(name).map(|value| value.trim().to_owned());
        value.filter(|value| !value.is_empty())
    };
    let status = given("status").and_then(|word| {
        LogStatus::ALL
            .into_iter()
            .find(|status| status.as_str() == word)
    });
    let action = given("action").filter(|action| {
        Operation::NAMES.contains(&action.as_str()) || [PLAN, CYCLE].contains(&action.as_str())
    });
    let before = given("before").and_then(|id| id.parse().ok());
    let cycle = given("cycle").and_then(|number| number.parse().ok());
    let (job, object) = (given("job"), given("object"));
    let filter = LogFilter {
        job: job.as_deref().map(JobName::new),
        cycle,
        action: action.clone(),
        status,
        object: object.clone(),
        before,
        members: Some(MEMBERS),
        ..LogFilter::default()
    };
    let marked = cycle::marked(&config);
    let jobs = config.jobs.iter().map(|job| job.rules.name.to_string());
    let jobs = jobs.collect();
    let frame = frame(false);
    let page = site.ask(move |store| {
        let (mut entries, has_more) = newest(store, &filter, ENTRIES)?;
        cycle::hide(&mut entries, &marked);
        let view = LogView {
            jobs,
            job,
            cycle,
            action,
            status,
            object,
            entries: &entries,
            is_later: before.is_some(),
            has_more,
        };
        Ok(cycle::with_names_of(store, &entries, |names| {
            site::log(frame, &view, names)
        }))
    });
    Ok(Html(page.await?))
}

/// So many of the newest entries, and whether there are older ones.
fn newest(store: &Store, filter: &LogFilter, most: u32) -> Result<(Vec<LogEntry>, bool), Error> {
    let mut entries = store.log(filter, most + 1)?;
    let has_more = entries.len() > most as usize;
    entries.truncate(most as usize);
    Ok((entries, has_more))
}

pub(super) async fn cycle(
    State(site): Shared,
    Path(number): Path<String>,
) -> Result<Html<String>, Problem> {
    let config = site.view.config();
    let marked = cycle::marked(&config);
    let Ok(number) = number.parse::<i64>() else {
        return Err(not_found("There is no such cycle."));
    };
    let frame = frame(false);
    let page = site.ask(move |store| {
        let Some((job, record)) = store.cycle(number)? else {
            return Ok(None);
        };
        let filter = LogFilter {
            cycle: Some(number),
            members: Some(MEMBERS),
            ..LogFilter::default()
        };
        let (mut entries, mut has_more) = newest(store, &filter, ENTRIES)?;
        let skipped = LogFilter {
            status: Some(LogStatus::Skipped),
            ..filter
        };
        let (skipped, more) = newest(store, &skipped, ENTRIES)?;
        entries.extend(skipped);
        has_more |= more;
        cycle::hide(&mut entries, &marked);
        let view = CycleView {
            job,
            cycle: record,
            entries: &entries,
            has_more,
        };
        Ok(Some(cycle::with_names_of(store, &entries, |names| {
            site::cycle(frame, &view, names)
        })))
    });
    match page.await? {
        Some(page) => Ok(Html(page)),
        None => Err(not_found("There is no such cycle on record.")),
    }
}

pub(super) async fn find(
    State(site): Shared,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Response, Problem> {
    let text = query.get("q").map(|text| text.trim().to_owned());
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(Html(site::find(frame(false), None)).into_response());
    };
    let found = site.ask(move |store| {
        let mut objects = Vec::new();
        let mut names = Vec::new();
        for kind in ObjectKind::ALL {
            objects.extend(store.find_any(kind, &text)?);
        }
        if objects.is_empty() {
            for kind in ObjectKind::ALL {
                names.extend(store.names_of(kind)?);
            }
        }
        let near = nearest(&text, names.iter().map(String::as_str)).map(str::to_owned);
        Ok(Found {
            near,
            objects: objects.iter().map(Subject::of).collect(),
            text,
        })
    });
    let found = found.await?;
    if let [one] = found.objects.as_slice()
        && let Some(link) = site::person_link(&one.id)
    {
        return Ok(Redirect::to(&link).into_response());
    }
    Ok(Html(site::find(frame(false), Some(&found))).into_response())
}

pub(super) async fn person(
    State(site): Shared,
    Path(id): Path<String>,
) -> Result<Html<String>, Problem> {
    let config = site.view.config();
    let frame = frame(false);
    let runtime = tokio::runtime::Handle::current();
    let page = site.ask(move |store| {
        let id = SourceId::new(id.to_lowercase());
        let mut known = None;
        for kind in ObjectKind::ALL {
            known = known.or(store.object(kind, &id)?);
        }
        let Some(object) = known else {
            return Ok(None);
        };
        let explain = |job: &Job| {
            let explained = cycle::explain(store, job, object.key, frame.now);
            match runtime.block_on(explained) {
                Ok(explained) => explained.map(Ok),
                Err(error) => Some(Err(error.chain())),
            }
        };
        let jobs = config.jobs.iter().filter_map(|job| {
            let name = job.rules.name.to_string();
            explain(job).map(|explained| (name, explained))
        });
        let jobs = jobs.collect();
        let (entries, has_more, operations) = record(store, &config, &object.id, object.key)?;
        let view = PersonView {
            subject: Subject::of(&object),
            jobs,
            entries: &entries,
            has_more,
            operations,
        };
        Ok(Some(cycle::with_names_of(store, &entries, |names| {
            site::person(frame, &view, names)
        })))
    });
    match page.await? {
        Some(page) => Ok(Html(page)),
        None => Err(not_found("The state has no user or group with this id.")),
    }
}

/// What is on record of one object, as `history` shows it.
fn record(
    store: &Store,
    config: &Config,
    id: &SourceId,
    key: Key,
) -> Result<(Vec<LogEntry>, bool, Vec<crate::engine::record::Operated>), Error> {
    let filter = LogFilter {
        object: Some(id.to_string()),
        members: Some(MEMBERS),
        ..LogFilter::default()
    };
    let (mut entries, mut has_more) = newest(store, &filter, ENTRIES)?;
    entries.extend(store.memberships(key, ENTRIES)?);
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.id));
    has_more |= entries.len() > ENTRIES as usize;
    entries.truncate(ENTRIES as usize);
    cycle::hide(&mut entries, &cycle::marked(config));
    let operations = store.operations(&filter, ENTRIES)?;
    Ok((entries, has_more, operations))
}

/// Lets a request through whose sender may see the pages; others are shown the door.
pub(super) async fn door(
    State(site): Shared,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    let is_certified = request.extensions().get::<Certified>().is_some();
    if is_certified || site.doors.may_see(request.headers(), scheduler::now()) {
        return next.run(request).await;
    }
    let accept = request.headers().get(header::ACCEPT);
    let accept = accept.and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/html")) {
        let to = request.uri().path_and_query().map_or("/", |to| to.as_str());
        let to = percent_encoding::utf8_percent_encode(to, percent_encoding::NON_ALPHANUMERIC);
        return Redirect::to(&format!("/sign-in?to={to}")).into_response();
    }
    let refused = text(
        StatusCode::UNAUTHORIZED,
        "The token is needed: Authorization: Bearer TOKEN\n",
    );
    ([(header::WWW_AUTHENTICATE, "Bearer")], refused).into_response()
}

/// A way inside this site, or the front page.
fn inside(to: Option<&String>) -> String {
    let to = to.map_or("/", String::as_str);
    let is_inside = to.starts_with('/')
        && !to.starts_with("//")
        && !to.contains('\\')
        && to.parse::<Uri>().is_ok();
    if is_inside {
        to.to_owned()
    } else {
        "/".to_owned()
    }
}

pub(super) async fn sign_in(
    State(site): Shared,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let to = inside(query.get("to"));
    if site.doors.may_see(&headers, scheduler::now()) {
        return Redirect::to(&to).into_response();
    }
    Html(site::sign_in(frame(false), &to, false)).into_response()
}

/// A wrong token is answered late, so that tokens are not tried one after the other.
const WRONG: Duration = Duration::from_secs(1);

pub(super) async fn enter(State(site): Shared, RawForm(form): RawForm) -> Response {
    let fields: BTreeMap<String, String> =
        url::form_urlencoded::parse(&form).into_owned().collect();
    let to = inside(fields.get("to"));
    let token = fields.get("token").map_or("", String::as_str);
    if site.doors.is_token(token) {
        let cookie = site.doors.cookie(scheduler::now());
        return ([(header::SET_COOKIE, cookie)], Redirect::to(&to)).into_response();
    }
    tokio::time::sleep(WRONG).await;
    let page = site::sign_in(frame(false), &to, true);
    (StatusCode::FORBIDDEN, Html(page)).into_response()
}

pub(super) async fn leave(State(site): Shared) -> Response {
    let cookie = site.doors.no_cookie();
    ([(header::SET_COOKIE, cookie)], Redirect::to("/sign-in")).into_response()
}
