//! When the next cycle of a job starts: a pure rule over the schedule, the last start and the time.
//! Missed starts are not piled up: however many were missed, one cycle starts at once.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use cron::TimeUnitSpec;

use crate::config::Schedule;

/// How far back the cron expression is walked through, so that an hour that a clock shows twice is
/// seen from its first showing. No zone turns its clock back by more.
const LONGEST_REPEAT: TimeDelta = TimeDelta::hours(3);

/// How many local times after the last start are looked at; more than a repeated or skipped hour holds.
const MOST_CANDIDATES: usize = 40_000;

/// How many minutes a clock may skip: a zone that crosses the date line skips a day.
const LONGEST_GAP_MINUTES: i64 = 26 * 60;

/// The next start; never before `now`. A job that never ran starts at once when it has an interval, and
/// at its appointed time when it has a cron expression. `random` picks the delay inside the jitter.
/// `None` when the cron expression names no future time.
pub(crate) fn next_start(
    schedule: &Schedule,
    last_start: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
    random: u64,
) -> Option<DateTime<Utc>> {
    // A clock that was set back must not hold a job back until the old time comes again.
    let last_start = last_start.map(|last| last.min(now));
    match schedule {
        Schedule::Interval { every, jitter } => {
            let due = match last_start {
                None => now,
                Some(last) => later(last, *every + delay(*jitter, random)),
            };
            Some(due.max(now))
        }
        Schedule::Cron {
            expression,
            timezone,
            jitter,
        } => {
            let appointed = next_appointed(expression, *timezone, last_start.unwrap_or(now))?;
            if appointed <= now && last_start.is_some() {
                return Some(now);
            }
            Some(later(appointed, delay(*jitter, random)).max(now))
        }
    }
}

/// The time from one start to the next.
pub(crate) fn rhythm(schedule: &Schedule, now: DateTime<Utc>) -> Option<Duration> {
    match schedule {
        Schedule::Interval { every, jitter } => Some(*every + *jitter),
        Schedule::Cron { .. } => {
            let first = next_start(schedule, None, now, 0)?;
            let second = next_start(schedule, None, first + TimeDelta::seconds(1), 0)?;
            (second - first).to_std().ok()
        }
    }
}

/// `random` mapped into zero to the jitter, both included.
fn delay(jitter: Duration, random: u64) -> Duration {
    let milliseconds = u64::try_from(jitter.as_millis()).unwrap_or(u64::MAX - 1);
    Duration::from_millis(random % milliseconds.saturating_add(1))
}

fn later(time: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(by)
        .ok()
        .and_then(|by| time.checked_add_signed(by))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The first appointed time after `after`. The expression is walked in local time and each local time
/// is then placed on the real clock, because there are local times that come twice or never:
///
/// | local time | an expression for certain hours | one for every hour |
/// |---|---|---|
/// | once | then | then |
/// | twice (clock turned back) | the first time | both times |
/// | never (clock turned forward) | when the gap ends | not at all |
fn next_appointed(
    expression: &cron::Schedule,
    timezone: Tz,
    after: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let every_hour = expression.hours().is_all();
    let local = after.with_timezone(&timezone).naive_local();
    let from = local.checked_sub_signed(LONGEST_REPEAT)?;
    let mut found: Option<DateTime<Utc>> = None;
    for candidate in expression.after(&from.and_utc()).take(MOST_CANDIDATES) {
        let candidate = candidate.naive_utc();
        let places = timezone.from_local_datetime(&candidate);
        let places = match (places.earliest(), places.latest()) {
            (Some(first), Some(second)) if every_hour => [Some(first), Some(second)],
            (Some(first), _) => [Some(first), None],
            (None, _) if every_hour => [None, None],
            (None, _) => [end_of_gap(timezone, candidate), None],
        };
        for place in places.into_iter().flatten() {
            let place = place.with_timezone(&Utc);
            if place > after && found.is_none_or(|best| place < best) {
                found = Some(place);
            }
        }
        // Local times further on cannot come before this one, not even by a clock turned back.
        if found.is_some() && candidate > local + LONGEST_REPEAT {
            break;
        }
    }
    found
}

fn end_of_gap(timezone: Tz, inside: NaiveDateTime) -> Option<DateTime<Tz>> {
    use chrono::Timelike;
    let minute = inside.with_second(0)?.with_nanosecond(0)?;
    (1..=LONGEST_GAP_MINUTES).find_map(|minutes| {
        let local = minute.checked_add_signed(TimeDelta::minutes(minutes))?;
        timezone.from_local_datetime(&local).earliest()
    })
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text)
            .unwrap()
            .with_timezone(&Utc)
    }

    fn interval(minutes: u32, jitter_minutes: u32) -> Schedule {
        Schedule::Interval {
            every: MINUTE * minutes,
            jitter: MINUTE * jitter_minutes,
        }
    }

    fn cron(expression: &str, timezone: &str) -> Schedule {
        Schedule::Cron {
            expression: Box::new(cron::Schedule::from_str(expression).unwrap()),
            timezone: timezone.parse().unwrap(),
            jitter: Duration::ZERO,
        }
    }

    /// The next starts in local time, when every cycle starts on time.
    fn starts(schedule: &Schedule, first_after: &str, count: usize) -> Vec<String> {
        let Schedule::Cron { timezone, .. } = schedule else {
            panic!("a cron schedule");
        };
        let mut last = at(first_after);
        (0..count)
            .map(|_| {
                last = next_start(schedule, Some(last), last, 0).unwrap();
                last.with_timezone(timezone)
                    .format("%d %H:%M %Z")
                    .to_string()
            })
            .collect()
    }

    #[test]
    fn an_interval_runs_from_start_to_start() {
        let next = next_start(
            &interval(40, 0),
            Some(at("2026-05-01T10:00:00Z")),
            at("2026-05-01T10:12:00Z"),
            7,
        );
        assert_eq!(next, Some(at("2026-05-01T10:40:00Z")));
    }

    #[test]
    fn a_job_that_never_ran_starts_at_once() {
        let now = at("2026-05-01T10:00:00Z");
        assert_eq!(next_start(&interval(40, 5), None, now, 99), Some(now));
    }

    #[test]
    fn missed_starts_are_made_up_for_once_and_at_once() {
        let now = at("2026-05-03T10:12:00Z");
        let last = Some(at("2026-05-01T10:00:00Z"));
        assert_eq!(next_start(&interval(40, 0), last, now, 0), Some(now));
        let next = next_start(&interval(40, 0), Some(now), now, 0);
        assert_eq!(next, Some(at("2026-05-03T10:52:00Z")));
    }

    #[test]
    fn a_cycle_longer_than_the_interval_is_followed_at_once() {
        let now = at("2026-05-01T11:30:00Z");
        let last = Some(at("2026-05-01T10:00:00Z"));
        assert_eq!(next_start(&interval(40, 0), last, now, 0), Some(now));
    }

    #[test]
    fn a_clock_that_was_set_back_holds_nothing_up() {
        let now = at("2026-05-01T10:00:00Z");
        let last = Some(at("2027-05-01T10:00:00Z"));
        let next = next_start(&interval(40, 0), last, now, 0);
        assert_eq!(next, Some(at("2026-05-01T10:40:00Z")));
    }

    #[test]
    fn jitter_delays_by_at_most_itself() {
        let last = at("2026-05-01T10:00:00Z");
        for random in [0, 1, 59_999, 60_000, 120_000, 120_001, u64::MAX] {
            let next = next_start(&interval(40, 2), Some(last), last, random).unwrap();
            let extra = next - at("2026-05-01T10:40:00Z");
            assert!(
                (TimeDelta::zero()..=TimeDelta::minutes(2)).contains(&extra),
                "{random}: {extra}"
            );
        }
        let next = next_start(&interval(40, 2), Some(last), last, 60_000).unwrap();
        assert_eq!(next, at("2026-05-01T10:41:00Z"));
    }

    #[test]
    fn an_endless_interval_is_not_a_panic() {
        let endless = Schedule::Interval {
            every: Duration::from_secs(u64::MAX / 2),
            jitter: Duration::from_secs(u64::MAX / 2),
        };
        let now = at("2026-05-01T10:00:00Z");
        let next = next_start(&endless, Some(now), now, u64::MAX);
        assert_eq!(next, Some(DateTime::<Utc>::MAX_UTC));
    }

    #[test]
    fn cron_waits_for_its_time_at_first() {
        let nightly = cron("0 30 2 * * *", "UTC");
        let next = next_start(&nightly, None, at("2026-05-01T10:00:00Z"), 0);
        assert_eq!(next, Some(at("2026-05-02T02:30:00Z")));
    }

    #[test]
    fn cron_that_was_missed_starts_at_once() {
        let nightly = cron("0 30 2 * * *", "UTC");
        let now = at("2026-05-04T08:00:00Z");
        let next = next_start(&nightly, Some(at("2026-05-01T02:30:00Z")), now, 0);
        assert_eq!(next, Some(now));
        let next = next_start(&nightly, Some(now), now, 0);
        assert_eq!(next, Some(at("2026-05-05T02:30:00Z")));
    }

    #[test]
    fn cron_is_read_in_its_time_zone() {
        let mornings = cron("0 0 6 * * Mon-Fri", "Europe/Berlin");
        let next = next_start(&mornings, None, at("2026-07-03T10:00:00Z"), 0);
        assert_eq!(next, Some(at("2026-07-06T04:00:00Z")));
        let next = next_start(&mornings, None, at("2026-01-05T10:00:00Z"), 0);
        assert_eq!(next, Some(at("2026-01-06T05:00:00Z")));
    }

    #[test]
    fn a_nightly_time_that_comes_twice_is_used_once() {
        let nightly = cron("0 30 2 * * *", "Europe/Berlin");
        assert_eq!(
            starts(&nightly, "2026-10-24T12:00:00Z", 2),
            ["25 02:30 CEST", "26 02:30 CET"]
        );
    }

    #[test]
    fn a_nightly_time_that_never_comes_is_when_the_gap_ends() {
        let nightly = cron("0 30 2 * * *", "Europe/Berlin");
        assert_eq!(
            starts(&nightly, "2026-03-28T12:00:00Z", 2),
            ["29 03:00 CEST", "30 02:30 CEST"]
        );
    }

    #[test]
    fn every_half_hour_stays_every_half_hour_when_the_clock_is_turned_back() {
        let often = cron("0 0,30 * * * *", "Europe/Berlin");
        assert_eq!(
            starts(&often, "2026-10-24T23:45:00Z", 6),
            [
                "25 02:00 CEST",
                "25 02:30 CEST",
                "25 02:00 CET",
                "25 02:30 CET",
                "25 03:00 CET",
                "25 03:30 CET"
            ]
        );
    }

    #[test]
    fn every_half_hour_stays_every_half_hour_when_the_clock_is_turned_forward() {
        let often = cron("0 0,30 * * * *", "America/New_York");
        assert_eq!(
            starts(&often, "2026-03-08T06:15:00Z", 3),
            ["08 01:30 EST", "08 03:00 EDT", "08 03:30 EDT"]
        );
    }

    #[test]
    fn every_second_is_found_within_the_hour_that_comes_twice() {
        let always = cron("* * * * * *", "Europe/Berlin");
        let last = at("2026-10-25T00:59:59Z");
        let next = next_start(&always, Some(last), last, 0);
        assert_eq!(next, Some(at("2026-10-25T01:00:00Z")));
    }

    #[test]
    fn a_day_that_a_zone_skips_is_no_trouble() {
        let nightly = cron("0 0 12 * * *", "Pacific/Apia");
        let last = at("2011-12-29T22:00:00Z");
        let next = next_start(&nightly, Some(last), last, 0).unwrap();
        assert_eq!(next, at("2011-12-30T10:00:00Z"));
    }

    #[test]
    fn cron_without_a_future_has_no_next_start() {
        let past = cron("0 0 0 1 1 * 2020", "UTC");
        assert_eq!(next_start(&past, None, at("2026-05-01T10:00:00Z"), 0), None);
    }

    #[test]
    fn jitter_comes_on_top_of_cron() {
        let schedule = Schedule::Cron {
            expression: Box::new(cron::Schedule::from_str("0 0 * * * *").unwrap()),
            timezone: Tz::UTC,
            jitter: MINUTE * 2,
        };
        let last = at("2026-05-01T10:00:30Z");
        let next = next_start(&schedule, Some(last), last, 90_000).unwrap();
        assert_eq!(next, at("2026-05-01T11:01:30Z"));
    }

    proptest::proptest! {
        #[test]
        fn the_next_start_is_never_past_and_never_too_late(
            last in 0_i64..4_000_000_000, passed in 0_i64..10_000_000, random: u64
        ) {
            let last = DateTime::from_timestamp(last, 0).unwrap();
            let now = last + TimeDelta::seconds(passed);
            for schedule in [interval(40, 2), cron("0 0,30 * * * *", "Europe/Berlin")] {
                let next = next_start(&schedule, Some(last), now, random).unwrap();
                proptest::prop_assert!(next >= now);
                proptest::prop_assert!(next <= now + TimeDelta::minutes(42));
            }
        }
    }
}
