//! Objects that failed are tried again between two cycles, each when it is time (`engine/ladder`) or as soon
//! as it changed. It is the shared reading, plus a plan of these objects alone.

use std::time::Duration;

use tokio::sync::watch;

use super::plan::Whom;
use super::tenant::Due;
use super::workers::Worker;
use super::{Agent, Between, Context, Error, Options};
use crate::config;
use crate::engine::model::Key;
use crate::engine::quarantine::Pace;
use crate::engine::record::Escrowed;
use crate::engine::summary::{CycleKind, Progress, Summary};

/// Notes which objects are not tried in the evaluation that begins, because it is not time yet.
pub(super) fn rest(context: &Context<'_>, kind: CycleKind) -> Result<(), Error> {
    let store = &context.agent.store;
    let name = &context.job.rules.name;
    let first = context.agent.config.retries;
    let first = first.filter(|_| context.options.rests && kind == CycleKind::Incremental);
    let mut resting: Vec<Key> = Vec::new();
    if let Some(first) = first {
        let now = (context.agent.now)();
        let rests = |one: &Escrowed| {
            // What never became a request costs none.
            let left = one.left(first, now).filter(|_| one.class.is_some());
            !one.changed && left.is_some_and(|left| !left.is_zero())
        };
        let escrow = store.escrow(name)?.into_iter();
        resting.extend(escrow.filter(rests).map(|one| one.subject.key));
    }
    store.rest(name, &resting)?;
    Ok(())
}

impl Agent {
    /// Tries what failed and is due. `None`: nothing is, and nothing was recorded. `was_down`: the target did not
    /// answer the last time; where it does now, every removal is due. In quarantine there are only removals.
    pub(crate) async fn retry(
        &self,
        job: &config::Job,
        due: Due,
        was_down: bool,
    ) -> Result<Option<Summary>, Error> {
        let name = &job.rules.name;
        let Some(first) = self.config.retries else {
            return Ok(None);
        };
        if self.store.paused(name)?.is_some() {
            return Ok(None);
        }
        let quarantine = self.store.quarantine(name)?;
        if quarantine
            .as_ref()
            .is_some_and(|known| !known.tries_removals())
        {
            return Ok(None);
        }
        let until = self.until_paused(name);
        let retrying = until.agent.retry_until_paused(job, due, (first, was_down));
        Box::pin(retrying).await
    }

    async fn retry_until_paused(
        &self,
        job: &config::Job,
        due: Due,
        (first, was_down): (Duration, bool),
    ) -> Result<Option<Summary>, Error> {
        let name = &job.rules.name;
        let quarantine = self.store.quarantine(name)?;
        let options = Options {
            between: Some(Between::Retries),
            ..Options::default()
        };
        let progress = watch::Sender::new(Progress::default());
        let mut context = self.writing_context(job, &options, &progress)?;
        if quarantine.is_some() {
            context.pace = Pace::Removals;
        }
        // A target that is down costs nothing more, and no object a step of the ladder.
        context.look_up_anything().await?;
        let reading = context.sources.read(&context.want(), due).await?;
        let started = (self.now)();
        let is_due = |one: &Escrowed| {
            let left = one.left(first, started);
            (was_down && one.is_removal()) || left.is_some_and(|left| one.changed || left.is_zero())
        };
        let escrow = self.store.escrow(name)?.into_iter();
        let keys: Vec<Key> = escrow
            .filter(|one| quarantine.is_none() || one.is_removal())
            .filter(is_due)
            .map(|one| one.subject.key)
            .collect();
        if keys.is_empty() {
            return Ok(None);
        }
        context.discover().await?;
        context.worker = Worker::Cycle(self.workers.cycle(name));
        self.partly(
            &context,
            &reading,
            (CycleKind::Retries, Whom::Retries(keys)),
            started,
        )
        .await
        .map(|partly| partly.found)
    }
}
