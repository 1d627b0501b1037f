//! What brings objects into the scopes of jobs, besides the groups that they are in.

use std::collections::btree_map::Entry;

use super::{Shared, Tenant, Want};
use crate::cycle::Error;
use crate::engine::job::ScopeMode;
use crate::engine::model::{Assignment, DEFAULT_ACCESS_ROLE};
use crate::engine::plan;
use crate::store;

impl Tenant {
    /// What brings objects into a job's scope, besides the groups that they are in. `None`: nothing does.
    pub(super) async fn read_scope(
        &self,
        want: &Want,
        application: store::Application,
        shared: &mut Shared,
    ) -> Result<Option<plan::Reading>, Error> {
        let read = match &want.job.rules.scope.mode {
            ScopeMode::All | ScopeMode::Groups(_) => return Ok(None),
            ScopeMode::Assigned => self.read_assignments(want, application, shared).await?,
            ScopeMode::AdministrativeUnits(names) => {
                let units = &mut shared.units;
                self.read_units(want, application, names, units).await?
            }
        };
        Ok(Some(read))
    }

    pub(super) async fn read_assignments(
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
                        self.store
                            .add_assignments(job, self.number, &partial.seen)?;
                        let denial = Error::denial_of(&partial.error, &self.source().section());
                        return Ok(self.incomplete(Error::chain_of(&partial), denial));
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
            self.store
                .record_application(job, self.number, &application)?;
        }
        self.store
            .replace_assignments(job, self.number, assignments)?;
        Ok(plan::Reading::Complete(assignments.seen()))
    }
}
