//! One action of a plan, with what it changes and why.

use serde_json::{Map, Value as Json, json};

use super::value::{key_json, path_json, subject_json, value_json};
use super::why::{filters_of_removal_json, why_removed_word};
use crate::engine::model::{SourceId, TargetId};
use crate::engine::plan::{Action, Change, Operation, Referenced, Step, WhyRemoved, WriteMode};
use crate::engine::redact::Shown;
use crate::report::sentence;
use crate::report::view::Names;

pub(super) fn action_json(action: &Shown<'_, Action>, names: &Names<'_>) -> Json {
    let mut object = Map::new();
    let mut set = |name: &str, value: Json| object.insert(name.to_owned(), value);
    set("action", json!(action.as_str()));
    set("step", json!(step_word(action.step())));
    set("subject", subject_json(&action.subject));
    set(
        "target",
        json!(action.target.as_ref().map(TargetId::as_str)),
    );
    match &action.operation {
        Operation::Create {
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
        Operation::Adopt {
            key,
            current: _,
            changes,
            via,
        } => {
            set("key", key_json(key));
            set("changes", changes_json(changes));
            set("via", via.iter().map(sentence::via).collect());
        }
        Operation::Update { changes } | Operation::Enable { changes } => {
            set("changes", changes_json(changes));
        }
        Operation::Disable { changes, why } => {
            set("changes", changes_json(changes));
            set("why", why_removed_json(why, action));
        }
        Operation::Delete { why } => {
            set("why", why_removed_json(why, action));
        }
        Operation::AddMembers { members } => {
            let members = members.iter().map(|one| referenced_json(one, names));
            set("members", members.collect());
        }
        Operation::RemoveMembers { members } => {
            let members = members
                .iter()
                .map(|(source, target)| member_json(source, Some(target.as_str()), names));
            set("members", members.collect());
        }
        Operation::SetReference { path, old, new } => {
            set("path", path_json(path));
            let old = old.as_ref().map(|id| member_json(id, None, names));
            set("old", json!(old));
            let new = new.as_ref().map(|one| referenced_json(one, names));
            set("new", json!(new));
        }
    }
    Json::Object(object)
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

fn changes_json(changes: &[Change]) -> Json {
    changes
        .iter()
        .map(|change| {
            let Change {
                path,
                old,
                new,
                element: _,
                written,
            } = change;
            let mut object = json!({
                "path": path_json(path),
                "old": old.as_ref().map(value_json),
                "new": new.as_ref().map(value_json),
            });
            if let WriteMode::Added(elements) = written {
                object["added"] = elements.iter().map(value_json).collect();
            }
            object
        })
        .collect()
}

fn member_json(source: &SourceId, target: Option<&str>, names: &Names<'_>) -> Json {
    json!({ "id": source.as_str(), "label": names.name(source), "target": target })
}

fn referenced_json(referenced: &Referenced, names: &Names<'_>) -> Json {
    let Referenced { source, target } = referenced;
    member_json(source, target.as_ref().map(TargetId::as_str), names)
}

fn why_removed_json(why: &WhyRemoved, action: &Action) -> Json {
    let mut object = json!({
        "reason": why_removed_word(why),
        "text": sentence::why_removed(why, action.subject.kind),
    });
    if let Some(filters) = filters_of_removal_json(why) {
        object["filters"] = filters;
    }
    object
}
