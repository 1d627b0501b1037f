//! One action of a plan, with what it changes and why.

use serde_json::{Map, Value as Json, json};

use super::value::{key_json, path_json, subject_json, value_json};
use super::why::filters_of_removal_json;
use crate::engine::model::{SourceId, TargetId};
use crate::engine::plan::{Action, Change, Operation, Referenced, Step, WhyRemoved, WriteMode};
use crate::engine::redact::Shown;
use crate::report::sentence;
use crate::report::view::Names;

pub(crate) fn action_json(action: &Shown<'_, Action>, step: Step, names: Names<'_>) -> Json {
    let mut object = Map::new();
    let mut set = |name: &str, value: Json| object.insert(name.to_owned(), value);
    set("action", json!(action.as_str()));
    set("step", json!(step_word(step)));
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
            from: _,
        } => {
            set("key", key_json(key));
            set("changes", changes_json(changes));
            set("via", via.iter().map(sentence::via).collect());
        }
        Operation::Update { changes } | Operation::Enable { changes } => {
            set("changes", changes_json(changes));
        }
        Operation::Disable {
            changes,
            why,
            proof: _,
        } => {
            set("changes", changes_json(changes));
            set("why", why_removed_json(why, action));
        }
        Operation::Delete { why, proof: _ } => {
            set("why", why_removed_json(why, action));
        }
        Operation::HandOver(hand) => {
            set("to", subject_json(&hand.to));
            set("key", key_json(&hand.key));
            set("changes", changes_json(hand.all_changes()));
            set("why", why_removed_json(&hand.why, action));
            set("via", hand.via.iter().map(sentence::via).collect());
        }
        Operation::AddMembers { members } => {
            let members = members.iter().map(|one| referenced_json(one, names));
            set("members", members.collect());
        }
        Operation::RemoveMembers {
            members,
            why,
            proof: _,
        } => {
            let each = members.iter().map(|one| {
                let mut member = referenced_json(one, names);
                if let Some(why) = why.of(one.key) {
                    member["why"] = json!(why.as_str());
                }
                member
            });
            set("members", each.collect());
            if let Some(why) = why.of_group() {
                set("why", why_removed_json(why, action));
            }
        }
        Operation::SetReference { path, old, new } => {
            set("path", path_json(path));
            let old = old.as_ref().map(|held| {
                let id = held.source.as_ref().map(SourceId::as_str);
                json!({ "id": id, "label": names.held(held), "target": held.target.as_str() })
            });
            set("old", json!(old));
            let new = new.referenced().map(|one| referenced_json(one, names));
            set("new", json!(new));
        }
    }
    Json::Object(object)
}

/// The same without what may differ between two plans that do the same: names, the order of members, why each leaves, and
/// the target ids of other objects, which this plan may create.
pub(crate) fn canonical(action: &Shown<'_, Action>, step: Step, names: Names<'_>) -> Json {
    let mut row = action_json(action, step, names);
    let target = row["target"].take();
    strip(&mut row);
    row["target"] = target;
    if let Some(Json::Array(members)) = row.get_mut("members") {
        for member in members.iter_mut().filter_map(Json::as_object_mut) {
            member.remove("why");
        }
        members.sort_by_key(ToString::to_string);
    }
    row
}

fn strip(json: &mut Json) {
    match json {
        Json::Object(object) => {
            object.remove("label");
            if object.contains_key("id") {
                object.remove("target");
            }
            object.values_mut().for_each(strip);
        }
        Json::Array(list) => list.iter_mut().for_each(strip),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

fn step_word(step: Step) -> &'static str {
    match step {
        Step::Disables => "disables",
        Step::Names => "names",
        Step::Users => "users",
        Step::Groups => "groups",
        Step::AddMembers => "add-members",
        Step::References => "references",
        Step::RemoveMembers => "remove-members",
        Step::Deletes => "deletes",
        Step::CreatesAgain => "creates-again",
    }
}

fn changes_json<'c>(changes: impl IntoIterator<Item = &'c Change>) -> Json {
    changes
        .into_iter()
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

fn member_json(id: &str, label: &str, target: Option<&TargetId>) -> Json {
    json!({ "id": id, "label": label, "target": target.map(TargetId::as_str) })
}

fn referenced_json(referenced: &Referenced, names: Names<'_>) -> Json {
    let Referenced { key, target } = referenced;
    let (id, label) = names.referenced(*key);
    member_json(&id, &label, target.as_ref())
}

fn why_removed_json(why: &WhyRemoved, action: &Action) -> Json {
    let mut object = json!({
        "reason": why.as_str(),
        "text": sentence::why_removed(why, action.subject.kind),
    });
    if let Some(filters) = filters_of_removal_json(why) {
        object["filters"] = filters;
    }
    object
}
