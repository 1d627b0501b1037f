//! The properties of one directory object, kept as one run of JSON text: a tenant of a hundred
//! thousand people must fit in memory with the program that is measured against it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Property names and the short keys that stand for them.
#[derive(Debug, Default)]
pub(crate) struct Names {
    list: Vec<Box<str>>,
    keys: BTreeMap<Box<str>, u16>,
}

impl Names {
    pub(crate) fn key(&mut self, name: &str) -> u16 {
        if let Some(key) = self.keys.get(name) {
            return *key;
        }
        let key = u16::try_from(self.list.len()).expect("a directory has fewer property names");
        self.list.push(name.into());
        self.keys.insert(name.into(), key);
        key
    }

    pub(crate) fn known(&self, name: &str) -> Option<u16> {
        self.keys.get(name).copied()
    }

    pub(crate) fn name(&self, key: u16) -> &str {
        &self.list[usize::from(key)]
    }
}

/// Values in the order in which they were set first. A property that was never set is not in it.
#[derive(Debug, Default)]
pub(crate) struct Properties {
    ends: Box<[(u16, u32)]>,
    text: Box<str>,
}

impl Properties {
    pub(crate) fn new(map: &Map<String, Value>, names: &mut Names) -> Self {
        let mut ends = Vec::with_capacity(map.len());
        let mut text = String::with_capacity(map.len() * 24);
        for (name, value) in map {
            text.push_str(&value.to_string());
            ends.push((names.key(name), length(&text)));
        }
        Self {
            ends: ends.into(),
            text: text.into(),
        }
    }

    /// Keys with their values as JSON text.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u16, &str)> {
        let mut start = 0;
        self.ends.iter().map(move |(key, end)| {
            let end = *end as usize;
            let value = &self.text[start..end];
            start = end;
            (*key, value)
        })
    }

    pub(crate) fn raw(&self, key: u16) -> Option<&str> {
        self.iter()
            .find_map(|(own, value)| (own == key).then_some(value))
    }

    pub(crate) fn value(&self, key: u16) -> Option<Value> {
        self.raw(key).map(parse)
    }

    pub(crate) fn to_map(&self, names: &Names) -> Map<String, Value> {
        self.iter()
            .map(|(key, raw)| (names.name(key).to_owned(), parse(raw)))
            .collect()
    }

    /// Takes over what `map` says and returns the keys whose values differ.
    /// What `map` leaves out becomes null: in the directory a property once set is never unset.
    pub(crate) fn replace(&mut self, map: &Map<String, Value>, names: &mut Names) -> Vec<u16> {
        let mut merged = map.clone();
        for (key, _) in self.iter() {
            merged
                .entry(names.name(key).to_owned())
                .or_insert(Value::Null);
        }
        let next = Self::new(&merged, names);
        let changed = next
            .iter()
            .filter(|(key, raw)| self.raw(*key) != Some(*raw))
            .map(|(key, _)| key)
            .collect();
        *self = next;
        changed
    }
}

fn length(text: &str) -> u32 {
    u32::try_from(text.len()).expect("one object has less than 4 GiB of properties")
}

fn parse(raw: &str) -> Value {
    serde_json::from_str(raw).expect("the text was printed from a value")
}
