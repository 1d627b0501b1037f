//! Delivers the messages on record, each channel by itself: one that hangs holds up no other, and no cycle.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::clock::now;
use super::shared::{Shared, chain};
use crate::config::{Job, Secret};
use crate::engine::notice::{Queued, next_attempt};
use crate::engine::summary::Health;
use crate::notify::{self, Channel};
use crate::report::notice::channel_name;
use crate::store::{Error, Store};

/// The longest time until the outbox is looked at again.
const LOOK: Duration = Duration::from_secs(30);
/// How long deliveries under way may go on after a stop was requested.
const GRACE: Duration = Duration::from_secs(5);
/// Waits between the attempts to call a heartbeat.
const HEARTBEAT_WAITS: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(10)];

/// Delivers until a stop is requested.
pub(super) async fn deliver(shared: Arc<Shared>, queued: Arc<Notify>) {
    let mut tasks: JoinSet<String> = JoinSet::new();
    let mut busy: BTreeSet<String> = BTreeSet::new();
    loop {
        let wait = match start_due(&shared, &mut tasks, &mut busy).await {
            Ok(wait) => wait,
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(
                    error,
                    "notifications could not be read from the state; retrying"
                );
                LOOK
            }
        };
        tokio::select! {
            () = shared.stop.cancelled() => break,
            () = queued.notified() => {}
            () = sleep(wait) => {}
            Some(ended) = tasks.join_next() => match ended {
                Ok(channel) => {
                    busy.remove(&channel);
                }
                Err(error) => {
                    tracing::error!(%error, "a delivery crashed; this is a bug");
                    busy.clear();
                }
            }
        }
    }
    let ended = async { while tasks.join_next().await.is_some() {} };
    // What is not over by then stays on record.
    let _ = timeout(GRACE, ended).await;
}

/// Starts the delivery of the oldest message of each channel that is free, and says how long nothing else is
/// due.
async fn start_due(
    shared: &Arc<Shared>,
    tasks: &mut JoinSet<String>,
    busy: &mut BTreeSet<String>,
) -> Result<Duration, Error> {
    let config = Arc::clone(&shared.generation.borrow().config);
    let channels = notify::channels(&config);
    if channels.is_empty() || !shared.duty.borrow().notifies() {
        return Ok(LOOK);
    }
    let at = now();
    let due = shared.store.run(move |store| store.to_deliver(at)).await?;
    let mut first: BTreeMap<String, Queued> = BTreeMap::new();
    for queued in due {
        first
            .entry(queued.message.channel.clone())
            .or_insert(queued);
    }
    for (name, queued) in first {
        if let Some(channel) = channels.get(&name)
            && busy.insert(name.clone())
        {
            let (shared, channel) = (Arc::clone(shared), channel.clone());
            tasks.spawn(async move {
                if let Err(error) = attempt(&shared, &channel, queued).await {
                    let error = chain(&error);
                    tracing::warn!(error, "the result of a delivery could not be recorded");
                    // Not at once again.
                    sleep(GRACE).await;
                }
                name
            });
        }
    }
    let waiting = shared.store.run(Store::waiting).await?;
    let waiting = waiting.iter().filter(|one| !busy.contains(&one.channel));
    let next = waiting.map(|one| (one.next - at).to_std().unwrap_or_default());
    Ok(next
        .min()
        .unwrap_or(LOOK)
        .clamp(Duration::from_millis(50), LOOK))
}

async fn attempt(shared: &Shared, channel: &Channel, queued: Queued) -> Result<(), Error> {
    let Queued {
        id,
        message,
        attempts,
    } = queued;
    let to = channel_name(&message.channel);
    match channel.send(&message).await {
        Ok(_) => {
            tracing::info!(to, message = message.key, "notified");
            shared.store.run(move |store| store.delivered(id)).await
        }
        Err(error) => {
            let words = error.chain();
            if attempts == 0 {
                tracing::warn!(
                    to,
                    error = words,
                    "a notification could not be delivered; it will be retried"
                );
            } else {
                tracing::debug!(to, error = words, "a notification could not be delivered");
            }
            let next = next_attempt(attempts + 1, now());
            let noting = move |store: &Store| store.not_delivered(id, &words, next);
            shared.store.run(noting).await
        }
    }
}

/// Calls the heartbeats of a job after a good cycle, without waiting for them.
pub(super) fn heartbeat(shared: &Shared, job: &Job, ended: Health) {
    if !matches!(
        ended,
        Health::Succeeded | Health::ObjectsFailed | Health::Held
    ) {
        return;
    }
    let general = shared.generation.borrow().config.notify.heartbeat.clone();
    let general = general.map(|secret| (secret, "notify.heartbeat"));
    let own = job.notify.heartbeat.clone();
    let own = own.map(|secret| (secret, "jobs.notify.heartbeat"));
    for (secret, key) in general.into_iter().chain(own) {
        let (name, stop) = (job.rules.name.clone(), shared.stop.clone());
        tokio::spawn(async move {
            let called = stop.run_until_cancelled(call(&secret, key)).await;
            if let Some(Err(error)) = called {
                let error = error.chain();
                tracing::warn!(job = %name, error, "the heartbeat could not be called");
            }
        });
    }
}

async fn call(secret: &Secret, key: &str) -> Result<String, notify::Error> {
    for wait in HEARTBEAT_WAITS {
        match notify::call_heartbeat(secret, key).await {
            Ok(words) => return Ok(words),
            Err(error) => {
                tracing::debug!(error = error.chain(), "the heartbeat could not be called");
            }
        }
        sleep(wait).await;
    }
    notify::call_heartbeat(secret, key).await
}
