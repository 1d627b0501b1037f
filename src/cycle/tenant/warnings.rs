//! What a reading warns of: secrets that expire, and a second agent at work.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::Tenant;
use crate::engine::model::{JobName, SourceId};
use crate::graph;

/// After this Microsoft's own job is looked at again.
const LOOK_AGAIN: Duration = Duration::from_hours(1);

impl Tenant {
    /// Of a secret or a certificate, 30 days before it expires, 7 and 1, and when it has.
    pub(super) fn warn_of_expiry(&self) {
        if self.graph.tenant().is_none() {
            return;
        }
        let today = (self.now)().date_naive();
        for graph::Expiry { key, day } in graph::expiries(&self.config.source) {
            self.expiring.warn(&key, day, today);
        }
    }

    /// Two agents undo each other's changes. Looked at once an hour at most, and only where the token
    /// shows that it may be.
    pub(super) async fn warn_of_two_agents(&self, job: &JobName, application: &SourceId) {
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
}
