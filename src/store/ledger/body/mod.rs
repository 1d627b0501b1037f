//! What a row does, packed: paths and objects by number, values by position. And why an object is
//! skipped, likewise.

mod reader;
mod writer;

use crate::engine::mapping::AttributeError;
use crate::engine::model::{ObjectKind, SourceId, TargetId};
use crate::engine::plan::{HandOver, Operation, Pointer, Proof, Referenced, Subject, Verb, Why};
use crate::store::codec::{Packer, Unpacker};
use crate::store::ledger::number::{
    ADD_MEMBERS, ADOPT, CREATE, DELETE, DISABLE, ENABLE, HAND_OVER, REMOVE_MEMBERS, SET_REFERENCE,
    SKIPPED, UPDATE,
};
use crate::store::state::State;
use crate::store::wire::unreadable;

use self::reader::Reader;
use self::writer::Writer;

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
        Operation::AddMembers { members } => writer.members(members),
        Operation::RemoveMembers {
            members,
            why,
            proof: _,
        } => {
            writer.members(members);
            writer.why_left(why, members);
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
            why: reader.why_left()?,
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
            Why::NoMember => 20,
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
        | Why::EnabledSince
        | Why::NoMember => {}
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
        20 => Why::NoMember,
        12 => Why::LookupFailed(reader.unpacker.text()?),
        13 => {
            let number = reader.unpacker.number()?.cast_signed();
            let (class, _) = crate::store::ledger::class_of(number).ok_or_else(unknown)?;
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
