//! Commands while a service uses the state: they are handed to it, wait for it, and print what they would have
//! printed alone.

mod server;
mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::io::{IsTerminal as _, stderr};
use std::time::Duration;

use anyhow::{anyhow, bail};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::interrupt::Interrupt;
use super::operator::who;
use super::output::Output;
use super::progress::{Bars, Follower};
use crate::config::{Config, Job};
use crate::engine::model::JobName;
use crate::engine::record::Registered;
use crate::engine::summary::Progress;
use crate::os::UnixStream;
use crate::scheduler;
use crate::store::{self, Command, CommandEnd, Commanded, Store};

pub(super) use server::serve;
pub(super) use wire::Request;

/// How often the state is asked whether a command has ended.
const LOOK: Duration = Duration::from_millis(200);
/// How long a service that is being started or stopped may not answer at its socket.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a command waits for a database that does not answer, where no person sees that it waits: ten leases, but
/// not longer than this.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// Whether a state could not be used because a service uses it, which can do the work.
pub(super) fn is_service(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<store::Error>();
    error.is_some_and(store::Error::is_of_service)
}

/// Warns where the running service has another configuration of a job than this command.
pub(super) fn compare<'j>(
    output: Output,
    store: &Store,
    jobs: impl IntoIterator<Item = &'j Job>,
) -> Result<(), store::Error> {
    let in_force = store.configurations_in_force()?;
    for job in jobs {
        let name = &job.rules.name;
        let theirs = in_force.get(name);
        if theirs.is_some_and(|theirs| *theirs != job.configuration().digest) {
            output.message(&format!(
                "warning: the running service has another configuration of {name} than this one, so it does not do what \
                 is shown here; to make it use this one, reload it (sudo systemctl reload entrain)"
            ));
        }
    }
    Ok(())
}

/// Commands that a service has been handed.
pub(super) struct Handed {
    output: Output,
    store: Store,
    /// `None`: it waits as long as the person who sees that it does.
    patience: Option<Duration>,
    interrupt: Interrupt,
    waiting: VecDeque<(JobName, i64, Follower)>,
    bars: Bars,
    socket: std::path::PathBuf,
    _shown: JoinHandle<()>,
}

impl Handed {
    /// What is requested of each job.
    pub(super) fn over(
        output: Output,
        config: &Config,
        requests: Vec<(JobName, Request)>,
    ) -> anyhow::Result<Self> {
        let interrupt = Interrupt::listen(output)?;
        let state = &config.state;
        let store = Store::open(state)?;
        // The service may be the only one that can read the key; but not another one.
        if let Err(error @ store::Error::OtherKey) = store.key(config.state_key.as_ref()) {
            return Err(error.into());
        }
        let lease = state.database.as_ref().map(|database| database.lease);
        let patience = lease.map(|lease| (lease * 10).min(LONGEST_WAIT));
        let commands = requests.iter().map(|(job, request)| {
            Ok(Command {
                at: scheduler::now(),
                who: who(),
                job: job.clone(),
                request: serde_json::to_string(request)?,
            })
        });
        let ids = store.hand_over(&commands.collect::<anyhow::Result<Vec<_>>>()?)?;
        let bars = Bars::new(output);
        let mut senders = BTreeMap::new();
        let mut waiting = VecDeque::new();
        for ((job, _), id) in requests.into_iter().zip(ids) {
            let (sender, follower) = bars.follow(&job);
            senders.insert(id, sender);
            waiting.push_back((job, id, follower));
        }
        let socket = wire::socket_of(&state.path);
        Ok(Self {
            output,
            store,
            patience: patience.filter(|_| !stderr().is_terminal()),
            interrupt,
            waiting,
            bars,
            _shown: tokio::spawn(show(socket.clone(), senders)),
            socket,
        })
    }

    /// The end of one thing that is requested of one job.
    pub(super) async fn one(
        output: Output,
        config: &Config,
        job: &JobName,
        request: Request,
    ) -> anyhow::Result<CommandEnd> {
        let mut handed = Self::over(output, config, vec![(job.clone(), request)])?;
        let ended = handed.next().await;
        ended.map_or_else(|| Err(anyhow!("stopped")), |(_, ended)| ended)
    }

    /// The end of the next one, in the order in which they were handed over.
    pub(super) async fn next(&mut self) -> Option<(JobName, anyhow::Result<CommandEnd>)> {
        let (job, id, _follower) = self.waiting.pop_front()?;
        let ended = self.end_of(id).await;
        Some((job, ended))
    }

    async fn end_of(&self, id: i64) -> anyhow::Result<CommandEnd> {
        let mut silent = Duration::ZERO;
        let mut away = None;
        loop {
            match self.store.commanded(id)? {
                Commanded::Ended(end) => {
                    // Where this fails, a later command removes it.
                    if let Err(error) = self.store.forget_command(Some(id)) {
                        tracing::debug!(%error, "the command stays on record");
                    }
                    return Ok(end);
                }
                Commanded::Gone => bail!(
                    "the service was restarted before the command finished; its next cycle continues from there"
                ),
                Commanded::Waits => {}
            }
            if self.interrupt.is_stopped() {
                bail!("stopped waiting; the service carries the command out anyway");
            }
            // The service waits for its database, too.
            match self.store.follow_now() {
                Err(error) if error.may_pass() => self.wait_for_database(&mut away, &error)?,
                followed => {
                    followed?;
                    away = None;
                }
            }
            let is_there = UnixStream::connect(&self.socket).await.is_ok() || self.has_agents();
            silent = if is_there {
                Duration::ZERO
            } else {
                silent + LOOK
            };
            if silent > PATIENCE {
                self.store.forget_command(Some(id))?;
                bail!("the service no longer responds; if it has stopped, run the command again");
            }
            sleep(LOOK).await;
        }
    }

    /// Goes on waiting, unless no person sees it and it took too long. `since`: it does not answer since then.
    fn wait_for_database(
        &self,
        since: &mut Option<Instant>,
        error: &store::Error,
    ) -> anyhow::Result<()> {
        let anyway = "the command is carried out anyway when it answers again";
        let Some(since) = *since else {
            let words = match self.patience {
                Some(patience) => format!("waiting for it for {} s", patience.as_secs()),
                None => format!("waiting for it; to stop waiting, press Ctrl-C: {anyway}"),
            };
            self.print(|| self.output.message(&format!("{error}; {words}")));
            *since = Some(Instant::now());
            return Ok(());
        };
        match self.patience {
            Some(patience) if since.elapsed() > patience => bail!(
                "{error}; it has not answered for {} s, so this stops waiting; {anyway}, and entrain status shows the \
                 result",
                patience.as_secs()
            ),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether agents run that share the state.
    fn has_agents(&self) -> bool {
        match self.store.agents() {
            Ok(agents) => agents.iter().flatten().any(Registered::is_service),
            // Not known while the database does not answer.
            Err(error) => error.may_pass(),
        }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Prints without a progress bar in between.
    pub(super) fn print<R>(&self, print: impl FnOnce() -> R) -> R {
        self.bars.suspend(print)
    }
}

/// Wakes the service, and passes on how far it is.
async fn show(socket: std::path::PathBuf, senders: BTreeMap<i64, watch::Sender<Progress>>) {
    let Ok(stream) = UnixStream::connect(&socket).await else {
        return;
    };
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some((id, progress)) = wire::read_line(&line)
            && let Some(sender) = senders.get(&id)
        {
            sender.send_replace(progress);
        }
    }
}
