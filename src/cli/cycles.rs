//! Cycles or plans of several jobs at the same time, after one reading of the tenant. Each has a
//! progress bar; the results come in the order of the configuration.

use std::collections::VecDeque;

use anyhow::anyhow;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};

use super::interrupt::Interrupt;
use super::output::Output;
use super::progress::{Bars, Follower};
use crate::config::Job;
use crate::cycle::{self, Agent, Due, Options, Planned};
use crate::engine::model::JobName;
use crate::engine::summary::{Progress, Summary};

/// What a cycle of one job gets.
pub(super) struct Start {
    pub(super) agent: Agent,
    pub(super) job: Job,
    pub(super) options: Options,
    pub(super) progress: watch::Sender<Progress>,
    pub(super) due: Due,
}

pub(super) struct Cycles<T> {
    running: VecDeque<Running<T>>,
    bars: Bars,
}

struct Running<T> {
    job: JobName,
    ended: JoinHandle<anyhow::Result<T>>,
    _follower: Follower,
}

impl<T: Send + 'static> Cycles<T> {
    /// Starts them all.
    pub(super) fn start<F>(
        output: Output,
        interrupt: &Interrupt,
        agent: &Agent,
        jobs: &[&Job],
        options: &Options,
        work: fn(Start) -> F,
    ) -> Self
    where
        F: Future<Output = Result<T, cycle::Error>> + 'static,
    {
        let bars = Bars::new(output);
        // All are due before the first starts, so that one reading serves them all.
        let due: Vec<(Due, &Job)> = jobs.iter().map(|job| (agent.due(job), *job)).collect();
        let running = due.into_iter().map(|(due, job)| {
            let (progress, follower) = bars.follow(&job.rules.name);
            let start = Start {
                agent: agent.clone(),
                job: job.clone(),
                options: options.clone(),
                progress,
                due,
            };
            let (interrupt, runtime) = (interrupt.clone(), Handle::current());
            // A thread of its own, because planning computes for long.
            let ended = spawn_blocking(move || {
                runtime.block_on(async { Ok(interrupt.guard(Box::pin(work(start))).await??) })
            });
            Running {
                job: job.rules.name.clone(),
                ended,
                _follower: follower,
            }
        });
        Self {
            running: running.collect(),
            bars,
        }
    }

    /// The next job in the order of the configuration, when it has ended.
    pub(super) async fn next(&mut self) -> Option<(JobName, anyhow::Result<T>)> {
        let Running { job, ended, .. } = self.running.pop_front()?;
        let result = match ended.await {
            Ok(result) => result,
            Err(error) => Err(anyhow!("it ended unexpectedly; this is a bug: {error}")),
        };
        Some((job, result))
    }

    /// Prints without a progress bar in between.
    pub(super) fn print<R>(&self, print: impl FnOnce() -> R) -> R {
        self.bars.suspend(print)
    }
}

/// Plans one job with a progress bar.
pub(super) async fn plan(
    output: Output,
    agent: &Agent,
    interrupt: &Interrupt,
    job: &Job,
    options: &Options,
) -> anyhow::Result<Planned> {
    with_bar(output, interrupt, job, async |progress| {
        agent.plan(job, options, &progress, agent.due(job)).await
    })
    .await
}

/// Runs one cycle with a progress bar.
pub(super) async fn run(
    output: Output,
    agent: &Agent,
    interrupt: &Interrupt,
    job: &Job,
    options: &Options,
) -> anyhow::Result<Summary> {
    with_bar(output, interrupt, job, async |progress| {
        agent.run(job, options, &progress, agent.due(job)).await
    })
    .await
}

async fn with_bar<T>(
    output: Output,
    interrupt: &Interrupt,
    job: &Job,
    work: impl AsyncFnOnce(watch::Sender<Progress>) -> Result<T, cycle::Error>,
) -> anyhow::Result<T> {
    let bars = Bars::new(output);
    let (progress, _follower) = bars.follow(&job.rules.name);
    Ok(interrupt.guard(Box::pin(work(progress))).await??)
}
