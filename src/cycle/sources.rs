//! The tenants that are read, each by itself: what is wrong with one keeps no job of another from its cycle.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::tenant::{Due, OneRead, Reading, Tenant, Want};
use super::{Agent, Error, connect};
use crate::config::{self, Config, SourceJobs};
use crate::engine::model::{JobName, ObjectKind, SourceNumber};
use crate::engine::plan::{self, Readings};
use crate::engine::strategy::SourceReading;
use crate::engine::summary::CycleKind;
use crate::graph;
use crate::store::{self, NotedSource, Store, Stream};

/// What all sources have in common.
pub(super) type Times = (CancellationToken, fn() -> DateTime<Utc>);

/// A source, or why it cannot be read.
type Made = Result<Arc<Tenant>, Arc<Error>>;

/// By name; or why one cannot be read, for those that are not the only one.
#[derive(Clone, Default)]
pub(super) struct Sources {
    all: BTreeMap<String, (SourceNumber, Made)>,
}

/// The sources of one job.
#[derive(Clone)]
pub(super) struct OfJob {
    /// All of them, in the order of their precedence.
    pub(super) numbers: Vec<SourceNumber>,
    /// Those that can be read.
    pub(super) tenants: Vec<Arc<Tenant>>,
    /// Why the others cannot be read.
    unread: Vec<String>,
}

impl Sources {
    /// Readings still take turns with those of `before`, also with those that have begun.
    pub(super) fn connect(
        config: &Config,
        store: &Arc<Store>,
        (stop, now): Times,
        before: &Self,
    ) -> Result<Self, Error> {
        let mut all = BTreeMap::new();
        let names: Vec<&str> = config.sources.iter().map(|one| one.name.as_str()).collect();
        for jobs in config.by_source() {
            let name = jobs.source.name.clone();
            let noted = store.note_source(&name, &jobs.source.tenant_id, &names)?;
            let number = noted.number;
            let made = connect(&jobs.source, stop.clone(), now).and_then(|graph| {
                let graph = graph::Reader::Tenant(Box::new(graph));
                make(jobs, noted, store, graph, (stop.clone(), now), before)
            });
            let made = match made {
                Ok(made) => Ok(made),
                Err(error) if config.sources.len() == 1 || !is_of_source(&error) => {
                    return Err(error);
                }
                Err(error) => Err(Arc::new(error)),
            };
            all.insert(name, (number, made));
        }
        Ok(Self { all })
    }

    /// The sources that the snapshots are of.
    pub(super) fn of_snapshots(
        config: &Config,
        store: &Arc<Store>,
        snapshots: &graph::Snapshots,
        times: &Times,
    ) -> Result<Self, Error> {
        let names: Vec<&str> = config.sources.iter().map(|one| one.name.as_str()).collect();
        let mut all = BTreeMap::new();
        for jobs in config.by_source() {
            let Some(snapshot) = snapshots.of(&jobs.source.tenant_id) else {
                continue;
            };
            let name = jobs.source.name.clone();
            let graph = graph::Reader::Snapshot(Arc::clone(snapshot));
            let noted = store.note_source(&name, &jobs.source.tenant_id, &names)?;
            let made = make(jobs, noted, store, graph, times.clone(), &Self::default())?;
            for kind in ObjectKind::ALL {
                let source = made.number;
                store.forget_watermark(Stream { source, kind })?;
            }
            all.insert(name, (made.number, Ok(made)));
        }
        Ok(Self { all })
    }

    /// The sources of a job. What is wrong with one of several is no error, as long as another can be read.
    pub(super) fn of(&self, job: &config::Job) -> Result<OfJob, Error> {
        let mut of = OfJob {
            numbers: Vec::new(),
            tenants: Vec::new(),
            unread: Vec::new(),
        };
        let mut first = None;
        for name in &job.sources {
            let Some((number, made)) = self.all.get(name) else {
                return Err(Error::Graph(graph::Error::NotInSnapshot {
                    what: match name.as_str() {
                        "" => format!("the source of job {}", job.rules.name),
                        name => format!("the source {name} of job {}", job.rules.name),
                    },
                }));
            };
            of.numbers.push(*number);
            match made {
                Ok(tenant) => of.tenants.push(Arc::clone(tenant)),
                Err(error) => {
                    of.unread.push(format!("source {name}: {}", error.chain()));
                    first = first.or(Some(error));
                }
            }
        }
        match first {
            Some(error) if of.tenants.is_empty() => Err(Error::Tenant(Arc::clone(error))),
            Some(_) | None => Ok(of),
        }
    }

    /// Notes which sources the job reads, and which of them cannot be read for the lack of a credential.
    pub(super) fn note(
        &self,
        job: &config::Job,
        store: &Store,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let name = &job.rules.name;
        let all = job
            .sources
            .iter()
            .filter_map(|name| self.all.get_key_value(name));
        let all: Vec<(&String, &(SourceNumber, Made))> = all.collect();
        let numbers: Vec<SourceNumber> = all.iter().map(|(_, (number, _))| *number).collect();
        if numbers.len() == job.sources.len() {
            store.note_sources_of(name, &numbers)?;
        }
        for (source, (number, made)) in all {
            // Only one of several is kept without being usable.
            let denial = made.as_ref().err();
            let denial = denial.and_then(|error| error.denial(&format!("sources.{source}")));
            if denial.is_some() {
                store.note_denial(name, *number, denial.as_ref(), now)?;
            }
        }
        Ok(())
    }

    /// The tenants of a job that can be read.
    pub(super) fn tenants_of(&self, job: &config::Job) -> Vec<Arc<Tenant>> {
        self.of(job).map(|of| of.tenants).unwrap_or_default()
    }

    /// One source, or why it cannot be read.
    pub(super) fn one(&self, name: &str) -> Option<Result<&Arc<Tenant>, &Arc<Error>>> {
        self.all.get(name).map(|(_, made)| made.as_ref())
    }

    /// Those that can be read.
    fn usable(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.all.values().filter_map(|(_, made)| made.as_ref().ok())
    }
}

/// Whether the other sources can be read nevertheless.
pub(super) fn is_of_source(error: &Error) -> bool {
    let is_other = matches!(
        error,
        Error::Store(store::Error::OtherTenant { .. } | store::Error::TenantUnknown { .. })
    );
    let is_stop = matches!(error, Error::Stopped | Error::Graph(graph::Error::Stopped));
    is_other || !(is_stop || error.concerns_state())
}

fn make(
    jobs: SourceJobs,
    noted: NotedSource,
    store: &Arc<Store>,
    graph: graph::Reader,
    times: Times,
    before: &Sources,
) -> Result<Arc<Tenant>, Error> {
    let known = before.usable().find(|one| one.number == noted.number);
    let turn = known.map(|tenant| tenant.turn()).unwrap_or_default();
    let tenant = Tenant::new(jobs, noted, Arc::clone(store), graph, times, turn);
    tenant.check_id()?;
    Ok(Arc::new(tenant))
}

/// Cycles say so, and not each look between them.
fn missed(want: &Want, why: &str) {
    if !matches!(want.kind, CycleKind::Leavers | CycleKind::Retries) {
        tracing::warn!(job = %want.job.rules.name, why, "a source could not be read");
    }
}

impl OfJob {
    /// Whether what is missing in one source says nothing of another.
    pub(super) fn are_several(&self) -> bool {
        self.numbers.len() > 1
    }

    /// Reads all of them at the same time. One that cannot be read keeps the others from nothing: nothing of it is
    /// decided.
    pub(super) async fn read(&self, want: &Want, mut due: Due) -> Result<Reading, Error> {
        let reads = self.tenants.iter().map(|tenant| {
            let part = due.part(tenant);
            tenant.read(want.clone(), part)
        });
        let reads = futures::future::join_all(reads.collect::<Vec<_>>()).await;
        drop(due);
        let mut reading = Reading {
            sources: Readings::default(),
            kind: want.kind,
        };
        let mut first = None;
        let mut are_read = false;
        for (tenant, read) in self.tenants.iter().zip(reads) {
            let OneRead {
                source,
                default_domain,
                kind,
            } = match read {
                Ok(read) => read,
                Err(error) if !self.are_several() || !is_of_source(&error) => return Err(error),
                Err(error) => {
                    let why = tenant.named(&error.chain());
                    missed(want, &why);
                    reading.sources.miss(why);
                    first = first.or(Some(error));
                    continue;
                }
            };
            are_read = true;
            if kind == CycleKind::Initial {
                reading.kind = kind;
            }
            let source = match source {
                plan::Reading::Incomplete(why) => {
                    plan::Reading::Incomplete(self.named(tenant, why))
                }
                complete @ plan::Reading::Complete(_) => complete,
            };
            reading.sources.add(tenant.number, source, default_domain);
        }
        for why in &self.unread {
            missed(want, why);
            reading.sources.miss(why.clone());
        }
        match first {
            Some(error) if !are_read => Err(error),
            Some(_) | None => Ok(reading),
        }
    }

    /// Words about a source, with its name where there are several.
    pub(super) fn named(&self, tenant: &Tenant, words: String) -> String {
        if self.are_several() {
            tenant.named(&words)
        } else {
            words
        }
    }

    /// What was requested of them since the last call.
    pub(super) fn take_requests(&self) -> Vec<graph::Exchange> {
        let tenants = self.tenants.iter();
        tenants.flat_map(|tenant| tenant.take_requests()).collect()
    }

    /// The source of an object.
    pub(super) fn tenant(&self, number: SourceNumber) -> Option<&Arc<Tenant>> {
        self.tenants.iter().find(|tenant| tenant.number == number)
    }
}

/// How the sources of the configuration are read, and which refuse that for jobs that are enabled.
pub(crate) fn readings(config: &Config, store: &Store) -> Result<Vec<SourceReading>, store::Error> {
    let mut readings = store.readings()?;
    readings.retain_mut(|reading| {
        let mut sources = config.sources.iter();
        let jobs = config.jobs.iter().filter(|job| job.enabled);
        let jobs: Vec<_> = jobs
            .filter(|job| job.sources.contains(&reading.name))
            .collect();
        let reads = |name: &JobName| jobs.iter().any(|job| job.rules.name == *name);
        reading.denied.retain(|one| reads(&one.job));
        sources.any(|source| source.name == reading.name)
    });
    Ok(readings)
}

impl Agent {
    /// Whether the only source is the tenant that was read into the state. Of several, each is looked at when it is
    /// read.
    pub(crate) async fn same_tenant(&self) -> Result<(), Error> {
        if self.config.sources.len() > 1 {
            return Ok(());
        }
        for tenant in self.sources.usable() {
            tenant.is_same().await?;
        }
        Ok(())
    }
}
