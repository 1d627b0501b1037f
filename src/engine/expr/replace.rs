//! `Replace`, whose meaning depends on which of its arguments are given.

use std::borrow::Cow;

use super::check::{Term, TermKind};
use super::datum::Datum;
use super::error::ErrorKind;
use super::eval::{Call, Evaluated, MAX_RESULT_BYTES};
use super::pattern::{Replacement, Trouble};

const SOURCE: usize = 0;
const OLD_VALUE: usize = 1;
const PATTERN: usize = 2;
const GROUP: usize = 3;
const REPLACEMENT: usize = 4;
const REPLACEMENT_ATTRIBUTE: usize = 5;
const TEMPLATE: usize = 6;

/// The documented combinations of arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Every occurrence of oldValue in source by replacementValue.
    Text,
    /// Every occurrence of oldValue in template by source.
    Template,
    /// Every match in source by replacementValue.
    Pattern,
    /// In every match in source, what the group matched by replacementValue.
    Group,
    /// What the group matches in the attribute, unless source has a value.
    Attribute,
}

/// Finds the mode. Text without characters counts as not given, except as replacementValue.
fn mode(is_given: impl Fn(usize) -> bool) -> Option<Mode> {
    let given = [
        OLD_VALUE,
        PATTERN,
        GROUP,
        REPLACEMENT,
        REPLACEMENT_ATTRIBUTE,
        TEMPLATE,
    ]
    .map(is_given);
    match given {
        [true, false, false, true, false, false] => Some(Mode::Text),
        [true, false, false, false, false, true] => Some(Mode::Template),
        [false, true, false, true, false, false] => Some(Mode::Pattern),
        [false, true, true, true, false, false] => Some(Mode::Group),
        [false, true, true, false, true, false] => Some(Mode::Attribute),
        _ => None,
    }
}

fn counts(arguments: &[Option<Term>], index: usize) -> bool {
    match arguments.get(index).and_then(Option::as_ref) {
        None => false,
        Some(Term {
            kind: TermKind::Text(text),
            ..
        }) => index == REPLACEMENT || !text.is_empty(),
        Some(_) => true,
    }
}

/// Checks the combination of arguments, and that a constant pattern has the group.
pub(super) fn check(arguments: &[Option<Term>]) -> Result<(), (ErrorKind, Option<usize>)> {
    if mode(|index| counts(arguments, index)).is_none() {
        return Err((ErrorKind::ReplaceArguments, None));
    }
    let kind = |index: usize| Some(&arguments.get(index)?.as_ref()?.kind);
    if let (Some(TermKind::Pattern { pattern, .. }), Some(TermKind::Text(group))) =
        (kind(PATTERN), kind(GROUP))
        && !group.is_empty()
        && !pattern.has_group(group)
    {
        return Err((ErrorKind::UnknownGroup(group.clone()), Some(GROUP)));
    }
    Ok(())
}

pub(super) fn replace<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let mode = mode(|index| counts(call.arguments, index))
        .ok_or_else(|| call.fail(ErrorKind::ReplaceArguments))?;
    if mode == Mode::Attribute {
        return from_attribute(call);
    }
    let Some(source) = call.text(SOURCE)? else {
        return Ok(Datum::Null);
    };
    match mode {
        Mode::Text => {
            let old = call.text(OLD_VALUE)?.unwrap_or_default();
            let new = call.text(REPLACEMENT)?.unwrap_or_default();
            replace_text(call, source, &old, &new)
        }
        Mode::Template => {
            let old = call.text(OLD_VALUE)?.unwrap_or_default();
            let template = call.text(TEMPLATE)?.unwrap_or_default();
            replace_text(call, template, &old, &source)
        }
        Mode::Pattern => {
            let pattern = call.pattern(PATTERN)?;
            let new = call.text(REPLACEMENT)?.unwrap_or_default();
            let replaced = pattern.replace(&source, &Replacement::Expanded(&new), MAX_RESULT_BYTES);
            finish(call, source, replaced)
        }
        Mode::Group => {
            let pattern = call.pattern(PATTERN)?;
            let group = group_name(call, &pattern)?;
            let text = call.text(REPLACEMENT)?.unwrap_or_default();
            let new = Replacement::OfGroup {
                group: &group,
                text: &text,
            };
            let replaced = pattern.replace(&source, &new, MAX_RESULT_BYTES);
            finish(call, source, replaced)
        }
        Mode::Attribute => from_attribute(call),
    }
}

fn from_attribute<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let source = call.datum(SOURCE)?;
    if !source.is_null_or_empty() {
        return Ok(source);
    }
    let Some(other) = call.text(REPLACEMENT_ATTRIBUTE)? else {
        return Ok(Datum::Null);
    };
    let pattern = call.pattern(PATTERN)?;
    let group = group_name(call, &pattern)?;
    let found = pattern
        .first_group(&other, &group)
        .map_err(|trouble| call.fail_at(PATTERN, trouble.into()))?;
    Ok(found.map_or(Datum::Null, Datum::owned))
}

fn group_name<'a>(
    call: &Call<'a, '_>,
    pattern: &super::pattern::Pattern,
) -> Result<Cow<'a, str>, super::eval::Stop> {
    let group = call.needed_text(GROUP)?;
    if pattern.has_group(&group) {
        return Ok(group);
    }
    let kind = ErrorKind::UnknownGroup(group.into_owned());
    Err(call.fail_at(GROUP, kind))
}

fn replace_text<'a>(
    call: &Call<'a, '_>,
    text: Cow<'a, str>,
    old: &str,
    new: &str,
) -> Evaluated<'a> {
    // The old value is an attribute without a value: there is nothing to look for.
    if old.is_empty() || !text.contains(old) {
        return Ok(Datum::Text(text));
    }
    let mut replaced = String::with_capacity(text.len());
    for (index, part) in text.split(old).enumerate() {
        let new = if index > 0 { new } else { "" };
        if replaced.len() + new.len() + part.len() > MAX_RESULT_BYTES {
            return Err(call.too_long());
        }
        replaced.push_str(new);
        replaced.push_str(part);
    }
    Ok(Datum::owned(replaced))
}

fn finish<'a>(
    call: &Call<'a, '_>,
    source: Cow<'a, str>,
    replaced: Result<Option<String>, Trouble>,
) -> Evaluated<'a> {
    match replaced {
        Ok(Some(replaced)) => Ok(Datum::owned(replaced)),
        Ok(None) => Ok(Datum::Text(source)),
        Err(trouble) => Err(call.fail_at(PATTERN, trouble.into())),
    }
}
