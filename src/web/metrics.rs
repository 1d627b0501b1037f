//! One scrape: what was counted while the service runs, and what its state holds. Times are given as such and
//! not as ages, as Prometheus wants them.

use std::sync::Arc;

use chrono::{DateTime, NaiveTime, Utc};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::{Site, ready};
use crate::config::Job;
use crate::cycle;
use crate::engine::model::JobName;
use crate::engine::notice::Waiting;
use crate::engine::plan::Count;
use crate::engine::record::JobRecord;
use crate::metrics;
use crate::scheduler::{self, State};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobLabels {
    job: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    job: String,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CredentialLabels {
    credential: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChannelLabels {
    channel: &'static str,
}

/// What the state holds of one job.
struct Known {
    job: JobName,
    record: JobRecord,
    in_scope: Count,
    completed: Option<DateTime<Utc>>,
    is_stuck: bool,
}

pub(super) async fn scrape(site: &Site) -> Result<String, String> {
    let config = site.view.config();
    let ends = Arc::clone(&site.ends);
    let jobs = config.jobs.clone();
    let read = site.readers.read(move |store| {
        let now = scheduler::now();
        let known = jobs.iter().map(|job: &Job| {
            let name = &job.rules.name;
            let record = store.status(name, 2)?;
            let is_driven = job.enabled && record.paused.is_none();
            let stuck = ready::stuck_since(job, &record.cycles, &ends, now);
            Ok(Known {
                job: name.clone(),
                in_scope: store.scope_counts(name)?,
                completed: store.last_completed(name)?,
                record,
                is_stuck: is_driven && stuck.is_some(),
            })
        });
        let known = known.collect::<Result<Vec<_>, super::readers::Error>>()?;
        Ok((known, store.watermark()?, store.waiting()?))
    });
    let (known, watermark, waiting) = read.await.map_err(|error| error.to_string())?;

    let mut whole = Registry::default();
    of_process(&mut whole, site.started);
    let registry = whole.sub_registry_with_prefix("entrain");
    let version = vec![("version", env!("CARGO_PKG_VERSION"))];
    registry.register("build", "The version that runs", Info::new(version));
    metrics::register(registry);
    of_jobs(registry, &known);
    of_notifications(registry, &waiting);
    let running = gauge(
        registry,
        "job_cycle_running",
        "Whether a cycle of the job runs now",
    );
    for job in &config.jobs {
        let status = site.view.status.borrow();
        let activity = status.jobs.get(&job.rules.name);
        let runs = activity.is_some_and(|one| matches!(one.state, State::Running { .. }));
        running
            .get_or_create(&of(&job.rules.name))
            .set(i64::from(runs));
    }
    if let Some(watermark) = watermark {
        let gauge = Gauge::<i64>::default();
        gauge.set(watermark.timestamp());
        let help = "Time up to which the source was read";
        registry.register("watermark_timestamp_seconds", help, gauge);
    }
    let expiry: Family<CredentialLabels, Gauge> = Family::default();
    for (key, day) in cycle::expiries(&config) {
        let labels = CredentialLabels { credential: key };
        let time = day.and_time(NaiveTime::MIN).and_utc().timestamp();
        expiry.get_or_create(&labels).set(time);
    }
    registry.register(
        "credential_expiry_timestamp_seconds",
        "When a secret or certificate expires, where that is known",
        expiry,
    );
    let mut text = String::new();
    encode(&mut text, &whole).map_err(|error| error.to_string())?;
    Ok(text)
}

fn of(job: &JobName) -> JobLabels {
    JobLabels {
        job: job.to_string(),
    }
}

fn gauge(registry: &mut Registry, name: &str, help: &str) -> Family<JobLabels, Gauge> {
    let family = Family::default();
    registry.register(name, help, family.clone());
    family
}

fn of_jobs(registry: &mut Registry, known: &[Known]) {
    let mut by_kind = |name: &str, help: &str, of_job: &dyn Fn(&Known) -> Count| {
        let family: Family<KindLabels, Gauge> = Family::default();
        for one in known {
            let Count { users, groups } = of_job(one);
            for (kind, count) in [("user", users), ("group", groups)] {
                let job = one.job.to_string();
                family
                    .get_or_create(&KindLabels { job, kind })
                    .set(whole(count));
            }
        }
        registry.register(name, help, family);
    };
    by_kind(
        "job_linked",
        "Objects that are linked to the target",
        &|one| one.record.linked,
    );
    by_kind("job_in_scope", "Linked objects that are in scope", &|one| {
        one.in_scope
    });
    by_kind(
        "job_escrow",
        "Objects whose last operation failed",
        &|one| one.record.in_escrow,
    );
    by_kind(
        "job_pending",
        "Objects that are marked for evaluation",
        &|one| one.record.pending,
    );
    let mut by_job = |name: &str, help: &str, of_job: &dyn Fn(&Known) -> Option<i64>| {
        let family = gauge(registry, name, help);
        for one in known {
            if let Some(value) = of_job(one) {
                family.get_or_create(&of(&one.job)).set(value);
            }
        }
    };
    by_job(
        "job_escrow_oldest_timestamp_seconds",
        "Since when the oldest failing object has failed",
        &|one| {
            one.record
                .escrow
                .first()
                .map(|first| first.first_failed.timestamp())
        },
    );
    by_job(
        "job_held",
        "Removals and creates that wait for a decision",
        &|one| {
            Some(
                one.record
                    .held
                    .as_ref()
                    .map_or(0, |held| whole(held.removals.len() as u64)),
            )
        },
    );
    by_job(
        "job_quarantined",
        "Whether the job is in quarantine",
        &|one| Some(i64::from(one.record.quarantine.is_some())),
    );
    by_job("job_paused", "Whether an operator paused the job", &|one| {
        Some(i64::from(one.record.paused.is_some()))
    });
    by_job(
        "job_stuck",
        "Whether no cycle of the job has ended for three intervals",
        &|one| Some(i64::from(one.is_stuck)),
    );
    by_job(
        "job_last_completed_timestamp_seconds",
        "When the last completed cycle ended",
        &|one| one.completed.map(|time| time.timestamp()),
    );
}

/// The ways by which notifications go; an address would name a person.
const WAYS: [&str; 2] = ["mail", "webhook"];

fn of_notifications(registry: &mut Registry, waiting: &[Waiting]) {
    let count: Family<ChannelLabels, Gauge> = Family::default();
    let oldest: Family<ChannelLabels, Gauge> = Family::default();
    for channel in WAYS {
        let of_way = |one: &&Waiting| {
            let way = one.channel.split_once(':');
            way.is_some_and(|(way, _)| way == channel)
        };
        let all = waiting.iter().filter(of_way);
        let labels = ChannelLabels { channel };
        let messages = all.clone().map(|one| one.messages).sum();
        count.get_or_create(&labels).set(whole(messages));
        if let Some(since) = all.map(|one| one.since).min() {
            oldest.get_or_create(&labels).set(since.timestamp());
        }
    }
    registry.register(
        "notifications_waiting",
        "Notifications that are not delivered yet",
        count,
    );
    registry.register(
        "notifications_oldest_timestamp_seconds",
        "Since when the oldest of them waits",
        oldest,
    );
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// By the names that every exporter has. Where there is no `/proc`, they are left out.
fn of_process(registry: &mut Registry, started: DateTime<Utc>) {
    let mut one = |name: &str, help: &str, value: i64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    };
    one(
        "process_start_time_seconds",
        "When the process was started",
        started.timestamp(),
    );
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return;
    };
    let kibibytes = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_whitespace().next()?.parse::<i64>().ok()
    };
    if let Some(resident) = kibibytes("VmRSS:") {
        one(
            "process_resident_memory_bytes",
            "Memory in use",
            resident * 1_024,
        );
    }
    if let Some(virtual_memory) = kibibytes("VmSize:") {
        one(
            "process_virtual_memory_bytes",
            "Addresses in use",
            virtual_memory * 1_024,
        );
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        one(
            "process_open_fds",
            "Files that are open",
            whole(open.count() as u64),
        );
    }
}
