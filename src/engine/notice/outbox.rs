//! Messages on their way, and when the next attempt to deliver one is made.

use chrono::{DateTime, TimeDelta, Utc};

/// After the first failure; each further wait is three times as long.
const FIRST_WAIT: TimeDelta = TimeDelta::seconds(5);
pub(crate) const LONGEST_WAIT: TimeDelta = TimeDelta::hours(1);

/// A message to one channel, as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// The same at every attempt, by which the other side recognises a repetition.
    pub(crate) key: String,
    /// An e-mail address after `mail:`, or the name of a webhook after `webhook:`.
    pub(crate) channel: String,
    pub(crate) at: DateTime<Utc>,
    /// Of an e-mail; empty for a webhook.
    pub(crate) subject: String,
    /// Text, or JSON for a webhook.
    pub(crate) body: String,
    /// Of an e-mail.
    pub(crate) html: String,
}

/// A message that is not delivered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Queued {
    pub(crate) id: i64,
    pub(crate) message: Message,
    /// That failed.
    pub(crate) attempts: u32,
}

/// What waits for one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) channel: String,
    pub(crate) messages: u64,
    /// When the oldest of them was made.
    pub(crate) since: DateTime<Utc>,
    /// Why the last attempt failed, in the other side's words; `None` before the first.
    pub(crate) error: Option<String>,
    pub(crate) next: DateTime<Utc>,
}

/// When a message is tried again after so many failures.
pub(crate) fn next_attempt(failures: u32, now: DateTime<Utc>) -> DateTime<Utc> {
    let factor = 3_i32.saturating_pow(failures.saturating_sub(1).min(8));
    now + (FIRST_WAIT * factor).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_an_hour() {
        let now = DateTime::UNIX_EPOCH;
        let waits = (1..9).map(|failures| (next_attempt(failures, now) - now).num_seconds());
        let waits: Vec<_> = waits.collect();
        assert_eq!(waits, [5, 15, 45, 135, 405, 1_215, 3_600, 3_600]);
        assert_eq!(next_attempt(u32::MAX, now) - now, LONGEST_WAIT);
    }
}
