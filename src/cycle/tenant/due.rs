//! A cycle that is about to start.

use std::sync::Arc;
use std::time::Duration;

use super::Tenant;

/// A job whose cycle is about to start: a reading waits for it, until it joins or this is dropped.
pub(crate) struct Due {
    /// Those that it reads, as far as they can be read.
    tenants: Vec<Arc<Tenant>>,
    /// How long the reading waits for jobs that become due at about the same time.
    pub(super) gather: Duration,
}

impl Due {
    pub(in crate::cycle) fn new(tenants: Vec<Arc<Tenant>>, gather: Duration) -> Self {
        for tenant in &tenants {
            tenant.due.send_modify(|due| *due += 1);
        }
        Self { tenants, gather }
    }

    /// The part of one tenant.
    pub(in crate::cycle) fn part(&mut self, tenant: &Tenant) -> Self {
        let is_it = |one: &mut Arc<Tenant>| one.number == tenant.number;
        Self {
            tenants: self.tenants.extract_if(.., is_it).collect(),
            gather: self.gather,
        }
    }
}

impl Drop for Due {
    fn drop(&mut self) {
        for tenant in &self.tenants {
            tenant.due.send_modify(|due| *due -= 1);
        }
    }
}
