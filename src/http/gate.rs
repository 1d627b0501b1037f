//! Until when requests may leave: as long as no other agent may do the same work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::os;

/// Open until a time that is moved on while the right to send is confirmed. Clones are one gate.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<AtomicU64>);

impl Default for Gate {
    /// Always open: no one else may do the work.
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(u64::MAX)))
    }
}

impl Gate {
    /// Closed until it is opened.
    pub(crate) fn closed() -> Self {
        Self(Arc::new(AtomicU64::new(0)))
    }

    /// Open for `length` from `confirmed` on, a time of [`os::running`].
    pub(crate) fn open_until(&self, confirmed: Duration, length: Duration) {
        let end = u64::try_from((confirmed + length).as_millis()).unwrap_or(u64::MAX);
        self.0.store(end, Ordering::Release);
    }

    pub(crate) fn close(&self) {
        self.0.store(0, Ordering::Release);
    }

    /// By a clock that also counts while the machine is suspended (safety.md, 6).
    pub(crate) fn is_open(&self) -> bool {
        let end = self.0.load(Ordering::Acquire);
        end == u64::MAX || os::running().as_millis() < u128::from(end)
    }
}
