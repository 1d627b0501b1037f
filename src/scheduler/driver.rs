//! The service: one task for each job, each waiting for its time. The driver owns the clock, the
//! signals and the status; what a cycle does is no business of its.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::clock::{now, wait_until};
use super::due::next_start;
use super::on_record::{command_first, is_paused, is_unfinished, last_start_on_record};
use super::retries::Retries;
use super::share::share;
use super::shared::{Generation, Report, Shared, chain};
use super::status::WokenBy;
use super::turn::{Asked, Turn, run_cycle, waits_until};
use super::view::View;
use super::{deliver, duty, leavers, notices};
use crate::config::Config;
use crate::cycle::{self, Agent, Options};
use crate::engine::model::JobName;
use crate::os::{Signal, Signals, systemd};
use crate::store::{Before, Store};

/// How long a reading of the tenant waits for other jobs that become due at about the same time, so that
/// it is read once for all of them.
const GATHER: Duration = Duration::from_millis(500);

/// How long requests in flight may take to end once the agent was requested to stop. Product rule 12 allows
/// ten seconds for everything; one is left for writing down.
pub(crate) const GRACE: Duration = Duration::from_secs(9);

/// How often the service manager's status line is updated.
const STATUS_INTERVAL: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("could not listen to signals")]
    Signals(#[source] io::Error),
    #[error("could not start the agent")]
    Start(#[source] cycle::Error),
}

/// Reads the configuration again; an error is every problem of it, one text each.
pub(crate) type Reload<'a> = dyn Fn() -> Result<Config, Vec<String>> + 'a;

/// The service, before its first cycle.
pub(crate) struct Service {
    signals: Signals,
    driver: Driver,
    before: Before,
}

impl Service {
    /// `before` is how the process ended that used the state before.
    pub(crate) fn new(
        config: Config,
        store: Arc<Store>,
        before: Before,
        report: Box<Report>,
    ) -> Result<Self, Error> {
        let signals = Signals::listen().map_err(Error::Signals)?;
        let stop = CancellationToken::new();
        let config = Arc::new(config);
        let agent = Agent::new(Arc::clone(&config), Arc::clone(&store), stop.clone(), now);
        let agent = agent.map_err(Error::Start)?;
        let driver = Driver {
            shared: Arc::new(Shared {
                generation: watch::Sender::new(Arc::new(Generation { config, agent })),
                status: watch::Sender::default(),
                wakes: watch::Sender::default(),
                duty: duty::at_first(&store),
                store,
                stop,
                report,
                busy: Mutex::default(),
            }),
            tasks: JoinSet::new(),
            driven: BTreeSet::new(),
        };
        Ok(Self {
            signals,
            driver,
            before,
        })
    }

    pub(crate) fn view(&self) -> View {
        let shared = &self.driver.shared;
        View {
            generation: shared.generation.subscribe(),
            status: shared.status.subscribe(),
            stop: shared.stop.clone(),
            shared: Arc::clone(shared),
        }
    }

    /// Runs every enabled job on its schedule until SIGTERM or SIGINT.
    pub(crate) async fn run(self, reload: &Reload<'_>) {
        let Self {
            mut signals,
            mut driver,
            before,
        } = self;
        driver.start_missing();
        let shared = || Arc::clone(&driver.shared);
        let queued = Arc::new(Notify::new());
        let others = vec![
            tokio::spawn(share(shared())),
            tokio::spawn(leavers::watch(shared())),
            tokio::spawn(notices::watch(shared(), before, Arc::clone(&queued))),
            tokio::spawn(deliver::deliver(shared(), queued)),
        ];
        if driver.driven.is_empty() {
            tracing::warn!("no job is enabled; waiting for a reload");
        }
        systemd::ready();
        tracing::info!(jobs = driver.driven.len(), "started");
        driver.serve(&mut signals, reload).await;
        driver.stop(&mut signals, others).await;
    }
}

struct Driver {
    shared: Arc<Shared>,
    /// Each gives back the name of its job when it ends.
    tasks: JoinSet<JobName>,
    driven: BTreeSet<JobName>,
}

impl Driver {
    async fn serve(&mut self, signals: &mut Signals, reload: &Reload<'_>) {
        let watchdog = systemd::watchdog();
        let mut alive = interval(watchdog.unwrap_or(Duration::from_hours(1)));
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut refresh = interval(STATUS_INTERVAL);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut shown = String::new();
        loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::Stop => return,
                    Signal::Reload => {
                        systemd::reloading();
                        self.reload(reload);
                        systemd::ready();
                    }
                    Signal::Wake => {
                        tracing::info!("an operator requested all cycles now");
                        self.shared.wakes.send_modify(|wakes| *wakes += 1);
                    }
                },
                Some(ended) = self.tasks.join_next() => self.task_ended(ended),
                _ = alive.tick() => if watchdog.is_some() {
                    systemd::still_alive();
                },
                _ = refresh.tick() => {
                    let line = self.shared.status.borrow().to_string();
                    if line != shown {
                        systemd::status(&line);
                        shown = line;
                    }
                }
            }
        }
    }

    /// Takes a new configuration, or keeps the old one and says everything that is wrong with the new.
    fn reload(&mut self, reload: &Reload<'_>) {
        let config = match reload() {
            Ok(config) => Arc::new(config),
            Err(problems) => {
                for problem in &problems {
                    tracing::error!(problem, "the new configuration is not valid");
                }
                tracing::error!(
                    problems = problems.len(),
                    "not reloaded, the old configuration stays in effect"
                );
                return;
            }
        };
        let old = Arc::clone(&self.shared.generation.borrow());
        if let Some(why) = old.config.state.why_restart(&config.state) {
            tracing::error!("not reloaded, the old configuration stays in effect: {why}");
            return;
        }
        if config.web != old.config.web {
            tracing::warn!("changes of [web] need a restart; everything else is reloaded");
        }
        let agent = old.agent.with_config(Arc::clone(&config));
        let agent = match agent {
            Ok(agent) => agent,
            Err(error) => {
                let error = chain(&error);
                tracing::error!(error, "not reloaded, the old configuration stays in effect");
                return;
            }
        };
        let jobs = config.jobs.iter().filter(|job| job.enabled).count();
        let generation = Arc::new(Generation { config, agent });
        self.shared.generation.send_replace(generation);
        self.start_missing();
        tracing::info!(jobs, "reloaded");
    }

    /// Starts a task for every enabled job that has none. A job never has two.
    fn start_missing(&mut self) {
        let generation = Arc::clone(&self.shared.generation.borrow());
        for job in generation.config.jobs.iter().filter(|job| job.enabled) {
            let name = &job.rules.name;
            if self.driven.insert(name.clone()) {
                let shared = Arc::clone(&self.shared);
                self.tasks.spawn(drive(shared, name.clone()));
            }
        }
    }

    /// A task ends when its job is gone from the configuration, which may have brought it back since.
    fn task_ended(&mut self, ended: Result<JobName, tokio::task::JoinError>) {
        match ended {
            Ok(name) => {
                self.driven.remove(&name);
                self.shared.status.send_modify(|status| {
                    status.jobs.remove(&name);
                });
                self.start_missing();
            }
            Err(error) => tracing::error!(%error, "the task of a job crashed; this is a bug"),
        }
    }

    async fn stop(mut self, signals: &mut Signals, others: Vec<JoinHandle<()>>) {
        systemd::stopping();
        tracing::info!("stopping after the requests in flight");
        self.shared.stop.cancel();
        let ended = async {
            while self.tasks.join_next().await.is_some() {}
            for other in others {
                // It has said itself what went wrong.
                let _ = other.await;
            }
            // What operators requested runs in tasks of its own.
            self.shared.idle().await;
        };
        tokio::select! {
            ended = timeout(GRACE, ended) => if ended.is_ok() {
                tracing::info!("stopped");
            } else {
                tracing::warn!("stopped with requests in flight; the next start checks their result");
            },
            () = stop_requested(signals) => tracing::warn!("stopped immediately after a second signal"),
        }
    }
}

async fn stop_requested(signals: &mut Signals) {
    while signals.next().await != Signal::Stop {}
}

/// One job's task: waits for its time, runs a cycle, and waits again.
async fn drive(shared: Arc<Shared>, name: JobName) -> JobName {
    // A cycle that could not even begin leaves no start on record, and must not be tried in a loop.
    let mut last_start = None;
    let mut resume = is_unfinished(&shared.store, &name);
    let mut retries = Retries::default();
    let mut generation = shared.generation.subscribe();
    let mut wakes = shared.wakes.subscribe();
    let mut duty = shared.duty.subscribe();
    let mut is_ours = true;
    loop {
        let current = Arc::clone(&generation.borrow_and_update());
        let mut jobs = current.config.jobs.iter();
        let Some(job) = jobs.find(|job| job.enabled && job.rules.name == name) else {
            return name;
        };
        let was_ours = std::mem::replace(&mut is_ours, duty.borrow_and_update().has(&name));
        if !is_ours {
            shared.status.send_modify(|status| {
                status.jobs.remove(&name);
            });
            tokio::select! {
                () = shared.stop.cancelled() => return name,
                _ = generation.changed() => {}
                _ = duty.changed() => {}
            }
            continue;
        }
        if !was_ours {
            // What another agent did not finish is continued at once.
            last_start = None;
            resume = is_unfinished(&shared.store, &name);
        }
        last_start = last_start.max(last_start_on_record(&shared.store, &name));
        let next = if resume {
            Some(now())
        } else {
            next_start(&job.schedule, last_start, now(), fastrand::u64(..))
        };
        // Made before the look, so that no end after it is missed.
        let ends = shared.ends(&name);
        let ended = ends.notified();
        waits_until(&shared, &name, next);
        let woken_by = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return name,
            changed = generation.changed() => {
                if changed.is_err() {
                    return name;
                }
                continue;
            }
            _ = duty.changed() => continue,
            // One that was requested: the next is due later.
            () = ended => continue,
            changed = wakes.changed() => {
                if changed.is_err() {
                    return name;
                }
                WokenBy::Operator
            }
            () = wait_until(next) => WokenBy::Schedule,
            () = retries.are_due(&shared.store, job, current.config.retries) => WokenBy::Retries,
        };
        if woken_by == WokenBy::Retries {
            retries.run(&shared, &current.agent, job).await;
            continue;
        }
        if woken_by == WokenBy::Schedule {
            command_first(&shared, &name).await;
            // A cycle that was requested meanwhile counts.
            if last_start_on_record(&shared.store, &name) > last_start {
                continue;
            }
        }
        let was_resumed = std::mem::take(&mut resume);
        let last_start_before = last_start.replace(now());
        if is_paused(&shared.store, &name) {
            continue;
        }
        let asked = Asked {
            woken_by,
            options: Options {
                rests: woken_by == WokenBy::Schedule,
                ..Options::default()
            },
            progress: watch::Sender::default(),
        };
        let Some(busy) = shared.hold(&name).await else {
            continue;
        };
        // What was to be done may have been done while this waited.
        let is_done = if was_resumed {
            !is_unfinished(&shared.store, &name)
        } else {
            last_start_on_record(&shared.store, &name) > last_start_before
        };
        if woken_by == WokenBy::Schedule && is_done {
            continue;
        }
        let turn = Turn::new(busy, current.agent.due_with_others(job, GATHER));
        // It has said itself how it ended.
        let _ = run_cycle(&shared, &current.agent, job, asked, turn).await;
    }
}
