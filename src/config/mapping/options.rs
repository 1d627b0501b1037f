//! Whether a mapping matches, when it applies, and what it does with nothing.

use super::shape::Shape;
use crate::config::choice::choose;
use crate::config::file;
use crate::config::problem::Log;
use crate::engine::mapping::{Apply, OnEmpty, Source};
use crate::engine::model::TargetPath;

pub(super) fn build_matching(
    raw: &file::Mapping,
    path: &TargetPath,
    shape: &Shape,
    log: &mut Log,
) -> Option<u32> {
    let matching = raw.matching.as_ref()?;
    if !shape.can_be_searched() {
        log.problem(matching.place.problem(
            format!("{path} cannot match: only a single plain value can be searched for"),
            "drop match, or map a sub-attribute such as emails[type eq \"work\"].value",
        ));
    }
    let precedence = u32::try_from(matching.value).ok();
    if precedence.is_none() {
        let message = format!("{} is too large for a precedence", matching.value);
        log.problem(matching.place.problem(message, "count from 1"));
    }
    precedence
}

/// A default that was given is meant to be used, unless the mapping says otherwise.
pub(super) fn build_on_empty(raw: &file::Mapping, log: &mut Log) -> Option<OnEmpty> {
    let words = [
        ("clear", OnEmpty::Clear),
        ("keep", OnEmpty::Keep),
        ("default", OnEmpty::Default),
        ("fail", OnEmpty::Fail),
    ];
    let Some(text) = &raw.on_empty else {
        return Some(match &raw.default {
            Some(_) => OnEmpty::Default,
            None => OnEmpty::Clear,
        });
    };
    let on_empty = choose(text, &words, log)?;
    if on_empty == OnEmpty::Default && raw.default.is_none() {
        log.problem(text.place.problem(
            "there is no default",
            "add default = \"…\", or write keep, clear or fail",
        ));
    }
    Some(on_empty)
}

pub(super) fn build_apply(
    raw: &file::Mapping,
    source: Option<&Source>,
    log: &mut Log,
) -> Option<Apply> {
    let words = [("always", Apply::Always), ("on-create", Apply::OnCreate)];
    let typed = match &raw.apply {
        Some(text) => Some(choose(text, &words, log)?),
        None => None,
    };
    let Some(Source::Expression(expression)) = source else {
        return Some(typed.unwrap_or(Apply::Always));
    };
    if expression.selects_unique() {
        if let (Some(Apply::Always), Some(text)) = (typed, &raw.apply) {
            log.problem(text.place.problem(
                "SelectUniqueValue chooses a value once, when the object is created",
                "write apply = \"on-create\"",
            ));
        }
        return Some(Apply::OnCreate);
    }
    let apply = typed.unwrap_or(Apply::Always);
    if expression.is_volatile() {
        check_volatile(raw, apply, log);
    }
    Some(apply)
}

fn check_volatile(raw: &file::Mapping, apply: Apply, log: &mut Log) {
    if let Some(matching) = &raw.matching {
        log.problem(matching.place.problem(
            "a value that differs each time cannot be used for matching",
            "remove match, or do not use Now, Guid and RandomString in the expression",
        ));
    } else if apply == Apply::Always {
        log.warning(raw.place.problem(
            "the expression can return a different value in each cycle, and then every object is updated",
            "write apply = \"on-create\" if the value should not change",
        ));
    }
}
