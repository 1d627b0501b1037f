//! What the planner decided about a world, to look at: rows in order, and one line for each.

use std::collections::BTreeMap;

use crate::engine::guard::Verdict;
use crate::engine::model::{Key, SourceId, TargetId, Value};
use crate::engine::plan::{
    Action, Change, Decision, Draft, Header, Operation, Skipped, Step, Totals, Warning,
};

/// What the planner decided about a world: the rows in the order in which they are carried out.
pub(super) struct Plan {
    pub(super) header: Header,
    drafts: Vec<Draft>,
    rest: Vec<Decision>,
    ids: BTreeMap<Key, SourceId>,
}

impl Plan {
    pub(super) fn new(
        header: Header,
        decisions: Vec<Decision>,
        ids: BTreeMap<Key, SourceId>,
    ) -> Self {
        let mut drafts: Vec<(Step, Draft)> = Vec::new();
        let mut rest = Vec::new();
        for decision in decisions {
            match decision {
                Decision::Act(draft) => drafts.push((draft.action.step(), draft)),
                Decision::First { key, from, rank } => {
                    let is_meant = |(step, draft): &&mut (Step, Draft)| {
                        *step == from && draft.rank == 0 && draft.action.subject.key == key
                    };
                    for (step, draft) in drafts.iter_mut().filter(is_meant) {
                        (*step, draft.rank) = (Step::Names, rank);
                    }
                }
                Decision::Withdraw(key) => drafts.retain(|(step, draft)| {
                    (*step, draft.action.subject.key) != (Step::Disables, key)
                }),
                Decision::Split { .. }
                | Decision::Needs { .. }
                | Decision::Skip(_)
                | Decision::Scope { .. }
                | Decision::Postpone(_)
                | Decision::ExistingMembers { .. } => rest.push(decision),
            }
        }
        drafts.sort_by_key(|(step, draft)| (*step, draft.rank, draft.action.subject.key));
        Self {
            header,
            drafts: drafts.into_iter().map(|(_, draft)| draft).collect(),
            rest,
            ids,
        }
    }

    pub(super) fn drafts(&self) -> &[Draft] {
        &self.drafts
    }

    pub(super) fn actions(&self) -> impl Iterator<Item = &Action> {
        self.drafts.iter().map(|draft| &draft.action)
    }

    /// The rows that may be carried out by this verdict.
    pub(super) fn cleared(&self, verdict: &Verdict) -> Vec<&Action> {
        let is_held = |draft: &&Draft| {
            draft
                .class
                .is_some_and(|one| verdict.classes().contains(&one))
        };
        let drafts = self.drafts.iter().filter(|draft| !is_held(draft));
        drafts.map(|draft| &draft.action).collect()
    }

    pub(super) fn skipped(&self) -> impl Iterator<Item = &Skipped> {
        self.rest.iter().filter_map(|decision| match decision {
            Decision::Skip(skipped) => Some(skipped),
            _ => None,
        })
    }

    pub(super) fn scope_changes(&self) -> impl Iterator<Item = (Key, bool)> {
        self.rest.iter().filter_map(|decision| match decision {
            Decision::Scope { key, in_scope } => Some((*key, *in_scope)),
            _ => None,
        })
    }

    /// The objects that must be evaluated again.
    pub(super) fn postponed(&self) -> Vec<&str> {
        let keys = self.rest.iter().filter_map(|decision| match decision {
            Decision::Postpone(key) => Some(*key),
            _ => None,
        });
        keys.map(|key| self.id(key).as_str()).collect()
    }

    /// Members that adopted groups have already, each with its group.
    pub(super) fn existing_members(&self) -> Vec<(Key, Key)> {
        let groups = self.rest.iter().filter_map(|decision| match decision {
            Decision::ExistingMembers { group, members } => Some((*group, members)),
            _ => None,
        });
        groups
            .flat_map(|(group, members)| members.iter().map(move |member| (group, *member)))
            .collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.drafts.is_empty()
    }

    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for Draft { action, class, .. } in &self.drafts {
            *totals.planned.entry(action.as_str()).or_default() += action.weight();
            if let Some(class) = class {
                totals.removals.entry(*class).or_default().planned += action.weight();
            }
        }
        totals
    }

    pub(super) fn id(&self, key: Key) -> &SourceId {
        &self.ids[&key]
    }
}

/// One line an action, one line a skip.
pub(super) fn lines(plan: &Plan) -> String {
    let mut lines: Vec<String> = plan.actions().map(|action| line(plan, action)).collect();
    lines.extend(plan.skipped().map(|Skipped { subject, why }| {
        format!("skip {} {}: {}", subject.kind, subject.id, why.word())
    }));
    lines.extend(plan.header.warnings.iter().map(|warning| {
        let Warning::SeveralGroups { person, groups } = warning else {
            panic!("the planner makes no other: {warning:?}");
        };
        let groups: Vec<_> = groups.iter().map(|group| group.id.as_str()).collect();
        format!("warn {}: {}", person.id, groups.join(", "))
    }));
    lines.join("\n")
}

pub(super) fn line(plan: &Plan, action: &Action) -> String {
    let head = format!("{} {}", action.as_str(), action.subject.id);
    let target = || action.target.as_ref().map_or("", TargetId::as_str);
    let detail = match &action.operation {
        Operation::Create { references, .. } => {
            let with = references
                .iter()
                .map(|(_, new)| format!("with {}", plan.id(new.key)));
            with.collect::<Vec<_>>().join(", ")
        }
        Operation::HandOver(hand) => {
            let changes: Vec<Change> = hand.all_changes().cloned().collect();
            format!("to {} {} {}", hand.to.id, target(), changed(&changes))
        }
        Operation::Adopt { changes, .. } => format!("{} {}", target(), changed(changes)),
        Operation::Update { changes, .. }
        | Operation::Enable { changes, .. }
        | Operation::Disable { changes, .. } => changed(changes),
        Operation::Delete { .. } => target().to_owned(),
        Operation::AddMembers { members, .. } | Operation::RemoveMembers { members, .. } => {
            let ids = members.iter().map(|member| plan.id(member.key).as_str());
            ids.collect::<Vec<_>>().join(", ")
        }
        Operation::SetReference { old, new, .. } => format!(
            "{} -> {}",
            old.as_ref().map_or("none", |old| {
                old.source
                    .as_ref()
                    .map_or(old.target.as_str(), SourceId::as_str)
            }),
            new.referenced()
                .map_or("none", |new| plan.id(new.key).as_str())
        ),
    };
    format!("{head} {detail}").trim_end().to_owned()
}

fn changed(changes: &[Change]) -> String {
    let show = |value: &Option<Value>| match value {
        None => "none".to_owned(),
        Some(Value::Text(text)) => text.to_string(),
        Some(Value::Boolean(value)) => value.to_string(),
        Some(other) => format!("{other:?}"),
    };
    let lines = changes.iter().map(|change| {
        let (old, new) = (show(&change.old), show(&change.new));
        format!("{}: {old} -> {new}", change.path)
    });
    lines.collect::<Vec<_>>().join("; ")
}
