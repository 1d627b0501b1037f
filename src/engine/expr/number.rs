//! Exact decimal numbers. AD timestamps have eighteen digits, which a float would round.

use std::cmp::Ordering;
use std::fmt;

/// Digits before and after the point; together they stay below the range of `i128`.
const MAX_WHOLE_DIGITS: usize = 19;
const MAX_FRACTION_DIGITS: usize = 18;

/// `digits / 10^scale`, without trailing zeros in the fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number {
    digits: i128,
    scale: u32,
}

impl Number {
    pub(super) fn whole(value: i64) -> Self {
        Self {
            digits: i128::from(value),
            scale: 0,
        }
    }

    /// Reads `-12`, `12.50` and the like, with white space around it; no grouping, no exponent.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, whole, fraction) = parts(text)?;
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        if whole.len() > MAX_WHOLE_DIGITS || fraction.len() > MAX_FRACTION_DIGITS {
            return None;
        }
        let digits = (whole.bytes().chain(fraction.bytes()))
            .fold(0_i128, |sum, digit| sum * 10 + i128::from(digit - b'0'));
        Some(Self {
            digits: if negative { -digits } else { digits },
            scale: u32::try_from(fraction.len()).ok()?,
        })
    }

    /// Whether the text is a number, if perhaps one that is too long to be read.
    pub(super) fn is_written(text: &str) -> bool {
        parts(text).is_some()
    }

    pub(super) fn is_whole(self) -> bool {
        self.scale == 0
    }

    pub(super) fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// The number as an integer, unless it has a fraction or is out of range.
    pub(super) fn as_integer(self) -> Option<i64> {
        if self.scale == 0 {
            i64::try_from(self.digits).ok()
        } else {
            None
        }
    }

    fn at_scale(self, scale: u32) -> i128 {
        self.digits * 10_i128.pow(scale - self.scale)
    }
}

/// Whether it is negative, and the digits before and after the point.
fn parts(text: &str) -> Option<(bool, &str, &str)> {
    let text = text.trim();
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    let mut digits = whole.bytes().chain(fraction.bytes());
    (!whole.is_empty() && digits.all(|b| b.is_ascii_digit())).then_some((negative, whole, fraction))
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let scale = self.scale.max(other.scale);
        self.at_scale(scale).cmp(&other.at_scale(scale))
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { digits, scale } = *self;
        if scale == 0 {
            return write!(f, "{digits}");
        }
        let sign = if digits < 0 { "-" } else { "" };
        let power = 10_u128.pow(scale);
        let digits = digits.unsigned_abs();
        let width = usize::try_from(scale).unwrap_or(MAX_FRACTION_DIGITS);
        write!(f, "{sign}{}.{:0width$}", digits / power, digits % power)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_printed_in_its_shortest_form() {
        for (text, printed) in [
            ("7", "7"),
            ("-0", "0"),
            (" 007 ", "7"),
            ("42568.75", "42568.75"),
            ("-1.50", "-1.5"),
            ("-0.05", "-0.05"),
            ("9223372036854775807", "9223372036854775807"),
        ] {
            assert_eq!(Number::parse(text).unwrap().to_string(), printed);
        }
    }

    #[test]
    fn what_is_not_a_plain_decimal_is_no_number() {
        for text in [
            "", "-", ".5", "5.", "1e5", "1,000", "0x1", "1 2", "--1", "٣",
        ] {
            assert_eq!(Number::parse(text), None, "{text}");
        }
        assert_eq!(Number::parse(&"9".repeat(20)), None);
    }

    #[test]
    fn numbers_compare_exactly() {
        let number = |text| Number::parse(text).unwrap();
        assert!(number("132539615990000001") > number("132539615990000000.5"));
        assert_eq!(number("1.0"), number("1"));
        assert!(number("-9999999999999999999.999999999999999999") < number("0.000000000000000001"));
    }
}
