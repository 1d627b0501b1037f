//! What a plan says next to its rows, with pseudonyms for people.

use super::Redactions;
use crate::engine::model::ObjectKind;
use crate::engine::plan::{Drifted, Header, Warning};
use crate::engine::predict::{Problem, Refusal};

impl Redactions {
    /// What a plan says of itself and of its objects, in the form in which it may be shown.
    pub(crate) fn hide_in_plan(&self, header: &mut Header, refusals: &mut [Refusal]) {
        if self.of_kind(ObjectKind::User).stand_ins.is_none() {
            return;
        }
        for refusal in refusals {
            let marked = self.of_kind(refusal.subject.kind);
            self.hide_subject(&mut refusal.subject);
            if let Some(target) = &mut refusal.target {
                marked.hide_target(target);
            }
            match &mut refusal.problem {
                Problem::Taken { path: _, by } => marked.hide_target(by),
                Problem::Before { message } => marked.hide_words(message),
                Problem::Missing { .. }
                | Problem::ReadOnly { .. }
                | Problem::WrongType { .. }
                | Problem::Duplicate { .. } => {}
            }
        }
        let users = self.of_kind(ObjectKind::User);
        if let Some(incomplete) = &mut header.incomplete {
            users.hide_words(incomplete);
        }
        if let Some(strangers) = &mut header.strangers {
            for (id, name) in &mut strangers.first {
                users.hide_target(id);
                *name = self.label(ObjectKind::User, std::mem::take(name));
            }
        }
        for misnamed in &mut header.misnamed {
            users.hide_words(&mut misnamed.name);
            misnamed.nearest.clear();
        }
        let staged = header.staged.iter_mut();
        for subject in staged.flat_map(|staged| &mut staged.enabled) {
            self.hide_subject(subject);
        }
        for warning in &mut header.warnings {
            self.hide_in_warning(warning);
        }
    }

    fn hide_in_warning(&self, warning: &mut Warning) {
        match warning {
            Warning::SeveralGroups { person, groups: _ } => self.hide_subject(person),
            Warning::NestedMembers { group: _, members } => {
                for member in members {
                    self.hide_subject(member);
                }
            }
            Warning::MatchedAnew { subject, target } => {
                self.of_kind(subject.kind).hide_target(target);
                self.hide_subject(subject);
            }
            Warning::Drift(drifted) => {
                let kind = drifted.subject.kind;
                *drifted = Drifted::clone(&self.drifted(kind, drifted));
            }
            Warning::Quarantine(quarantine) => {
                self.of_kind(ObjectKind::User)
                    .hide_words(&mut quarantine.reason);
            }
            Warning::Misfit(_) | Warning::ClocksDiffer { .. } => {}
        }
    }
}
