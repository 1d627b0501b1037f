//! Choices, tests and plain conversions.

use super::check::Ignored;
use super::datum::Datum;
use super::error::ErrorKind;
use super::eval::{Call, Evaluated, Stop};
use super::number::Number;

pub(super) fn bit_and<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let (left, right) = (call.integer(0)?, call.integer(1)?);
    Ok(match left.zip(right) {
        Some((left, right)) => Datum::Number(Number::whole(left & right)),
        None => Datum::Null,
    })
}

pub(super) fn cbool<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    Ok(truth(call, 0)?.map_or(Datum::Null, Datum::Boolean))
}

/// What an argument says as a condition, `None` for null.
fn truth(call: &Call<'_, '_>, index: usize) -> Result<Option<bool>, Stop> {
    let text = match call.datum(index)? {
        Datum::Null => return Ok(None),
        Datum::Boolean(value) => return Ok(Some(value)),
        Datum::Number(number) => return Ok(Some(!number.is_zero())),
        other => other
            .into_text()
            .map_err(|kind| call.fail_at(index, kind))?,
    };
    let text = text.unwrap_or_default();
    let text = text.trim();
    if text.eq_ignore_ascii_case("true") {
        Ok(Some(true))
    } else if text.eq_ignore_ascii_case("false") {
        Ok(Some(false))
    } else if let Some(number) = Number::parse(text) {
        Ok(Some(!number.is_zero()))
    } else {
        Err(call.fail_at(index, ErrorKind::NotABoolean))
    }
}

pub(super) fn cstr<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    Ok(call.text(0)?.map_or(Datum::Null, Datum::Text))
}

/// An empty text is skipped like null, as a published example shows, except as the last argument,
/// which is the default.
pub(super) fn coalesce<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let last = call.count() - 1;
    for index in 0..last {
        let datum = call.datum(index)?;
        if !datum.is_null_or_empty() {
            return Ok(datum);
        }
    }
    call.datum(last)
}

pub(super) fn default_domain<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let domain = call.input().default_domain;
    domain
        .map(Datum::borrowed)
        .ok_or_else(|| call.fail(ErrorKind::NoDefaultDomain))
}

/// A condition that is null does not hold.
pub(super) fn iif<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let holds = truth_of_condition(call)?;
    call.datum(if holds { 1 } else { 2 })
}

fn truth_of_condition(call: &Call<'_, '_>) -> Result<bool, Stop> {
    Ok(truth(call, 0)?.unwrap_or(false))
}

pub(super) fn ignore_if_null_or_empty<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let datum = call.datum(0)?;
    if datum.is_null_or_empty() {
        return Err(Stop::Ignored(Ignored::Attribute));
    }
    Ok(datum)
}

pub(super) fn is_null<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    Ok(Datum::Boolean(matches!(call.datum(0)?, Datum::Null)))
}

pub(super) fn is_null_or_empty<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    Ok(Datum::Boolean(call.datum(0)?.is_null_or_empty()))
}

pub(super) fn is_present<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    Ok(Datum::Boolean(!call.datum(0)?.is_null_or_empty()))
}

pub(super) fn is_string<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let text = call.datum(0)?.into_text();
    Ok(Datum::Boolean(matches!(text, Ok(Some(_)))))
}

pub(super) fn not<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let is_true = call.text(0)?.is_some_and(|text| text == "True");
    Ok(Datum::Boolean(!is_true))
}

pub(super) fn pass<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    call.datum(0)
}

/// Null is looked for as the empty key. Without a hit and without a default nothing flows. Case counts,
/// but a Boolean has two spellings, `True` and JSON's `true`, and a key of either is meant.
pub(super) fn switch<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let source = call.datum(0)?;
    let is_boolean = matches!(source, Datum::Boolean(_));
    let source = source.into_text().map_err(|kind| call.fail_at(0, kind))?;
    let source = source.unwrap_or_default();
    for index in (2..call.count()).step_by(2) {
        let key = call.datum(index)?;
        let ignores_case = is_boolean || matches!(key, Datum::Boolean(_));
        let key = key.into_text().map_err(|kind| call.fail_at(index, kind))?;
        let key = key.unwrap_or_default();
        if key == source || ignores_case && key.eq_ignore_ascii_case(&source) {
            return call.datum(index + 1);
        }
    }
    call.datum(1)
}

/// A rule that gives no value is passed over. When every value is taken the object fails, as in
/// Entra, where it goes to escrow.
pub(super) fn select_unique_value<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let mut any_value = false;
    for index in 0..call.count() {
        if let Some(value) = call.text(index)?.filter(|value| !value.is_empty()) {
            if !(call.input().taken)(&value) {
                return Ok(Datum::Text(value));
            }
            any_value = true;
        }
    }
    if any_value {
        return Err(call.fail(ErrorKind::AllTaken));
    }
    Ok(Datum::Null)
}
