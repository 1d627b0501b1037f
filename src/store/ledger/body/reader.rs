//! The parts of a row, unpacked.

use std::collections::BTreeMap;

use super::{unknown, unzigzag};
use crate::engine::filter::ClauseFailure;
use crate::engine::model::{
    Held, HeldReference, Key, MatchKey, SourceId, TargetId, TargetPath, Value, Via,
};
use crate::engine::plan::{
    Change, ElementChange, Referenced, WhyLeft, WhyOut, WhyRemoved, WriteMode,
};
use crate::store::codec::Unpacker;
use crate::store::state::State;

pub(super) struct Reader<'b> {
    pub(super) state: &'b State,
    pub(super) unpacker: Unpacker<'b>,
}

impl Reader<'_> {
    pub(super) fn key(&mut self) -> rusqlite::Result<Key> {
        let number = self.unpacker.number()?;
        u32::try_from(number).map(Key::new).map_err(|_| unknown())
    }

    pub(super) fn path(&mut self) -> rusqlite::Result<TargetPath> {
        let number = self.unpacker.id()?;
        self.state.path_of_number(number)
    }

    pub(super) fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        match self.unpacker.number()? {
            0 => Ok(None),
            _ => read(self).map(Some),
        }
    }

    pub(super) fn list<T, C: FromIterator<T>>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<C> {
        let count = self.unpacker.number()?;
        (0..count).map(|_| read(self)).collect()
    }

    pub(super) fn values(&mut self) -> rusqlite::Result<BTreeMap<TargetPath, Value>> {
        self.list(|reader| {
            let path = reader.path()?;
            Ok((path, reader.unpacker.value()?))
        })
    }

    pub(super) fn held(&mut self) -> rusqlite::Result<Held> {
        Ok(Held {
            values: self.values()?,
            references: self.list(|reader| Ok((reader.path()?, reader.held_reference()?)))?,
        })
    }

    pub(super) fn held_reference(&mut self) -> rusqlite::Result<HeldReference> {
        Ok(HeldReference {
            target: TargetId::new(self.unpacker.text()?),
            source: self.optional(|reader| Ok(SourceId::new(reader.unpacker.text()?)))?,
        })
    }

    pub(super) fn keys(&mut self) -> rusqlite::Result<Vec<MatchKey>> {
        self.list(|reader| {
            let path = reader.path()?;
            let value = reader.unpacker.value()?;
            Ok(MatchKey { path, value })
        })
    }

    pub(super) fn members(&mut self) -> rusqlite::Result<Vec<Referenced>> {
        let mut last = 0;
        self.list(|reader| {
            last += unzigzag(reader.unpacker.number()?);
            let key = u32::try_from(last).map_err(|_| unknown())?;
            Ok(Referenced::to(Key::new(key)))
        })
    }

    pub(super) fn why_left(&mut self) -> rusqlite::Result<WhyLeft> {
        if let Some(why) = self.optional(Self::why_removed)? {
            return Ok(WhyLeft::Group(why));
        }
        if self.unpacker.is_empty() {
            return Ok(WhyLeft::NotRecorded);
        }
        match self.unpacker.number()? {
            0 => Ok(WhyLeft::HandedOver),
            1 => Ok(WhyLeft::Members {
                out_of_scope: self.members()?.into_iter().map(|one| one.key).collect(),
            }),
            _ => Err(unknown()),
        }
    }

    pub(super) fn via(&mut self) -> rusqlite::Result<Vec<Via>> {
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

    pub(super) fn changes(&mut self) -> rusqlite::Result<Vec<Change>> {
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

    pub(super) fn why_removed(&mut self) -> rusqlite::Result<WhyRemoved> {
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

    pub(super) fn why_out(&mut self) -> rusqlite::Result<WhyOut> {
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
