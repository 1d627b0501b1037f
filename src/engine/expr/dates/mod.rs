//! Functions on dates. All of them work in UTC; a date without an offset is taken for UTC.

pub(super) mod format;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

use super::datum::Datum;
use super::error::ErrorKind;
use super::eval::{Call, Evaluated};
use super::number::Number;
use format::Styles;

/// Ticks of 100 ns from 1601-01-01, where Active Directory starts counting, to 1970-01-01.
const TICKS_BEFORE_UNIX: i64 = 116_444_736_000_000_000;
const TICKS_PER_SECOND: i64 = 10_000_000;

/// The form in which a date leaves an expression: `M/d/yyyy h:mm:ss tt`.
pub(super) fn canonical(date: NaiveDateTime) -> String {
    date.format("%-m/%-d/%Y %-I:%M:%S %p").to_string()
}

pub(super) fn cdate<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    Ok(Datum::Date(call.needed_date(0)?))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the functions of the table have one signature"
)]
pub(super) fn now<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    Ok(Datum::Date(call.input().now.naive_utc()))
}

pub(super) fn date_add<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let interval = interval(call)?;
    let value = call.needed_integer(1)?;
    let date = call.needed_date(2)?;
    interval
        .add(date, value)
        .filter(|date| is_in_range(*date))
        .map(Datum::Date)
        .ok_or_else(|| call.fail(ErrorKind::DateOutOfRange))
}

pub(super) fn date_diff<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let interval = interval(call)?;
    let (from, to) = (call.needed_date(1)?, call.needed_date(2)?);
    let difference = interval.difference(from, to);
    Ok(Datum::Number(Number::whole(difference)))
}

fn interval(call: &Call<'_, '_>) -> Result<Interval, super::eval::Stop> {
    let text = call.needed_text(0)?;
    Interval::parse(&text).map_err(|kind| call.fail_at(0, kind))
}

pub(super) fn date_from_num<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let Some(ticks) = call.integer(0)? else {
        return Ok(Datum::Null);
    };
    from_ticks(ticks)
        .map(Datum::Date)
        .ok_or_else(|| call.fail_at(0, ErrorKind::DateOutOfRange))
}

pub(super) fn num_from_date<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let date = call.needed_date(0)?;
    to_ticks(date)
        .map(|ticks| Datum::Number(Number::whole(ticks)))
        .ok_or_else(|| call.fail_at(0, ErrorKind::DateOutOfRange))
}

fn from_ticks(ticks: i64) -> Option<NaiveDateTime> {
    if ticks < 0 {
        return None;
    }
    let ticks = ticks.checked_sub(TICKS_BEFORE_UNIX)?;
    let nanoseconds = ticks.rem_euclid(TICKS_PER_SECOND) * 100;
    let date = DateTime::from_timestamp(
        ticks.div_euclid(TICKS_PER_SECOND),
        u32::try_from(nanoseconds).ok()?,
    )?;
    Some(date.naive_utc()).filter(|date| is_in_range(*date))
}

/// There is no number for a date before 1601.
fn to_ticks(date: NaiveDateTime) -> Option<i64> {
    let date = date.and_utc();
    let ticks = date.timestamp().checked_mul(TICKS_PER_SECOND)?;
    let ticks = ticks + i64::from(date.timestamp_subsec_nanos() / 100);
    Some(ticks + TICKS_BEFORE_UNIX).filter(|ticks| *ticks >= 0)
}

pub(super) fn format_date_time<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let Some(text) = call.text(0)? else {
        return Err(call.null(0));
    };
    let styles = call.text(1)?.unwrap_or_default();
    let styles = Styles::parse(&styles).map_err(|kind| call.fail_at(1, kind))?;
    let (input, output) = (call.date_format(2)?, call.date_format(3)?);
    let date = input
        .read(&text, styles, call.input().now.naive_utc())
        .filter(|date| is_in_range(*date))
        .ok_or_else(|| {
            let format = input.text().to_owned();
            call.fail_at(0, ErrorKind::FormatMismatch { format })
        })?;
    call.made(output.print(date))
}

/// .NET has no other years.
fn is_in_range(date: NaiveDateTime) -> bool {
    (1..=9999).contains(&date.year())
}

/// A unit of time, by the letters of Visual Basic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interval {
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
}

impl Interval {
    pub(super) fn parse(text: &str) -> Result<Self, ErrorKind> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "yyyy" => Self::Year,
            "m" => Self::Month,
            "ww" => Self::Week,
            "d" => Self::Day,
            "h" => Self::Hour,
            "n" => Self::Minute,
            "s" => Self::Second,
            _ => return Err(ErrorKind::UnknownInterval(text.to_owned())),
        })
    }

    /// Months and years end at the last day of a shorter month, as in .NET.
    fn add(self, date: NaiveDateTime, value: i64) -> Option<NaiveDateTime> {
        let delta = match self {
            Self::Year => return add_months(date, value.checked_mul(12)?),
            Self::Month => return add_months(date, value),
            Self::Week => TimeDelta::try_weeks(value)?,
            Self::Day => TimeDelta::try_days(value)?,
            Self::Hour => TimeDelta::try_hours(value)?,
            Self::Minute => TimeDelta::try_minutes(value)?,
            Self::Second => TimeDelta::try_seconds(value)?,
        };
        date.checked_add_signed(delta)
    }

    /// As Visual Basic counts: months and years by the calendar, weeks by the Sundays they start
    /// with, and everything shorter as elapsed time without its fraction.
    fn difference(self, from: NaiveDateTime, to: NaiveDateTime) -> i64 {
        let months = |date: NaiveDateTime| i64::from(date.year()) * 12 + i64::from(date.month());
        let elapsed = to - from;
        match self {
            Self::Year => i64::from(to.year()) - i64::from(from.year()),
            Self::Month => months(to) - months(from),
            Self::Week => (week_start(to) - week_start(from)).num_weeks(),
            Self::Day => elapsed.num_days(),
            Self::Hour => elapsed.num_hours(),
            Self::Minute => elapsed.num_minutes(),
            Self::Second => elapsed.num_seconds(),
        }
    }
}

fn add_months(date: NaiveDateTime, months: i64) -> Option<NaiveDateTime> {
    let count = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
    if months < 0 {
        date.checked_sub_months(count)
    } else {
        date.checked_add_months(count)
    }
}

fn week_start(date: NaiveDateTime) -> NaiveDate {
    let days = Days::new(u64::from(date.weekday().num_days_from_sunday()));
    let date = date.date();
    date.checked_sub_days(days).unwrap_or(date)
}

/// Reads the forms in which dates are met: ISO 8601, with a space in place of the `T` or an
/// offset straight after the day, and `M/d/yyyy h:mm:ss tt`.
pub(super) fn read(text: &str) -> Option<NaiveDateTime> {
    let mut cursor = Cursor::new(text.trim());
    let first = cursor.digits(1, 4)?;
    let (year, month, day) = if cursor.take('/') {
        let day = cursor.digits(1, 2)?;
        cursor.take('/').then_some(())?;
        (cursor.digits(4, 4)?, first, day)
    } else {
        cursor.take('-').then_some(())?;
        let month = cursor.digits(2, 2)?;
        cursor.take('-').then_some(())?;
        (first, month, cursor.digits(2, 2)?)
    };
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;

    let mut time = NaiveTime::MIN;
    let time_must_follow = cursor.take('T') || cursor.take('t');
    let separated = time_must_follow || cursor.spaces();
    if time_must_follow || separated && cursor.peek().is_some_and(|c| c.is_ascii_digit()) {
        time = cursor.time_of_day()?;
        cursor.spaces();
    }
    let offset = cursor.offset()?;
    cursor.is_at_end().then_some(())?;
    let date = date.and_time(time).checked_sub_signed(offset)?;
    Some(date).filter(|date| is_in_range(*date))
}

/// A place in a text that is being read.
struct Cursor<'t> {
    rest: &'t str,
}

impl<'t> Cursor<'t> {
    fn new(text: &'t str) -> Self {
        Self { rest: text }
    }

    fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn take(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes a word, whatever its case.
    fn take_word(&mut self, word: &str) -> bool {
        match self.rest.get(..word.len()) {
            Some(found) if found.eq_ignore_ascii_case(word) => {
                self.rest = &self.rest[word.len()..];
                true
            }
            _ => false,
        }
    }

    fn spaces(&mut self) -> bool {
        let rest = self.rest.trim_start();
        let any = rest.len() < self.rest.len();
        self.rest = rest;
        any
    }

    /// Takes as many digits as there are, between `least` and `most`.
    fn digit_text(&mut self, least: usize, most: usize) -> Option<&'t str> {
        let bytes = self.rest.bytes();
        let count = bytes.take(most).take_while(u8::is_ascii_digit).count();
        if count < least {
            return None;
        }
        let (digits, rest) = self.rest.split_at(count);
        self.rest = rest;
        Some(digits)
    }

    fn digits(&mut self, least: usize, most: usize) -> Option<u32> {
        self.digit_text(least, most)?.parse().ok()
    }

    /// The nanoseconds that the digits of a fraction stand for.
    fn fraction(&mut self, least: usize, most: usize) -> Option<u32> {
        let digits = self.digit_text(least, most)?;
        format!("{digits:0<9.9}").parse().ok()
    }

    fn time_of_day(&mut self) -> Option<NaiveTime> {
        let mut hour = self.digits(1, 2)?;
        self.take(':').then_some(())?;
        let minute = self.digits(2, 2)?;
        let (mut second, mut nanosecond) = (0, 0);
        if self.take(':') {
            second = self.digits(2, 2)?;
            if self.take('.') {
                nanosecond = self.fraction(1, 9)?;
            }
        }
        let before = self.rest;
        self.spaces();
        if self.take_word("AM") {
            hour = to_24_hours(hour, false)?;
        } else if self.take_word("PM") {
            hour = to_24_hours(hour, true)?;
        } else {
            self.rest = before;
        }
        NaiveTime::from_hms_nano_opt(hour, minute, second, nanosecond)
    }

    /// `Z`, `+hh:mm`, `+hhmm`, `+hh` or nothing.
    fn offset(&mut self) -> Option<TimeDelta> {
        if self.is_at_end() || self.take('Z') || self.take('z') {
            return Some(TimeDelta::zero());
        }
        self.signed_offset(2, true)
    }

    fn signed_offset(&mut self, least_hour_digits: usize, minutes: bool) -> Option<TimeDelta> {
        let negative = self.take('-');
        if !negative && !self.take('+') {
            return None;
        }
        let hour = self.digits(least_hour_digits, 2)?;
        let mut minute = 0;
        if minutes && (self.take(':') || self.peek().is_some_and(|c| c.is_ascii_digit())) {
            minute = self.digits(2, 2)?;
        }
        // .NET knows offsets up to fourteen hours.
        if minute > 59 || hour * 60 + minute > 14 * 60 {
            return None;
        }
        let offset = TimeDelta::try_minutes(i64::from(hour * 60 + minute))?;
        Some(if negative { -offset } else { offset })
    }
}

/// The hour of the day for an hour of the twelve-hour clock.
fn to_24_hours(hour: u32, afternoon: bool) -> Option<u32> {
    match (hour, afternoon) {
        // Midnight is met as 0:15 AM too.
        (12 | 0, false) => Some(0),
        (12, true) => Some(12),
        (1..=11, false) => Some(hour),
        (1..=11, true) => Some(hour + 12),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_every_form_that_exists() {
        for (text, printed) in [
            ("2020-03-16-07:00", "3/16/2020 7:00:00 AM"),
            ("2021-06-30+08:00", "6/29/2021 4:00:00 PM"),
            ("2021-06-30", "6/30/2021 12:00:00 AM"),
            ("2021-06-30Z", "6/30/2021 12:00:00 AM"),
            ("2021-06-30T23:59:59.1234567Z", "6/30/2021 11:59:59 PM"),
            ("2021-06-30T23:59:59+02:00", "6/30/2021 9:59:59 PM"),
            ("2020-12-31 23:59:59-08:00", "1/1/2021 7:59:59 AM"),
            ("2012-01-01 23:00:00", "1/1/2012 11:00:00 PM"),
            ("8/25/2021 5:41:18 PM", "8/25/2021 5:41:18 PM"),
            ("12/1/2021 12:05 am", "12/1/2021 12:05:00 AM"),
            ("9999-12-31", "12/31/9999 12:00:00 AM"),
        ] {
            assert_eq!(
                read(text).map(canonical).as_deref(),
                Some(printed),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_date_is_not_guessed() {
        for text in [
            "",
            "today",
            "2021-13-01",
            "2021-02-30",
            "2021-6-30",
            "20210630",
            "31/12/2021",
            "2021-06-30T",
            "2021-06-30T25:00:00",
            "2021-06-30 5:00 PMs",
            "2021-06-30+15:00",
            "0001-01-01+01:00",
            "9999-12-31T23:00:00-02:00",
            "٢٠٢١-٠٦-٣٠",
            "0000-01-01",
        ] {
            assert_eq!(read(text).map(canonical), None, "{text}");
        }
    }

    #[test]
    fn weeks_are_counted_by_their_sundays() {
        let weeks = |from, to| Interval::Week.difference(read(from).unwrap(), read(to).unwrap());
        // 2021-08-21 was a Saturday.
        assert_eq!(weeks("2021-08-21", "2021-08-22"), 1);
        assert_eq!(weeks("2021-08-22", "2021-08-28"), 0);
        assert_eq!(weeks("2021-08-22", "2021-08-21"), -1);
        assert_eq!(weeks("2021-08-25", "2012-03-16"), -493);
    }

    #[test]
    fn ticks_go_both_ways() {
        let date = read("2012-01-01 23:00:00").unwrap();
        assert_eq!(to_ticks(date), Some(129_699_324_000_000_000));
        assert_eq!(from_ticks(129_699_324_000_000_000), Some(date));
        assert_eq!(to_ticks(read("1601-01-01").unwrap()), Some(0));
        assert_eq!(to_ticks(read("1600-12-31").unwrap()), None);
        assert_eq!(from_ticks(-1), None);
        assert_eq!(from_ticks(i64::MAX), None);
        let last = to_ticks(read("9999-12-31T23:59:59.9999999Z").unwrap()).unwrap();
        assert_eq!(to_ticks(from_ticks(last).unwrap()), Some(last));
    }
}
