//! Numbers, counts and lengths of time, as people read them.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::engine::plan::Count;

/// `12,345`.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 user`, `2 users`.
pub(crate) fn things(count: u64, one: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {one}{plural}", number(count))
}

/// `187 users and 20 groups`; a kind of which there is none is left out.
pub(crate) fn count(count: Count) -> String {
    let Count { users, groups } = count;
    match (users, groups) {
        (users, 0) => things(users, "user"),
        (0, groups) => things(groups, "group"),
        (users, groups) => format!("{} and {}", things(users, "user"), things(groups, "group")),
    }
}

/// `850 ms`, `12.3 s`, `4 min 5 s`, `2 h 3 min`.
pub(crate) fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1_000;
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..60 => format!("{seconds}.{} s", milliseconds % 1_000 / 100),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// A length as people write it: `30 days`, `12 hours`.
pub(crate) fn length(length: Duration) -> String {
    let seconds = length.as_secs();
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute")];
    let unit = units
        .into_iter()
        .find(|(size, _)| seconds > 0 && seconds.is_multiple_of(*size));
    match unit {
        Some((size, word)) => things(seconds / size, word),
        None if seconds > 3_600 => duration(seconds * 1_000),
        None => things(seconds, "second"),
    }
}

/// `3 min ago`.
pub(crate) fn ago(then: DateTime<Utc>, now: DateTime<Utc>) -> String {
    match u64::try_from((now - then).num_milliseconds()) {
        Ok(0..1_000) | Err(_) => "now".to_owned(),
        Ok(past) => format!("{} ago", coarse(past)),
    }
}

/// `in 3 min`.
pub(crate) fn ahead(then: DateTime<Utc>, now: DateTime<Utc>) -> String {
    match u64::try_from((then - now).num_milliseconds()) {
        Ok(0..1_000) | Err(_) => "due".to_owned(),
        Ok(left) => format!("in {}", coarse(left)),
    }
}

/// A length of time in its largest unit.
pub(crate) fn coarse(milliseconds: u64) -> String {
    let seconds = milliseconds / 1_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
