//! Random values. Randomness comes with the input, so a test or a plan can repeat it.

use super::datum::Datum;
use super::error::ErrorKind;
use super::eval::{Call, Evaluated};

/// The documented limit.
const MAX_LENGTH: i64 = 256;
const DIGITS: &str = "0123456789";
/// The special characters of Windows' rules for complex passwords.
const SPECIAL: &str = "~!@#$%^&*_-+=`|\\(){}[]:;\"'<>,.?/";
const CAPITAL: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";

#[expect(
    clippy::unnecessary_wraps,
    reason = "the functions of the table have one signature"
)]
pub(super) fn guid<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let random = call.input().random;
    let bits = u128::from(random()) << 64 | u128::from(random());
    // Version 4, variant 1 (RFC 9562 section 5.4).
    let bits = bits & !(0xf << 76) | 4 << 76;
    let bits = bits & !(0b11 << 62) | 0b10 << 62;
    let hex = format!("{bits:032x}");
    Ok(Datum::owned(format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )))
}

/// A minimum of 0 means that none of the kind is wanted: the published example asks for six
/// characters with three digits and three small letters and gets nothing else. When every minimum
/// is 0, every kind may come.
pub(super) fn random_string<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let length = call.needed_integer(0)?;
    if !(0..=MAX_LENGTH).contains(&length) {
        return Err(call.fail_at(0, ErrorKind::RandomLength));
    }
    let mut kinds = Vec::new();
    for (index, characters) in [DIGITS, SPECIAL, CAPITAL, LOWER].into_iter().enumerate() {
        let minimum = call.needed_integer(index + 1)?;
        let minimum = usize::try_from(minimum).map_err(|_| call.not_whole(index + 1))?;
        kinds.push((minimum, characters));
    }
    let avoid = call.text(5)?.unwrap_or_default();

    let minimums = kinds
        .iter()
        .fold(0_usize, |sum, (minimum, _)| sum.saturating_add(*minimum));
    let wanted_length = usize::try_from(length).unwrap_or_default();
    if minimums > wanted_length {
        let minimums = i64::try_from(minimums).unwrap_or(i64::MAX);
        return Err(call.fail(ErrorKind::RandomMinimums { minimums, length }));
    }
    let random = |count: usize| -> usize {
        // The product of two 64-bit numbers fits, and its upper half is below `count`.
        let scaled = u128::from((call.input().random)()) * (count as u128);
        usize::try_from(scaled >> 64).unwrap_or_default()
    };
    let mut chosen: Vec<char> = Vec::with_capacity(wanted_length);
    let mut any = Vec::new();
    for (minimum, characters) in kinds {
        let allowed: Vec<char> = characters.chars().filter(|c| !avoid.contains(*c)).collect();
        if minimum > 0 && allowed.is_empty() {
            return Err(call.fail(ErrorKind::NothingToChooseFrom));
        }
        chosen.extend((0..minimum).map(|_| allowed[random(allowed.len())]));
        if minimum > 0 || minimums == 0 {
            any.extend(allowed);
        }
    }
    if chosen.len() < wanted_length && any.is_empty() {
        return Err(call.fail(ErrorKind::NothingToChooseFrom));
    }
    while chosen.len() < wanted_length {
        chosen.push(any[random(any.len())]);
    }
    for last in (1..chosen.len()).rev() {
        chosen.swap(last, random(last + 1));
    }
    Ok(Datum::owned(chosen.into_iter().collect()))
}
