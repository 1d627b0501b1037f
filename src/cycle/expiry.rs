//! When secrets and certificates expire, as far as the configuration or a certificate says it, and warnings of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use chrono::NaiveDate;

use crate::config::{Config, Job};
use crate::graph;
use crate::report;

/// So many days before a secret or a certificate expires it is warned of.
const WARNINGS: [i64; 4] = [-1, 1, 7, 30];

/// On which day each of them expires, with its key in the configuration.
pub(crate) fn expiries(config: &Config) -> Vec<(String, NaiveDate)> {
    let sources = config.sources.iter().flat_map(graph::expiries);
    let sources = sources.map(|one| (one.key, one.day));
    let targets = config.jobs.iter().flat_map(|job| {
        let name = &job.rules.name;
        let secrets = of_target(job).into_iter();
        secrets.map(move |(key, day)| (format!("jobs.{name}.target.{key}"), day))
    });
    sources.chain(targets).collect()
}

/// Those of a job's target, with their keys in `[jobs.target]`.
pub(super) fn of_target(job: &Job) -> Vec<(String, NaiveDate)> {
    let access = &job.target.access;
    let secrets = access.keyed().into_iter();
    let secrets = secrets.filter_map(|(key, secret)| Some((key, secret.expires?)));
    let certificate = access.client_certificate.as_ref();
    let certificate = certificate.and_then(graph::certificate_expiry);
    let certificate = certificate.map(|end| ("client_certificate".to_owned(), end.date_naive()));
    secrets.chain(certificate).collect()
}

/// What was warned of.
#[derive(Debug, Default)]
pub(super) struct Warned(Mutex<BTreeMap<String, i64>>);

impl Warned {
    /// 30 days before it expires, 7 and 1, and when it has.
    pub(super) fn warn(&self, key: &str, day: NaiveDate, today: NaiveDate) {
        let left = (day - today).num_days();
        let Some(due) = WARNINGS.into_iter().find(|days| left <= *days) else {
            return;
        };
        let mut warned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.insert(key.to_owned(), due) != Some(due) {
            let words = report::expires(day, today);
            tracing::warn!("{key} {words}");
        }
    }
}
