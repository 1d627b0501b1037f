//! The plan of one job, serialised row by row.

use std::io;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value as Json, json};

use super::action::action_json;
use super::misnamed::misnamed_json;
use super::skipped::skipped_json;
use super::value::{count_json, list, requests_json, subject_json, time_json};
use super::warning::{staged_json, strangers_json, warnings_json};
use super::why::why_held_json;
use crate::engine::guard::{LimitUse, WhyHeld};
use crate::engine::model::TargetId;
use crate::engine::predict::Refusal;
use crate::report::entry::{Entry, Line};
use crate::report::refusal::{remedy, why_refused};
use crate::report::sentence;
use crate::report::view::{Against, Names, Order, Part, PlanRow, PlanView, SnapshotNote, totals};

pub(super) struct PlanDocument<'a>(pub(super) &'a PlanView<'a>);

impl Serialize for PlanDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let PlanView {
            job,
            header,
            totals: counted,
            refusals,
            held,
            limits,
            kind,
            requests,
            rate: _,
            rows,
            made: _,
            against,
            snapshot,
        } = *self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("job", job.as_str())?;
        map.serialize_entry("kind", sentence::cycle_kind(kind))?;
        map.serialize_entry("evaluated", &count_json(header.evaluated))?;
        map.serialize_entry("in_scope", &count_json(header.in_scope))?;
        map.serialize_entry("linked", &count_json(header.linked))?;
        let staged = header.staged.as_ref().map(staged_json);
        map.serialize_entry("staged", &staged)?;
        map.serialize_entry("incomplete", &header.incomplete)?;
        map.serialize_entry("misnamed", &misnamed_json(&header.misnamed))?;
        map.serialize_entry("totals", &totals(counted))?;
        map.serialize_entry("actions", &PartOf(self.0, Part::Cleared))?;
        map.serialize_entry(
            "held",
            &(!held.is_empty()).then_some(Held {
                why: held,
                view: self.0,
            }),
        )?;
        map.serialize_entry("refusals", &refusals_json(refusals, Names::Rows(rows)))?;
        map.serialize_entry("limits", &limits_json(limits))?;
        map.serialize_entry("skipped", &PartOf(self.0, Part::Skipped))?;
        map.serialize_entry("warnings", &warnings_json(&header.warnings))?;
        let strangers = header.strangers.as_ref().map(strangers_json);
        map.serialize_entry("strangers", &strangers)?;
        map.serialize_entry("requests", &requests_json(requests))?;
        if let Some(Against {
            name,
            only_there,
            skipped_there,
            there: _,
        }) = against
        {
            let against = json!({
                "file": name,
                "only_there": only_there,
                "skipped_there": skipped_there,
            });
            map.serialize_entry("against", &against)?;
        }
        if let Some(snapshot) = snapshot {
            let SnapshotNote {
                file,
                made,
                redacted,
                what_if,
                without_target,
            } = snapshot;
            let note = json!({
                "file": file,
                "made": time_json(*made),
                "redacted": redacted,
                "what_if": what_if,
                "without_target": without_target,
            });
            map.serialize_entry("snapshot", &note)?;
        }
        map.end()
    }
}

fn refusals_json(refusals: &[Refusal], names: Names<'_>) -> Vec<Json> {
    let refusals = refusals.iter().map(|refusal| {
        let Refusal {
            subject,
            target,
            action,
            problem,
        } = refusal;
        json!({
            "subject": subject_json(subject),
            "target": target.as_ref().map(TargetId::as_str),
            "action": action,
            "reason": problem.as_str(),
            "text": why_refused(problem, names),
            "remedy": remedy(problem),
        })
    });
    refusals.collect()
}

/// No limit is `null`.
fn limits_json(limits: &[LimitUse]) -> Json {
    let limits = limits.iter().map(|one| {
        let LimitUse {
            counted,
            planned,
            recent,
            limit,
        } = *one;
        json!({
            "counted": counted.as_str(),
            "planned": planned,
            "recent": recent,
            "limit": (limit < u64::MAX).then_some(limit),
        })
    });
    limits.collect()
}

struct Held<'a> {
    why: &'a [WhyHeld],
    view: &'a PlanView<'a>,
}

impl Serialize for Held<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { why, view } = *self;
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in why_held_json(why) {
            map.serialize_entry(&name, &value)?;
        }
        map.serialize_entry("actions", &PartOf(view, Part::Held))?;
        map.end()
    }
}

/// One row after another: a plan may be larger than memory.
struct PartOf<'a>(&'a PlanView<'a>, Part);

impl Serialize for PartOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(view, part) = *self;
        list(serializer, |element| {
            view.rows.each(part, Order::Execution, &mut |row| {
                element(row_json(&row, view)?)
            })
        })
    }
}

fn row_json(row: &PlanRow<'_>, view: &PlanView<'_>) -> io::Result<Json> {
    let names = Names::Rows(view.rows);
    Ok(match row {
        PlanRow::Action(action, step) => {
            let mut json = action_json(action, *step, names);
            if let Some(against) = view.against
                && (against.there.lines(action)?.is_some()
                    || against.there.members(action).is_some())
            {
                json["differs"] = differs_json(&view.entry(action)?);
            }
            json
        }
        PlanRow::Skipped(skipped) => skipped_json(skipped, names),
    })
}

/// The values of two plans that do the same to an object.
fn differs_json(entry: &Entry<'_>) -> Json {
    let lines = entry.lines.iter().filter_map(|line| match line {
        Line::Changed { path, old, new } => {
            Some(json!({ "path": path, "there": old, "here": new }))
        }
        Line::Via(_) | Line::Given { .. } | Line::How(_) | Line::Note(_) => None,
    });
    let members = entry.members.iter();
    let members = members.map(|member| json!({ "path": "members", "there": null, "here": member }));
    lines.chain(members).collect()
}
