//! When an object that failed is tried again: after a minute, then after twice as long each time, at most a
//! day; a removal after ten seconds, and never later than after an hour. What the target refuses for good waits for a change of the
//! object, of its mapping or of the target, and is tried once a day.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::outcome::Class;
use super::record::Escrowed;

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
/// So many times sooner than others is a removal tried again.
const SOONER: u32 = 6;

/// What takes something away, by the name of the action: it is never given up.
pub(crate) fn is_removal(action: &str) -> bool {
    matches!(
        action,
        "disable" | "delete" | "hand-over" | "remove-members"
    )
}

/// The wait after the first failure of a removal; `first` is that of everything else.
pub(crate) fn first_of_removals(first: Duration) -> Duration {
    first / SOONER
}

impl Escrowed {
    pub(crate) fn is_removal(&self) -> bool {
        is_removal(&self.action)
    }

    /// Whether the same request would be refused again, as far as the answer says.
    pub(crate) fn is_refused_for_good(&self) -> bool {
        !self.is_removal()
            && matches!(
                self.class,
                Some(Class::Refused | Class::NoEffect | Class::Invalid)
            )
    }

    /// When it is tried again if nothing changes; `first` is the wait after the first failure. `None`: later
    /// than there is a calendar for.
    pub(crate) fn next_try(&self, first: Duration) -> Option<DateTime<Utc>> {
        let most = if self.is_removal() || self.class == Some(Class::Conflict) {
            HOUR
        } else {
            DAY
        };
        let wait = if self.is_refused_for_good() {
            DAY
        } else {
            let steps = self.attempts.saturating_sub(1).min(24);
            let first = if self.is_removal() {
                first_of_removals(first)
            } else {
                first
            };
            first.saturating_mul(1 << steps)
        };
        // Up to a tenth earlier, so that not all come at once: always the same of one object and attempt.
        let mixed = u64::from(self.subject.key.get())
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(self.attempts % 64);
        let thousandths = 900 + u32::try_from(mixed % 101).unwrap_or_default();
        let wait = wait.min(most) * thousandths / 1_000;
        let wait = TimeDelta::from_std(wait).ok()?;
        self.last_failed.checked_add_signed(wait)
    }

    /// How long until then; `None` as there. What failed at a time that is still to come was noted by a clock that
    /// was ahead, and is due.
    pub(crate) fn left(&self, first: Duration, now: DateTime<Utc>) -> Option<Duration> {
        if self.last_failed > now {
            return Some(Duration::ZERO);
        }
        let next = self.next_try(first)?;
        Some((next - now).to_std().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::model::{Key, ObjectKind, SourceId};
    use crate::engine::plan::Subject;

    fn failed(action: &str, class: Class, attempts: u32) -> Escrowed {
        let last_failed = DateTime::from_timestamp(1_000_000, 0).unwrap();
        Escrowed {
            subject: Subject {
                kind: ObjectKind::User,
                key: Key::new(7),
                id: SourceId::new("u7"),
                label: "u7".to_owned(),
            },
            action: action.to_owned(),
            first_failed: last_failed,
            last_failed,
            attempts,
            class: Some(class),
            http_status: None,
            message: String::new(),
            changed: false,
        }
    }

    fn waits(action: &str, class: Class, attempts: u32) -> i64 {
        let entry = failed(action, class, attempts);
        let next = entry.next_try(Duration::from_mins(1)).unwrap();
        (next - entry.last_failed).num_seconds()
    }

    #[test]
    fn what_a_clock_that_was_ahead_noted_is_due() {
        let first = Duration::from_mins(1);
        let entry = failed("create", Class::Transient, 12);
        let left = |seconds| entry.left(first, entry.last_failed + TimeDelta::seconds(seconds));
        assert_eq!(left(-1), Some(Duration::ZERO));
        assert!(left(0).unwrap() > Duration::from_hours(21));
        assert_eq!(left(86_400), Some(Duration::ZERO));
    }

    #[test]
    fn the_waits_double_from_a_minute_to_a_day() {
        for (attempt, seconds) in [
            (1, 60),
            (2, 120),
            (3, 240),
            (8, 7_680),
            (12, 86_400),
            (99, 86_400),
        ] {
            let waited = waits("create", Class::Transient, attempt);
            assert!(
                (seconds * 9 / 10..=seconds).contains(&waited),
                "{attempt}: {waited}"
            );
        }
    }

    #[test]
    fn removals_wait_seconds_at_first_and_an_hour_at_most_and_are_never_refused_for_good() {
        for class in [Class::Refused, Class::Transient, Class::Invalid] {
            assert!((9..=10).contains(&waits("disable", class, 1)));
            assert!((18..=20).contains(&waits("delete", class, 2)));
            assert!((3_240..=3_600).contains(&waits("remove-members", class, 30)));
        }
    }

    #[test]
    fn what_is_refused_for_good_is_tried_once_a_day() {
        for attempt in [1, 2, 50] {
            let waited = waits("update", Class::Refused, attempt);
            assert!((77_000..=86_400).contains(&waited), "{waited}");
        }
    }
}
