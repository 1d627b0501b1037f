//! What a row does, packed: paths and objects by number, values by position. And why an object is
//! skipped, likewise.

use std::collections::BTreeMap;

use super::super::codec::{Packer, Unpacker};
use super::super::state::State;
use super::super::wire::unreadable;
use super::number::{
    ADD_MEMBERS, ADOPT, CREATE, DELETE, DISABLE, ENABLE, HAND_OVER, REMOVE_MEMBERS, SET_REFERENCE,
    SKIPPED, UPDATE,
};
use crate::engine::filter::ClauseFailure;
use crate::engine::mapping::AttributeError;
use crate::engine::model::{
    Held, HeldReference, Key, MatchKey, ObjectKind, SourceId, TargetId, TargetPath, Value, Via,
};
use crate::engine::plan::{
    Change, ElementChange, HandOver, Operation, Pointer, Proof, Referenced, Subject, Verb, Why,
    WhyOut, WhyRemoved, WriteMode,
};

pub(super) fn pack_operation(state: &State, operation: &Operation) -> rusqlite::Result<Vec<u8>> {
    let mut writer = Writer {
        state,
        packer: Packer::default(),
    };
    match operation {
        Operation::Create {
            attributes,
            references,
            keys,
            via,
        } => {
            writer.values(attributes)?;
            writer.count(references.len());
            for (path, referenced) in references {
                writer.path(path)?;
                writer.key(referenced.key);
            }
            writer.keys(keys)?;
            writer.via(via);
        }
        Operation::Adopt {
            key,
            current,
            changes,
            via,
            from,
        } => {
            writer.keys(std::slice::from_ref(key))?;
            writer.held(current)?;
            writer.changes(changes)?;
            writer.via(via);
            writer.optional(*from, Writer::key);
        }
        Operation::HandOver(hand) => {
            let HandOver {
                to,
                key,
                why,
                proof: _,
                disable,
                current,
                state,
                changes,
                enable,
                via,
            } = &**hand;
            writer.key(to.key);
            writer.text(to.id.as_str());
            writer.text(&to.label);
            writer.keys(std::slice::from_ref(key))?;
            writer.why_removed(why);
            writer.values(current)?;
            writer.count(state.len());
            for path in state {
                writer.path(path)?;
            }
            for changes in [disable, changes, enable] {
                writer.changes(changes)?;
            }
            writer.via(via);
        }
        Operation::Update { changes } | Operation::Enable { changes } => {
            writer.changes(changes)?;
        }
        Operation::Disable {
            changes,
            why,
            proof: _,
        } => {
            writer.changes(changes)?;
            writer.why_removed(why);
        }
        Operation::Delete { why, proof: _ } => writer.why_removed(why),
        Operation::AddMembers { members } | Operation::RemoveMembers { members, proof: _ } => {
            writer.count(members.len());
            // As differences: the members of a chunk are in the order of their numbers.
            let mut last = 0;
            for member in members {
                let key = i64::from(member.key.get());
                writer.packer.number(zigzag(key - last));
                last = key;
            }
        }
        Operation::SetReference { path, old, new } => {
            writer.path(path)?;
            writer.optional(old.as_ref(), Writer::held_reference);
            writer.optional(new.referenced(), |writer, new| writer.key(new.key));
            let is_added = matches!(new, Pointer::Added(_));
            writer.packer.number(u64::from(is_added));
        }
    }
    Ok(writer.packer.finish())
}

pub(super) fn unpack_operation(
    state: &State,
    number: i64,
    bytes: &[u8],
) -> rusqlite::Result<Operation> {
    let mut reader = Reader {
        state,
        unpacker: Unpacker::new(bytes),
    };
    Ok(match number {
        CREATE => Operation::Create {
            attributes: reader.values()?,
            references: reader.list(|reader| {
                let path = reader.path()?;
                Ok((path, Referenced::to(reader.key()?)))
            })?,
            keys: reader.keys()?,
            via: reader.via()?,
        },
        ADOPT => Operation::Adopt {
            key: reader.keys()?.pop().ok_or_else(unknown)?,
            current: reader.held()?,
            changes: reader.changes()?,
            via: reader.via()?,
            from: reader.optional(Reader::key)?,
        },
        HAND_OVER => Operation::HandOver(Box::new(HandOver {
            to: Subject {
                kind: ObjectKind::User,
                key: reader.key()?,
                id: SourceId::new(reader.unpacker.text()?),
                label: reader.unpacker.text()?,
            },
            key: reader.keys()?.pop().ok_or_else(unknown)?,
            why: reader.why_removed()?,
            proof: Proof::on_record(),
            current: reader.values()?,
            state: reader.list(Reader::path)?,
            disable: reader.changes()?,
            changes: reader.changes()?,
            enable: reader.changes()?,
            via: reader.via()?,
        })),
        UPDATE => Operation::Update {
            changes: reader.changes()?,
        },
        ENABLE => Operation::Enable {
            changes: reader.changes()?,
        },
        DISABLE => Operation::Disable {
            changes: reader.changes()?,
            why: reader.why_removed()?,
            proof: Proof::on_record(),
        },
        DELETE => Operation::Delete {
            why: reader.why_removed()?,
            proof: Proof::on_record(),
        },
        ADD_MEMBERS => Operation::AddMembers {
            members: reader.members()?,
        },
        REMOVE_MEMBERS => Operation::RemoveMembers {
            members: reader.members()?,
            proof: Proof::on_record(),
        },
        SET_REFERENCE => Operation::SetReference {
            path: reader.path()?,
            old: reader.optional(Reader::held_reference)?,
            new: match (reader.optional(Reader::key)?, reader.unpacker.number()?) {
                (Some(key), 0) => Pointer::To(Referenced::to(key)),
                (Some(key), _) => Pointer::Added(Referenced::to(key)),
                (None, _) => Pointer::Cleared(Proof::on_record()),
            },
        },
        _ => return Err(unknown()),
    })
}

/// The number of a reason to skip an object.
pub(super) fn number_of_why(why: &Why) -> i64 {
    SKIPPED
        + match why {
            Why::OutOfScope(_) => 0,
            Why::BlockedNotCreated => 1,
            Why::NoMatchingValue => 2,
            Why::IgnoredByMapping => 3,
            Why::Ambiguous { .. } => 4,
            Why::Taken { .. } => 5,
            Why::DuplicateSource { .. } => 6,
            Why::MappingFailed(_) => 7,
            Why::NotAllowed(_) => 8,
            Why::Kept(_) => 9,
            Why::CannotDisable(_) => 10,
            Why::IncompleteRead(_) => 11,
            Why::LookupFailed(_) => 12,
            Why::FirstCycle(_) => 13,
            Why::OldAddress { .. } => 14,
            Why::NeverDisabled => 15,
            Why::NotCreatedHere => 16,
            Why::DeletesWait => 18,
            Why::EnabledSince => 19,
            Why::NameKept { .. } => 17,
        }
}

pub(super) fn pack_why(state: &State, why: &Why) -> rusqlite::Result<Vec<u8>> {
    let mut writer = Writer {
        state,
        packer: Packer::default(),
    };
    match why {
        Why::OutOfScope(out) => writer.why_out(out),
        Why::BlockedNotCreated
        | Why::NoMatchingValue
        | Why::IgnoredByMapping
        | Why::NeverDisabled
        | Why::NotCreatedHere
        | Why::DeletesWait
        | Why::EnabledSince => {}
        Why::Ambiguous { key, targets } => {
            writer.keys(std::slice::from_ref(key))?;
            writer.count(targets.len());
            for target in targets {
                writer.text(target.as_str());
            }
        }
        Why::OldAddress { key, target } => {
            writer.keys(std::slice::from_ref(key))?;
            writer.text(target.as_str());
        }
        Why::Taken { key, target, by } => {
            writer.keys(std::slice::from_ref(key))?;
            writer.text(target.as_str());
            writer.key(*by);
        }
        Why::DuplicateSource { key, other } => {
            writer.keys(std::slice::from_ref(key))?;
            writer.key(*other);
        }
        Why::NameKept { by } => writer.key(*by),
        Why::MappingFailed(errors) => {
            writer.count(errors.len());
            for AttributeError { target, message } in errors {
                writer.path(target)?;
                writer.text(message);
            }
        }
        Why::NotAllowed(verb) => writer.packer.number(*verb as u64),
        Why::Kept(why) | Why::CannotDisable(why) | Why::IncompleteRead(why) => {
            writer.why_removed(why);
        }
        Why::LookupFailed(words) => writer.text(words),
        Why::FirstCycle(class) => {
            writer
                .packer
                .number(super::number_of_class(*class).unsigned_abs());
        }
    }
    Ok(writer.packer.finish())
}

pub(super) fn unpack_why(state: &State, number: i64, bytes: &[u8]) -> rusqlite::Result<Why> {
    let mut reader = Reader {
        state,
        unpacker: Unpacker::new(bytes),
    };
    let one_key = |reader: &mut Reader<'_>| reader.keys()?.pop().ok_or_else(unknown);
    Ok(match number - SKIPPED {
        0 => Why::OutOfScope(reader.why_out()?),
        1 => Why::BlockedNotCreated,
        2 => Why::NoMatchingValue,
        3 => Why::IgnoredByMapping,
        4 => Why::Ambiguous {
            key: one_key(&mut reader)?,
            targets: reader.list(|reader| Ok(TargetId::new(reader.unpacker.text()?)))?,
        },
        5 => Why::Taken {
            key: one_key(&mut reader)?,
            target: TargetId::new(reader.unpacker.text()?),
            by: reader.key()?,
        },
        17 => Why::NameKept { by: reader.key()? },
        14 => Why::OldAddress {
            key: one_key(&mut reader)?,
            target: TargetId::new(reader.unpacker.text()?),
        },
        6 => Why::DuplicateSource {
            key: one_key(&mut reader)?,
            other: reader.key()?,
        },
        7 => Why::MappingFailed(reader.list(|reader| {
            Ok(AttributeError {
                target: reader.path()?,
                message: reader.unpacker.text()?,
            })
        })?),
        8 => Why::NotAllowed(match reader.unpacker.number()? {
            0 => Verb::Create,
            1 => Verb::Update,
            2 => Verb::Delete,
            _ => return Err(unknown()),
        }),
        9 => Why::Kept(reader.why_removed()?),
        10 => Why::CannotDisable(reader.why_removed()?),
        11 => Why::IncompleteRead(reader.why_removed()?),
        15 => Why::NeverDisabled,
        16 => Why::NotCreatedHere,
        18 => Why::DeletesWait,
        19 => Why::EnabledSince,
        12 => Why::LookupFailed(reader.unpacker.text()?),
        13 => {
            let number = reader.unpacker.number()?.cast_signed();
            let (class, _) = super::class_of(number).ok_or_else(unknown)?;
            Why::FirstCycle(class)
        }
        _ => return Err(unknown()),
    })
}

fn unknown() -> rusqlite::Error {
    unreadable("row of the ledger").into()
}

fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

struct Writer<'s> {
    state: &'s State,
    packer: Packer,
}

impl Writer<'_> {
    fn count(&mut self, count: usize) {
        self.packer.number(count as u64);
    }

    fn key(&mut self, key: Key) {
        self.packer.number(u64::from(key.get()));
    }

    fn text(&mut self, text: &str) {
        self.packer.text(text);
    }

    fn path(&mut self, path: &TargetPath) -> rusqlite::Result<()> {
        let number = self.state.number_of_path(path)?;
        self.packer.number(number.unsigned_abs());
        Ok(())
    }

    fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            None => self.packer.number(0),
            Some(value) => {
                self.packer.number(1);
                write(self, value);
            }
        }
    }

    fn values(&mut self, values: &BTreeMap<TargetPath, Value>) -> rusqlite::Result<()> {
        self.count(values.len());
        for (path, value) in values {
            self.path(path)?;
            self.packer.value(value);
        }
        Ok(())
    }

    fn held(&mut self, held: &Held) -> rusqlite::Result<()> {
        self.values(&held.values)?;
        self.count(held.references.len());
        for (path, reference) in &held.references {
            self.path(path)?;
            self.held_reference(reference);
        }
        Ok(())
    }

    fn held_reference(&mut self, held: &HeldReference) {
        self.text(held.target.as_str());
        self.optional(held.source.as_ref(), |writer, id| writer.text(id.as_str()));
    }

    fn keys(&mut self, keys: &[MatchKey]) -> rusqlite::Result<()> {
        self.count(keys.len());
        for MatchKey { path, value } in keys {
            self.path(path)?;
            self.packer.value(value);
        }
        Ok(())
    }

    fn via(&mut self, via: &[Via]) {
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

    fn changes(&mut self, changes: &[Change]) -> rusqlite::Result<()> {
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

    fn why_removed(&mut self, why: &WhyRemoved) {
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

    fn why_out(&mut self, why: &WhyOut) {
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

struct Reader<'b> {
    state: &'b State,
    unpacker: Unpacker<'b>,
}

impl Reader<'_> {
    fn key(&mut self) -> rusqlite::Result<Key> {
        let number = self.unpacker.number()?;
        u32::try_from(number).map(Key::new).map_err(|_| unknown())
    }

    fn path(&mut self) -> rusqlite::Result<TargetPath> {
        let number = self.unpacker.id()?;
        self.state.path_of_number(number)
    }

    fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        match self.unpacker.number()? {
            0 => Ok(None),
            _ => read(self).map(Some),
        }
    }

    fn list<T, C: FromIterator<T>>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<C> {
        let count = self.unpacker.number()?;
        (0..count).map(|_| read(self)).collect()
    }

    fn values(&mut self) -> rusqlite::Result<BTreeMap<TargetPath, Value>> {
        self.list(|reader| {
            let path = reader.path()?;
            Ok((path, reader.unpacker.value()?))
        })
    }

    fn held(&mut self) -> rusqlite::Result<Held> {
        Ok(Held {
            values: self.values()?,
            references: self.list(|reader| Ok((reader.path()?, reader.held_reference()?)))?,
        })
    }

    fn held_reference(&mut self) -> rusqlite::Result<HeldReference> {
        Ok(HeldReference {
            target: TargetId::new(self.unpacker.text()?),
            source: self.optional(|reader| Ok(SourceId::new(reader.unpacker.text()?)))?,
        })
    }

    fn keys(&mut self) -> rusqlite::Result<Vec<MatchKey>> {
        self.list(|reader| {
            let path = reader.path()?;
            let value = reader.unpacker.value()?;
            Ok(MatchKey { path, value })
        })
    }

    fn members(&mut self) -> rusqlite::Result<Vec<Referenced>> {
        let mut last = 0;
        self.list(|reader| {
            last += unzigzag(reader.unpacker.number()?);
            let key = u32::try_from(last).map_err(|_| unknown())?;
            Ok(Referenced::to(Key::new(key)))
        })
    }

    fn via(&mut self) -> rusqlite::Result<Vec<Via>> {
        self.list(|reader| {
            Ok(match reader.unpacker.number()? {
                0 => Via::Direct,
                1 => Via::Named,
                2 => Via::Everyone,
                3 => Via::Unit(reader.unpacker.text()?),
                names => Via::Groups(
                    (3..names)
                        .map(|_| reader.unpacker.text())
                        .collect::<Result<_, _>>()?,
                ),
            })
        })
    }

    fn changes(&mut self) -> rusqlite::Result<Vec<Change>> {
        self.list(|reader| {
            let path = reader.path()?;
            let flags = reader.unpacker.number()?;
            let value = |reader: &mut Self, bit: u64| match flags >> bit & 1 {
                0 => Ok(None),
                _ => reader.unpacker.value().map(Some),
            };
            let (old, new) = (value(reader, 2)?, value(reader, 3)?);
            let written = match flags >> 4 & 3 {
                0 => WriteMode::Whole,
                2 => WriteMode::Selected,
                _ => WriteMode::Added(reader.list(|reader| reader.unpacker.value())?),
            };
            let element = match flags & 3 {
                0 => ElementChange::None,
                1 => ElementChange::Added,
                2 => ElementChange::Kept,
                _ => ElementChange::Removed,
            };
            Ok(Change {
                path,
                old,
                new,
                element,
                written,
            })
        })
    }

    fn why_removed(&mut self) -> rusqlite::Result<WhyRemoved> {
        Ok(match self.unpacker.number()? {
            0 => WhyRemoved::Blocked,
            1 => WhyRemoved::SoftDeleted,
            2 => WhyRemoved::Deleted,
            3 => WhyRemoved::Missing,
            4 => WhyRemoved::OutOfScope(self.why_out()?),
            5 => WhyRemoved::Mapping,
            _ => return Err(unknown()),
        })
    }

    fn why_out(&mut self) -> rusqlite::Result<WhyOut> {
        Ok(match self.unpacker.number()? {
            0 => WhyOut::NotAssigned,
            1 => WhyOut::NotSecurityEnabled,
            2 => WhyOut::SecurityNotRead,
            3 => WhyOut::NotNamed,
            4 => WhyOut::DefaultAccessOnly,
            5 => WhyOut::Excluded,
            6 => WhyOut::KindDisabled,
            7 => WhyOut::Filter(self.list(|reader| {
                Ok(ClauseFailure {
                    number: usize::try_from(reader.unpacker.number()?).map_err(|_| unknown())?,
                    name: reader.optional(|reader| reader.unpacker.text())?,
                    attribute: reader.unpacker.text()?,
                    clause: reader.unpacker.text()?,
                    value: reader.optional(|reader| reader.unpacker.text())?,
                })
            })?),
            8 => WhyOut::NotInUnit,
            _ => return Err(unknown()),
        })
    }
}
