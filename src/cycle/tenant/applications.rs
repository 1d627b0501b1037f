//! The application of each job: as the state knows it, or looked up.

use super::{Tenant, Want};
use crate::config;
use crate::cycle::{Error, units};
use crate::engine::model::SourceId;
use crate::engine::summary::CycleKind;
use crate::graph;
use crate::store;

impl Tenant {
    /// The application as the state knows it, or looked up. Not looked up in every cycle: its id does
    /// not change, and new roles are seen in the assignments. `found` are those of other jobs of this reading.
    pub(super) async fn application(
        &self,
        want: &Want,
        found: &mut Vec<(config::Application, graph::ServicePrincipal)>,
    ) -> Result<store::Application, Error> {
        let known = self.store.application(&want.job.rules.name, self.number)?;
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

    pub(super) async fn find_application(&self, want: &Want) -> Result<store::Application, Error> {
        let found = self.graph.find_application(&want.job.application).await?;
        self.record_application(want, found)
    }

    pub(super) fn record_application(
        &self,
        want: &Want,
        found: graph::ServicePrincipal,
    ) -> Result<store::Application, Error> {
        let job = &want.job.rules.name;
        let mut roles = found.roles;
        if units::reads_units(&want.job.rules) {
            let known = self.store.application(job, self.number)?;
            roles = known.map(|known| known.roles).unwrap_or_default();
        }
        let application = store::Application {
            service_principal: SourceId::new(found.id),
            roles,
        };
        self.store
            .record_application(job, self.number, &application)?;
        Ok(application)
    }
}
