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

/// What a cycle says of the target. Objects that failed before and failed again are trouble of their own, and say
/// nothing of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sign {
    /// Objects of which something failed for the first time.
    pub(crate) fresh: u64,
    /// Objects of which something failed again.
    pub(crate) again: u64,
    pub(crate) succeeded: u64,
    /// Objects that failed for the first time in the cycles before, since one was written well. `None`: an operator
    /// ended a quarantine, and what fails again counts once more.
    pub(crate) before: Option<u64>,
}

/// What to think of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    /// Nothing was written, so that nothing is known.
    Nothing,
    /// More than trouble of single objects.
    Bad,
    /// The same as the cycle before.
    BadAgain,
}

impl Sign {
    pub(crate) fn verdict(self) -> Verdict {
        let Self {
            fresh,
            again,
            succeeded,
            before,
        } = self;
        let (fresh, again, before) = match before {
            Some(before) => (fresh, again, before),
            None => (fresh + again, 0, 0),
        };
        let bad = if before > 0 {
            Verdict::BadAgain
        } else {
            Verdict::Bad
        };
        if fresh >= LEAST_FAILURES && fresh * 100 > (fresh + succeeded) * SHARE {
            return bad;
        }
        if succeeded > 0 {
            return Verdict::Good;
        }
        // No object was written well since.
        if fresh + again >= LEAST_FAILURES && fresh + before >= LEAST_FAILURES {
            return bad;
        }
        Verdict::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(fresh: u64, again: u64, succeeded: u64, before: u64) -> Verdict {
        let before = Some(before);
        let sign = Sign {
            fresh,
            again,
            succeeded,
            before,
        };
        sign.verdict()
    }

    #[test]
    fn a_cycle_is_bad_when_more_than_two_fifths_and_at_least_five_fail() {
        assert_eq!(verdict(4, 0, 0, 0), Verdict::Nothing);
        assert_eq!(verdict(5, 0, 0, 0), Verdict::Bad);
        assert_eq!(verdict(40, 0, 60, 0), Verdict::Good);
        assert_eq!(verdict(41, 0, 59, 0), Verdict::Bad);
        assert_eq!(verdict(41, 0, 59, 41), Verdict::BadAgain);
    }

    #[test]
    fn objects_that_fail_again_say_nothing_of_others() {
        // 15 of 50 were refused, and only these are tried again.
        assert_eq!(verdict(15, 0, 35, 0), Verdict::Good);
        assert_eq!(verdict(0, 15, 0, 0), Verdict::Nothing);
        assert_eq!(verdict(1, 15, 0, 0), Verdict::Nothing);
        assert_eq!(verdict(0, 15, 1, 0), Verdict::Good);
    }

    #[test]
    fn where_no_object_succeeded_since_those_that_fail_again_count() {
        // All failed, and all fail again.
        assert_eq!(verdict(50, 0, 0, 0), Verdict::Bad);
        assert_eq!(verdict(0, 50, 0, 50), Verdict::BadAgain);
        assert_eq!(verdict(0, 50, 3, 50), Verdict::Good);
        // A few in each cycle, and none succeeds.
        assert_eq!(verdict(3, 15, 0, 0), Verdict::Nothing);
        assert_eq!(verdict(2, 18, 0, 3), Verdict::BadAgain);
        // An operator ended the quarantine.
        let ended = Sign {
            fresh: 0,
            again: 50,
            succeeded: 0,
            before: None,
        };
        assert_eq!(ended.verdict(), Verdict::Bad);
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
