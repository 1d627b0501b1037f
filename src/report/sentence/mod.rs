//! The words: numbers, values, and a sentence for each reason. Text that comes from the source or the
//! target is escaped, so that a name cannot drive the reader's terminal.

mod amount;
mod denial;
mod reading;
#[cfg(test)]
mod tests;
mod why;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

pub(crate) use self::amount::{ago, ahead, coarse, count, duration, length, number, things};
pub(crate) use self::denial::{denied, refuses, refuses_no_more};
pub(crate) use self::reading::reading_of;
pub(crate) use self::why::{
    not_planned, reason, via, why, why_left, why_member, why_out, why_removed,
};
pub(crate) use super::held::why_held;
pub(crate) use super::misnamed::{doubts, is_news, misnamed, misnamed_remedy};
use super::view::{Against, Names, SnapshotNote};
use crate::engine::guard::WhyHeld;
use crate::engine::model::{MatchKey, Value};
use crate::engine::plan::{Strangers, Subject, Verb, Warning};
use crate::engine::quarantine::{Cause, Quarantine};
use crate::engine::record::Staged;
use crate::engine::redact::REDACTED;
use crate::engine::summary::CycleKind;

/// A longer value is cut in text; JSON holds it in full.
const LONGEST_VALUE: usize = 300;

/// Groups of one person named in a warning; the rest is counted.
const GROUPS_NAMED: usize = 10;

/// Escapes what a terminal would obey or hide: control characters, direction overrides, line
/// separators and zero-width characters.
pub(crate) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => cleaned.push_str("\\n"),
            '\r' => cleaned.push_str("\\r"),
            '\t' => cleaned.push_str("\\t"),
            _ if is_harmful(character) => {
                cleaned.extend(character.escape_unicode());
            }
            _ => cleaned.push(character),
        }
    }
    cleaned
}

/// What a terminal would obey or hide.
pub(crate) fn is_harmful(character: char) -> bool {
    let hidden = matches!(character,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    character.is_control() || hidden
}

/// Escapes like [`clean`], but keeps line breaks: for texts of our own that quote others.
pub(crate) fn clean_lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n")
}

/// When something was: `2026-11-28 09:14 UTC`.
pub(crate) fn minute(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M UTC").to_string()
}

pub(crate) fn capital(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

pub(crate) fn cycle_kind(kind: CycleKind) -> &'static str {
    match kind {
        CycleKind::Initial => "initial",
        CycleKind::Incremental => "incremental",
        CycleKind::OnDemand => "on-demand",
        CycleKind::Leavers => "leavers",
        CycleKind::Retries => "retries",
    }
}

/// Accounts that are deleted some time after they were disabled: a sentence without a full stop.
pub(crate) fn staged(staged: &Staged) -> String {
    let Staged {
        after,
        waiting,
        first,
        enabled: _,
    } = staged;
    let after = length(*after);
    let waiting = match (waiting, first) {
        (0, _) => "none waits".to_owned(),
        (1, None) => "1 waits".to_owned(),
        (waiting, None) => format!("{} wait", number(*waiting)),
        (waiting, Some(first)) => format!(
            "{} {}, the first until {}",
            number(*waiting),
            if *waiting == 1 { "waits" } else { "wait" },
            first.format("%Y-%m-%d %H:%M UTC")
        ),
    };
    format!("users who left are disabled, and deleted after {after}: {waiting}")
}

/// A user whose account was to be deleted, and stays.
pub(crate) fn enabled_since(subject: &Subject) -> String {
    format!(
        "{} was enabled in the target after it was disabled, so it is not deleted",
        subject_text(subject)
    )
}

pub(crate) fn subject_text(subject: &Subject) -> String {
    let Subject {
        kind,
        key: _,
        id,
        label,
    } = subject;
    let name = if label.is_empty() { id.as_str() } else { label };
    format!("{kind} {}", self::name(name))
}

/// The name of an object, as it can stand in a sentence.
pub(crate) fn name(text: &str) -> String {
    isolated(clean(text))
}

/// Keeps right-to-left text from reordering what stands around it (Unicode UAX 9, isolates).
fn isolated(text: String) -> String {
    let is_right_to_left = |character: char| {
        matches!(character,
            '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}'
            | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
    };
    if text.contains(is_right_to_left) {
        format!("\u{2068}{text}\u{2069}")
    } else {
        text
    }
}

/// A value as a person writes it; text in quotes, so that an empty or padded one can be seen.
pub(crate) fn value(value: &Value, names: Names<'_>) -> String {
    let whole = whole_value(value, names);
    let length = whole.chars().count();
    if length <= LONGEST_VALUE {
        return whole;
    }
    let start: String = whole.chars().take(LONGEST_VALUE).collect();
    format!("{start}… ({} characters)", number(length as u64))
}

/// Text in quotation marks; those inside it are escaped.
fn quoted(text: &str) -> String {
    format!("\"{}\"", isolated(clean(text).replace('"', "\\\"")))
}

fn whole_value(value: &Value, names: Names<'_>) -> String {
    match value {
        // It stands for a value, and is none.
        Value::Text(text) if **text == *REDACTED => REDACTED.to_owned(),
        Value::Text(text) => quoted(text),
        Value::Boolean(boolean) => boolean.to_string(),
        Value::Integer(integer) => integer.to_string(),
        Value::List(values) => {
            let values: Vec<_> = values.iter().map(|one| whole_value(one, names)).collect();
            format!("[{}]", values.join(", "))
        }
        // What a multi-valued attribute holds is mostly elements with nothing but a value.
        Value::Object(members) if members.len() == 1 && members.contains_key("value") => {
            whole_value(&members["value"], names)
        }
        Value::Object(members) => {
            let members: Vec<_> = members
                .iter()
                .map(|(name, one)| format!("{}: {}", clean(name), whole_value(one, names)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        Value::Reference(id) => name(&names.name(id)),
    }
}

/// `old` or `new` of a change.
pub(crate) fn optional(side: Option<&Value>, names: Names<'_>) -> String {
    side.map_or_else(|| "(none)".to_owned(), |one| value(one, names))
}

pub(crate) fn key(key: &MatchKey, names: Names<'_>) -> String {
    let MatchKey {
        path,
        value: wanted,
    } = key;
    format!("{path} {}", value(wanted, names))
}

/// What a plan warns of: a plain sentence without a full stop.
pub(crate) fn warning(warning: &Warning) -> String {
    let name = |subject: &Subject| {
        let Subject { id, label, .. } = subject;
        name(if label.is_empty() { id.as_str() } else { label })
    };
    let named = |subjects: &[Subject]| {
        let mut names: Vec<String> = subjects.iter().take(GROUPS_NAMED).map(name).collect();
        let more = subjects.len().saturating_sub(GROUPS_NAMED) as u64;
        if more > 0 {
            names.push(format!("{} more", number(more)));
        }
        names.join(", ")
    };
    match warning {
        Warning::Misfit(remark) => super::capabilities::remark(remark),
        Warning::Quarantine(quarantine) => self::quarantine(quarantine),
        Warning::ClocksDiffer { ahead } => clocks_differ(*ahead),
        Warning::SeveralGroups { person, groups } => format!(
            "{} is in several groups: {}; the target expects each user in only one (one_group_each)",
            name(person),
            named(groups)
        ),
        Warning::NestedMembers { group, members } => format!(
            "groups that are members of {} are not sent: {}; the target does not accept groups as \
             members (nested_members)",
            name(group),
            named(members)
        ),
        Warning::MatchedAnew { subject, target } => format!(
            "{} is matched again: the object that it was linked to (id {}) is gone from the target or \
             belongs to another",
            name(subject),
            clean(target.as_str())
        ),
        Warning::Drift(drifted) => super::drift::sentence(drifted),
    }
}

/// That the clock of the machine is so far ahead of the source's.
pub(crate) fn clocks_differ(ahead: TimeDelta) -> String {
    let length = coarse(ahead.num_milliseconds().unsigned_abs());
    let side = if ahead > TimeDelta::zero() {
        "ahead of"
    } else {
        "behind"
    };
    format!(
        "the clock of this machine is {length} {side} that of Microsoft Graph: until they agree, delete_after \
         deletes no account and the log is not shortened; set the time of this machine"
    )
}

pub(crate) fn verb_word(verb: Verb) -> &'static str {
    match verb {
        Verb::Create => "create",
        Verb::Update => "update",
        Verb::Delete => "delete",
    }
}

/// All reasons why removals are held.
pub(crate) fn all_held(why: &[WhyHeld]) -> String {
    let sentences: Vec<String> = why.iter().map(|why| why_held(*why)).collect();
    sentences.join("; ")
}

/// The words of actions in the order in which a reader expects them.
const ORDER: [&str; 11] = [
    "create",
    "adopt",
    "update",
    "enable",
    "add-members",
    "set-reference",
    "clear-reference",
    "remove-members",
    "hand-over",
    "disable",
    "delete",
];

/// What was done, by the name of the action: `12 created`, `3 memberships added`.
pub(crate) fn deeds<'a>(done: impl IntoIterator<Item = (&'a str, u64)>) -> Vec<String> {
    let mut phrases: Vec<(usize, String)> = done
        .into_iter()
        .filter(|(_, times)| *times > 0)
        .map(|(word, times)| {
            let place = ORDER.iter().position(|known| *known == word);
            (place.unwrap_or(ORDER.len()), deed(word, times))
        })
        .collect();
    phrases.sort();
    phrases.into_iter().map(|(_, phrase)| phrase).collect()
}

/// Removals by the word of their action: `2 disables, 1 delete`.
pub(crate) fn removals(removals: &BTreeMap<String, u64>) -> String {
    let parts: Vec<_> = removals
        .iter()
        .map(|(word, times)| match word.as_str() {
            "remove-members" => format!("memberships of {}", things(*times, "group")),
            word => things(*times, word),
        })
        .collect();
    parts.join(", ")
}

fn deed(word: &str, times: u64) -> String {
    let past = match word {
        "create" => "created",
        "adopt" => "adopted",
        "update" => "updated",
        "enable" => "enabled",
        "disable" => "disabled",
        "delete" => "deleted",
        "hand-over" => "handed over",
        "add-members" => return format!("{} added", things(times, "membership")),
        "remove-members" => return format!("{} removed", things(times, "membership")),
        "set-reference" => return format!("{} set", things(times, "reference")),
        "clear-reference" => return format!("{} cleared", things(times, "reference")),
        other => return format!("{} × {other}", number(times)),
    };
    format!("{} {past}", number(times))
}

/// What a plan leaves out because another does it too.
pub(crate) fn compared(against: &Against<'_>) -> String {
    let Against {
        name, only_there, ..
    } = against;
    format!(
        "compared with {}: what both plans do or skip is not shown, and {} done only there",
        clean(name),
        match only_there.len() as u64 {
            0 => "nothing is".to_owned(),
            1 => "1 action is".to_owned(),
            more => format!("{} actions are", number(more)),
        }
    )
}

/// What a plan was made from in place of the tenant: a sentence without a full stop.
pub(crate) fn from_snapshot(note: &SnapshotNote) -> String {
    let SnapshotNote {
        file,
        made,
        redacted,
        what_if,
        without_target,
    } = note;
    let made = made.format("%Y-%m-%d %H:%M UTC");
    let mut text = match file {
        Some(file) => format!(
            "planned from the snapshot {} of {made}, and not from the tenant",
            clean(file)
        ),
        None => format!("planned from a reading of the tenant of {made}"),
    };
    if !what_if.is_empty() {
        text.push_str(", with these simulated changes: ");
        text.push_str(&clean(&what_if.join("; ")));
    }
    if *redacted {
        text.push_str("; the values of its users are pseudonyms");
    }
    if *without_target {
        text.push_str(
            "; the target was not contacted: objects that are not in the state count as new",
        );
    }
    text
}

/// Active accounts of no user in scope: a sentence without a full stop.
pub(crate) fn strangers(strangers: &Strangers) -> String {
    let Strangers { count, first: _ } = strangers;
    format!(
        "the target has {} without a user in scope, which may belong to users who left; this is shown \
         only once",
        things(*count, "active account")
    )
}

/// When a secret or certificate expires, and what to do where that is soon.
pub(crate) fn expires(day: NaiveDate, today: NaiveDate) -> String {
    let when = expiry(day, today);
    if expires_soon(day, today) {
        format!("{when}: {EXPIRY_REMEDY}")
    } else {
        when
    }
}

/// When a secret or certificate expires.
pub(crate) fn expiry(day: NaiveDate, today: NaiveDate) -> String {
    match (day - today).num_days() {
        ..0 => format!("expired on {day}"),
        0 => "expires today".to_owned(),
        1 => format!("expires on {day}, in 1 day"),
        days => format!("expires on {day}, in {days} days"),
    }
}

/// What to do about it.
pub(crate) const EXPIRY_REMEDY: &str =
    "replace it; in the meantime, list both in the configuration";

/// Whether it is time to warn of it.
pub(crate) fn expires_soon(day: NaiveDate, today: NaiveDate) -> bool {
    (day - today).num_days() <= EXPIRES_SOON
}

/// A secret or certificate is warned of this many days before it expires.
const EXPIRES_SOON: i64 = 30;

/// Why a job is in quarantine, and what that means.
pub(super) fn quarantine(quarantine: &Quarantine) -> String {
    let Quarantine {
        since,
        cause,
        reason,
        tried: _,
    } = quarantine;
    let time = "%Y-%m-%d %H:%M UTC";
    let next = match (cause, quarantine.next_try()) {
        (Cause::Refused, _) => {
            "nothing is written until the target accepts the credential".to_owned()
        }
        (Cause::Incompatible, _) => {
            "nothing is written until the target answers a look-up as SCIM requires".to_owned()
        }
        (Cause::Failures, Some(next)) => format!(
            "removals continue; creates and updates are tried again at {}, or after entrain resume",
            next.format(time)
        ),
        (Cause::Failures, None) => {
            "removals continue; creates and updates wait for entrain resume".to_owned()
        }
    };
    format!(
        "in quarantine since {}, because {}: {next}",
        since.format(time),
        clean(reason)
    )
}
