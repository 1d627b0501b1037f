//! An action from its beginning to its outcome.

use tokio::time::Instant;

use super::Applier;
use crate::engine::outcome::{Method, Outcome, Status};
use crate::engine::plan::Action;
use crate::scim;

/// When an action was begun, and how many requests it took.
pub(super) struct Started {
    at: chrono::DateTime<chrono::Utc>,
    clock: Instant,
    requests: u32,
    method: Option<Method>,
}

impl Started {
    pub(super) fn now(applier: &Applier<'_>) -> Self {
        Self {
            at: (applier.context.agent.now)(),
            clock: Instant::now(),
            requests: 0,
            method: None,
        }
    }

    pub(super) fn sent(mut self, exchange: Option<&scim::Exchange>) -> Self {
        if let Some(exchange) = exchange {
            self.requests += exchange.attempts;
            self.method = Method::parse(exchange.method.as_str());
        }
        self
    }

    pub(super) fn not_tried(self, action: Action, why: &'static str) -> Outcome {
        self.end(action, Status::NotTried(why))
    }

    pub(super) fn end(self, action: Action, status: Status) -> Outcome {
        Outcome {
            action,
            at: self.at,
            duration_ms: u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX),
            requests: self.requests,
            method: self.method,
            status,
        }
    }
}
