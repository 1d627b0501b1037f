//! The service's side: it carries out the commands in the state. The socket only wakes it, and shows how far
//! they are; without it they are found a little later.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::wire::{self, Request, Work};
use crate::cli::exit::Exit;
use crate::cli::probe;
use crate::cli::sync::render;
use crate::cycle::{self, Options};
use crate::engine::model::JobName;
use crate::engine::summary::{Progress, Summary};
use crate::os::{self, UnixListener, UnixStream};
use crate::scheduler::{NotRun, Now, View};
use crate::store::{Agents, Command, CommandEnd, Store};

/// Commands whose wake got lost are found after this time.
const LOOK: Duration = Duration::from_secs(2);
/// How often progress is sent, however fast a cycle is.
const STEP: Duration = Duration::from_millis(100);

#[derive(Clone)]
struct Server {
    view: View,
    store: Arc<Store>,
    /// The commands under way, and where their cycles stand: each until its result is on record.
    running: Arc<watch::Sender<BTreeMap<i64, watch::Receiver<Progress>>>>,
}

/// Carries out commands until the service stops.
pub(in crate::cli) fn serve(state: &Path, store: &Arc<Store>, view: View) -> JoinHandle<()> {
    let path = wire::socket_of(state);
    // Left by a process that did not end by itself; the lock of the state says that there is no other.
    let _ = fs::remove_file(&path);
    let listener = os::listen(&path, 0o600);
    if let Err(error) = &listener {
        let path = path.display();
        tracing::warn!(
            %path, %error,
            "cannot listen on the socket for commands; commands are found in the state with a short \
             delay"
        );
    }
    let server = Server {
        view,
        store: Arc::clone(store),
        running: Arc::default(),
    };
    tokio::spawn(async move {
        server.run(listener.ok()).await;
        let _ = fs::remove_file(&path);
        let mut running = server.running.subscribe();
        let _ = running.wait_for(BTreeMap::is_empty).await;
    })
}

impl Server {
    async fn run(&self, listener: Option<UnixListener>) {
        // Nothing waits for commands that were handed to a service before this one.
        // Where agents share the state, the one that has the job carries it out.
        let forget = |store: &Store| {
            if store.is_shared() {
                return Ok(());
            }
            store.forget_command(None)
        };
        if let Err(error) = self.store.run(forget).await {
            tracing::warn!(%error, "old commands could not be removed from the state");
        }
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let accepted = async {
                match &listener {
                    Some(listener) => listener.accept().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.view.stop.cancelled() => return,
                _ = look.tick() => self.start_waiting().await,
                accepted = accepted => match accepted {
                    // Only root and the user that the service runs as give it commands.
                    Ok((stream, _)) if os::is_of_us(&stream) => {
                        self.start_waiting().await;
                        let server = self.clone();
                        tokio::spawn(async move {
                            // The other side may be gone.
                            let _ = server.show(stream).await;
                        });
                    }
                    Ok(_) => tracing::warn!("a user without permission was refused at the socket for commands"),
                    Err(error) => tracing::debug!(%error, "a command could not connect"),
                },
            }
        }
    }

    /// Starts what is in the state and not under way: all of it due at once, so that one reading serves it.
    async fn start_waiting(&self) {
        let waiting = match self.store.run(Store::commands).await {
            Ok(waiting) => waiting,
            Err(error) => {
                tracing::warn!(%error, "commands could not be looked up");
                return;
            }
        };
        let mut started = Vec::new();
        let mut others = Vec::new();
        let mut now = Vec::new();
        self.running.send_modify(|running| {
            for (id, command) in waiting {
                // Another agent does it.
                if !self.view.runs(&command.job) && self.store.is_shared() {
                    continue;
                }
                if running.contains_key(&id) {
                    continue;
                }
                let (progress, watched) = watch::channel(Progress::default());
                running.insert(id, watched);
                match self.what_to_do(&command) {
                    Ok((request, Some(options))) => {
                        now.push(Now {
                            job: command.job.clone(),
                            options,
                            progress,
                        });
                        started.push((id, command, request));
                    }
                    Ok((request, None)) => others.push((id, command, Ok(request))),
                    Err(end) => others.push((id, command, Err(end))),
                }
            }
        });
        for ((id, command, request), run) in started.into_iter().zip(self.view.run_now(now)) {
            let Command { who, job, .. } = &command;
            tracing::info!(%job, who, "a command requests a cycle");
            let server = self.clone();
            let ours = self.store.joined();
            tokio::spawn(async move {
                let ended = match run.await {
                    Ok(Ok(summary)) if summary.stopped && ours.is_some() => {
                        Err(cycle::Error::Stopped.into())
                    }
                    Ok(Ok(summary)) => server.end(&command.job, &request, summary).await,
                    Ok(Err(error)) => Err(error),
                    Err(error) => Err(NotRun::Bug(error.to_string())),
                };
                server.finish(id, ended, ours.as_deref()).await;
            });
        }
        for (id, command, request) in others {
            let Command { who, job, .. } = command;
            let server = self.clone();
            let ours = self.store.joined();
            tokio::spawn(async move {
                let ended = match request {
                    Ok(request) => {
                        tracing::info!(%job, who, "a command requests a probe of the target");
                        server.probe(&job, &request).await
                    }
                    Err(end) => {
                        tracing::warn!(%job, who, error = end.words, "a command was refused");
                        Ok(end)
                    }
                };
                server.finish(id, ended, ours.as_deref()).await;
            });
        }
    }

    /// What a command requests, and of which cycle where it is one; or how it ends at once.
    fn what_to_do(&self, command: &Command) -> Result<(Request, Option<Options>), CommandEnd> {
        let request: Request = serde_json::from_str(&command.request).map_err(|_| {
            let words = "the service does not know this command: command and service must have the same \
                         version";
            failed(Exit::Failed, words.to_owned())
        })?;
        let config = self.view.config();
        let mut jobs = config.jobs.iter();
        let job = jobs.find(|job| job.rules.name == command.job);
        if let (Some(job), Some(theirs)) = (job, &request.configuration)
            && job.configuration().digest != *theirs
        {
            let remedy = if self.store.is_shared() {
                "copy the correct one to the other machine (entrain agents lists them), reload it there"
            } else {
                "reload it (sudo systemctl reload entrain)"
            };
            let words = format!(
                "the service that runs {} has another configuration of it than this command; {remedy}, and run the \
                 command again",
                command.job
            );
            return Err(failed(Exit::Failed, words));
        }
        let options = match &request.work {
            Work::Cycle {
                initial,
                only,
                max_deletions,
            } => Some(wire::options(*initial, only.as_deref(), *max_deletions)),
            Work::Apply(plan, how) => {
                let expected = match job {
                    Some(job) => {
                        let key = self.view.agent();
                        plan.expected(key.key(), &config.tenants_of(job), job, how)
                    }
                    None => Err(NotRun::NoJob(command.job.clone()).into()),
                };
                let expected =
                    expected.map_err(|error| failed(Exit::Failed, format!("{error:#}")))?;
                Some(Options {
                    saved: Some(Arc::new(expected)),
                    ..plan.options()
                })
            }
            Work::Probe => None,
        };
        Ok((request, options))
    }

    /// Notes how a command ended. What this agent did not finish since it stops, or since the job is another one's, is
    /// left to the agent that has the job then. `ours`: this agent among the others when it began.
    async fn finish(&self, id: i64, ended: Result<CommandEnd, NotRun>, ours: Option<&Agents>) {
        let is_left = ours.is_some_and(|ours| match &ended {
            Ok(_) | Err(NotRun::NoJob(_) | NotRun::Bug(_)) => false,
            Err(NotRun::Elsewhere(_)) => true,
            Err(error @ NotRun::Cycle(_)) => {
                let ends = self.view.stop.is_cancelled() || ours.is_lost();
                ends && !error.is_of_the_request()
            }
        });
        if !is_left {
            self.note(id, ended.unwrap_or_else(|error| not_run(&error)))
                .await;
        }
        self.running.send_modify(|running| {
            running.remove(&id);
        });
    }

    /// Notes it, and tries again where the state cannot be written: a command that is neither on record as ended nor
    /// among those under way would be carried out once more.
    async fn note(&self, id: i64, end: CommandEnd) {
        let mut failed = false;
        loop {
            let ended = end.clone();
            let noted = self.store.run(move |store| store.end_command(id, &ended));
            let Err(error) = noted.await else {
                return;
            };
            let error = cycle::Error::from(error).chain();
            if failed {
                tracing::debug!(error, "the result of a command could not be recorded");
            } else {
                tracing::error!(
                    error,
                    "the result of a command could not be recorded; this is tried again"
                );
                failed = true;
            }
            tokio::select! {
                () = self.view.stop.cancelled() => return,
                () = sleep(LOOK) => {}
            }
        }
    }

    /// What the command of a cycle prints, and its exit code.
    async fn end(
        &self,
        job: &JobName,
        request: &Request,
        summary: Summary,
    ) -> Result<CommandEnd, NotRun> {
        let read_back = match &request.work {
            Work::Apply(_, how) if how.portion().is_some() => {
                Some(self.view.read_back(job, summary.cycle).await?)
            }
            Work::Apply(..) | Work::Cycle { .. } | Work::Probe => None,
        };
        let config = self.view.config();
        let (store, look) = (Arc::clone(&self.store), request.look());
        let job = job.clone();
        let exit = Exit::of_part(summary.health(), read_back.as_ref());
        let cycle = summary.cycle;
        let rendered = spawn_blocking(move || {
            let mut jobs = config.jobs.iter();
            let job = jobs.find(|one| one.rules.name == job);
            render(&summary, read_back.as_ref(), job, &store, look)
        });
        Ok(match rendered.await {
            Ok(Ok(words)) => CommandEnd {
                exit: exit.code(),
                cycle: Some(cycle),
                words,
            },
            Ok(Err(error)) => failed(Exit::Failed, error.to_string()),
            Err(error) => failed(Exit::Failed, error.to_string()),
        })
    }

    async fn probe(&self, job: &JobName, request: &Request) -> Result<CommandEnd, NotRun> {
        let probed = self.view.probe(job).await?;
        Ok(CommandEnd {
            exit: probe::exit(&probed).code(),
            cycle: None,
            words: probe::render(job, &probed, true, request.look().json),
        })
    }

    /// Sends how far the commands under way are, until they have ended.
    async fn show(&self, mut stream: UnixStream) -> io::Result<()> {
        loop {
            let lines: String = {
                let running = self.running.borrow();
                let lines = running.iter();
                lines
                    .map(|(id, progress)| wire::line(*id, *progress.borrow()))
                    .collect()
            };
            if lines.is_empty() {
                return Ok(());
            }
            stream.write_all(lines.as_bytes()).await?;
            sleep(STEP).await;
        }
    }
}

fn failed(exit: Exit, words: String) -> CommandEnd {
    CommandEnd {
        exit: exit.code(),
        cycle: None,
        words,
    }
}

fn not_run(error: &NotRun) -> CommandEnd {
    let exit = match error {
        NotRun::Cycle(error) => Exit::of_cycle_error(error),
        NotRun::NoJob(_) | NotRun::Elsewhere(_) | NotRun::Bug(_) => Exit::Failed,
    };
    failed(exit, error.chain())
}
