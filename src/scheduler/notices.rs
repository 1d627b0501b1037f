//! Looks at what is wrong, and puts on record what operators are to be notified of. Looking never blocks a
//! cycle: the state is read by a connection of its own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::clock::now;
use super::due::rhythm;
use super::ends::Ends;
use super::shared::{Generation, Shared, chain};
use super::status::{State, Status};
use crate::config::{Config, Job, WebhookForm};
use crate::cycle;
use crate::engine::denial::Refuses;
use crate::engine::model::JobName;
use crate::engine::notice::{
    Event, Matter, Memory, Message, News, Seen, Topic, Trouble, is_stuck, review,
};
use crate::engine::record::{CycleState, JobRecord};
use crate::engine::strategy::SourceReading;
use crate::engine::summary::Health;
use crate::notify::{self, Channel};
use crate::report::{self, notice::Notice};
use crate::store::{self, Before, Store};

/// The longest time between two looks.
const LOOK: Duration = Duration::from_secs(30);
/// What happens to several jobs at the same time is one message.
const GATHER: Duration = Duration::from_secs(2);
/// How often certificates and secrets are asked when they expire.
const EXPIRIES: Duration = Duration::from_hours(1);

/// Where a message comes from.
pub(crate) struct From {
    host: String,
    state: String,
}

impl From {
    pub(crate) fn new(config: &Config) -> Self {
        let host = hostname::get().unwrap_or_default();
        Self {
            host: host.to_string_lossy().into_owned(),
            state: config.state.path.display().to_string(),
        }
    }

    pub(crate) fn trial(&self, at: DateTime<Utc>) -> Notice {
        Notice::trial(&self.host, &self.state, at)
    }
}

/// Looks whenever a job's state changes, and now and then, until a stop is requested.
pub(super) async fn watch(shared: Arc<Shared>, before: Before, queued: Arc<Notify>) {
    let mut generation = shared.generation.subscribe();
    let mut status = shared.status.subscribe();
    let mut watch = Watch {
        shared: Arc::clone(&shared),
        reader: None,
        crashed: before == Before::Crashed,
        ends: Arc::new(Ends::new()),
        asked: None,
    };
    loop {
        let current = Arc::clone(&generation.borrow_and_update());
        let seen = status.borrow_and_update().clone();
        match watch.look(&current, seen).await {
            Ok(true) => queued.notify_one(),
            Ok(false) => {}
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(
                    error,
                    "the state could not be read for notifications; retrying"
                );
            }
        }
        let changed = async {
            let _ = status.changed().await;
            sleep(GATHER).await;
        };
        tokio::select! {
            () = shared.stop.cancelled() => return,
            _ = generation.changed() => {}
            () = changed => {}
            () = sleep(LOOK) => {}
        }
    }
}

struct Watch {
    shared: Arc<Shared>,
    reader: Option<Arc<Store>>,
    /// To be put on record.
    crashed: bool,
    ends: Arc<Ends>,
    /// When credentials were last asked when they expire.
    asked: Option<Instant>,
}

impl Watch {
    /// Whether there are new messages.
    async fn look(
        &mut self,
        current: &Arc<Generation>,
        status: Status,
    ) -> Result<bool, store::Error> {
        if !self.shared.duty.borrow().notifies() {
            return Ok(false);
        }
        let channels = notify::channels(&current.config);
        let names: Vec<String> = channels.keys().cloned().collect();
        let store = Arc::clone(&self.shared.store);
        let dropped = store.run(move |store| store.keep_channels(&names)).await?;
        if dropped > 0 {
            tracing::warn!(
                notifications = dropped,
                "notifications were dropped, because their recipient was removed from the configuration"
            );
        }
        if channels.is_empty() {
            return Ok(false);
        }
        let reader = match &self.reader {
            Some(reader) => Arc::clone(reader),
            None => Arc::clone(self.reader.insert(Arc::new(store.reader()?))),
        };
        let now = now();
        let mut memory = store.run(Store::said).await?;
        let known = memory.clone();
        let jobs = &current.config.jobs;
        let sources = &current.config.sources;
        memory.retain(|matter, _| {
            let (mut jobs, mut sources) = (jobs.iter(), sources.iter());
            let (job, source) = (matter.job(), matter.source());
            job.is_none_or(|job| jobs.any(|one| one.rules.name.as_str() == job))
                && source.is_none_or(|source| sources.any(|one| one.name == source))
        });
        let mut seen = self.of_agent(current, &memory, now);
        let ends = Arc::clone(&self.ends);
        let config = Arc::clone(&current.config);
        let remembered = memory.clone();
        let of_jobs = reader.run(move |store| {
            let mut seen = of_sources(cycle::readings(&config, store)?);
            for job in config.jobs.iter().filter(|job| job.enabled) {
                let is_running = is_running(&status, &job.rules.name);
                let job = (&*config, job);
                of_job(store, job, is_running, &ends, &remembered, now, &mut seen)?;
            }
            Ok(seen)
        });
        seen.extend(of_jobs.await?);
        let events = review(seen, &mut memory, now);
        let waiting = store.run(Store::waiting).await?;
        let waiting = waiting.into_iter().map(|one| one.channel).collect();
        let messages = messages(&current.config, &events, &waiting, now);
        for event in &events {
            let topic = event.matter.topic.as_str();
            let of = event.matter.of.as_str();
            tracing::info!(topic, of, event = event.news.as_str(), "notifying");
        }
        let has_news = !messages.is_empty();
        if memory != known || has_news {
            store
                .run(move |store| store.say(&memory, &messages))
                .await?;
        }
        self.crashed = false;
        Ok(has_news)
    }

    /// What concerns all jobs.
    fn of_agent(&mut self, current: &Generation, memory: &Memory, now: DateTime<Utc>) -> Seen {
        let mut seen = Seen::new();
        if self.crashed {
            let crash = Trouble::Crash { times: 1 };
            seen.insert(Matter::of_agent(Topic::Crash), Some(crash));
        }
        if self.asked.is_none_or(|asked| asked.elapsed() >= EXPIRIES) {
            self.asked = Some(Instant::now());
            let today = now.date_naive();
            let expiries = current.agent.expiries().into_iter();
            let mut soon: Seen = expiries
                .filter(|(_, day)| report::expires_soon(*day, today))
                .map(|(of, day)| {
                    let topic = Topic::Expiring;
                    (Matter { topic, of }, Some(Trouble::Expiring { day }))
                })
                .collect();
            let known = memory.keys();
            for matter in known.filter(|matter| matter.topic == Topic::Expiring) {
                soon.entry(matter.clone()).or_insert(None);
            }
            seen.extend(soon);
        }
        seen
    }
}

/// What the sources refuse. Without a sign-in it is not known what else is refused.
fn of_sources(readings: Vec<SourceReading>) -> Seen {
    let mut seen = Seen::new();
    for reading in readings {
        let found = reading.denied();
        let refused = found.as_ref().map(|found| found.denial.refuses);
        for refuses in Refuses::ALL {
            let trouble = found.clone().filter(|_| refused == Some(refuses));
            if refuses == Refuses::SignIn || refused != Some(Refuses::SignIn) {
                let matter = Matter::of_source(refuses, &reading.name);
                seen.insert(matter, trouble.map(Trouble::Denied));
            }
        }
    }
    seen
}

fn is_running(status: &Status, job: &JobName) -> bool {
    let activity = status.jobs.get(job);
    activity.is_some_and(|job| matches!(job.state, State::Running { .. }))
}

/// What concerns one job. In the middle of a cycle little of it is certain.
fn of_job(
    store: &Store,
    (config, job): (&Config, &Job),
    is_running: bool,
    ends: &Ends,
    memory: &Memory,
    now: DateTime<Utc>,
    seen: &mut Seen,
) -> Result<(), store::Error> {
    let name = &job.rules.name;
    let record = store.status(name, 2)?;
    let interval = rhythm(&job.schedule, now).and_then(|every| TimeDelta::from_std(every).ok());
    if let Some(interval) = interval
        && record.paused.is_none()
        && !job.observes
    {
        let matter = Matter::of_job(Topic::Stuck, name);
        let since = store.last_completed(name)?;
        let was_known = memory.get(&matter).is_some_and(|known| !known.is_over);
        let ended = ends.of(name, since, now);
        let stuck = is_stuck(ended, ends.begun(now), interval, was_known, now);
        let stuck = stuck.then(|| Trouble::Stuck {
            since,
            error: last_error(&record),
        });
        seen.insert(matter, stuck);
    }
    if is_running {
        return Ok(());
    }
    let JobRecord {
        in_escrow,
        escrow,
        held,
        quarantine,
        ..
    } = record;
    let objects = in_escrow.total();
    let failing = (objects > 0).then_some(Trouble::Failing {
        objects,
        first: escrow,
        has_retries: config.retries.is_some(),
    });
    for (topic, trouble) in [
        (Topic::Quarantine, quarantine.map(Trouble::Quarantine)),
        (Topic::Held, held.map(Trouble::Held)),
        (Topic::Failing, failing),
    ] {
        seen.insert(Matter::of_job(topic, name), trouble);
    }
    Ok(())
}

/// Why the last cycle that ended did not do all it could.
fn last_error(record: &JobRecord) -> Option<String> {
    let mut cycles = record.cycles.iter();
    let last = cycles.find(|cycle| cycle.state != CycleState::Running)?;
    let error = last.error.clone().or_else(|| last.incomplete.clone());
    error.or_else(|| {
        (last.state != CycleState::Ended(Health::Succeeded)).then(|| last.state.as_str().to_owned())
    })
}

/// One message for each channel that something of it concerns.
fn messages(
    config: &Config,
    events: &[Event],
    waiting: &BTreeSet<String>,
    now: DateTime<Utc>,
) -> Vec<Message> {
    let channels = notify::channels(config);
    let from = From::new(config);
    let mut messages = Vec::new();
    for (name, channel) in &channels {
        let own = events.iter().filter(|event| {
            let job = event.matter.job();
            notify::channels_of(config, job).contains(name)
        });
        let own: Vec<Event> = own.cloned().collect();
        let is_repetition = own.iter().all(|event| matches!(event.news, News::Lasts(_)));
        // What was said before it has not arrived yet.
        if own.is_empty() || (is_repetition && waiting.contains(name)) {
            continue;
        }
        let notice = Notice::new(&own, &from.host, &from.state, now);
        messages.push(written(channel, &notice, now));
    }
    messages
}

/// A message as a channel takes it.
pub(crate) fn written(channel: &Channel, notice: &Notice, at: DateTime<Utc>) -> Message {
    let key = Uuid::new_v4().to_string();
    let name = channel.name();
    let json = |body: serde_json::Value| Message {
        key: key.clone(),
        channel: name.clone(),
        at,
        subject: String::new(),
        body: body.to_string(),
        html: String::new(),
    };
    match channel.form() {
        Some(WebhookForm::Json) => json(notice.json(&key)),
        Some(WebhookForm::Slack) => json(notice.slack()),
        Some(WebhookForm::Teams) => json(notice.teams()),
        None => {
            let report::notice::Letter {
                subject,
                text,
                html,
            } = notice.letter();
            Message {
                key,
                channel: name,
                at,
                subject,
                body: text,
                html,
            }
        }
    }
}
