//! Which sections the configuration has, which keys each of them, and what a key holds: one table for the
//! reader, for the search for unknown keys, for the JSON Schema and for the tests of the example.

mod access;
mod job;
mod notify;
mod preset;
mod schedule;
mod source;
mod table;
mod web;

pub(super) use access::{ACCESS, SIGN_IN};
pub(super) use job::{APPLICATION, BASE_URL, FLOWS, MAPPING, WHICH_APPLICATION};
pub(super) use preset::{PRESET_SECTIONS, PRESET_TOP};
pub(super) use source::{CERTIFICATE, CREDENTIALS, SECRET, SECRET_WITH_DATE, WHERE_SECRETS_ARE};
pub(super) use table::{SECTIONS, TOP};

/// A table of the file, with the keys that it may have.
#[derive(Debug)]
pub(super) struct Section {
    /// `jobs.target`; empty for the top.
    pub(super) name: &'static str,
    pub(super) keys: &'static [Key],
    pub(super) rules: &'static [Rule],
    /// Keys that a later version will read, with what to do until then.
    pub(super) reserved: &'static [(&'static str, &'static str)],
}

impl Section {
    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.keys.iter().map(|key| key.name)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) holds: Holds,
    /// What it is for: one sentence, which an editor shows.
    pub(super) help: &'static str,
    /// What to write where it is missing or empty.
    pub(super) remedy: &'static str,
    pub(super) is_required: bool,
    /// The first version that read it.
    pub(super) since: &'static str,
}

/// What a key can hold.
#[derive(Clone, Copy, Debug)]
pub(super) enum Holds {
    Text,
    /// A GUID.
    Id,
    /// https, or http towards this machine.
    Address,
    /// A length of time, such as "40m".
    Duration,
    Words(&'static [&'static str]),
    /// One of the words of the knob of this name; the table of knobs has them.
    Knob,
    Boolean,
    /// A whole number of at least this.
    Integer(i64),
    /// A number above 0.
    Number,
    /// A number of objects, or a share such as "10%".
    Limit,
    Texts,
    /// Whatever an attribute can have.
    Value,
    /// A number of at least 0 for each of some names.
    Counts(&'static Section),
    /// A secret, which is a table of this kind, for each of some names.
    Secrets(&'static Section),
    Table(&'static Section),
    Tables(&'static Section),
    OneOf(&'static [Holds]),
}

impl Holds {
    /// The section of the table, or of the tables, that the key holds.
    pub(super) fn section(self) -> Option<&'static Section> {
        match self {
            Self::Table(section)
            | Self::Tables(section)
            | Self::Counts(section)
            | Self::Secrets(section) => Some(section),
            Self::OneOf(several) => several.iter().find_map(|one| one.section()),
            _ => None,
        }
    }

    /// The least number that it holds.
    pub(super) fn least(self) -> i64 {
        match self {
            Self::Integer(least) => least,
            _ => 0,
        }
    }
}

/// How keys of a section go together. A switch that is false counts as not written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    ExactlyOne(&'static [&'static str]),
    AtMostOne(&'static [&'static str]),
    AtLeastOne(&'static [&'static str]),
    /// The first needs the others.
    Needs(&'static str, &'static [&'static str]),
}

/// A key that may be left out.
const fn key(name: &'static str, holds: Holds, help: &'static str) -> Key {
    Key {
        name,
        holds,
        help,
        remedy: "",
        is_required: false,
        since: "0.1.0",
    }
}

impl Key {
    const fn required(self, remedy: &'static str) -> Self {
        Self {
            remedy,
            is_required: true,
            ..self
        }
    }

    /// What to write where it is empty.
    const fn remedy(self, remedy: &'static str) -> Self {
        Self { remedy, ..self }
    }
}

/// A knob: how requests to this target look.
const fn knob(name: &'static str) -> Key {
    key(name, Holds::Knob, "")
}

/// A section whose keys go together in any way.
const fn section(name: &'static str, keys: &'static [Key]) -> Section {
    Section {
        name,
        keys,
        rules: &[],
        reserved: &[],
    }
}
