//! A cycle that is about to start.

use std::sync::Arc;
use std::time::Duration;

use super::Tenant;

/// A job whose cycle is about to start: a reading waits for it, until it joins or this is dropped.
pub(crate) struct Due {
    /// `None`: it cannot be read, and its cycle ends at once.
    tenant: Option<Arc<Tenant>>,
    /// How long the reading waits for jobs that become due at about the same time.
    pub(super) gather: Duration,
}

impl Due {
    pub(in crate::cycle) fn new(tenant: Option<Arc<Tenant>>, gather: Duration) -> Self {
        if let Some(tenant) = &tenant {
            tenant.due.send_modify(|due| *due += 1);
        }
        Self { tenant, gather }
    }
}

impl Drop for Due {
    fn drop(&mut self) {
        if let Some(tenant) = &self.tenant {
            tenant.due.send_modify(|due| *due -= 1);
        }
    }
}
