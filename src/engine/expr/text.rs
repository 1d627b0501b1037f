//! Functions on text. Positions and lengths count UTF-16 code units, as .NET does; where a cut
//! would split a character in two, the character is left out, for half of one cannot be sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_normalization::char::is_combining_mark;

use super::datum::Datum;
use super::error::ErrorKind;
use super::eval::{Call, Evaluated};

/// Null operands count as empty, so that a prefix or suffix can stand alone.
pub(super) fn append<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let source = call.text(0)?.unwrap_or_default();
    let suffix = call.text(1)?.unwrap_or_default();
    call.check_length(&source)?;
    call.check_length(&suffix)?;
    call.made(source.into_owned() + &suffix)
}

pub(super) fn base64<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    map(call, |text| {
        let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        STANDARD.encode(bytes)
    })
}

pub(super) fn utf8_hex<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    map(call, |text| {
        text.bytes()
            .fold(String::with_capacity(text.len() * 2), |mut hex, byte| {
                let _ = write!(hex, "{byte:02X}");
                hex
            })
    })
}

pub(super) fn strip_spaces<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    match call.text(0)? {
        Some(text) if text.contains(' ') => {
            call.check_length(&text)?;
            call.made(text.replace(' ', ""))
        }
        Some(text) => Ok(Datum::Text(text)),
        None => Ok(Datum::Null),
    }
}

pub(super) fn len<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let text = call.text(0)?.unwrap_or_default();
    Ok(Datum::integer(units(&text)))
}

pub(super) fn left<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let text = call.text(0)?.unwrap_or_default();
    let count = call.needed_integer(1)?;
    // A negative count gives the whole text.
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    Ok(part(text, 0, count))
}

/// The rules for odd positions are those of the sister language of Entra Connect.
pub(super) fn mid<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let text = call.text(0)?.unwrap_or_default();
    let start = call.needed_integer(1)?;
    let length = call.needed_integer(2)?;
    if length == 0 {
        return Ok(Datum::borrowed(""));
    }
    match (usize::try_from(start), usize::try_from(length)) {
        (Ok(start @ 1..), Ok(length)) if start <= units(&text) => Ok(part(text, start - 1, length)),
        _ => Ok(Datum::Text(text)),
    }
}

pub(super) fn in_str<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let Some((text, wanted)) = call.text(0)?.zip(call.text(1)?) else {
        return Ok(Datum::Null);
    };
    let start = match call.integer(2)? {
        None => 1,
        Some(start) => usize::try_from(start)
            .ok()
            .filter(|start| *start > 0)
            .ok_or_else(|| call.not_whole(2))?,
    };
    let ignore_case = match call.text(3)? {
        Some(compare_type) => ignores_case(&compare_type).map_err(|kind| call.fail_at(3, kind))?,
        None => false,
    };
    call.check_length(&text)?;
    call.check_length(&wanted)?;

    let (text, wanted) = if ignore_case {
        (fold(&text).into(), fold(&wanted).into())
    } else {
        (text, wanted)
    };
    let start = unit_offset(&text, start - 1);
    let found = start.and_then(|start| Some(start + text[start..].find(&*wanted)?));
    Ok(Datum::integer(
        found.map_or(0, |found| units(&text[..found]) + 1),
    ))
}

/// Whether a `compareType` ignores case. Visual Basic's constants are 0 and 1.
pub(super) fn ignores_case(compare_type: &str) -> Result<bool, ErrorKind> {
    match compare_type.to_ascii_lowercase().as_str() {
        "vbtextcompare" | "1" => Ok(true),
        "vbbinarycompare" | "0" | "" => Ok(false),
        _ => Err(ErrorKind::UnknownCompareType(compare_type.to_owned())),
    }
}

pub(super) fn word<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let text = call.text(0)?.unwrap_or_default();
    let number = call.needed_integer(1)?;
    let delimiters = call.text(2)?.unwrap_or_default();
    let Some(index) = number.checked_sub(1).and_then(|i| usize::try_from(i).ok()) else {
        return Ok(Datum::borrowed(""));
    };
    let is_delimiter = |c| delimiters.contains(c);
    Ok(slice(text, |text| {
        text.split(is_delimiter)
            .filter(|word| !word.is_empty())
            .nth(index)
            .unwrap_or_default()
    }))
}

/// Follows .NET's `ToTitleCase`, but lowers the rest of each word first and takes the apostrophe
/// for a boundary, as the published examples show (`St John'S`).
pub(super) fn pcase<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let Some(text) = call.text(0)? else {
        return Ok(Datum::Null);
    };
    let separators = call.text(1)?.filter(|separators| !separators.is_empty());
    call.check_length(&text)?;

    let is_boundary = |c: char| match &separators {
        Some(separators) => separators.contains(c),
        // Everything that is no letter, mark or number.
        None => !c.is_alphanumeric() && !is_combining_mark(c),
    };
    let mut in_word = false;
    let mut cased = String::with_capacity(text.len());
    for c in text.chars() {
        if is_boundary(c) {
            in_word = false;
            cased.push(c);
        } else if in_word {
            cased.push(lower(c));
        } else if c.is_alphabetic() {
            in_word = true;
            cased.push(upper(c));
        } else {
            cased.push(c);
        }
    }
    call.made(cased)
}

pub(super) fn to_lower<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    change_case(call, |culture, c| match (culture, c) {
        (Culture::Turkic, 'I') => 'ı',
        (Culture::Turkic, 'İ') => 'i',
        _ => lower(c),
    })
}

pub(super) fn to_upper<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    change_case(call, |culture, c| match (culture, c) {
        (Culture::Turkic, 'i') => 'İ',
        (Culture::Turkic, 'ı') => 'I',
        _ => upper(c),
    })
}

fn change_case<'a>(call: &Call<'a, '_>, change: fn(Culture, char) -> char) -> Evaluated<'a> {
    let Some(text) = call.text(0)? else {
        return Ok(Datum::Null);
    };
    let culture = call.text(1)?.unwrap_or_default();
    let culture = Culture::parse(&culture).map_err(|kind| call.fail_at(1, kind))?;
    call.check_length(&text)?;
    if text.chars().all(|c| change(culture, c) == c) {
        return Ok(Datum::Text(text));
    }
    call.made(text.chars().map(|c| change(culture, c)).collect())
}

/// What a culture changes about the case of letters: only the Turkic ones do, and there the `i`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Culture {
    Invariant,
    Turkic,
}

impl Culture {
    /// Reads a name such as `ja-JP`; the empty name is the invariant culture.
    pub(super) fn parse(name: &str) -> Result<Self, ErrorKind> {
        let mut parts = name.split('-');
        let language = parts.next().unwrap_or_default().to_ascii_lowercase();
        let is_name = (2..=8).contains(&language.len())
            && language.bytes().all(|b| b.is_ascii_lowercase())
            && parts.all(|part| {
                (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
            });
        match language.as_str() {
            "" if name.is_empty() => Ok(Self::Invariant),
            "tr" | "az" if is_name => Ok(Self::Turkic),
            _ if is_name => Ok(Self::Invariant),
            _ => Err(ErrorKind::UnknownCulture(name.to_owned())),
        }
    }
}

/// .NET maps single characters (ß stays ß), and its invariant culture never makes an ASCII
/// letter of another one (ı, İ, ſ and the Kelvin sign stay).
fn lower(c: char) -> char {
    single(c, c.to_lowercase())
}

fn upper(c: char) -> char {
    single(c, c.to_uppercase())
}

fn single(c: char, mut mapped: impl ExactSizeIterator<Item = char>) -> char {
    match (mapped.len(), mapped.next()) {
        (1, Some(mapped)) if c.is_ascii() || !mapped.is_ascii() => mapped,
        _ => c,
    }
}

fn fold(text: &str) -> String {
    text.chars().map(|c| lower(upper(c))).collect()
}

/// Applies a conversion to the first argument; null stays null.
pub(super) fn map<'a>(call: &Call<'a, '_>, convert: impl Fn(&str) -> String) -> Evaluated<'a> {
    match call.text(0)? {
        None => Ok(Datum::Null),
        Some(text) => {
            call.check_length(&text)?;
            call.made(convert(&text))
        }
    }
}

fn units(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.chars().map(char::len_utf16).sum()
}

/// The byte offset of the first character that starts at or after a UTF-16 position; `None`
/// beyond the end.
fn unit_offset(text: &str, position: usize) -> Option<usize> {
    let mut at = 0;
    for (offset, c) in text.char_indices() {
        if at >= position {
            return Some(offset);
        }
        at += c.len_utf16();
    }
    (at >= position).then_some(text.len())
}

/// The characters that lie wholly within `length` UTF-16 code units from `start`.
fn part(text: Cow<'_, str>, start: usize, length: usize) -> Datum<'_> {
    slice(text, |text| {
        let end = start.saturating_add(length);
        let Some(from) = unit_offset(text, start) else {
            return "";
        };
        let mut at = units(&text[..from]);
        let rest = &text[from..];
        let to = rest
            .char_indices()
            .find(|(_, c)| {
                at += c.len_utf16();
                at > end
            })
            .map_or(rest.len(), |(offset, _)| offset);
        &rest[..to]
    })
}

/// Cuts text without copying it where it is borrowed.
pub(super) fn slice(text: Cow<'_, str>, cut: impl Fn(&str) -> &str) -> Datum<'_> {
    match text {
        Cow::Borrowed(text) => Datum::borrowed(cut(text)),
        Cow::Owned(text) => Datum::owned(cut(&text).to_owned()),
    }
}
