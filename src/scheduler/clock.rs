//! The one place that asks what time it is.

use chrono::{DateTime, Utc};

#[expect(
    clippy::disallowed_methods,
    reason = "the scheduler owns the clock; everybody else is given the time"
)]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}
