//! The tenants that are read, each by itself: what is wrong with one keeps no job of another from its cycle.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::tenant::Tenant;
use super::{Agent, Error, connect};
use crate::config::{self, Config, SourceJobs};
use crate::engine::model::ObjectKind;
use crate::graph;
use crate::store::{self, Store, Stream};

/// What all sources have in common.
pub(super) type Times = (CancellationToken, fn() -> DateTime<Utc>);

/// By name; or why one cannot be read, for those that are not the only one.
#[derive(Clone, Default)]
pub(super) struct Sources {
    all: BTreeMap<String, Result<Arc<Tenant>, Arc<Error>>>,
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
        for jobs in config.by_source() {
            let name = jobs.source.name.clone();
            let made = connect(&jobs.source, stop.clone(), now).and_then(|graph| {
                let graph = graph::Reader::Tenant(Box::new(graph));
                make(config, jobs, store, graph, (stop.clone(), now), before)
            });
            let made = match made {
                Ok(made) => Ok(made),
                Err(error) if config.sources.len() == 1 || !is_of_source(&error) => {
                    return Err(error);
                }
                Err(error) => Err(Arc::new(error)),
            };
            all.insert(name, made);
        }
        Ok(Self { all })
    }

    /// The one source that the snapshot is of.
    pub(super) fn of_snapshot(
        config: &Config,
        store: &Arc<Store>,
        snapshot: Arc<graph::Snapshot>,
        times: Times,
    ) -> Result<Self, Error> {
        let tenant = &snapshot.about.tenant;
        let mut sources = config.by_source();
        sources.retain(|one| one.source.tenant_id.eq_ignore_ascii_case(tenant));
        let mut all = BTreeMap::new();
        if let Some(jobs) = sources.pop() {
            let name = jobs.source.name.clone();
            let graph = graph::Reader::Snapshot(snapshot);
            let made = make(config, jobs, store, graph, times, &Self::default())?;
            for kind in ObjectKind::ALL {
                let source = made.number;
                store.forget_watermark(Stream { source, kind })?;
            }
            all.insert(name, Ok(made));
        }
        Ok(Self { all })
    }

    /// The source of a job.
    pub(super) fn of(&self, job: &config::Job) -> Result<&Arc<Tenant>, Error> {
        match self.all.get(&job.source) {
            Some(Ok(tenant)) => Ok(tenant),
            Some(Err(error)) => Err(Error::Tenant(Arc::clone(error))),
            None => Err(Error::Graph(graph::Error::NotInSnapshot {
                what: format!("the source of job {}", job.rules.name),
            })),
        }
    }

    /// Those that can be read.
    fn usable(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.all.values().filter_map(|one| one.as_ref().ok())
    }
}

/// Whether the other sources can be read nevertheless.
fn is_of_source(error: &Error) -> bool {
    matches!(error, Error::Store(store::Error::OtherTenant { .. })) || !error.concerns_state()
}

fn make(
    config: &Config,
    jobs: SourceJobs,
    store: &Arc<Store>,
    graph: graph::Reader,
    times: Times,
    before: &Sources,
) -> Result<Arc<Tenant>, Error> {
    let names: Vec<&str> = config.sources.iter().map(|one| one.name.as_str()).collect();
    let noted = store.note_source(&jobs.source.name, &jobs.source.tenant_id, &names)?;
    let known = before.usable().find(|one| one.number == noted.number);
    let turn = known.map(|tenant| tenant.turn()).unwrap_or_default();
    let tenant = Tenant::new(jobs, noted, Arc::clone(store), graph, times, turn);
    tenant.check_id()?;
    Ok(Arc::new(tenant))
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
