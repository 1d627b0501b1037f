//! Parts of an action that was refused: the rows that follow it carry them.

use std::collections::BTreeSet;

use super::{Action, Change, ElementChange, Operation, Referenced};
use crate::engine::mapping::Mappings;
use crate::engine::model::{Key, TargetPath, Value};

/// What may be done about a refusal that may be about single attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// These attributes are left out, and the rest, where there is any, is sent.
    LeaveOut {
        paths: Vec<TargetPath>,
        rest: Vec<Action>,
    },
    /// Which attribute it is shows when parts are sent.
    Search(Vec<Action>),
}

/// What to send instead of an action that was refused. `is_suspect` says of an attribute that it is the
/// reason; without a suspect, parts are sent where the action `may_search`. A create is never searched: an
/// object must not exist in the target by halves.
pub(crate) fn without_refused(
    action: &Action,
    mappings: &Mappings,
    is_suspect: impl Fn(&TargetPath) -> bool,
    may_search: bool,
) -> Option<Remedy> {
    let of_create = matches!(action.operation, Operation::Create { .. });
    let all = attributes(action);
    let units: Vec<&TargetPath> = all
        .iter()
        .filter(|path| mappings.may_be_left_out(path, of_create))
        .collect();
    let suspects: Vec<TargetPath> = units
        .iter()
        .filter(|path| is_suspect(path))
        .map(|path| (*path).clone())
        .collect();
    let keeps = |left_out: &[TargetPath]| -> Vec<TargetPath> {
        let kept = all.iter().filter(|path| !left_out.contains(path));
        kept.cloned().collect()
    };
    let leave_out = |paths: Vec<TargetPath>| {
        let kept = keeps(&paths);
        let rest = part(action, &[&kept])?;
        Some(Remedy::LeaveOut { paths, rest })
    };
    if !suspects.is_empty() {
        return leave_out(suspects);
    }
    if of_create || !may_search || units.is_empty() {
        return None;
    }
    let units: Vec<TargetPath> = units.into_iter().cloned().collect();
    if units.len() == all.len() && units.len() == 1 {
        return leave_out(units);
    }
    let kept = keeps(&units);
    let parts = if kept.is_empty() {
        let (one, other) = units.split_at(units.len() / 2);
        part(action, &[one, other])
    } else {
        part(action, &[&kept, &units])
    };
    parts.map(Remedy::Search)
}

/// The attributes that an action writes: the path of each, or that of an element that comes or goes as a
/// whole.
pub(crate) fn attributes(action: &Action) -> Vec<TargetPath> {
    match &action.operation {
        Operation::Create {
            attributes,
            references,
            ..
        } => {
            let references = references.iter().filter(|(_, to)| to.target.is_some());
            let references = references.map(|(path, _)| path);
            // Without its member the group is not taken.
            let references = references.filter(|path| !path.is_members());
            attributes.keys().chain(references).cloned().collect()
        }
        Operation::Adopt { changes, .. }
        | Operation::Update { changes }
        | Operation::Enable { changes }
        | Operation::Disable { changes, .. } => {
            let mut units: Vec<TargetPath> = Vec::new();
            for unit in changes.iter().map(unit) {
                if !units.contains(&unit) {
                    units.push(unit);
                }
            }
            units
        }
        Operation::Delete { .. }
        | Operation::HandOver(_)
        | Operation::AddMembers { .. }
        | Operation::RemoveMembers { .. }
        | Operation::SetReference { .. } => Vec::new(),
    }
}

/// What a change is refused or accepted with.
pub(crate) fn unit(change: &Change) -> TargetPath {
    match change.element {
        ElementChange::Added | ElementChange::Removed => {
            change.path.element().unwrap_or_else(|| change.path.clone())
        }
        ElementChange::None | ElementChange::Kept => change.path.clone(),
    }
}

/// Rows that each write some of the attributes of an action. An adoption links its object first.
fn part(action: &Action, parts: &[&[TargetPath]]) -> Option<Vec<Action>> {
    let row = |operation| Action {
        operation,
        ..action.clone()
    };
    match &action.operation {
        Operation::Create {
            attributes,
            references,
            keys,
            via,
        } => {
            let [kept] = parts else { return None };
            let mut attributes = attributes.clone();
            attributes.retain(|path, _| kept.contains(path));
            let references = references
                .iter()
                .filter(|(path, _)| path.is_members() || kept.contains(path));
            Some(vec![row(Operation::Create {
                attributes,
                references: references.cloned().collect(),
                keys: keys.clone(),
                via: via.clone(),
            })])
        }
        Operation::Adopt {
            key,
            current,
            changes,
            via,
            from,
        } => {
            // Making it inactive needs no proof only as a part of the adoption.
            if changes.iter().any(is_disabling) {
                return None;
            }
            let link = row(Operation::Adopt {
                key: key.clone(),
                current: current.clone(),
                changes: Vec::new(),
                via: via.clone(),
                from: *from,
            });
            let edits = edits(changes, parts).map(row);
            Some(std::iter::once(link).chain(edits).collect())
        }
        Operation::Update { changes } | Operation::Enable { changes } => {
            Some(edits(changes, parts).map(row).collect())
        }
        Operation::Disable { .. }
        | Operation::Delete { .. }
        | Operation::HandOver(_)
        | Operation::AddMembers { .. }
        | Operation::RemoveMembers { .. }
        | Operation::SetReference { .. } => None,
    }
}

fn edits<'c>(
    changes: &'c [Change],
    parts: &'c [&'c [TargetPath]],
) -> impl Iterator<Item = Operation> + 'c {
    parts.iter().filter_map(|part| {
        let changes = changes.iter().filter(|change| part.contains(&unit(change)));
        let changes: Vec<Change> = changes.cloned().collect();
        let enables = changes.iter().any(|change| change.path.is_active());
        match (changes.is_empty(), enables) {
            (true, _) => None,
            (false, true) => Some(Operation::Enable { changes }),
            (false, false) => Some(Operation::Update { changes }),
        }
    })
}

fn is_disabling(change: &Change) -> bool {
    change.path.is_active() && change.new != Some(Value::Boolean(true))
}

/// A change of several members as two of half as many; `None` for a single one.
pub(crate) fn halves(action: &Action) -> Option<[Action; 2]> {
    let resolved = resolved_members(action)?;
    (resolved.len() > 1).then(|| {
        let (one, other) = resolved.split_at(resolved.len() / 2);
        [with_members(action, one), with_members(action, other)]
    })
}

/// A change of members as the part that is about these and the rest; `None` where one of them is empty.
pub(crate) fn members_apart(action: &Action, these: &BTreeSet<Key>) -> Option<[Action; 2]> {
    let (one, other): (Vec<Referenced>, Vec<Referenced>) = resolved_members(action)?
        .into_iter()
        .partition(|member| these.contains(&member.key));
    (!one.is_empty() && !other.is_empty())
        .then(|| [with_members(action, &one), with_members(action, &other)])
}

fn resolved_members(action: &Action) -> Option<Vec<Referenced>> {
    let (Operation::AddMembers { members } | Operation::RemoveMembers { members, .. }) =
        &action.operation
    else {
        return None;
    };
    let resolved = members.iter().filter(|member| member.target.is_some());
    Some(resolved.cloned().collect())
}

fn with_members(action: &Action, these: &[Referenced]) -> Action {
    let mut part = action.clone();
    if let Operation::AddMembers { members } | Operation::RemoveMembers { members, .. } =
        &mut part.operation
    {
        *members = these.to_vec();
    }
    part
}
