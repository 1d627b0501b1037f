//! The scope mode `administrative_unit`: which users and groups are in the units that a job names. In the
//! state the units stand in the place of roles, and being in one in the place of an assignment.

use std::collections::BTreeMap;

use super::tenant::{Tenant, Want};
use super::{Context, Error};
use crate::engine::job::{Job, ScopeMode};
use crate::engine::model::{AppRole, Assignment, Complete, SourceId};
use crate::engine::plan;
use crate::graph::{self, Unit};
use crate::store;

/// Whether a name of the configuration means this unit.
pub(super) fn is_meant(name: &str, id: &str, label: &str) -> bool {
    name.eq_ignore_ascii_case(id) || name.eq_ignore_ascii_case(label)
}

impl Tenant {
    /// Reads all units of the tenant, and the members of those that the job names; what another job of this
    /// reading needed is not read again. When one of them cannot be read, what the others hold is added and
    /// nothing is taken away.
    pub(super) async fn read_units(
        &self,
        want: &Want,
        application: store::Application,
        names: &[String],
        shared: &mut Units,
    ) -> Result<plan::Reading, Error> {
        let job = &want.job.rules.name;
        let incomplete = |error: &graph::Error| {
            let why = format!("administrative units: {}", Error::chain_of(error));
            self.incomplete(why, Error::denial_of(error, &self.source().section()))
        };
        let Units { all, members } = shared;
        let units = match all {
            Some(units) => units,
            None => match self.graph.fetch_units().await {
                Ok(units) => all.insert(units),
                Err(error) => return Ok(incomplete(&error)),
            },
        };
        let roles = units.iter().map(|unit| AppRole {
            id: unit.id.clone(),
            value: None,
            display_name: unit.name.clone(),
        });
        let application = store::Application {
            roles: roles.collect(),
            ..application
        };
        self.store
            .record_application(job, self.number, &application)?;
        let is_named = |unit: &&Unit| {
            let mut names = names.iter();
            names.any(|name| is_meant(name, &unit.id, &unit.name))
        };
        let wanted: Vec<&Unit> = units.iter().filter(is_named).collect();
        let mut failed = None;
        for unit in &wanted {
            if members.contains_key(&unit.id) {
                continue;
            }
            match self.graph.fetch_unit_members(unit).await {
                Ok(read) => {
                    members.insert(unit.id.clone(), read);
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        let read = wanted.iter().filter_map(|unit| members.get(&unit.id));
        let read = Complete::joined(read);
        if let Some(error) = failed {
            self.store.add_assignments(job, self.number, read.get())?;
            return Ok(incomplete(&error));
        }
        self.store.replace_assignments(job, self.number, &read)?;
        Ok(plan::Reading::Complete(read.seen()))
    }
}

/// What was read of units for the jobs of one reading.
#[derive(Default)]
pub(super) struct Units {
    all: Option<Vec<Unit>>,
    /// By unit.
    members: BTreeMap<String, Complete<Vec<Assignment>>>,
}

/// Which of these objects are in which of the job's units, read on each membership. `None`: the job does not
/// look at units. An object of which not all could be read is left out.
pub(super) async fn units_of(
    context: &Context<'_>,
    tenant: &Tenant,
    ids: &[SourceId],
) -> Result<Option<BTreeMap<SourceId, Vec<String>>>, Error> {
    let ScopeMode::AdministrativeUnits(names) = &context.job.rules.scope.mode else {
        return Ok(None);
    };
    let name = context.job.rules.name.clone();
    let source = tenant.number;
    let application = context.state(move |store| store.application(&name, source));
    let application = application.await?;
    let units = application.map(|one| one.roles).unwrap_or_default();
    let mut found: BTreeMap<SourceId, Vec<String>> =
        ids.iter().map(|id| (id.clone(), Vec::new())).collect();
    for unit in named(&units, names) {
        let graph = &tenant.graph;
        let read = super::confirm::known(graph.are_in_unit(&unit.id, ids).await)?;
        let read = read.unwrap_or_default();
        found.retain(|id, units| match read.get(id) {
            Some(true) => {
                units.push(unit.id.clone());
                true
            }
            Some(false) => true,
            None => false,
        });
    }
    Ok(Some(found))
}

fn named<'u>(units: &'u [AppRole], names: &'u [String]) -> impl Iterator<Item = &'u AppRole> {
    units.iter().filter(|unit| {
        let mut names = names.iter();
        names.any(|name| is_meant(name, &unit.id, &unit.display_name))
    })
}

/// Whether a job's scope is made of units.
pub(super) fn reads_units(job: &Job) -> bool {
    matches!(job.scope.mode, ScopeMode::AdministrativeUnits(_))
}
