//! Times of the week in which something may be done, such as `Mon-Fri 08:00-18:00`.

use std::fmt;
use std::str::FromStr as _;

use chrono::{DateTime, Datelike as _, NaiveTime, Timelike as _, Utc, Weekday};
use chrono_tz::Tz;

const MINUTES_OF_DAY: u32 = 24 * 60;

/// Spans of the week in the local time of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// As it is written.
    text: String,
    spans: Vec<Span>,
    zone: Tz,
}

/// On some days, from a minute of the day to another, which may be one of the next day.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Span {
    /// From Monday on.
    days: [bool; 7],
    from: u32,
    length: u32,
}

impl Window {
    /// Spans with commas between them, and a time zone behind them if it is another than `zone`. `None`: it
    /// says nothing that can be understood.
    pub(crate) fn parse(text: &str, zone: Tz) -> Option<Self> {
        let text = text.trim();
        let (spans, zone) = match text.rsplit_once(char::is_whitespace) {
            Some((spans, name)) if !name.starts_with(|c: char| c.is_ascii_digit()) => {
                (spans, Tz::from_str(name).ok()?)
            }
            Some(_) | None => (text, zone),
        };
        Some(Self {
            text: text.to_owned(),
            spans: spans.split(',').map(span).collect::<Option<_>>()?,
            zone,
        })
    }

    pub(crate) fn is_open(&self, now: DateTime<Utc>) -> bool {
        let local = now.with_timezone(&self.zone);
        let minute = local.hour() * 60 + local.minute();
        let day = local.weekday();
        self.spans.iter().any(|span| {
            let is_within = |day: Weekday, minute: u32| {
                let on_day = span.days[index(day)];
                on_day && (span.from..span.from + span.length).contains(&minute)
            };
            // One that began the day before may not have ended.
            is_within(day, minute) || is_within(day.pred(), minute + MINUTES_OF_DAY)
        })
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `Mon-Fri 08:00-18:00`, `Sat 9:00-12:00`, or without days for every day.
fn span(text: &str) -> Option<Span> {
    let mut words = text.split_whitespace();
    let (first, second) = (words.next()?, words.next());
    if words.next().is_some() {
        return None;
    }
    let (days, times) = match second {
        Some(times) => (days(first)?, times),
        None => ([true; 7], first),
    };
    let (from, to) = times.split_once('-')?;
    let (from, to) = (minute(from)?, minute(to)?);
    let length = if to > from {
        to - from
    } else {
        to + MINUTES_OF_DAY - from
    };
    (from < MINUTES_OF_DAY).then_some(Span { days, from, length })
}

/// A day, or the first and the last of several.
fn days(text: &str) -> Option<[bool; 7]> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (mut day, last) = (
        Weekday::from_str(first).ok()?,
        Weekday::from_str(last).ok()?,
    );
    let mut days = [false; 7];
    loop {
        days[index(day)] = true;
        if day == last {
            return Some(days);
        }
        day = day.succ();
    }
}

fn index(day: Weekday) -> usize {
    // At most 6.
    day.num_days_from_monday() as usize
}

/// The minute of the day; `24:00` is its end.
fn minute(text: &str) -> Option<u32> {
    if text == "24:00" {
        return Some(MINUTES_OF_DAY);
    }
    let time = NaiveTime::parse_from_str(text, "%H:%M").ok()?;
    Some(time.hour() * 60 + time.minute())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_open(window: &str, time: &str) -> bool {
        let window = Window::parse(window, Tz::UTC).unwrap();
        window.is_open(at(time))
    }

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    #[test]
    fn a_window_is_open_on_its_days_between_its_times() {
        // The first of May 2026 is a Friday.
        let office = "Mon-Fri 08:00-18:00";
        assert!(is_open(office, "2026-05-01T08:00:00Z"));
        assert!(is_open(office, "2026-05-01T17:59:59Z"));
        assert!(!is_open(office, "2026-05-01T18:00:00Z"));
        assert!(!is_open(office, "2026-05-02T12:00:00Z"));
        assert!(is_open("22:00-6:00", "2026-05-02T05:59:00Z"));
        assert!(is_open("Fri 22:00-06:00", "2026-05-02T05:59:00Z"));
        assert!(!is_open("Fri 22:00-06:00", "2026-05-01T05:59:00Z"));
        assert!(is_open(
            "Sat-Sun 00:00-24:00, Fri 12:00-13:00",
            "2026-05-01T12:30:00Z"
        ));
        assert!(is_open("fri-mon 00:00-24:00", "2026-05-04T23:59:00Z"));
        assert!(is_open(
            "Friday 10:00-12:00 Europe/Berlin",
            "2026-05-01T08:30:00Z"
        ));
        assert!(!is_open(
            "Friday 10:00-12:00 Europe/Berlin",
            "2026-05-01T10:30:00Z"
        ));
    }

    #[test]
    fn what_cannot_be_understood_is_no_window() {
        for wrong in [
            "",
            "Mon-Fri",
            "08:00",
            "Mon 8-18",
            "Mon-Fri 08:00-18:00 CEST-ish",
            "Mo 08:00-18:00",
            "25:00-26:00",
            "Mon 24:00-08:00",
            "Mon Tue 08:00-18:00",
        ] {
            assert_eq!(Window::parse(wrong, Tz::UTC), None, "{wrong}");
        }
    }
}
