//! The keys of the configuration in words, for its manual page: the table of keys as a reader sees it.

use super::keys::{Holds, Key, SECTIONS, Section};
use super::knobs::KNOBS;

/// A section with its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chapter {
    /// `[jobs.target]`; empty for the top of the file.
    pub(crate) heading: String,
    pub(crate) keys: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    /// What it holds.
    pub(crate) holds: String,
    pub(crate) is_required: bool,
    pub(crate) help: String,
}

/// Every section, in the order of the file.
pub(crate) fn manual() -> Vec<Chapter> {
    SECTIONS.iter().map(|section| chapter(section)).collect()
}

fn chapter(section: &Section) -> Chapter {
    let is_list = SECTIONS.iter().any(|outer| {
        outer.keys.iter().any(|key| match key.holds {
            Holds::Tables(inner) => inner.name == section.name,
            _ => false,
        })
    });
    let heading = match (section.name, is_list) {
        ("", _) => String::new(),
        (name, true) => format!("[[{name}]]"),
        (name, false) => format!("[{name}]"),
    };
    // All keys of [source] stand there.
    let keys = if section.name == "sources" {
        &section.keys[..1]
    } else {
        section.keys
    };
    Chapter {
        heading,
        keys: keys.iter().map(entry).collect(),
    }
}

fn entry(key: &'static Key) -> Entry {
    let knob = KNOBS.iter().find(|knob| knob.name == key.name);
    let knob = knob.filter(|_| matches!(key.holds, Holds::Knob));
    Entry {
        name: key.name,
        holds: match knob {
            Some(knob) => {
                let words: Vec<&str> = knob.words.iter().map(|(word, _)| *word).collect();
                words.join(" | ")
            }
            None => holds(key.holds),
        },
        is_required: key.is_required,
        help: match knob {
            Some(knob) => knob.meaning.trim().to_owned(),
            None => key.help.to_owned(),
        },
    }
}

fn holds(holds: Holds) -> String {
    match holds {
        Holds::Text => "text".to_owned(),
        Holds::Id => "id".to_owned(),
        Holds::Address => "address".to_owned(),
        Holds::Duration => "duration, as \"40m\"".to_owned(),
        Holds::Words(words) => words.join(" | "),
        Holds::Knob => "word".to_owned(),
        Holds::Boolean => "true | false".to_owned(),
        Holds::Integer(_) => "whole number".to_owned(),
        Holds::Number => "number".to_owned(),
        Holds::Limit => "number, or percentage as \"10%\"".to_owned(),
        Holds::Texts => "list of texts".to_owned(),
        Holds::Value => "value".to_owned(),
        Holds::Counts(_) => "{ name = number }".to_owned(),
        Holds::Secrets(section) => format!("{{ name = {} }}", table(section)),
        Holds::Table(section) => table(section),
        Holds::Tables(_) => "list of tables".to_owned(),
        Holds::OneOf(several) => {
            let several: Vec<String> = several.iter().map(|one| self::holds(*one)).collect();
            several.join(", or ")
        }
    }
}

/// A table with a section of its own is described there; another is written in one line.
fn table(section: &Section) -> String {
    if SECTIONS.iter().any(|known| known.name == section.name) {
        return "section".to_owned();
    }
    let keys: Vec<&str> = section.names().collect();
    format!("{{ {} }}", keys.join(", "))
}
