//! Lengths of time as people write them: "90s", "40m", "1h30m".

use std::time::Duration;

const UNITS: &[(char, u64)] = &[('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// How to write one, for messages.
pub(super) const REMEDY: &str = "write it like \"90s\", \"40m\" or \"1h30m\"";

/// Numbers with units, the larger unit first and each at most once.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let mut left = text.trim();
    let mut units = UNITS.iter();
    let mut seconds = 0_u64;
    if left.is_empty() {
        return None;
    }
    while !left.is_empty() {
        let digits = left.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = left[..digits].parse().ok()?;
        let unit = left[digits..].chars().next()?;
        let (_, length) = units.find(|(name, _)| *name == unit)?;
        seconds = seconds.checked_add(number.checked_mul(*length)?)?;
        left = left[digits + unit.len_utf8()..].trim_start();
    }
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_as_people_write_them() {
        let seconds = |text| parse(text).map(|duration| duration.as_secs());
        assert_eq!(seconds("90s"), Some(90));
        assert_eq!(seconds("40m"), Some(2_400));
        assert_eq!(seconds("1h30m"), Some(5_400));
        assert_eq!(seconds("1h 30m"), Some(5_400));
        assert_eq!(seconds("1d"), Some(86_400));
        assert_eq!(seconds("0s"), Some(0));
        for wrong in [
            "",
            "40",
            "m",
            "30m1h",
            "1h1h",
            "-5m",
            "1.5h",
            "5 minutes",
            "5ms",
        ] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
        assert_eq!(seconds("99999999999999999999h"), None);
    }
}
