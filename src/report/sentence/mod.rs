//! The words: numbers, values, and a sentence for each reason. Text that comes from the source or the
//! target is escaped, so that a name cannot drive the reader's terminal.

mod amount;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta};

pub(crate) use self::amount::{ago, ahead, coarse, count, duration, length, number, things};
pub(crate) use super::held::why_held;
pub(crate) use super::misnamed::{doubts, is_news, misnamed, misnamed_remedy};
use super::view::{Against, Names, SnapshotNote};
use crate::engine::filter::ClauseFailure;
use crate::engine::guard::WhyHeld;
use crate::engine::mapping::AttributeError;
use crate::engine::model::{Key, MatchKey, ObjectKind, SourceId, Value, Via};
use crate::engine::plan::{
    RemovalClass, Skipped, Strangers, Subject, Verb, Warning, Why, WhyOut, WhyRemoved,
};
use crate::engine::quarantine::{Cause, Quarantine};
use crate::engine::record::Staged;
use crate::engine::redact::{REDACTED, Shown};
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
        let hidden = matches!(character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        match character {
            '\n' => cleaned.push_str("\\n"),
            '\r' => cleaned.push_str("\\r"),
            '\t' => cleaned.push_str("\\t"),
            _ if character.is_control() || hidden => {
                cleaned.extend(character.escape_unicode());
            }
            _ => cleaned.push(character),
        }
    }
    cleaned
}

/// Escapes like [`clean`], but keeps line breaks: for texts of our own that quote others.
pub(crate) fn clean_lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n")
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
        (0, _) | (_, None) => "none waits".to_owned(),
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

/// What follows "because".
pub(crate) fn why_removed(why: &WhyRemoved, kind: ObjectKind) -> String {
    match why {
        WhyRemoved::OutOfScope(out) => why_out(out, kind),
        WhyRemoved::Blocked => "sign-in is blocked".to_owned(),
        WhyRemoved::Mapping => "the mapping of active requires it".to_owned(),
        WhyRemoved::SoftDeleted => "it is in the tenant's recycle bin".to_owned(),
        WhyRemoved::Deleted => "it was deleted in the tenant".to_owned(),
        WhyRemoved::Missing => "it is no longer in the tenant".to_owned(),
    }
}

pub(crate) fn why_out(why: &WhyOut, kind: ObjectKind) -> String {
    match why {
        WhyOut::NotAssigned => {
            "it is not assigned, neither directly nor through a group".to_owned()
        }
        WhyOut::NotInUnit => {
            "it is in none of the administrative units of scope.administrative_units".to_owned()
        }
        WhyOut::NotSecurityEnabled => match kind {
            ObjectKind::User => {
                "the assigned groups that it is in are not security-enabled".to_owned()
            }
            ObjectKind::Group => "it is assigned but not security-enabled".to_owned(),
        },
        WhyOut::SecurityNotRead => match kind {
            ObjectKind::User => {
                "whether the assigned groups that it is in are security-enabled was not read"
                    .to_owned()
            }
            ObjectKind::Group => {
                "it is assigned, but whether it is security-enabled was not read".to_owned()
            }
        },
        WhyOut::NotNamed => "it is not named in groups.provision".to_owned(),
        WhyOut::DefaultAccessOnly => "it holds no role but Default Access".to_owned(),
        WhyOut::Excluded => "it is named in scope.exclude".to_owned(),
        WhyOut::Filter(failures) => {
            let failures: Vec<_> = failures.iter().map(clause_failure).collect();
            failures.join("; ")
        }
        WhyOut::KindDisabled => format!("the job does not provision {kind}s"),
    }
}

/// What brings an object into scope; names are as the source has them.
pub(crate) fn via(via: &Via) -> String {
    match via {
        Via::Direct => "assigned directly".to_owned(),
        Via::Named => "named in the configuration".to_owned(),
        Via::Everyone => "everyone is in scope".to_owned(),
        Via::Groups(path) => path.join(" > "),
        Via::Unit(name) => format!("in the administrative unit {name}"),
    }
}

/// A sentence for one filter, because each could have let the object pass.
fn clause_failure(failure: &ClauseFailure) -> String {
    let ClauseFailure {
        number,
        name,
        attribute: _,
        clause,
        value,
    } = failure;
    let filter = match name {
        Some(name) => format!("the scoping filter \"{}\"", clean(name)),
        None => format!("scoping filter {number}"),
    };
    let found = match value {
        Some(value) if value == REDACTED => format!("the value is {REDACTED}"),
        Some(value) => format!("the value is {}", quoted(value)),
        None => "it has no value".to_owned(),
    };
    format!("it does not pass {filter}: {}, but {found}", clean(clause))
}

/// Why an object could not be planned, for the state's record. `other` names the object that the reason
/// mentions.
pub(crate) fn not_planned(
    skipped: &Shown<'_, Skipped>,
    other: &dyn Fn(Key) -> Option<(SourceId, String)>,
) -> String {
    let Skipped {
        subject,
        why: reason,
    } = &**skipped;
    why(reason, subject.kind, Names::Numbered(other))
}

/// A person who may have the same name as the one whom the sentence is about.
fn holder(key: Key, names: Names<'_>) -> String {
    let (id, label) = names.referenced(key);
    if id == label || id.is_empty() {
        name(&label)
    } else {
        format!("{} ({})", name(&label), clean(&id))
    }
}

/// Why an object is skipped: a plain sentence without a full stop.
pub(crate) fn why(why: &Why, kind: ObjectKind, names: Names<'_>) -> String {
    match why {
        Why::OutOfScope(out) => why_out(out, kind),
        Why::BlockedNotCreated => {
            "sign-in is blocked and it does not exist in the target, so it is not created".to_owned()
        }
        Why::NoMatchingValue => {
            "every matching attribute is empty in the source, so it cannot be looked up in the target"
                .to_owned()
        }
        Why::IgnoredByMapping => {
            "an expression skips it (IgnoreObjectFlow)".to_owned()
        }
        Why::Ambiguous { key: wanted, targets } => {
            let ids: Vec<_> = targets.iter().map(|id| clean(id.as_str())).collect();
            format!(
                "{} objects in the target have {}: ids {}; only one may",
                number(targets.len() as u64),
                key(wanted, names),
                ids.join(", ")
            )
        }
        Why::OldAddress { key: wanted, target } => {
            let id = clean(target.as_str());
            format!(
                "an account in the target has an old address of this user ({}, id {id}), so it is not created; if \
                 it is the same person: entrain links relink JOB USER {id}; if not: entrain links relink JOB \
                 USER --new",
                key(wanted, names),
            )
        }
        Why::Taken { key: wanted, target, by } => {
            let target = clean(target.as_str());
            let remedy = match kind {
                ObjectKind::User => format!(
                    "; if it is the account of this user, run: entrain links relink JOB USER {target}"
                ),
                ObjectKind::Group => String::new(),
            };
            format!(
                "the target object that has {} (id {target}) is linked to {} already{remedy}",
                key(wanted, names),
                holder(*by, names)
            )
        }
        Why::DuplicateSource { key: wanted, other } => format!(
            "{} has {} too, but it must be unique in the target: change one of them, or match by \
             another attribute",
            name(&names.label(*other)),
            key(wanted, names)
        ),
        Why::NameKept { by } => format!(
            "its name in the target is still that of {}, whose removal waits (entrain status)",
            clean(&names.label(*by))
        ),
        Why::MappingFailed(errors) => {
            let errors: Vec<_> = errors
                .iter()
                .map(|AttributeError { target, message }| format!("{target}: {}", clean(message)))
                .collect();
            format!("its mapping failed: {}", errors.join("; "))
        }
        Why::NotAllowed(verb) => format!("the job's actions do not allow to {}", verb_word(*verb)),
        Why::NeverDisabled => {
            "it would lose its access, but keeps it because of safety.never_disable".to_owned()
        }
        Why::NotCreatedHere => {
            "it would be removed, but it was in the target before, and safety.only_created keeps such objects"
                .to_owned()
        }
        Why::Kept(removed) => format!(
            "it would be removed, because {}, but when_out_of_scope is \"keep\"",
            why_removed(removed, kind)
        ),
        Why::CannotDisable(removed) => format!(
            "it should be disabled, because {}, but no mapping writes that to the target: map \
             IsSoftDeleted to active, or set when_out_of_scope = \"delete\"",
            why_removed(removed, kind)
        ),
        Why::IncompleteRead(removed) => format!(
            "it would be removed, because {}, but the scope is not certain",
            why_removed(removed, kind)
        ),
        Why::FirstCycle(class) => format!(
            "{}, but only after one cycle of the job has completed",
            match class {
                RemovalClass::Membership => "members would be removed from it",
                RemovalClass::Certain | RemovalClass::User | RemovalClass::Group =>
                    "it would be removed",
            }
        ),
        Why::DeletesWait => {
            "it will be deleted when deletes are sent again (safety.deletes)".to_owned()
        }
        Why::EnabledSince => {
            "it was disabled and would be deleted now (delete_after), but it was enabled in the target \
             since then, so it is not deleted"
                .to_owned()
        }
        Why::LookupFailed(words) => format!("the look-up in the target failed: {}", clean(words)),
    }
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
        Warning::ClocksDiffer { ahead } => {
            let length = coarse(ahead.num_milliseconds().unsigned_abs());
            let side = if *ahead > TimeDelta::zero() {
                "ahead of"
            } else {
                "behind"
            };
            format!(
                "the clock of this machine is {length} {side} that of Microsoft Graph: delete_after \
                 deletes no account until they agree"
            )
        }
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
const ORDER: [&str; 9] = [
    "create",
    "adopt",
    "update",
    "enable",
    "add-members",
    "set-reference",
    "remove-members",
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
        "add-members" => return format!("{} added", things(times, "membership")),
        "remove-members" => return format!("{} removed", things(times, "membership")),
        "set-reference" => return format!("{} set", things(times, "reference")),
        other => return format!("{} × {other}", number(times)),
    };
    format!("{} {past}", number(times))
}

/// What a plan leaves out because another does it too.
pub(crate) fn compared(against: &Against) -> String {
    let Against { name, only_there } = against;
    format!(
        "compared with {}: actions in both plans are not shown, and {} done only there",
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
    let remedy = "replace it; in the meantime, list both in the configuration";
    match (day - today).num_days() {
        ..0 => format!("expired on {day}: {remedy}"),
        0 => format!("expires today: {remedy}"),
        days @ 1..=EXPIRES_SOON => {
            let plural = if days == 1 { "" } else { "s" };
            format!("expires on {day}, in {days} day{plural}: {remedy}")
        }
        days => format!("expires on {day}, in {days} days"),
    }
}

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
