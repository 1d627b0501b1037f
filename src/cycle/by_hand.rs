//! An account that an operator links by hand: what it shows, next to what its object is matched by.

use tokio::sync::watch;

use super::{Agent, Error, Options, explain};
use crate::config;
use crate::engine::mapping;
use crate::engine::model::{Key, MatchKey, TargetId, TargetPath, Value};
use crate::engine::redact::REDACTED;
use crate::engine::same_target::{self, Compared};

/// Both sides of a link, in the form in which they may be shown.
#[derive(Debug)]
pub(crate) struct Sides {
    /// One matching value is the same, or the account carries the object's id.
    pub(crate) agree: bool,
    /// Each matching attribute: the object's value, and what the account shows.
    pub(crate) values: Vec<(TargetPath, Value, Option<Value>)>,
}

impl Agent {
    /// Reads an account and compares it with an object. `None`: the target does not have it. The state must be one
    /// that keeps nothing.
    pub(crate) async fn compare_by_hand(
        &self,
        job: &config::Job,
        key: Key,
        target: &TargetId,
    ) -> Result<Option<Sides>, Error> {
        let options = Options::default();
        let progress = watch::Sender::default();
        let context = self.context(job, &options, &progress)?;
        let now = (self.now)();
        let Some((object, keys)) = explain::match_keys(&self.store, &job.rules, key, now).await?
        else {
            return Ok(None);
        };
        let kind = object.kind;
        let mappings = &context.job.rules.rules(kind).mappings;
        let hidden = context.redactions.hidden_in_keys(kind, &keys);
        let reader = context.reader.hiding(hidden);
        let paths = context.mapped_paths(kind);
        let Some(account) = reader.read(kind, target, &paths, false).await? else {
            return Ok(None);
        };
        let mut shown = account.attributes;
        mapping::normalize(mappings, &mut shown);
        let agree = same_target::compare(mappings, &keys, &shown) == Compared::Agrees
            || same_target::names(&object.id, &shown);
        let values = keys.into_iter().map(|MatchKey { path, value }| {
            let there = shown.remove(&path);
            if context.redactions.hides(kind, &path) {
                let there = there.map(|_| Value::text(REDACTED));
                return (path, Value::text(REDACTED), there);
            }
            (path, value, there)
        });
        let values = values.collect();
        Ok(Some(Sides { agree, values }))
    }
}
