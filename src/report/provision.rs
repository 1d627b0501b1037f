//! What provisioning one object on demand did: Entra's five steps, for people and for machines.

use std::io::{self, Write};

use serde_json::{Value as Json, json};

use super::entry::Mark;
use super::explain::{
    attributes_json, decisions, is_own, keys_json, link_text, removals_json, scope_json, scope_text,
};
use super::json::{FORMAT, action_json, skipped_json, subject_json};
use super::log;
use super::sentence::{capital, clean, key as key_text, subject_text, things, why};
use super::text::{Style, write_action};
use super::view::Names;
use crate::engine::explain::Explanation;
use crate::engine::model::{JobName, TargetId};
use crate::engine::plan::{Action, Operation, Skipped};
use crate::engine::record::{LogEntry, LogStatus};
use crate::engine::redact::Shown;

/// One object, and what a cycle that was limited to it planned or did.
#[derive(Debug)]
pub(crate) struct Provisioned {
    pub(crate) explanation: Explanation,
    /// Of a dry run: what would be sent.
    pub(crate) planned: Vec<Shown<'static, Action>>,
    pub(crate) held: Vec<Shown<'static, Action>>,
    pub(crate) skipped: Vec<Shown<'static, Skipped>>,
    /// What was sent, in the order of sending.
    pub(crate) entries: Vec<LogEntry>,
    pub(crate) is_dry_run: bool,
}

impl Provisioned {
    /// How matching went, as far as the action shows.
    fn matched(&self) -> (&'static str, String) {
        let mut planned = self.planned.iter().chain(&self.held);
        let words = self.entries.iter().map(|entry| entry.action.as_str());
        let words: Vec<&str> = words.collect();
        let adopts =
            |action: &&Shown<'_, Action>| matches!(action.operation, Operation::Adopt { .. });
        let adopted = planned
            .find(adopts)
            .and_then(|action| action.target.clone());
        let creates =
            |action: &Shown<'_, Action>| matches!(action.operation, Operation::Create { .. });
        let entry = |word: &str| self.entries.iter().find(|entry| entry.action == word);
        let id = |target: Option<&TargetId>| target.map_or("", TargetId::as_str).to_owned();
        if let Some(target) = adopted {
            return (
                "matched",
                format!("found in the target: {}", id(Some(&target))),
            );
        }
        if let Some(entry) = entry("adopt") {
            let target = id(entry.target.as_ref());
            return ("matched", format!("found in the target: {target}"));
        }
        if self.planned.iter().any(creates) || words.contains(&"create") {
            return (
                "none",
                "no object in the target has any of these values".to_owned(),
            );
        }
        match &self.explanation.link {
            Some(_) => ("linked", link_text(&self.explanation)),
            None => ("not-looked-for", "not looked up in the target".to_owned()),
        }
    }

    /// Whether it waits for a person: of a cycle that ended only the state still says so.
    fn is_held(&self) -> bool {
        let explanation = &self.explanation;
        !self.held.is_empty() || is_own(explanation, &explanation.held)
    }

    /// Whether something failed, or a decision is required.
    fn is_good(&self) -> bool {
        !self.is_held()
            && self
                .entries
                .iter()
                .all(|entry| entry.status != LogStatus::Failed)
            && self.skipped.iter().all(|one| !one.why.is_failure())
    }
}

pub(crate) fn text(
    out: &mut dyn Write,
    provisioned: &Provisioned,
    names: Names<'_>,
    style: Style,
) -> io::Result<()> {
    let explanation = &provisioned.explanation;
    let subject = &explanation.subject;
    let step = |number: u8, name: &str| style.bold(&format!("{number} {name}"));
    writeln!(out, "{}", style.bold(&capital(&subject_text(subject))))?;
    writeln!(
        out,
        "\n{}\n  {} {} with id {} was read, {} mapped",
        step(1, "Import"),
        style.good_or_bad(true),
        subject.kind,
        clean(subject.id.as_str()),
        things(explanation.attributes.len() as u64, "attribute"),
    )?;
    writeln!(out, "\n{}", step(2, "Scope"))?;
    scope_text(out, explanation, style)?;
    writeln!(out, "\n{}", step(3, "Match"))?;
    let keys = explanation.keys.iter();
    let keys: Vec<String> = keys.map(|key| key_text(key, names)).collect();
    if !keys.is_empty() {
        writeln!(out, "  by {}", keys.join(", then "))?;
    }
    writeln!(out, "  {}", provisioned.matched().1)?;
    writeln!(out, "\n{}", step(4, "Action"))?;
    let (planned, entries) = (&provisioned.planned, &provisioned.entries);
    for action in planned.iter().chain(&provisioned.held) {
        write_action(out, action, names, style)?;
    }
    for entry in entries {
        log::text(out, entry, names, style)?;
    }
    for one in &provisioned.skipped {
        let mark = style.mark(if one.why.is_failure() {
            Mark::Fail
        } else {
            Mark::Skip
        });
        writeln!(out, "  {mark} {}", why(&one.why, one.subject.kind, names))?;
    }
    if planned.is_empty()
        && entries.is_empty()
        && provisioned.skipped.is_empty()
        && provisioned.held.is_empty()
    {
        let decisions = decisions(explanation);
        if decisions.is_empty() {
            writeln!(out, "  nothing to do")?;
        }
        for (mark, words) in decisions {
            writeln!(out, "  {} {words}", style.mark(mark))?;
        }
    }
    writeln!(out, "\n{}", step(5, "Result"))?;
    let good = style.good_or_bad(provisioned.is_good());
    let result = if provisioned.is_held() {
        "held by a safety limit until it is approved".to_owned()
    } else if planned.is_empty() && entries.is_empty() && is_own(explanation, &explanation.rejected)
    {
        "nothing is sent: a person rejected its removal".to_owned()
    } else if provisioned.is_dry_run {
        "dry run: nothing was sent".to_owned()
    } else if entries.is_empty() {
        "nothing was sent".to_owned()
    } else {
        let failed = entries
            .iter()
            .filter(|entry| entry.status == LogStatus::Failed);
        match failed.count() as u64 {
            0 => format!("{} carried out", things(entries.len() as u64, "action")),
            failed => format!("{} failed", things(failed, "action")),
        }
    };
    writeln!(out, "  {good} {result}")
}

pub(crate) fn json(
    out: &mut dyn Write,
    job: &JobName,
    cycle: Option<i64>,
    all: &[Provisioned],
    names: Names<'_>,
) -> io::Result<()> {
    let objects = all.iter().map(|one| object_json(one, names));
    let document = json!({
        "format": FORMAT,
        "job": job.as_str(),
        "cycle": cycle,
        "dry_run": cycle.is_none(),
        "objects": objects.collect::<Json>(),
    });
    writeln!(out, "{document}")
}

fn object_json(provisioned: &Provisioned, names: Names<'_>) -> Json {
    let explanation = &provisioned.explanation;
    let (matched, matched_text) = provisioned.matched();
    let actions = |actions: &[Shown<'static, Action>]| -> Json {
        let actions = actions.iter();
        actions
            .map(|action| action_json(action, action.step(), names))
            .collect()
    };
    let skipped = provisioned.skipped.iter();
    let entries = provisioned.entries.iter();
    json!({
        "subject": subject_json(&explanation.subject),
        "import": { "attributes": attributes_json(explanation) },
        "scope": scope_json(explanation),
        "match": {
            "keys": keys_json(explanation),
            "outcome": matched,
            "text": matched_text,
        },
        "action": {
            "planned": actions(&provisioned.planned),
            "held": actions(&provisioned.held),
            "skipped": skipped.map(|one| skipped_json(one, names)).collect::<Json>(),
            "waiting": removals_json(&explanation.held),
            "rejected": removals_json(&explanation.rejected),
        },
        "result": entries.map(|entry| log::entry_json(entry, names)).collect::<Json>(),
    })
}
