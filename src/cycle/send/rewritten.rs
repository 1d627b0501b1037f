//! Values that a target makes itself: a change of one has no effect, and is no failure.

use super::{Sender, lock};
use crate::cycle::capabilities::Fact;
use crate::engine::model::TargetPath;
use crate::engine::plan::{Action, Change, Operation, is_made_by_target};
use crate::engine::redact::Hidden;
use crate::scim::{self, Sent};

impl Sender {
    /// Whether what had no effect, whatever it was sent in, is a change of what the target makes itself.
    pub(super) async fn is_own(
        &self,
        action: &Action,
        last: &scim::Error,
        first: Option<&Result<Sent, scim::Error>>,
        hidden: &Hidden,
    ) -> bool {
        match (last, first) {
            (scim::Error::NoEffect { paths, .. }, _) => {
                self.makes_itself(action, paths, hidden).await
            }
            (last, Some(Err(scim::Error::NoEffect { paths, .. }))) if !last.unconfirmed() => {
                self.makes_itself(action, paths, hidden).await
            }
            _ => false,
        }
    }

    /// Whether the target makes the values at these paths itself, although it takes changes of such objects. What was
    /// found out is remembered.
    async fn makes_itself(&self, action: &Action, paths: &[TargetPath], hidden: &Hidden) -> bool {
        let kind = action.subject.kind;
        let (Some(target), Some(changes)) = (&action.target, changes(&action.operation)) else {
            return false;
        };
        let real = changes.iter().filter(|change| change.new != change.old);
        let key = action.subject.key;
        let was_shown = |path: &TargetPath| self.forms.contains(&(key, path.clone()));
        let took_others = real.count() > paths.len() || paths.iter().all(was_shown) || {
            let of_kind = format!("{kind} ");
            lock(&self.verified)
                .iter()
                .any(|way| way.starts_with(&of_kind))
        };
        if paths.is_empty() || !took_others {
            return false;
        }
        let reader = self.reader.hiding(hidden.clone());
        let Ok(current) = reader.current(kind, target).await else {
            return false;
        };
        let shown = current.shown();
        let is_made = |path: &TargetPath| {
            let mut changes = changes.iter().filter(|change| change.path == *path);
            let sent = changes.find_map(|change| change.new.as_ref());
            let held = shown.value(kind, path);
            match (sent, held) {
                (Some(sent), Some(held)) => {
                    is_made_by_target(sent, &held, &shown.other_texts(path))
                }
                _ => false,
            }
        };
        // By these an object is found, and blocked.
        let must_be_ours = |path: &TargetPath| {
            path.is_active() || ["userName", "externalId"].contains(&path.attribute())
        };
        if !paths
            .iter()
            .all(|path| !must_be_ours(path) && is_made(path))
        {
            return false;
        }
        for path in paths {
            if lock(&self.rewritten).insert((kind, path.clone())) {
                tracing::info!(
                    "the target makes {path} of {kind}s itself: its value is not compared from now on"
                );
                let evidence =
                    "a change had no effect, and the target shows a value made from other values";
                lock(&self.facts).push(Fact::rewritten(kind, path, evidence.to_owned()));
            }
        }
        true
    }
}

fn changes(operation: &Operation) -> Option<&[Change]> {
    match operation {
        Operation::Update { changes }
        | Operation::Enable { changes }
        | Operation::Adopt { changes, .. } => Some(changes),
        Operation::Create { .. }
        | Operation::Disable { .. }
        | Operation::Delete { .. }
        | Operation::HandOver(_)
        | Operation::AddMembers { .. }
        | Operation::RemoveMembers { .. }
        | Operation::SetReference { .. } => None,
    }
}
