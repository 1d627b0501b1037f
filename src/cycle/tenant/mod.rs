//! A source tenant. One refresh reads it for all jobs that are due: users and groups once, page by
//! page into the state, then each job's assignments. What fails here blocks removals, never additions
//! (product rule 3).

mod applications;
mod denials;
mod due;
mod managers;
mod members;
mod pages;
mod rounds;
mod scopes;
mod shards;
mod strategy;
mod unseen;
mod warnings;

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use chrono::{DateTime, Utc};
use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::sync::{OnceCell, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::expiry::Warned;
use super::units::Units;
use super::{Error, tenant_facts};
use crate::config::{self, SourceJobs};
use crate::engine::denial::Denial;
use crate::engine::model::{
    Assignment, Complete, CustomSecurityAttribute, JobName, ObjectKind, SourceId, SourceNumber,
};
use crate::engine::plan;
use crate::engine::summary::{CycleKind, Progress};
use crate::graph;
use crate::store::{self, NotedSource, Store, Stream};

pub(crate) use self::due::Due;

/// Held while a source is read.
pub(super) type Turn = Arc<tokio::sync::Mutex<()>>;

/// How the readings of its sources went for one job. A cycle starts from it.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) sources: plan::Readings,
    /// What the cycle is after the readings, which may find a reason to evaluate everything.
    pub(super) kind: CycleKind,
}

/// How the reading of one source went for one job.
#[derive(Debug)]
pub(super) struct OneRead {
    pub(super) source: plan::Reading,
    /// The tenant's default domain, when an expression of the job needs it.
    pub(super) default_domain: Option<String>,
    /// What the cycle is after the reading, which may find a reason to evaluate everything.
    pub(super) kind: CycleKind,
}

/// What a cycle needs from a reading.
#[derive(Clone)]
pub(super) struct Want {
    pub(super) job: config::Job,
    pub(super) kind: CycleKind,
    pub(super) progress: watch::Sender<Progress>,
    /// Counts the requests for this job. Those that all jobs share are counted for the first.
    pub(super) requests: Arc<AtomicU64>,
}

/// A cycle that waits for a reading.
struct Waiting {
    want: Want,
    answer: oneshot::Sender<Result<OneRead, Error>>,
}

pub(super) struct Tenant {
    /// The source with its jobs.
    config: Arc<SourceJobs>,
    /// In the state.
    pub(super) number: SourceNumber,
    /// The tenant that was read into the state, where the configuration names another.
    pub(super) read_before: Option<String>,
    /// It was looked up that both are the same.
    pub(super) is_same: OnceCell<()>,
    pub(super) store: Arc<Store>,
    pub(super) graph: graph::Reader,
    stop: CancellationToken,
    now: fn() -> DateTime<Utc>,
    /// One reading of the source at a time, also across a reload: all share the watermarks.
    turn: Turn,
    /// How many jobs are due that have not joined a reading yet.
    due: watch::Sender<usize>,
    waiting: Mutex<Vec<Waiting>>,
    /// Applications that were looked at for a job of Microsoft's own service: when, and whether one is
    /// enabled.
    provisioned: Mutex<BTreeMap<SourceId, (Instant, bool)>>,
    /// What was refused in the reading under way, but does not end it.
    denial: Mutex<Option<Denial>>,
    /// The days of the warning that was given last of each secret and certificate.
    expiring: Warned,
}

impl Tenant {
    pub(super) fn new(
        config: SourceJobs,
        noted: NotedSource,
        store: Arc<Store>,
        graph: graph::Reader,
        (stop, now): (CancellationToken, fn() -> DateTime<Utc>),
        turn: Turn,
    ) -> Self {
        let NotedSource {
            number,
            other_tenant,
        } = noted;
        Self {
            config: Arc::new(config),
            number,
            read_before: other_tenant,
            is_same: OnceCell::new(),
            store,
            graph,
            stop,
            now,
            turn,
            due: watch::Sender::default(),
            waiting: Mutex::default(),
            provisioned: Mutex::default(),
            denial: Mutex::default(),
            expiring: Warned::default(),
        }
    }

    /// For a tenant that reads into the same state after this one.
    pub(super) fn turn(&self) -> Turn {
        Arc::clone(&self.turn)
    }

    pub(super) fn source(&self) -> &config::Source {
        &self.config.source
    }

    pub(super) fn jobs(&self) -> &[config::Job] {
        &self.config.jobs
    }

    /// What is logged while one of several sources is read.
    fn span(&self) -> tracing::Span {
        match self.source().name.as_str() {
            "" => tracing::Span::none(),
            name => tracing::error_span!("source", name),
        }
    }

    fn stream(&self, kind: ObjectKind) -> Stream {
        let source = self.number;
        Stream { source, kind }
    }

    /// What was requested of the tenant since the last call, for the record.
    pub(super) fn take_requests(&self) -> Vec<graph::Exchange> {
        self.graph.take_requests()
    }

    /// A reading that began after this call, shared with all jobs that are due now.
    pub(super) async fn reading(&self, due: Due, want: Want) -> Result<OneRead, Error> {
        let gather = due.gather;
        let mut due = Some(due);
        loop {
            let (answer, mut mine) = oneshot::channel();
            let want = want.clone();
            self.queue().push(Waiting { want, answer });
            due.take();
            if !gather.is_zero() {
                tokio::time::sleep(gather).await;
            }
            // The sender is a field of this value.
            let _ = self.due.subscribe().wait_for(|due| *due == 0).await;
            let _turn = self.turn.lock().await;
            match mine.try_recv() {
                Ok(reading) => return reading,
                // It was not taken yet: this cycle reads for all that wait.
                Err(TryRecvError::Empty) => self.answer_all().await,
                // The cycle that read for this one was aborted.
                Err(TryRecvError::Closed) => continue,
            }
            if let Ok(reading) = mine.try_recv() {
                return reading;
            }
        }
    }

    async fn answer_all(&self) {
        let waiting = mem::take(&mut *self.queue()).into_iter();
        let (wants, answers): (Vec<Want>, Vec<_>) =
            waiting.map(|one| (one.want, one.answer)).unzip();
        // No other agent reads into the same state meanwhile.
        let readings = match self.store.begin_reading(self.number).await {
            Ok(_reading) => self.refresh(&wants).instrument(self.span()).await,
            Err(error) => {
                let error = Arc::new(Error::from(error));
                let failed = wants.iter().map(|_| Err(Error::Tenant(Arc::clone(&error))));
                failed.collect()
            }
        };
        for (answer, reading) in answers.into_iter().zip(readings) {
            // A cycle that does not wait any more was stopped.
            let _ = answer.send(reading);
        }
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the tenant once for all these jobs; one answer for each. A job whose application is not
    /// there does not keep the others from their reading.
    async fn refresh(&self, wants: &[Want]) -> Vec<Result<OneRead, Error>> {
        self.warn_of_expiry();
        self.take_denial();
        let mut found = Vec::new();
        let mut applications = Vec::with_capacity(wants.len());
        for want in wants {
            let application = Box::pin(self.application(want, &mut found));
            applications.push(self.counted(want, application).await);
        }
        let are_found = wants.iter().zip(&applications);
        let found: Vec<&Want> = are_found
            .filter_map(|(want, application)| application.is_ok().then_some(want))
            .collect();
        let mut shared = Shared::of(wants);
        let mut scopes: BTreeMap<JobName, (Scope, Option<Denial>)> = BTreeMap::new();
        let followed = match found.first() {
            Some(first) => match self.counted(first, Box::pin(self.begin(&found))).await {
                Ok(way) => {
                    if way.by_scope {
                        for (want, application) in wants.iter().zip(&applications) {
                            let Ok(application) = application else {
                                continue;
                            };
                            let read = self.read_scope(want, application.clone(), &mut shared);
                            let scope = self.counted(want, Box::pin(read)).await;
                            let denial = self.take_denial();
                            scopes.insert(want.job.rules.name.clone(), (scope, denial));
                        }
                    }
                    self.counted(first, Box::pin(self.follow_way(way, &found)))
                        .await
                }
                Err(error) => Err(error),
            },
            None => Ok(plan::Reading::Incomplete(
                "no application was found".to_owned(),
            )),
        };
        let followed = followed.map_err(Arc::new);
        let shared_denial = self.take_denial();
        let mut readings = Vec::with_capacity(wants.len());
        for (want, application) in wants.iter().zip(applications) {
            let scope = scopes.remove(&want.job.rules.name);
            let (scope, own) = scope.unzip();
            let reading = match (application, &followed) {
                (Err(error), _) => Err(error),
                (Ok(_), Err(error)) => Err(Error::Tenant(Arc::clone(error))),
                (Ok(application), Ok(source)) => {
                    let source = source.clone();
                    let read = self.read_job(want, application, (source, scope), &mut shared);
                    self.counted(want, Box::pin(read)).await
                }
            };
            let denial = own.flatten().or_else(|| self.take_denial());
            let denial = denial.or_else(|| shared_denial.clone());
            let noted = self.note_denial(want, &reading, denial);
            readings.push(noted.and(reading));
        }
        readings
    }

    /// Follows users, groups and the job's assignments once more, for the confirmation of removals.
    pub(super) async fn again(&self, want: &Want) -> Result<plan::Reading, Error> {
        let _turn = self.turn.lock().await;
        let _reading = self.store.begin_reading(self.number).await?;
        let wants = [want];
        let read_scope = async || {
            let name = &want.job.rules.name;
            let application = self.store.application(name, self.number)?;
            let Some(application) = application else {
                return Ok(None);
            };
            let mut shared = Shared::default();
            let read = Box::pin(self.read_scope(want, application, &mut shared));
            self.counted(want, read).await
        };
        // Who has come into scope is read, too.
        if self.store.reads_in_scope(self.number)? {
            let scope = read_scope().await?;
            let followed = Box::pin(self.follow_shards(&wants, usize::MAX, |_| Ok(true)));
            let source = self.counted(want, followed).await?;
            let source = source
                .unwrap_or_else(|| plan::Reading::Incomplete("the scope is too large".to_owned()));
            return Ok(together(source, scope));
        }
        let followed = Box::pin(self.follow_both(&wants));
        let (source, _) = self.counted(want, followed).await?;
        Ok(together(source, read_scope().await?))
    }

    /// Lets the next reading of these begin again, because a complete one lacked something.
    pub(super) async fn forget(&self, kinds: &BTreeSet<ObjectKind>) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        let _reading = self.store.begin_reading(self.number).await?;
        for kind in kinds {
            self.store.forget_watermark(self.stream(*kind))?;
        }
        Ok(())
    }

    async fn counted<T>(&self, want: &Want, work: impl Future<Output = T>) -> T {
        let before = self.graph.requests();
        let done = work.await;
        let requests = self.graph.requests() - before;
        want.requests.fetch_add(requests, Ordering::Relaxed);
        done
    }

    /// What is read for one job: its assignments, and facts that its rules need.
    async fn read_job(
        &self,
        want: &Want,
        application: store::Application,
        (source, scope): (plan::Reading, Option<Scope>),
        shared: &mut Shared,
    ) -> Result<OneRead, Error> {
        let Want { job, kind, .. } = want;
        let name = &job.rules.name;
        let service_principal = application.service_principal.clone();
        let scope = match scope {
            Some(scope) => scope?,
            None => self.read_scope(want, application, shared).await?,
        };
        let source = together(source, scope);
        let (all, known) = (&shared.attributes, &mut shared.custom_security);
        tenant_facts::custom_security_attributes(self, job, all, known).await?;
        let known = &mut shared.default_domain;
        let domain = tenant_facts::default_domain(self, job, known).await?;
        if self.stop.is_cancelled() {
            return Err(Error::Stopped);
        }
        if !matches!(kind, CycleKind::Leavers | CycleKind::Retries) {
            self.warn_of_two_agents(name, &service_principal).await;
        }
        if let plan::Reading::Incomplete(reason) = &source {
            tracing::warn!(
                job = %name, reason,
                "the source could not be read completely: only objects that were read as blocked or \
                 deleted are removed"
            );
        }
        Ok(OneRead {
            source,
            kind: match &domain {
                Some(domain) if domain.changed => CycleKind::Initial,
                Some(_) | None => *kind,
            },
            default_domain: domain.map(|domain| domain.name),
        })
    }
}

/// What brings objects into a job's scope, as far as it could be read.
type Scope = Result<Option<plan::Reading>, Error>;

fn together(source: plan::Reading, scope: Option<plan::Reading>) -> plan::Reading {
    match scope {
        Some(scope) => source.and(scope),
        None => source,
    }
}

/// What several jobs of one reading have in common, read with the first that needs it.
#[derive(Default)]
struct Shared {
    /// By service principal.
    assignments: BTreeMap<SourceId, Complete<Vec<Assignment>>>,
    units: Units,
    /// All that the jobs need.
    attributes: BTreeSet<CustomSecurityAttribute>,
    custom_security: Option<graph::CustomSecurity>,
    default_domain: Option<String>,
}

impl Shared {
    fn of(wants: &[Want]) -> Self {
        let jobs = wants.iter().map(|want| &want.job.rules);
        Self {
            attributes: jobs.flat_map(config::custom_security_attributes).collect(),
            ..Self::default()
        }
    }
}
