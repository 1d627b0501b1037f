//! Quarantine: a job of which most operations fail, whose credential the target refuses, or whose target
//! does not answer as SCIM requires, is slowed down.
//! Removals go on in every cycle; creates and updates are tried once a day, and after four weeks only when an
//! operator says so.

use chrono::{DateTime, TimeDelta, Utc};

/// Fewer failures than this are trouble of single objects.
const LEAST_FAILURES: u64 = 5;
/// More than so many of a hundred operations failed.
const SHARE: u64 = 40;
/// Creates and updates are tried so often.
const RHYTHM: TimeDelta = TimeDelta::days(1);
/// After this they are tried no more.
const PATIENCE: TimeDelta = TimeDelta::weeks(4);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Quarantine {
    pub(crate) since: DateTime<Utc>,
    pub(crate) cause: Cause,
    /// In words, the target's own ones among them.
    pub(crate) reason: String,
    /// When creates and updates were tried last.
    pub(crate) tried: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Most operations of two cycles running failed.
    Failures,
    /// The target refuses the credential, also for a look-up.
    Refused,
    /// What the target answers to a look-up is not SCIM.
    Incompatible,
}

impl Cause {
    pub(crate) const ALL: [Self; 3] = [Self::Failures, Self::Refused, Self::Incompatible];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Failures => "failures",
            Self::Refused => "refused",
            Self::Incompatible => "incompatible",
        }
    }
}

/// What a cycle of a job in quarantine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Everything.
    Full,
    /// Only what takes something away.
    Removals,
}

impl Quarantine {
    /// Whether what takes something away is tried as often as ever. Where the credential is refused, or the target
    /// is none, each try would be refused, too.
    pub(crate) fn tries_removals(&self) -> bool {
        match self.cause {
            Cause::Failures => true,
            Cause::Refused | Cause::Incompatible => false,
        }
    }

    pub(crate) fn pace(&self, now: DateTime<Utc>) -> Pace {
        match self.next_try() {
            // A clock that was ahead noted the last attempt.
            Some(_) if self.tried > now => Pace::Full,
            Some(next) if next <= now => Pace::Full,
            Some(_) | None => Pace::Removals,
        }
    }

    /// When creates and updates are tried again; `None`: not before an operator says so.
    pub(crate) fn next_try(&self) -> Option<DateTime<Utc>> {
        let next = self.tried + RHYTHM;
        (next < self.since + PATIENCE).then_some(next)
    }
}

/// Whether so many failures among so many operations are more than trouble of single objects.
pub(crate) fn is_failing(failed: u64, succeeded: u64) -> bool {
    failed >= LEAST_FAILURES && failed * 100 > (failed + succeeded) * SHARE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_fails_when_more_than_two_fifths_and_at_least_five_do() {
        assert!(!is_failing(4, 0));
        assert!(is_failing(5, 0));
        assert!(!is_failing(40, 60));
        assert!(is_failing(41, 59));
    }

    #[test]
    fn creates_are_tried_once_a_day_for_four_weeks() {
        let at = |days: i64| DateTime::from_timestamp(days * 86_400, 0).unwrap();
        let tried_on = |day| Quarantine {
            since: at(0),
            cause: Cause::Failures,
            reason: String::new(),
            tried: at(day),
        };
        assert_eq!(tried_on(0).pace(at(0)), Pace::Removals);
        assert_eq!(tried_on(0).pace(at(1)), Pace::Full);
        assert_eq!(tried_on(26).next_try(), Some(at(27)));
        assert_eq!(tried_on(27).next_try(), None);
        assert_eq!(tried_on(27).pace(at(100)), Pace::Removals);
        // A clock was ahead when it was tried.
        assert_eq!(tried_on(20).pace(at(10)), Pace::Full);
    }
}
