//! How values are packed into a column: attributes and paths by number, texts with their length in
//! front. A third of the size of JSON, and nothing is looked up by text when it is read back.

use std::collections::BTreeMap;

use super::state::State;
use super::wire::{Sent, guid, guid_text, unreadable};
use crate::engine::model::{Attributes, SourceId, Value};

/// The low bits of the first byte say what follows; the others begin its length.
const TEXT: u64 = 0;
const BOOLEAN: u64 = 1;
const INTEGER: u64 = 2;
const LIST: u64 = 3;
const OBJECT: u64 = 4;
const REFERENCE: u64 = 5;
const REFERENCE_BY_GUID: u64 = 6;
const TAG_BITS: u32 = 3;

/// Bytes on their way into a column.
#[derive(Default)]
pub(crate) struct Packer(Vec<u8>);

impl Packer {
    pub(crate) fn number(&mut self, mut number: u64) {
        loop {
            let low = number.to_le_bytes()[0];
            number >>= 7;
            if number == 0 {
                self.0.push(low & 0x7f);
                return;
            }
            self.0.push(low | 0x80);
        }
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn value(&mut self, value: &Value) {
        let mut head = |tag, length: usize| self.number((length as u64) << TAG_BITS | tag);
        match value {
            Value::Text(text) => {
                head(TEXT, text.len());
                self.0.extend_from_slice(text.as_bytes());
            }
            Value::Boolean(truth) => head(BOOLEAN, usize::from(*truth)),
            Value::Integer(number) => {
                head(INTEGER, 0);
                self.number(number.cast_unsigned());
            }
            Value::List(values) => {
                head(LIST, values.len());
                for value in values {
                    self.value(value);
                }
            }
            Value::Object(members) => {
                head(OBJECT, members.len());
                for (name, value) in members {
                    self.text(name);
                    self.value(value);
                }
            }
            Value::Reference(id) => {
                if let Some(bytes) = guid(id.as_str()) {
                    head(REFERENCE_BY_GUID, 0);
                    self.0.extend_from_slice(&bytes);
                } else {
                    head(REFERENCE, id.as_str().len());
                    self.0.extend_from_slice(id.as_str().as_bytes());
                }
            }
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Bytes that come out of a column.
pub(crate) struct Unpacker<'b>(&'b [u8]);

impl<'b> Unpacker<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn blob(&mut self) -> rusqlite::Result<Vec<u8>> {
        let length = self.length()?;
        Ok(self.bytes(length)?.to_vec())
    }

    fn bytes(&mut self, length: usize) -> rusqlite::Result<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(cut)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn number(&mut self) -> rusqlite::Result<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.bytes(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(cut())
    }

    fn length(&mut self) -> rusqlite::Result<usize> {
        usize::try_from(self.number()?).map_err(|_| cut())
    }

    /// The number of a name or path.
    pub(super) fn id(&mut self) -> rusqlite::Result<i64> {
        i64::try_from(self.number()?).map_err(|_| cut())
    }

    fn text_of(&mut self, length: usize) -> rusqlite::Result<String> {
        let text = str::from_utf8(self.bytes(length)?).map_err(|_| cut())?;
        Ok(text.to_owned())
    }

    pub(crate) fn text(&mut self) -> rusqlite::Result<String> {
        let length = self.length()?;
        self.text_of(length)
    }

    pub(crate) fn value(&mut self) -> rusqlite::Result<Value> {
        let head = self.number()?;
        let length = usize::try_from(head >> TAG_BITS).map_err(|_| cut())?;
        Ok(match head & ((1 << TAG_BITS) - 1) {
            TEXT => Value::text(self.text_of(length)?),
            BOOLEAN => Value::Boolean(length != 0),
            INTEGER => Value::Integer(self.number()?.cast_signed()),
            LIST => Value::List(
                (0..length)
                    .map(|_| self.value())
                    .collect::<Result<_, _>>()?,
            ),
            OBJECT => Value::Object(
                (0..length)
                    .map(|_| Ok((self.text()?, self.value()?)))
                    .collect::<rusqlite::Result<_>>()?,
            ),
            REFERENCE => Value::Reference(SourceId::new(self.text_of(length)?)),
            REFERENCE_BY_GUID => {
                let bytes = self.bytes(16)?.try_into().map_err(|_| cut())?;
                Value::Reference(SourceId::new(guid_text(bytes)))
            }
            _ => return Err(cut()),
        })
    }
}

fn cut() -> rusqlite::Error {
    unreadable("value").into()
}

pub(super) fn pack_attributes(state: &State, attributes: &Attributes) -> rusqlite::Result<Vec<u8>> {
    let mut packer = Packer::default();
    packer.number(attributes.iter().count() as u64);
    for (name, value) in attributes.iter() {
        packer.number(state.number_of_name(name)?.unsigned_abs());
        packer.value(value);
    }
    Ok(packer.finish())
}

pub(super) fn unpack_attributes(state: &State, bytes: &[u8]) -> rusqlite::Result<Attributes> {
    let mut unpacker = Unpacker::new(bytes);
    let mut values = BTreeMap::new();
    for _ in 0..unpacker.number()? {
        let name = state.name(unpacker.id()?)?;
        values.insert(name.as_ref().to_owned(), unpacker.value()?);
    }
    Ok(Attributes::new(values))
}

/// References are kept in a table of their own and must not be among these.
pub(super) fn pack_sent(state: &State, sent: &Sent) -> rusqlite::Result<Vec<u8>> {
    let mut packer = Packer::default();
    packer.number(sent.len() as u64);
    for (path, value) in sent {
        packer.number(state.number_of_path(path)?.unsigned_abs());
        packer.value(value);
    }
    Ok(packer.finish())
}

pub(super) fn unpack_sent(state: &State, bytes: &[u8]) -> rusqlite::Result<Sent> {
    let mut unpacker = Unpacker::new(bytes);
    // Packed in the order of the paths, so that the map is built without a search.
    (0..unpacker.number()?)
        .map(|_| {
            let path = state.path_of_number(unpacker.id()?)?;
            Ok((path, unpacker.value()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let id = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[a-f0-9-]{1,12}";
        let leaf = prop_oneof![
            ".{0,12}".prop_map(Value::text),
            any::<bool>().prop_map(Value::Boolean),
            any::<i64>().prop_map(Value::Integer),
            id.prop_map(|id| Value::Reference(SourceId::new(id))),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
                prop::collection::btree_map("[$a-z]{1,6}", inner, 0..4).prop_map(Value::Object),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_value_reads_back_as_it_was_packed(value in any_value()) {
            let mut packer = Packer::default();
            packer.value(&value);
            let bytes = packer.finish();
            let mut unpacker = Unpacker::new(&bytes);
            prop_assert_eq!(unpacker.value().unwrap(), value);
            prop_assert!(unpacker.0.is_empty());
        }

        #[test]
        fn damaged_bytes_are_an_error_and_not_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _any_end_will_do = Unpacker::new(&bytes).value();
        }
    }
}
