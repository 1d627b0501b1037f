//! The one place that asks what time it is.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::sleep;

/// The longest sleep before the clock is asked again: it may have been set, or the machine suspended.
pub(super) const LONGEST_SLEEP: Duration = Duration::from_secs(20);

#[expect(
    clippy::disallowed_methods,
    reason = "the scheduler owns the clock; everybody else is given the time"
)]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// Sleeps until the clock shows `time`, however it is set meanwhile; for ever without one.
pub(super) async fn wait_until(time: Option<DateTime<Utc>>) {
    let Some(time) = time else {
        return std::future::pending().await;
    };
    while let Ok(left) = (time - now()).to_std()
        && !left.is_zero()
    {
        sleep(left.min(LONGEST_SLEEP)).await;
    }
}
