//! Why an object is, or is not, provisioned, as JSON.

use std::io::{self, Write};

use serde_json::{Value as Json, json};

use super::{access, gone, remedies, ways};
use crate::engine::explain::{Explanation, Next, Part, PartOutcome, State};
use crate::engine::model::{Presence, TargetId};
use crate::engine::plan::WhyOut;
use crate::engine::record::{HeldRemoval, LogEntry};
use crate::engine::scope::Verdict;
use crate::report::json::{FORMAT, action_json, skipped_json, subject_json, time_json, value_json};
use crate::report::log;
use crate::report::sentence::why_out;
use crate::report::view::Names;

pub(crate) fn json(
    out: &mut dyn Write,
    explanation: &Explanation,
    names: Names<'_>,
) -> io::Result<()> {
    let mut document = explanation_json(explanation, names);
    document["format"] = json!(FORMAT);
    writeln!(out, "{document}")
}

fn explanation_json(explanation: &Explanation, names: Names<'_>) -> Json {
    let kind = explanation.subject.kind;
    let link = explanation.link.as_ref().map(|link| {
        json!({
            "target": link.target.as_ref().map(TargetId::as_str),
            "state": link.state.as_str(),
        })
    });
    let groups = explanation.groups.iter().map(|one| {
        json!({
            "group": subject_json(&one.group),
            "written": one.sent,
            "in_source": one.in_source,
        })
    });
    let escrow = explanation.escrow.as_ref().map(|one| {
        json!({
            "action": one.action,
            "first_failed": time_json(one.first_failed),
            "last_failed": time_json(one.last_failed),
            "attempts": one.attempts,
            "message": one.message,
        })
    });
    let entry = |one: &LogEntry| log::entry_json(one, names);
    let removals = explanation.removals.iter().map(entry);
    json!({
        "job": explanation.job.as_str(),
        "subject": subject_json(&explanation.subject),
        "presence": presence_word(explanation.presence),
        "blocked": explanation.blocked,
        "scope": scope_json(explanation),
        "attributes": attributes_json(explanation),
        "keys": keys_json(explanation),
        "link": link,
        "access": access(explanation),
        "groups": groups.collect::<Json>(),
        "last_write": explanation.last_write.as_ref().map(entry),
        "removals": removals.collect::<Json>(),
        "escrow": escrow,
        "held": removals_json(&explanation.held),
        "rejected": removals_json(&explanation.rejected),
        "marked": explanation.marked,
        "deleted_at": explanation.deleted_at.map(time_json),
        "next": next_json(&explanation.next, names),
        "remedies": remedies(explanation),
        "incomplete": explanation.incomplete,
        "kind": kind.word(),
    })
}

pub(in crate::report) fn removals_json(removals: &[HeldRemoval]) -> Json {
    let removals = removals.iter().map(|one| {
        json!({
            "action": one.action,
            "subject": subject_json(&one.subject),
            "member": one.member.as_ref().map(subject_json),
            "cause": one.cause,
        })
    });
    removals.collect()
}

fn presence_word(presence: Presence) -> &'static str {
    match presence {
        Presence::Present => "present",
        Presence::SoftDeleted => "soft-deleted",
        Presence::Deleted => "deleted",
        Presence::Missing => "missing",
    }
}

pub(in crate::report) fn scope_json(explanation: &Explanation) -> Json {
    let kind = explanation.subject.kind;
    let (verdict, why) = match &explanation.verdict {
        Verdict::In => ("in", None),
        Verdict::Out(why) => ("out", Some(why)),
        Verdict::Unknown { would_be } => ("unknown", Some(would_be)),
    };
    let clauses = explanation.clauses.iter().map(|clause| {
        json!({
            "filter": clause.seen.number,
            "name": clause.seen.name,
            "clause": clause.seen.clause,
            "value": clause.seen.value,
            "holds": clause.holds,
        })
    });
    let gone = gone(explanation);
    json!({
        "verdict": if gone.is_some() { "out" } else { verdict },
        "reason": match gone {
            Some(_) => Some(presence_word(explanation.presence)),
            None => why.map(WhyOut::as_str),
        },
        "text": gone.or_else(|| why.map(|why| why_out(why, kind))),
        "via": ways(&explanation.ways),
        "clauses": clauses.collect::<Json>(),
    })
}

fn next_json(next: &Next, names: Names<'_>) -> Json {
    match next {
        Next::LookUp => json!({ "look_up": true, "actions": [], "skipped": [] }),
        Next::Planned { actions, skipped } => {
            let actions = actions.iter();
            let actions = actions.map(|action| action_json(action, action.step(), names));
            let skipped = skipped.iter().map(|one| skipped_json(one, names));
            json!({
                "look_up": false,
                "actions": actions.collect::<Json>(),
                "skipped": skipped.collect::<Json>(),
            })
        }
    }
}

pub(in crate::report) fn attributes_json(explanation: &Explanation) -> Json {
    let attributes = explanation.attributes.iter().map(|one| {
        let (state, error) = match &one.state {
            State::Kept => ("kept", None),
            State::OnCreate => ("on-create", None),
            State::Refused => ("refused", None),
            State::LeftAlone => ("left-alone", None),
            State::Failed(message) => ("failed", Some(message)),
        };
        json!({
            "attribute": one.path.to_string(),
            "source": one.source,
            "state": state,
            "wanted": one.wanted.as_ref().map(value_json),
            "written": one.sent.as_ref().map(value_json),
            "error": error,
            "parts": one.parts.iter().map(part_json).collect::<Json>(),
        })
    });
    attributes.collect()
}

fn part_json(part: &Part) -> Json {
    let Part {
        text,
        depth,
        outcome,
    } = part;
    let (state, value, error) = match outcome {
        PartOutcome::Value(value) => ("value", Some(value_json(value)), None),
        PartOutcome::Null => ("value", None, None),
        PartOutcome::Ignored => ("ignored", None, None),
        PartOutcome::Failed(words) => ("failed", None, Some(words)),
        PartOutcome::NotEvaluated => ("not-evaluated", None, None),
    };
    json!({ "text": text, "depth": depth, "state": state, "value": value, "error": error })
}

pub(in crate::report) fn keys_json(explanation: &Explanation) -> Json {
    let keys = explanation.keys.iter();
    keys.map(|key| json!({ "path": key.path.to_string(), "value": value_json(&key.value) }))
        .collect()
}
