//! The parts of a row, packed.

use std::collections::BTreeMap;

use super::zigzag;
use crate::engine::filter::ClauseFailure;
use crate::engine::model::{Held, HeldReference, Key, MatchKey, TargetPath, Value, Via};
use crate::engine::plan::{
    Change, ElementChange, Referenced, WhyLeft, WhyOut, WhyRemoved, WriteMode,
};
use crate::store::codec::Packer;
use crate::store::state::State;

pub(super) struct Writer<'s> {
    pub(super) state: &'s State,
    pub(super) packer: Packer,
}

impl Writer<'_> {
    pub(super) fn count(&mut self, count: usize) {
        self.packer.number(count as u64);
    }

    pub(super) fn key(&mut self, key: Key) {
        self.packer.number(u64::from(key.get()));
    }

    pub(super) fn text(&mut self, text: &str) {
        self.packer.text(text);
    }

    pub(super) fn path(&mut self, path: &TargetPath) -> rusqlite::Result<()> {
        let number = self.state.number_of_path(path)?;
        self.packer.number(number.unsigned_abs());
        Ok(())
    }

    pub(super) fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            None => self.packer.number(0),
            Some(value) => {
                self.packer.number(1);
                write(self, value);
            }
        }
    }

    pub(super) fn values(&mut self, values: &BTreeMap<TargetPath, Value>) -> rusqlite::Result<()> {
        self.count(values.len());
        for (path, value) in values {
            self.path(path)?;
            self.packer.value(value);
        }
        Ok(())
    }

    pub(super) fn held(&mut self, held: &Held) -> rusqlite::Result<()> {
        self.values(&held.values)?;
        self.count(held.references.len());
        for (path, reference) in &held.references {
            self.path(path)?;
            self.held_reference(reference);
        }
        Ok(())
    }

    pub(super) fn held_reference(&mut self, held: &HeldReference) {
        self.text(held.target.as_str());
        self.optional(held.source.as_ref(), |writer, id| writer.text(id.as_str()));
    }

    pub(super) fn keys(&mut self, keys: &[MatchKey]) -> rusqlite::Result<()> {
        self.count(keys.len());
        for MatchKey { path, value } in keys {
            self.path(path)?;
            self.packer.value(value);
        }
        Ok(())
    }

    /// As differences: the members of a chunk are in the order of their numbers.
    pub(super) fn members(&mut self, members: &[Referenced]) {
        self.count(members.len());
        let mut last = 0;
        for member in members {
            let key = i64::from(member.key.get());
            self.packer.number(zigzag(key - last));
            last = key;
        }
    }

    pub(super) fn via(&mut self, via: &[Via]) {
        self.count(via.len());
        for one in via {
            match one {
                Via::Direct => self.packer.number(0),
                Via::Named => self.packer.number(1),
                Via::Everyone => self.packer.number(2),
                // A path of groups is never empty.
                Via::Unit(name) => {
                    self.packer.number(3);
                    self.text(name);
                }
                Via::Groups(names) => {
                    self.count(3 + names.len());
                    for name in names {
                        self.text(name);
                    }
                }
            }
        }
    }

    pub(super) fn changes(&mut self, changes: &[Change]) -> rusqlite::Result<()> {
        self.count(changes.len());
        for change in changes {
            let Change {
                path,
                old,
                new,
                element,
                written,
            } = change;
            self.path(path)?;
            let element = match element {
                ElementChange::None => 0,
                ElementChange::Added => 1,
                ElementChange::Kept => 2,
                ElementChange::Removed => 3,
            };
            let added = match written {
                WriteMode::Whole | WriteMode::Selected => None,
                WriteMode::Added(elements) => Some(elements),
            };
            let flags = element
                | u64::from(old.is_some()) << 2
                | u64::from(new.is_some()) << 3
                | u64::from(added.is_some()) << 4
                | u64::from(*written == WriteMode::Selected) << 5;
            self.packer.number(flags);
            for value in old.iter().chain(new) {
                self.packer.value(value);
            }
            if let Some(added) = added {
                self.count(added.len());
                for value in added {
                    self.packer.value(value);
                }
            }
        }
        Ok(())
    }

    pub(super) fn why_removed(&mut self, why: &WhyRemoved) {
        match why {
            WhyRemoved::Blocked => self.packer.number(0),
            WhyRemoved::SoftDeleted => self.packer.number(1),
            WhyRemoved::Deleted => self.packer.number(2),
            WhyRemoved::Missing => self.packer.number(3),
            WhyRemoved::Mapping => self.packer.number(5),
            WhyRemoved::OutOfScope(why) => {
                self.packer.number(4);
                self.why_out(why);
            }
        }
    }

    /// The group's own reason or none; without one what it is else, which earlier versions did not write.
    pub(super) fn why_left(&mut self, why: &WhyLeft, members: &[Referenced]) {
        self.optional(why.of_group(), Self::why_removed);
        match why {
            WhyLeft::Group(_) | WhyLeft::NotRecorded => {}
            WhyLeft::HandedOver => self.packer.number(0),
            WhyLeft::Members { out_of_scope } => {
                self.packer.number(1);
                let those = members.iter().filter(|one| out_of_scope.contains(&one.key));
                let those: Vec<Referenced> = those.cloned().collect();
                self.members(&those);
            }
        }
    }

    pub(super) fn why_out(&mut self, why: &WhyOut) {
        self.packer.number(match why {
            WhyOut::NotAssigned => 0,
            WhyOut::NotSecurityEnabled => 1,
            WhyOut::SecurityNotRead => 2,
            WhyOut::NotNamed => 3,
            WhyOut::DefaultAccessOnly => 4,
            WhyOut::Excluded => 5,
            WhyOut::KindDisabled => 6,
            WhyOut::Filter(_) => 7,
            WhyOut::NotInUnit => 8,
        });
        if let WhyOut::Filter(failures) = why {
            self.count(failures.len());
            for failure in failures {
                let ClauseFailure {
                    number,
                    name,
                    attribute,
                    clause,
                    value,
                } = failure;
                self.count(*number);
                self.optional(name.as_ref(), |writer, name| writer.text(name));
                self.text(attribute);
                self.text(clause);
                self.optional(value.as_ref(), |writer, value| writer.text(value));
            }
        }
    }
}
