//! A place among the rows that are carried out at the same time.

use tokio::sync::{Semaphore, SemaphorePermit};

pub(in crate::cycle) struct Slot<'a> {
    slots: &'a Semaphore,
    held: Option<SemaphorePermit<'a>>,
}

impl<'a> Slot<'a> {
    /// Not taken yet.
    pub(in crate::cycle) fn of(slots: &'a Semaphore) -> Self {
        Self { slots, held: None }
    }

    pub(in crate::cycle) async fn take(&mut self) {
        if self.held.is_none() {
            self.held = self.slots.acquire().await.ok();
        }
    }

    /// Waiting keeps no others from being sent.
    pub(in crate::cycle) fn free(&mut self) {
        self.held = None;
    }
}
