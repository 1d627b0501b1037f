//! The source tenant. One refresh reads it for all jobs that are due: users and groups once, page by
//! page into the state, then each job's assignments. What fails here blocks removals, never additions
//! (product rule 3).

mod due;
mod managers;
mod members;
mod pages;
mod unseen;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::source::selected;
use super::units::Units;
use super::{Error, tenant_facts, units};
use crate::config::{self, Config};
use crate::engine::job::ScopeMode;
use crate::engine::model::{
    Assignment, Complete, CustomSecurityAttribute, DEFAULT_ACCESS_ROLE, JobName, ObjectKind,
    SourceId,
};
use crate::engine::plan::{self, Count};
use crate::engine::summary::{CycleKind, Progress};
use crate::graph::{self, At, Expired, Link};
use crate::report;
use crate::store::{self, PageLink, Since, Store};

pub(crate) use self::due::Due;
use self::pages::Pages;
use self::unseen::Unseen;

/// Rounds begun at most, where the service forgets its own links.
const MAX_BEGINNINGS: u32 = 3;

/// How the reading went for one job. A cycle starts from it.
#[derive(Debug)]
pub(super) struct Reading {
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
    answer: oneshot::Sender<Result<Reading, Error>>,
}

pub(super) struct Tenant {
    config: Arc<Config>,
    pub(super) store: Arc<Store>,
    pub(super) graph: graph::Reader,
    stop: CancellationToken,
    now: fn() -> DateTime<Utc>,
    /// One reading at a time, also across a reload: all share the watermarks.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// How many jobs are due that have not joined a reading yet.
    due: watch::Sender<usize>,
    waiting: Mutex<Vec<Waiting>>,
    /// Applications that were looked at for a job of Microsoft's own service: when, and whether one is
    /// enabled.
    provisioned: Mutex<BTreeMap<SourceId, (Instant, bool)>>,
    /// The days of the warning that was given last of each secret and certificate.
    expiring: Mutex<BTreeMap<String, i64>>,
}

/// After this Microsoft's own job is looked at again.
const LOOK_AGAIN: Duration = Duration::from_hours(1);

/// So many days before a secret or a certificate expires it is warned of.
const EXPIRY_WARNINGS: [i64; 4] = [-1, 1, 7, 30];

impl Tenant {
    pub(super) fn new(
        config: Arc<Config>,
        store: Arc<Store>,
        graph: graph::Reader,
        stop: CancellationToken,
        now: fn() -> DateTime<Utc>,
        turn: Arc<tokio::sync::Mutex<()>>,
    ) -> Self {
        Self {
            config,
            store,
            graph,
            stop,
            now,
            turn,
            due: watch::Sender::default(),
            waiting: Mutex::default(),
            provisioned: Mutex::default(),
            expiring: Mutex::default(),
        }
    }

    /// For a tenant that reads into the same state after this one.
    pub(super) fn turn(&self) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(&self.turn)
    }

    /// What was requested of the tenant since the last call, for the record.
    pub(super) fn take_requests(&self) -> Vec<graph::Exchange> {
        self.graph.take_requests()
    }

    /// A reading that began after this call, shared with all jobs that are due now.
    pub(super) async fn reading(&self, due: Due, want: Want) -> Result<Reading, Error> {
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
        let readings = match self.store.begin_reading().await {
            Ok(_reading) => self.refresh(&wants).await,
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
    async fn refresh(&self, wants: &[Want]) -> Vec<Result<Reading, Error>> {
        self.warn_of_expiry();
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
        let followed = match found.first() {
            Some(first) => {
                self.counted(first, Box::pin(self.follow_both(&found)))
                    .await
            }
            None => Ok(plan::Reading::Incomplete(
                "no application was found".to_owned(),
            )),
        };
        let followed = followed.map_err(Arc::new);
        let mut shared = Shared::of(wants);
        let mut readings = Vec::with_capacity(wants.len());
        for (want, application) in wants.iter().zip(applications) {
            readings.push(match (application, &followed) {
                (Err(error), _) => Err(error),
                (Ok(_), Err(error)) => Err(Error::Tenant(Arc::clone(error))),
                (Ok(application), Ok(source)) => {
                    let read = self.read_job(want, application, source.clone(), &mut shared);
                    self.counted(want, Box::pin(read)).await
                }
            });
        }
        readings
    }

    /// Follows users, groups and the job's assignments once more, for the confirmation of removals.
    pub(super) async fn again(&self, want: &Want) -> Result<plan::Reading, Error> {
        let _turn = self.turn.lock().await;
        let _reading = self.store.begin_reading().await?;
        let wants = [want];
        let followed = Box::pin(self.follow_both(&wants));
        let mut source = self.counted(want, followed).await?;
        if let Some(application) = self.store.application(&want.job.rules.name)? {
            let mut shared = Shared::default();
            let read = Box::pin(self.read_scope(want, application, source, &mut shared));
            source = self.counted(want, read).await?;
        }
        Ok(source)
    }

    /// Lets the next reading of these begin again, because a complete one lacked something.
    pub(super) async fn forget(&self, kinds: &BTreeSet<ObjectKind>) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        let _reading = self.store.begin_reading().await?;
        for kind in kinds {
            self.store.forget_watermark(*kind)?;
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

    /// The application as the state knows it, or looked up. Not looked up in every cycle: its id does
    /// not change, and new roles are seen in the assignments. `found` are those of other jobs of this reading.
    async fn application(
        &self,
        want: &Want,
        found: &mut Vec<(config::Application, graph::ServicePrincipal)>,
    ) -> Result<store::Application, Error> {
        let known = self.store.application(&want.job.rules.name)?;
        match (want.kind, known) {
            (
                CycleKind::Incremental
                | CycleKind::OnDemand
                | CycleKind::Leavers
                | CycleKind::Retries,
                Some(known),
            ) => Ok(known),
            (_, None) | (CycleKind::Initial, Some(_)) => {
                let which = &want.job.application;
                if let Some((_, one)) = found.iter().find(|(other, _)| other == which) {
                    return self.record_application(want, one.clone());
                }
                let one = self.graph.find_application(which).await?;
                found.push((which.clone(), one.clone()));
                self.record_application(want, one)
            }
        }
    }

    async fn find_application(&self, want: &Want) -> Result<store::Application, Error> {
        let found = self.graph.find_application(&want.job.application).await?;
        self.record_application(want, found)
    }

    fn record_application(
        &self,
        want: &Want,
        found: graph::ServicePrincipal,
    ) -> Result<store::Application, Error> {
        let job = &want.job.rules.name;
        let mut roles = found.roles;
        if units::reads_units(&want.job.rules) {
            let known = self.store.application(job)?;
            roles = known.map(|known| known.roles).unwrap_or_default();
        }
        let application = store::Application {
            service_principal: SourceId::new(found.id),
            roles,
        };
        self.store.record_application(job, &application)?;
        Ok(application)
    }

    /// Follows users and groups to their ends.
    async fn follow_both(&self, wants: &[&Want]) -> Result<plan::Reading, Error> {
        let mut read = Count::default();
        let users = self
            .try_to_follow(ObjectKind::User, wants, &mut read)
            .await?;
        let groups = self
            .try_to_follow(ObjectKind::Group, wants, &mut read)
            .await?;
        Ok(users.and(groups))
    }

    /// An error that ends no cycle is why the reading is not complete.
    async fn try_to_follow(
        &self,
        kind: ObjectKind,
        wants: &[&Want],
        read: &mut Count,
    ) -> Result<plan::Reading, Error> {
        match self.follow(kind, wants, read).await {
            Ok(seen) => Ok(plan::Reading::Complete(seen)),
            Err(error) if ends_the_cycle(&error) || self.stop.is_cancelled() => Err(error),
            Err(error) => Ok(plan::Reading::Incomplete(format!(
                "{kind}s: {}",
                error.chain()
            ))),
        }
    }

    /// Follows the stream of one kind of object from its watermark to the next. Pages are committed in
    /// order with the link behind them, while the next one is read.
    async fn follow(
        &self,
        kind: ObjectKind,
        wants: &[&Want],
        read: &mut Count,
    ) -> Result<Complete<()>, Error> {
        let store = &self.store;
        let select = selected(&self.config, kind);
        let mut beginnings = 1;
        let mut since = store.begin_round(kind, &select.join(","))?;
        let mut pages = Pages::new(Arc::clone(store), kind);
        let mut unseen = Unseen::default();
        loop {
            let at = match &since {
                Since::Watermark(link) => At::Link(link),
                Since::Beginning => At::Beginning { select: &select },
            };
            let page = match self.graph.fetch_page(kind, at).await {
                Ok(page) => page,
                Err(error) => {
                    pages.commit((self.now)()).await?;
                    pages.committed().await?;
                    let Some(expired) = error.expired().filter(|_| beginnings < MAX_BEGINNINGS)
                    else {
                        return Err(error.into());
                    };
                    tracing::warn!(%kind, %error, "reading the source from the beginning");
                    match expired {
                        Expired::Page => store.rewind_round(kind)?,
                        Expired::Watermark => store.forget_watermark(kind)?,
                    }
                    beginnings += 1;
                    since = store.begin_round(kind, &select.join(","))?;
                    continue;
                }
            };
            if since == Since::Beginning {
                unseen = Unseen::of(&select);
            }
            unseen.see(&page.changes);
            let entries = page.changes.len() as u64;
            match kind {
                ObjectKind::User => read.users += entries,
                ObjectKind::Group => read.groups += entries,
            }
            for want in wants {
                want.progress.send_replace(Progress::Reading(*read));
            }
            match page.link {
                Link::Next(next) => {
                    pages.add(page.changes, PageLink::Next(next.clone()));
                    since = Since::Watermark(next);
                    if pages.are_many() {
                        pages.commit((self.now)()).await?;
                    }
                }
                Link::Delta(delta) => {
                    let seen = delta.seen();
                    pages.add(page.changes, PageLink::Delta(delta));
                    pages.commit((self.now)()).await?;
                    pages.committed().await?;
                    unseen.report(kind);
                    let now = (self.now)();
                    match kind {
                        ObjectKind::User => managers::look_up(&self.graph, store, now).await?,
                        ObjectKind::Group => members::look_up(&self.graph, store, now).await?,
                    }
                    return Ok(seen);
                }
            }
        }
    }

    /// What is read for one job: its assignments, and facts that its rules need.
    async fn read_job(
        &self,
        want: &Want,
        application: store::Application,
        mut source: plan::Reading,
        shared: &mut Shared,
    ) -> Result<Reading, Error> {
        let Want { job, kind, .. } = want;
        let name = &job.rules.name;
        let service_principal = application.service_principal.clone();
        source = self.read_scope(want, application, source, shared).await?;
        let (all, known) = (&shared.attributes, &mut shared.custom_security);
        let (graph, store) = (&self.graph, &*self.store);
        tenant_facts::custom_security_attributes(graph, store, job, all, known).await?;
        let known = &mut shared.default_domain;
        let domain = tenant_facts::default_domain(&self.graph, &self.store, job, known).await?;
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
        Ok(Reading {
            source,
            kind: match &domain {
                Some(domain) if domain.changed => CycleKind::Initial,
                Some(_) | None => *kind,
            },
            default_domain: domain.map(|domain| domain.name),
        })
    }

    /// Of a secret or a certificate, 30 days before it expires, 7 and 1, and when it has.
    fn warn_of_expiry(&self) {
        if self.graph.tenant().is_none() {
            return;
        }
        let today = (self.now)().date_naive();
        let expiring = self.expiring.lock();
        let mut expiring = expiring.unwrap_or_else(PoisonError::into_inner);
        for graph::Expiry { key, day } in graph::expiries(&self.config.source) {
            let left = (day - today).num_days();
            let due = EXPIRY_WARNINGS.into_iter().find(|days| left <= *days);
            let Some(due) = due else { continue };
            if expiring.insert(key.clone(), due) != Some(due) {
                let words = report::expires(day, today);
                tracing::warn!("{key} {words}");
            }
        }
    }

    /// Two agents undo each other's changes. Looked at once an hour at most, and only where the token
    /// shows that it may be.
    async fn warn_of_two_agents(&self, job: &JobName, application: &SourceId) {
        let known = {
            let provisioned = self.provisioned.lock();
            let provisioned = provisioned.unwrap_or_else(PoisonError::into_inner);
            let known = provisioned.get(application).copied();
            known.filter(|(at, _)| at.elapsed() < LOOK_AGAIN)
        };
        let is_enabled = if let Some((_, is_enabled)) = known {
            is_enabled
        } else {
            let found = self.graph.is_provisioned_by_entra(application.as_str());
            let is_enabled = found.await.unwrap_or(false);
            let provisioned = self.provisioned.lock();
            let mut provisioned = provisioned.unwrap_or_else(PoisonError::into_inner);
            provisioned.insert(application.clone(), (Instant::now(), is_enabled));
            is_enabled
        };
        if is_enabled {
            tracing::warn!(
                %job,
                "Microsoft's provisioning job of the application is enabled, and two agents undo each \
                 other's changes: stop it on the application's page \"Provisioning\""
            );
        }
    }

    /// What brings objects into a job's scope, besides the groups that they are in.
    async fn read_scope(
        &self,
        want: &Want,
        application: store::Application,
        source: plan::Reading,
        shared: &mut Shared,
    ) -> Result<plan::Reading, Error> {
        let read = match &want.job.rules.scope.mode {
            ScopeMode::All | ScopeMode::Groups(_) => return Ok(source),
            ScopeMode::Assigned => self.read_assignments(want, application, shared).await?,
            ScopeMode::AdministrativeUnits(names) => {
                let units = &mut shared.units;
                self.read_units(want, application, names, units).await?
            }
        };
        Ok(source.and(read))
    }

    async fn read_assignments(
        &self,
        want: &Want,
        application: store::Application,
        shared: &mut Shared,
    ) -> Result<plan::Reading, Error> {
        let job = &want.job.rules.name;
        let assignments = match shared
            .assignments
            .entry(application.service_principal.clone())
        {
            Entry::Occupied(read) => read.into_mut(),
            Entry::Vacant(place) => {
                match self.graph.fetch_assignments(place.key().as_str()).await {
                    Ok(assignments) => place.insert(assignments),
                    Err(partial) => {
                        // If the application is not there at all, that is what must be reported.
                        self.find_application(want).await?;
                        self.store.add_assignments(job, &partial.seen)?;
                        return Ok(plan::Reading::Incomplete(Error::chain_of(&partial)));
                    }
                }
            }
        };
        let is_known = |assignment: &Assignment| {
            let mut roles = application.roles.iter();
            assignment.role == DEFAULT_ACCESS_ROLE || roles.any(|role| role.id == assignment.role)
        };
        // New roles must be looked up; and a list that is suddenly empty is a reason to look whether
        // the application is still there.
        let all_known = assignments.get().iter().all(is_known);
        if !all_known || assignments.get().is_empty() {
            self.find_application(want).await?;
        } else {
            self.store.record_application(job, &application)?;
        }
        self.store.replace_assignments(job, assignments)?;
        Ok(plan::Reading::Complete(assignments.seen()))
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

/// Whether reading on makes no sense: the state cannot be written, the sign-in is refused, or a snapshot
/// was made for other jobs.
fn ends_the_cycle(error: &Error) -> bool {
    matches!(
        error,
        Error::Store(_)
            | Error::Graph(
                graph::Error::NotInSnapshot { .. }
                    | graph::Error::TokenRefused { .. }
                    | graph::Error::TokenUnanswered { .. }
                    | graph::Error::TokenMalformed { .. }
            )
    )
}
