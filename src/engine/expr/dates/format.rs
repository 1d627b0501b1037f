//! Custom date formats of .NET: compiled once, then used to read and to print.
//!
//! .NET takes letters without a meaning literally, which turns `DD.MM.YYYY` into nonsense without
//! a word. Here such a letter is an error unless it is quoted; only `T` and `Z` are common enough.

use std::fmt::Write as _;

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};

use super::{Cursor, to_24_hours};
use crate::engine::expr::error::ErrorKind;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
/// Two-digit years up to this one are in the 2000s, as in .NET.
const LAST_TWO_DIGIT_YEAR: u32 = 49;
/// Longer formats have no use; the limit keeps what they print small.
const MAX_LENGTH: usize = 200;

#[derive(Clone, Debug)]
pub(in crate::engine::expr) struct DateFormat {
    text: String,
    items: Vec<Item>,
}

/// A part of a format; the number is how often its letter stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Literal(char),
    Year(usize),
    Month(usize),
    Day(usize),
    Hour12(usize),
    Hour24(usize),
    Minute(usize),
    Second(usize),
    /// `f`: exactly so many digits. `F`: no zeros at the end.
    Fraction {
        digits: usize,
        trimmed: bool,
    },
    /// `tt`, or only its first letter.
    HalfOfDay(usize),
    Offset(usize),
    /// `K`: nothing for a time without zone, `Z` for UTC, else an offset.
    Zone,
    /// `Z`, which .NET reads as UTC.
    Utc,
    Era,
}

/// How lenient reading is. Where time zones are concerned only UTC exists here.
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are .NET's independent flags"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine::expr) struct Styles {
    leading_white: bool,
    trailing_white: bool,
    inner_white: bool,
    no_current_date: bool,
}

impl Styles {
    /// Reads names such as `AllowInnerWhite, AssumeUniversal`. Without any, white space around the
    /// date is allowed, as Entra documents.
    pub(in crate::engine::expr) fn parse(text: &str) -> Result<Self, ErrorKind> {
        let given = !text.trim().is_empty();
        let mut styles = Self {
            leading_white: !given,
            trailing_white: !given,
            inner_white: false,
            no_current_date: false,
        };
        for name in text.split([',', '|']).map(str::trim) {
            // .NET's names, which its parsers take in any case.
            let lower = name.to_ascii_lowercase();
            match lower.strip_prefix("datetimestyles.").unwrap_or(&lower) {
                "allowleadingwhite" => styles.leading_white = true,
                "allowtrailingwhite" => styles.trailing_white = true,
                "allowinnerwhite" => styles.inner_white = true,
                "allowwhitespaces" => {
                    styles.leading_white = true;
                    styles.trailing_white = true;
                    styles.inner_white = true;
                }
                "nocurrentdatedefault" => styles.no_current_date = true,
                "none" | "roundtripkind" | "adjusttouniversal" | "assumeuniversal"
                | "assumelocal" => {}
                "" if !given => {}
                _ => return Err(ErrorKind::UnknownDateStyle(name.to_owned())),
            }
        }
        Ok(styles)
    }
}

impl DateFormat {
    pub(in crate::engine::expr) fn compile(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("it is empty".to_owned());
        }
        if text.chars().count() > MAX_LENGTH {
            return Err(format!("it has more than {MAX_LENGTH} characters"));
        }
        let items = items(standard(text)?)?;
        let text = text.to_owned();
        Ok(Self { text, items })
    }

    pub(in crate::engine::expr) fn text(&self) -> &str {
        &self.text
    }

    pub(in crate::engine::expr) fn print(&self, date: NaiveDateTime) -> String {
        let mut out = String::new();
        for item in &self.items {
            // Writing to a string cannot fail.
            let _ = print_item(&mut out, *item, date);
        }
        out
    }

    /// `now` gives what the format leaves out: the year, or the whole date.
    pub(in crate::engine::expr) fn read(
        &self,
        text: &str,
        styles: Styles,
        now: NaiveDateTime,
    ) -> Option<NaiveDateTime> {
        let mut cursor = Cursor::new(text);
        let mut found = Found::default();
        if styles.leading_white {
            cursor.spaces();
        }
        for item in &self.items {
            if styles.inner_white {
                cursor.spaces();
                if matches!(item, Item::Literal(c) if c.is_whitespace()) {
                    continue;
                }
            }
            found.read_item(&mut cursor, *item)?;
        }
        if styles.trailing_white {
            cursor.spaces();
        }
        cursor.is_at_end().then_some(())?;
        found.date(styles, now)
    }
}

/// A format of one letter names a whole format; `%` makes it a custom format of one letter.
fn standard(text: &str) -> Result<&str, String> {
    Ok(match text {
        "d" => "M/d/yyyy",
        "D" => "dddd, MMMM d, yyyy",
        "f" => "dddd, MMMM d, yyyy h:mm tt",
        "F" | "U" => "dddd, MMMM d, yyyy h:mm:ss tt",
        "g" => "M/d/yyyy h:mm tt",
        "G" => "M/d/yyyy h:mm:ss tt",
        "m" | "M" => "MMMM d",
        "o" | "O" => "yyyy'-'MM'-'dd'T'HH':'mm':'ss'.'fffffffK",
        "r" | "R" => "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'",
        "s" => "yyyy'-'MM'-'dd'T'HH':'mm':'ss",
        "t" => "h:mm tt",
        "T" => "h:mm:ss tt",
        "u" => "yyyy'-'MM'-'dd HH':'mm':'ss'Z'",
        "y" | "Y" => "MMMM yyyy",
        _ if text.chars().count() == 1 => {
            return Err(format!("there is no standard format {text}"));
        }
        _ => text,
    })
}

fn items(text: &str) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let count = rest.chars().take_while(|next| *next == c).count();
        let mut length = count * c.len_utf8();
        let at_most = |most: usize| {
            if count <= most {
                Ok(count)
            } else {
                Err(format!("{c} is repeated more than {most} times"))
            }
        };
        match c {
            'y' => items.push(Item::Year(at_most(5)?)),
            'M' => items.push(Item::Month(at_most(4)?)),
            'd' => items.push(Item::Day(at_most(4)?)),
            'h' => items.push(Item::Hour12(at_most(2)?)),
            'H' => items.push(Item::Hour24(at_most(2)?)),
            'm' => items.push(Item::Minute(at_most(2)?)),
            's' => items.push(Item::Second(at_most(2)?)),
            'f' | 'F' => items.push(Item::Fraction {
                digits: at_most(7)?,
                trimmed: c == 'F',
            }),
            't' => items.push(Item::HalfOfDay(at_most(2)?)),
            'z' => items.push(Item::Offset(at_most(3)?)),
            'g' => {
                at_most(2)?;
                items.push(Item::Era);
            }
            'K' | 'Z' | 'T' => {
                length = 1;
                items.push(match c {
                    'K' => Item::Zone,
                    'Z' => Item::Utc,
                    _ => Item::Literal(c),
                });
            }
            '\'' | '"' => {
                let quoted = &rest[1..];
                let end = quoted
                    .find(c)
                    .ok_or_else(|| "a quote is not closed".to_owned())?;
                items.extend(quoted[..end].chars().map(Item::Literal));
                length = end + 2;
            }
            '\\' => {
                let escaped = rest.chars().nth(1);
                let escaped = escaped.ok_or_else(|| "it ends with a backslash".to_owned())?;
                items.push(Item::Literal(escaped));
                length = 1 + escaped.len_utf8();
            }
            // Before a single letter that would otherwise be a standard format.
            '%' if count == 1 && rest.len() > 1 => {}
            c if c.is_ascii_alphabetic() || c == '%' => {
                return Err(format!(
                    "{c} has no meaning; put literal text in quotes, as in '{c}'"
                ));
            }
            c => {
                length = c.len_utf8();
                items.push(Item::Literal(c));
            }
        }
        rest = &rest[length..];
    }
    Ok(items)
}

fn print_item(out: &mut String, item: Item, date: NaiveDateTime) -> std::fmt::Result {
    let year = date.year();
    match item {
        Item::Literal(c) => out.write_char(c),
        Item::Year(1) => write!(out, "{}", year % 100),
        Item::Year(2) => write!(out, "{:02}", year % 100),
        Item::Year(width) => write!(out, "{year:0width$}"),
        Item::Month(4) => out.write_str(month_name(date.month())),
        Item::Month(3) => out.write_str(short(month_name(date.month()))),
        Item::Month(width) => write!(out, "{:0width$}", date.month()),
        Item::Day(4) => out.write_str(day_name(date)),
        Item::Day(3) => out.write_str(short(day_name(date))),
        Item::Day(width) => write!(out, "{:0width$}", date.day()),
        Item::Hour12(width) => write!(out, "{:0width$}", date.hour12().1),
        Item::Hour24(width) => write!(out, "{:0width$}", date.hour()),
        Item::Minute(width) => write!(out, "{:0width$}", date.minute()),
        Item::Second(width) => write!(out, "{:0width$}", date.second()),
        Item::Fraction { digits, trimmed } => {
            let nanoseconds = format!("{:09}", date.nanosecond() % 1_000_000_000);
            let fraction = &nanoseconds[..digits];
            if !trimmed {
                return out.write_str(fraction);
            }
            let fraction = fraction.trim_end_matches('0');
            // Without a fraction its point goes too.
            if fraction.is_empty() && out.ends_with('.') {
                out.pop();
            }
            out.write_str(fraction)
        }
        Item::HalfOfDay(width) => {
            let name = if date.hour() < 12 { "AM" } else { "PM" };
            out.write_str(&name[..width])
        }
        Item::Offset(1) => out.write_str("+0"),
        Item::Offset(2) => out.write_str("+00"),
        Item::Offset(_) => out.write_str("+00:00"),
        Item::Zone | Item::Utc => out.write_char('Z'),
        Item::Era => out.write_str("A.D."),
    }
}

fn month_name(month: u32) -> &'static str {
    MONTHS[(month as usize + 11) % 12]
}

fn day_name(date: NaiveDateTime) -> &'static str {
    DAYS[date.weekday().num_days_from_sunday() as usize % 7]
}

fn short(name: &str) -> &str {
    &name[..3]
}

/// What reading has found so far.
#[derive(Debug, Default)]
struct Found {
    year: Option<u32>,
    month: Option<u32>,
    day: Option<u32>,
    weekday: Option<u32>,
    hour: Option<u32>,
    hour_of_twelve: bool,
    minute: Option<u32>,
    second: Option<u32>,
    nanosecond: Option<u32>,
    afternoon: Option<bool>,
    offset: Option<TimeDelta>,
}

impl Found {
    fn read_item(&mut self, cursor: &mut Cursor<'_>, item: Item) -> Option<()> {
        match item {
            Item::Literal(c) => cursor.take(c).then_some(()),
            Item::Year(count) => {
                let least = if count == 1 { 1 } else { count };
                let year = cursor.digits(least, count.max(2))?;
                let year = match (count, year) {
                    (3.., _) => year,
                    (_, ..=LAST_TWO_DIGIT_YEAR) => 2000 + year,
                    _ => 1900 + year,
                };
                same(&mut self.year, year)
            }
            Item::Month(4) => same(&mut self.month, name(cursor, &MONTHS, false)? + 1),
            Item::Month(3) => same(&mut self.month, name(cursor, &MONTHS, true)? + 1),
            Item::Month(count) => same(&mut self.month, cursor.digits(count, 2)?),
            Item::Day(4) => same(&mut self.weekday, name(cursor, &DAYS, false)?),
            Item::Day(3) => same(&mut self.weekday, name(cursor, &DAYS, true)?),
            Item::Day(count) => same(&mut self.day, cursor.digits(count, 2)?),
            Item::Hour12(count) => {
                self.hour_of_twelve = true;
                same(&mut self.hour, cursor.digits(count, 2)?)
            }
            Item::Hour24(count) => same(&mut self.hour, cursor.digits(count, 2)?),
            Item::Minute(count) => same(&mut self.minute, cursor.digits(count, 2)?),
            Item::Second(count) => same(&mut self.second, cursor.digits(count, 2)?),
            Item::Fraction {
                digits,
                trimmed: false,
            } => same(&mut self.nanosecond, cursor.fraction(digits, digits)?),
            Item::Fraction {
                digits,
                trimmed: true,
            } => same(&mut self.nanosecond, cursor.fraction(0, digits)?),
            Item::HalfOfDay(count) => {
                let afternoon = cursor.take_word(&"PM"[..count]);
                if !afternoon && !cursor.take_word(&"AM"[..count]) {
                    return None;
                }
                same(&mut self.afternoon, afternoon)
            }
            Item::Offset(count) => {
                let offset = cursor.signed_offset(count.min(2), count == 3)?;
                same(&mut self.offset, offset)
            }
            Item::Zone if cursor.take('Z') => same(&mut self.offset, TimeDelta::zero()),
            Item::Zone if matches!(cursor.peek(), Some('+' | '-')) => {
                let offset = cursor.signed_offset(2, true)?;
                same(&mut self.offset, offset)
            }
            Item::Zone => Some(()),
            Item::Utc => cursor.take('Z').then_some(()),
            Item::Era => (cursor.take_word("A.D.") || cursor.take_word("AD")).then_some(()),
        }
    }

    fn date(&self, styles: Styles, now: NaiveDateTime) -> Option<NaiveDateTime> {
        let date = match (self.year, self.month, self.day) {
            (None, None, None) if styles.no_current_date => NaiveDate::from_ymd_opt(1, 1, 1)?,
            (None, None, None) => now.date(),
            (year, month, day) => {
                let year = match year {
                    Some(year) => i32::try_from(year).ok()?,
                    None => now.year(),
                };
                NaiveDate::from_ymd_opt(year, month.unwrap_or(1), day.unwrap_or(1))?
            }
        };
        if let Some(weekday) = self.weekday
            && date.weekday().num_days_from_sunday() != weekday
        {
            return None;
        }
        let mut hour = self.hour.unwrap_or(0);
        if self.hour_of_twelve {
            // Without AM or PM .NET takes the morning.
            hour = to_24_hours(hour, self.afternoon.unwrap_or(false))?;
        } else if let Some(afternoon) = self.afternoon
            && self.hour.is_some()
            && afternoon != (hour >= 12)
        {
            return None;
        }
        let time = NaiveTime::from_hms_nano_opt(
            hour,
            self.minute.unwrap_or(0),
            self.second.unwrap_or(0),
            self.nanosecond.unwrap_or(0),
        )?;
        let offset = self.offset.unwrap_or_else(TimeDelta::zero);
        date.and_time(time).checked_sub_signed(offset)
    }
}

/// Keeps what was read; the same part read twice must be the same.
fn same<T: PartialEq>(slot: &mut Option<T>, value: T) -> Option<()> {
    match slot {
        Some(known) if *known != value => None,
        Some(_) => Some(()),
        None => {
            *slot = Some(value);
            Some(())
        }
    }
}

fn name(cursor: &mut Cursor<'_>, names: &[&str], shortened: bool) -> Option<u32> {
    let found = names.iter().position(|name| {
        let name = if shortened { short(name) } else { name };
        cursor.take_word(name)
    })?;
    u32::try_from(found).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> NaiveDateTime {
        super::super::read("2025-07-30T09:15:00Z").unwrap()
    }

    fn convert(text: &str, styles: &str, input: &str, output: &str) -> Option<String> {
        let input = DateFormat::compile(input).unwrap();
        let output = DateFormat::compile(output).unwrap();
        let date = input.read(text, Styles::parse(styles).unwrap(), now())?;
        Some(output.print(date))
    }

    #[test]
    fn dates_go_from_one_format_to_another() {
        for (text, input, output, expected) in [
            (
                "20150123105347.1Z",
                "yyyyMMddHHmmss.fZ",
                "yyyy-MM-dd",
                "2015-01-23",
            ),
            (
                "2020-12-31-08:00",
                "yyyy-MM-ddzzz",
                "yyyy-MM-dd HH:mm",
                "2020-12-31 08:00",
            ),
            (
                "2021-06-30+08:00",
                "yyyy-MM-ddK",
                "M/d/yyyy h:mm:ss tt",
                "6/29/2021 4:00:00 PM",
            ),
            (
                " 7/4/2024 12:00:00 AM ",
                "M/d/yyyy h:mm:ss tt",
                "yyMMddHHmmss",
                "240704000000",
            ),
            (
                "4 Jul 2024",
                "d MMM yyyy",
                "dddd, dd MMMM yyyy",
                "Thursday, 04 July 2024",
            ),
            ("TUE july", "ddd MMMM", "d.M.yyyy", "1.7.2025"),
            ("05:06", "HH:mm", "o", "2025-07-30T05:06:00.0000000Z"),
            ("31.12.49", "dd.MM.yy", "yyyy", "2049"),
            ("31.12.50", "dd.MM.yy", "yyyy", "1950"),
            (
                "2024-01-02T03:04:05.67Z",
                "yyyy-MM-ddTHH:mm:ss.FFFZ",
                "s.f",
                "5.6",
            ),
            (
                "2024-01-02",
                "yyyy-MM-dd",
                "yyyy'year'\\dHH\"h\" %d zzz g",
                "2024yeard00h 2 +00:00 A.D.",
            ),
            ("2024-01-02", "yyyy-MM-dd", "HH:mm:ss.FF", "00:00:00"),
            (
                "2024-01-02",
                "yyyy-MM-dd",
                "r",
                "Tue, 02 Jan 2024 00:00:00 GMT",
            ),
        ] {
            let found = convert(text, "", input, output);
            assert_eq!(found.as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_the_format_is_refused() {
        for (text, input) in [
            ("2024-1-02", "yyyy-MM-dd"),
            ("2024-01-02x", "yyyy-MM-dd"),
            ("2024-02-30", "yyyy-MM-dd"),
            ("Mon 2024-01-02", "ddd yyyy-MM-dd"),
            ("13 PM", "h tt"),
            ("2024 2025", "yyyy yyyy"),
            ("", "yyyy"),
            ("24", "yyyy"),
        ] {
            assert_eq!(convert(text, "", input, "yyyy"), None, "{text}");
        }
    }

    #[test]
    fn white_space_is_allowed_where_the_styles_say() {
        let read = |styles| convert(" 2024 - 01 ", styles, "yyyy-MM", "yyyyMM");
        assert_eq!(read("None"), None);
        assert_eq!(read(""), None);
        assert_eq!(read("AllowWhiteSpaces").as_deref(), Some("202401"));
        let time = convert("05:06", "NoCurrentDateDefault", "HH:mm", "yyyy");
        assert_eq!(time.as_deref(), Some("0001"));
    }

    #[test]
    fn a_format_that_means_nothing_is_an_error() {
        for text in [
            "",
            "DD",
            "yyyy-MM-DD",
            "YYYY",
            "x",
            "'open",
            "dd\\",
            "yyyyyy",
            "ffffffff",
            "%",
            "a b",
        ] {
            assert!(DateFormat::compile(text).is_err(), "{text}");
        }
    }
}
