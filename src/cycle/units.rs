//! The scope mode `administrative_unit`: which users and groups are in the units that a job names. In the
//! state the units stand in the place of roles, and being in one in the place of an assignment.

use std::collections::BTreeMap;

use super::tenant::{Tenant, Want};
use super::{Context, Error};
use crate::engine::expr::AppRole;
use crate::engine::job::{Job, ScopeMode};
use crate::engine::model::SourceId;
use crate::engine::plan;
use crate::graph::Unit;
use crate::store;

/// Whether a name of the configuration means this unit.
pub(super) fn is_meant(name: &str, id: &str, label: &str) -> bool {
    name.eq_ignore_ascii_case(id) || name.eq_ignore_ascii_case(label)
}

impl Tenant {
    /// Reads all units of the tenant, and the members of those that the job names. When one of them cannot
    /// be read, what the others hold is added and nothing is taken away.
    pub(super) async fn read_units(
        &self,
        want: &Want,
        application: store::Application,
        names: &[String],
    ) -> Result<plan::Reading, Error> {
        let job = &want.job.rules.name;
        let incomplete = |error: &dyn std::error::Error| {
            let why = format!("administrative units: {}", Error::chain_of(error));
            plan::Reading::Incomplete(why)
        };
        let units = match self.graph.fetch_units().await {
            Ok(units) => units,
            Err(error) => return Ok(incomplete(&error)),
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
        self.store.record_application(job, &application)?;
        let is_named = |unit: &Unit| {
            names
                .iter()
                .any(|name| is_meant(name, &unit.id, &unit.name))
        };
        let units: Vec<Unit> = units.into_iter().filter(is_named).collect();
        match self.graph.fetch_unit_members(&units).await {
            Ok(members) => {
                self.store.replace_assignments(job, &members)?;
                Ok(plan::Reading::Complete(members.seen()))
            }
            Err(partial) => {
                self.store.add_assignments(job, &partial.seen)?;
                Ok(incomplete(&partial.error))
            }
        }
    }
}

/// Which of these objects are in which of the job's units, read on each membership. `None`: the job does not
/// look at units. An object of which not all could be read is left out.
pub(super) async fn units_of(
    context: &Context<'_>,
    ids: &[SourceId],
) -> Result<Option<BTreeMap<SourceId, Vec<String>>>, Error> {
    let ScopeMode::AdministrativeUnits(names) = &context.job.rules.scope.mode else {
        return Ok(None);
    };
    let name = context.job.rules.name.clone();
    let application = context.state(move |store| store.application(&name)).await?;
    let units = application.map(|one| one.roles).unwrap_or_default();
    let mut found: BTreeMap<SourceId, Vec<String>> =
        ids.iter().map(|id| (id.clone(), Vec::new())).collect();
    for unit in named(&units, names) {
        let graph = &context.agent.tenant.graph;
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
