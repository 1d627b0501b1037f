//! Points in time as they are typed.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

use super::usage::Usage;
use crate::config::parse_duration;

/// A point in time as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    At(DateTime<Utc>),
    /// So long before now.
    Ago(Duration),
}

impl Moment {
    pub(super) fn at(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::At(time) => time,
            // Longer ago than there is a calendar for: everything is later.
            Self::Ago(ago) => TimeDelta::from_std(ago)
                .ok()
                .and_then(|ago| now.checked_sub_signed(ago))
                .map_or(DateTime::UNIX_EPOCH, |time| time.max(DateTime::UNIX_EPOCH)),
        }
    }
}

/// From when, and until when.
type Span = (Option<DateTime<Utc>>, Option<DateTime<Utc>>);

/// A time from `--since` to `--until`, which must not end before it begins.
pub(super) fn span(
    since: Option<Moment>,
    until: Option<Moment>,
    now: DateTime<Utc>,
) -> Result<Span, Usage> {
    let since = since.map(|moment| moment.at(now));
    let until = until.map(|moment| moment.at(now));
    let end = until.unwrap_or(now);
    match since {
        Some(since) if since > end => {
            let shown = |time: DateTime<Utc>| time.format("%Y-%m-%d %H:%M UTC");
            Err(Usage(format!(
                "the time from {} to {} ends before it begins: --since must be the earlier one",
                shown(since),
                shown(end)
            )))
        }
        _ => Ok((since, until)),
    }
}

pub(super) fn moment(text: &str) -> Result<Moment, &'static str> {
    if let Some(ago) = parse_duration(text) {
        return Ok(Moment::Ago(ago));
    }
    point_in_time(text)
        .map(Moment::At)
        .map_err(|_| "write it like 2026-01-31T08:00:00Z, 2026-01-31 or 2h")
}

/// ISO 8601; without an offset it is UTC, as in expressions.
pub(super) fn point_in_time(text: &str) -> Result<DateTime<Utc>, &'static str> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc());
    }
    let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
        .or_else(|_| {
            NaiveDate::parse_from_str(text, "%Y-%m-%d").map(|date| date.and_time(NaiveTime::MIN))
        })
        .map_err(|_| "write it like 2026-01-31T08:00:00Z or 2026-01-31")?;
    Ok(time.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_begins_at_a_time_or_so_long_ago() {
        let now = point_in_time("2026-01-31T08:00:00Z").unwrap();
        let since = |text: &str| moment(text).map(|moment| moment.at(now).to_rfc3339());
        assert_eq!(since("2h").unwrap(), "2026-01-31T06:00:00+00:00");
        assert_eq!(since("2026-01-30").unwrap(), "2026-01-30T00:00:00+00:00");
        assert!(since("yesterday").is_err());
        assert!(since("9999999999999d").is_ok());
    }
}
