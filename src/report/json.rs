//! JSON for machines: one document per command, written as it is serialised. The format is stable:
//! fields are added, never renamed or removed, while `"format"` stays 1.

use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value as Json, json};

use super::sentence;
use super::view::{
    CheckView, CycleView, EscrowView, HeldView, JobView, Names, PlanView, ProblemView, totals,
};
use crate::engine::guard::{Held, Review, WhyHeld};
use crate::engine::mapping::AttributeError;
use crate::engine::model::{JobName, MatchKey, SourceId, TargetId, TargetPath, Value};
use crate::engine::outcome::Failure;
use crate::engine::plan::{
    Action, Change, Count, Plan, Referenced, Skipped, Step, Subject, Why, WhyOut, WhyRemoved,
};
use crate::engine::summary::{FailedObject, Requests, Summary};

/// Of every document.
pub(super) const FORMAT: u64 = 1;

/// A document with one entry per job, each written when it is there.
pub(crate) struct Document<'a> {
    out: &'a mut dyn Write,
    entries: usize,
}

impl<'a> Document<'a> {
    pub(crate) fn begin(out: &'a mut dyn Write) -> io::Result<Self> {
        write!(out, "{{\"format\":{FORMAT},\"jobs\":[")?;
        Ok(Self { out, entries: 0 })
    }

    pub(crate) fn plan(&mut self, view: &PlanView<'_>) -> io::Result<()> {
        self.entry(&PlanDocument(view))
    }

    pub(crate) fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        self.entry(&summary_json(summary))
    }

    pub(crate) fn checks(&mut self, job: &JobName, checks: &[CheckView]) -> io::Result<()> {
        self.entry(&checks_json(job, checks))
    }

    pub(crate) fn status(&mut self, job: &JobView) -> io::Result<()> {
        self.entry(&status_json(job))
    }

    /// A job for which there is nothing but an error.
    pub(crate) fn error(&mut self, job: &JobName, error: &str) -> io::Result<()> {
        self.entry(&json!({ "job": job.as_str(), "error": error }))
    }

    fn entry(&mut self, entry: &impl Serialize) -> io::Result<()> {
        let separator = if self.entries == 0 { "\n" } else { ",\n" };
        self.out.write_all(separator.as_bytes())?;
        self.entries += 1;
        serde_json::to_writer(&mut *self.out, entry).map_err(io::Error::from)
    }

    pub(crate) fn end(self) -> io::Result<()> {
        self.out.write_all(b"\n]}\n")
    }
}

/// Problems and warnings of the configuration.
pub(crate) fn problems(
    out: &mut dyn Write,
    problems: &[ProblemView],
    warnings: &[ProblemView],
) -> io::Result<()> {
    let document = json!({
        "format": FORMAT,
        "ok": problems.is_empty(),
        "problems": problems.iter().map(problem_json).collect::<Vec<_>>(),
        "warnings": warnings.iter().map(problem_json).collect::<Vec<_>>(),
    });
    writeln!(out, "{document}")
}

/// An error before any job could be asked.
pub(crate) fn error(out: &mut dyn Write, error: &str) -> io::Result<()> {
    writeln!(out, "{}", json!({ "format": FORMAT, "error": error }))
}

/// What was approved for a job; `None` when nothing was held.
pub(crate) fn approved(
    out: &mut dyn Write,
    job: &JobName,
    held: Option<&HeldView>,
) -> io::Result<()> {
    let document = json!({
        "format": FORMAT,
        "job": job.as_str(),
        "approved": held.map(|held| &held.removals),
    });
    writeln!(out, "{document}")
}

struct PlanDocument<'a>(&'a PlanView<'a>);

impl Serialize for PlanDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let PlanView {
            review: Review { cleared, held },
            kind,
            requests,
            known: _,
        } = self.0;
        let plan = cleared.plan();
        let names = &Names::new(self.0);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("job", plan.job.as_str())?;
        map.serialize_entry("kind", sentence::cycle_kind(*kind))?;
        map.serialize_entry("evaluated", &count_json(plan.evaluated))?;
        map.serialize_entry("in_scope", &count_json(plan.in_scope))?;
        map.serialize_entry("linked", &count_json(plan.linked))?;
        map.serialize_entry("incomplete", &plan.incomplete)?;
        map.serialize_entry("totals", &totals_json(plan))?;
        map.serialize_entry("actions", &Actions(plan, names))?;
        let held = held.as_ref().map(|Held { why, actions }| {
            let mut object = why_held_json(*why);
            let actions: Vec<_> = actions.iter().map(|one| action_json(one, names)).collect();
            object.insert("actions".to_owned(), Json::Array(actions));
            object
        });
        map.serialize_entry("held", &held)?;
        map.serialize_entry("skipped", &SkippedObjects(plan, names))?;
        map.serialize_entry("requests", &requests_json(*requests))?;
        map.end()
    }
}

struct Actions<'a>(&'a Plan, &'a Names<'a>);

impl Serialize for Actions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(plan, names) = self;
        serializer.collect_seq(plan.actions().map(|action| action_json(action, names)))
    }
}

struct SkippedObjects<'a>(&'a Plan, &'a Names<'a>);

impl Serialize for SkippedObjects<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(plan, names) = self;
        serializer.collect_seq(plan.skipped().map(|skipped| skipped_json(skipped, names)))
    }
}

fn totals_json(plan: &Plan) -> Json {
    let totals = totals(plan.actions());
    json!({
        "create": totals.create,
        "adopt": totals.adopt,
        "update": totals.update,
        "enable": totals.enable,
        "disable": totals.disable,
        "delete": totals.delete,
        "add_members": totals.members_added,
        "remove_members": totals.members_removed,
        "set_references": totals.references,
    })
}

fn count_json(count: Count) -> Json {
    let Count { users, groups } = count;
    json!({ "users": users, "groups": groups })
}

fn requests_json(requests: Requests) -> Json {
    let Requests { source, target } = requests;
    json!({ "source": source, "target": target })
}

pub(super) fn time_json(time: DateTime<Utc>) -> Json {
    Json::String(time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

pub(super) fn subject_json(subject: &Subject) -> Json {
    let Subject { kind, id, label } = subject;
    json!({ "kind": kind.word(), "id": id.as_str(), "label": label })
}

pub(super) fn value_json(value: &Value) -> Json {
    match value {
        Value::Text(text) => json!(text),
        Value::Boolean(boolean) => json!(boolean),
        Value::Integer(integer) => json!(integer),
        Value::List(values) => values.iter().map(value_json).collect(),
        Value::Object(members) => {
            let members = members.iter();
            Json::Object(
                members
                    .map(|(name, value)| (name.clone(), value_json(value)))
                    .collect(),
            )
        }
        Value::Reference(id) => json!({ "source_id": id.as_str() }),
    }
}

fn path_json(path: &TargetPath) -> Json {
    Json::String(path.to_string())
}

fn key_json(key: &MatchKey) -> Json {
    let MatchKey { path, value } = key;
    json!({ "path": path_json(path), "value": value_json(value) })
}

fn member_json(source: &SourceId, target: Option<&str>, names: &Names<'_>) -> Json {
    json!({ "id": source.as_str(), "label": names.name(source), "target": target })
}

fn referenced_json(referenced: &Referenced, names: &Names<'_>) -> Json {
    let Referenced { source, target } = referenced;
    member_json(source, target.as_ref().map(TargetId::as_str), names)
}

fn changes_json(changes: &[Change]) -> Json {
    changes
        .iter()
        .map(|change| {
            let Change {
                path,
                old,
                new,
                element: _,
            } = change;
            json!({
                "path": path_json(path),
                "old": old.as_ref().map(value_json),
                "new": new.as_ref().map(value_json),
            })
        })
        .collect()
}

fn step_word(step: Step) -> &'static str {
    match step {
        Step::Users => "users",
        Step::Groups => "groups",
        Step::AddMembers => "add-members",
        Step::References => "references",
        Step::RemoveMembers => "remove-members",
        Step::Removals => "removals",
    }
}

fn action_json(action: &Action, names: &Names<'_>) -> Json {
    let mut object = Map::new();
    let mut set = |name: &str, value: Json| object.insert(name.to_owned(), value);
    set("action", json!(action.word()));
    set("step", json!(step_word(action.step())));
    set("subject", subject_json(action.subject()));
    set("target", json!(target_of(action).map(TargetId::as_str)));
    match action {
        Action::Create {
            subject: _,
            attributes,
            references,
            keys,
            via,
        } => {
            let attributes = attributes
                .iter()
                .map(|(path, value)| (path.to_string(), value_json(value)));
            set("attributes", Json::Object(attributes.collect()));
            let references = references
                .iter()
                .map(|(path, to)| (path.to_string(), referenced_json(to, names)));
            set("references", Json::Object(references.collect()));
            set("keys", keys.iter().map(key_json).collect());
            set("via", via.iter().map(sentence::via).collect());
        }
        Action::Adopt {
            subject: _,
            target: _,
            key,
            current: _,
            changes,
            via,
        } => {
            set("key", key_json(key));
            set("changes", changes_json(changes));
            set("via", via.iter().map(sentence::via).collect());
        }
        Action::Update {
            subject: _,
            target: _,
            changes,
        }
        | Action::Enable {
            subject: _,
            target: _,
            changes,
        } => {
            set("changes", changes_json(changes));
        }
        Action::Disable {
            subject: _,
            target: _,
            changes,
            why,
        } => {
            set("changes", changes_json(changes));
            set("why", why_removed_json(why, action));
        }
        Action::Delete {
            subject: _,
            target: _,
            why,
        } => {
            set("why", why_removed_json(why, action));
        }
        Action::AddMembers {
            group: _,
            target: _,
            members,
        } => {
            let members = members.iter().map(|one| referenced_json(one, names));
            set("members", members.collect());
        }
        Action::RemoveMembers {
            group: _,
            target: _,
            members,
        } => {
            let members = members
                .iter()
                .map(|(source, target)| member_json(source, Some(target.as_str()), names));
            set("members", members.collect());
        }
        Action::SetReference {
            subject: _,
            target: _,
            path,
            old,
            new,
        } => {
            set("path", path_json(path));
            let old = old.as_ref().map(|id| member_json(id, None, names));
            set("old", json!(old));
            let new = new.as_ref().map(|one| referenced_json(one, names));
            set("new", json!(new));
        }
    }
    Json::Object(object)
}

/// The target id; `None` when the plan itself creates the object.
fn target_of(action: &Action) -> Option<&TargetId> {
    match action {
        Action::Create { .. } => None,
        Action::Adopt { target, .. }
        | Action::Update { target, .. }
        | Action::Enable { target, .. }
        | Action::Disable { target, .. }
        | Action::Delete { target, .. }
        | Action::RemoveMembers { target, .. } => Some(target),
        Action::AddMembers { target, .. } | Action::SetReference { target, .. } => target.as_ref(),
    }
}

fn why_removed_word(why: &WhyRemoved) -> &'static str {
    match why {
        WhyRemoved::OutOfScope(out) => why_out_word(out),
        WhyRemoved::Blocked => "blocked",
        WhyRemoved::SoftDeleted => "soft-deleted",
        WhyRemoved::Deleted => "deleted",
    }
}

fn why_out_word(why: &WhyOut) -> &'static str {
    match why {
        WhyOut::NotAssigned => "not-assigned",
        WhyOut::NotNamed => "not-named",
        WhyOut::DefaultAccessOnly => "default-access-only",
        WhyOut::Excluded => "excluded",
        WhyOut::Filter(_) => "filter",
        WhyOut::KindDisabled => "kind-disabled",
    }
}

fn why_removed_json(why: &WhyRemoved, action: &Action) -> Json {
    json!({
        "reason": why_removed_word(why),
        "text": sentence::why_removed(why, action.subject().kind),
    })
}

fn skipped_json(skipped: &Skipped, names: &Names<'_>) -> Json {
    let Skipped { subject, why } = skipped;
    let mut object = Map::new();
    let mut set = |name: &str, value: Json| object.insert(name.to_owned(), value);
    set("subject", subject_json(subject));
    set("reason", json!(why.word()));
    set("failure", json!(why.is_failure()));
    set("text", json!(sentence::why(why, subject.kind, names)));
    match why {
        Why::OutOfScope(out) => {
            set("detail", json!(why_out_word(out)));
        }
        Why::Kept(removed) | Why::CannotDisable(removed) | Why::IncompleteRead(removed) => {
            set("detail", json!(why_removed_word(removed)));
        }
        Why::NotAllowed(verb) => {
            set("detail", json!(sentence::verb_word(*verb)));
        }
        Why::Ambiguous { key, targets } => {
            set("key", key_json(key));
            set("targets", targets.iter().map(TargetId::as_str).collect());
        }
        Why::Taken { key, target, by } => {
            set("key", key_json(key));
            set("targets", json!([target.as_str()]));
            set("by", json!(by.as_str()));
        }
        Why::DuplicateSource { key, other } => {
            set("key", key_json(key));
            set("by", json!(other.as_str()));
        }
        Why::MappingFailed(errors) => {
            let errors = errors.iter().map(|AttributeError { target, message }| {
                json!({ "path": path_json(target), "message": message })
            });
            set("errors", errors.collect());
        }
        Why::LookupFailed(_)
        | Why::BlockedNotCreated
        | Why::NoMatchingValue
        | Why::IgnoredByMapping => {}
    }
    Json::Object(object)
}

fn why_held_json(why: WhyHeld) -> Map<String, Json> {
    let text = json!(sentence::why_held(why));
    let fields = match why {
        WhyHeld::TooManyDeletions { planned, limit } => vec![
            ("reason", json!("too-many-deletions")),
            ("planned", json!(planned)),
            ("limit", json!(limit)),
        ],
        WhyHeld::EmptiedScope { linked } => vec![
            ("reason", json!("emptied-scope")),
            ("linked", count_json(linked)),
        ],
    };
    let fields = fields.into_iter().chain([("text", text)]);
    fields
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn summary_json(summary: &Summary) -> Json {
    let Summary {
        job,
        cycle,
        kind,
        started,
        duration_ms,
        evaluated,
        in_scope,
        linked,
        done,
        skipped,
        failures,
        failed,
        not_tried,
        held,
        incomplete,
        aborted,
        stopped,
        requests,
    } = summary;
    let failures = failures.iter().map(|failed| {
        let FailedObject {
            subject,
            action,
            failure:
                Failure {
                    class,
                    http_status,
                    message,
                    unconfirmed,
                },
        } = failed;
        json!({
            "subject": subject_json(subject),
            "action": action,
            "class": class.word(),
            "http_status": http_status,
            "message": message,
            "unconfirmed": unconfirmed,
        })
    });
    json!({
        "job": job.as_str(),
        "cycle": cycle,
        "kind": sentence::cycle_kind(*kind),
        "started": time_json(*started),
        "duration_ms": duration_ms,
        "evaluated": count_json(*evaluated),
        "in_scope": count_json(*in_scope),
        "linked": count_json(*linked),
        "done": done,
        "skipped": skipped,
        "failed": failed,
        "not_tried": not_tried,
        "failures": failures.collect::<Vec<_>>(),
        "held": held.map(|(why, removals)| {
            let mut object = why_held_json(why);
            object.insert("removals".to_owned(), json!(removals));
            object
        }),
        "incomplete": incomplete,
        "aborted": aborted,
        "stopped": stopped,
        "requests": requests_json(*requests),
    })
}

fn problem_json(problem: &ProblemView) -> Json {
    let ProblemView {
        file,
        line,
        column,
        variable,
        key,
        message,
        remedy,
    } = problem;
    json!({
        "file": file,
        "line": line,
        "column": column,
        "variable": variable,
        "key": key,
        "message": message,
        "remedy": remedy,
    })
}

fn checks_json(job: &JobName, checks: &[CheckView]) -> Json {
    let ok = checks.iter().all(|check| check.result.is_ok());
    let checks = checks
        .iter()
        .map(|CheckView { what, result }| match result {
            Ok(seen) => json!({ "check": what, "ok": true, "seen": seen }),
            Err((problem, remedy)) => {
                json!({ "check": what, "ok": false, "problem": problem, "remedy": remedy })
            }
        });
    json!({ "job": job.as_str(), "ok": ok, "checks": checks.collect::<Vec<_>>() })
}

fn status_json(view: &JobView) -> Json {
    let JobView {
        job,
        enabled,
        linked,
        pending,
        in_escrow,
        escrow,
        held,
        last,
        next,
        full_evaluation,
    } = view;
    let escrow = escrow.iter().map(|entry| {
        let EscrowView {
            subject,
            action,
            attempts,
            first_failed,
            last_failed,
            message,
        } = entry;
        json!({
            "subject": subject_json(subject),
            "action": action,
            "attempts": attempts,
            "first_failed": time_json(*first_failed),
            "last_failed": time_json(*last_failed),
            "message": message,
        })
    });
    let held = held.as_ref().map(|held| {
        let HeldView {
            why,
            since,
            removals,
        } = held;
        let mut object = why_held_json(*why);
        object.insert("since".to_owned(), time_json(*since));
        object.insert("removals".to_owned(), json!(removals));
        object
    });
    json!({
        "job": job.as_str(),
        "enabled": enabled,
        "linked": count_json(*linked),
        "pending": count_json(*pending),
        "in_escrow": count_json(*in_escrow),
        "escrow": escrow.collect::<Vec<_>>(),
        "held": held,
        "last_cycle": last.as_ref().map(cycle_json),
        "next": next.map(time_json),
        "full_evaluation": full_evaluation,
    })
}

fn cycle_json(cycle: &CycleView) -> Json {
    let CycleView {
        number,
        kind,
        state,
        started,
        finished,
        duration_ms,
        evaluated,
        in_scope,
        done,
        skipped,
        failed,
        not_tried,
        requests,
        incomplete,
        error,
    } = cycle;
    json!({
        "cycle": number,
        "kind": sentence::cycle_kind(*kind),
        "state": state,
        "started": time_json(*started),
        "finished": finished.map(time_json),
        "duration_ms": duration_ms,
        "evaluated": count_json(*evaluated),
        "in_scope": count_json(*in_scope),
        "done": done,
        "skipped": skipped,
        "failed": failed,
        "not_tried": not_tried,
        "requests": requests_json(*requests),
        "incomplete": incomplete,
        "error": error,
    })
}
