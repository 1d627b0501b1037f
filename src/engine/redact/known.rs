//! Every text that a job does not show, whosever it is: a target names who has a value already.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, LazyLock};

use crate::engine::model::Value;

/// A shorter text is taken out only where it stands as a word of its own: "a" is in every sentence.
pub(super) const SHORT: usize = 4;

/// Texts that are taken out of the target's words, found by their length.
#[derive(Debug, Default)]
pub(crate) struct Known {
    by_length: BTreeMap<usize, BTreeSet<String>>,
    /// They could not be read, so that no words can be trusted.
    is_unknown: bool,
}

impl Known {
    pub(crate) fn unknown() -> Self {
        Self {
            is_unknown: true,
            ..Self::default()
        }
    }

    pub(crate) fn add(&mut self, value: &Value) {
        each_text(value, &mut |text| {
            let folded: Vec<char> = fold(text);
            // A form writes a blank as `+`.
            let as_form: String = folded
                .iter()
                .map(|c| if *c == ' ' { '+' } else { *c })
                .collect();
            let texts = self.by_length.entry(folded.len()).or_default();
            texts.insert(folded.into_iter().collect());
            texts.insert(as_form);
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_length.is_empty() && !self.is_unknown
    }

    pub(super) fn is_unknown(&self) -> bool {
        self.is_unknown
    }

    /// How many characters of the folded words are one of the texts, the longest; `is_word` says whether
    /// so many stand as a word of their own.
    pub(super) fn beginning(
        &self,
        words: &[char],
        is_word: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let fitting = self.by_length.range(..=words.len()).rev();
        fitting
            .filter(|(length, texts)| {
                let beginning: String = words[..**length].iter().collect();
                texts.contains(&beginning) && (**length >= SHORT || is_word(**length))
            })
            .map(|(length, _)| *length)
            .next()
    }
}

/// The texts of a job, read when they are needed for the first time: as a rule no words of a target are
/// shown in a cycle.
#[derive(Clone, Default)]
pub(crate) struct Others(Option<Arc<Lazy>>);

type Lazy = LazyLock<Known, Box<dyn FnOnce() -> Known + Send>>;

impl Others {
    pub(super) fn new(read: Box<dyn FnOnce() -> Known + Send>) -> Self {
        Self(Some(Arc::new(LazyLock::new(read))))
    }

    pub(super) fn known(&self) -> Option<&Known> {
        self.0.as_deref().map(LazyLock::force)
    }
}

impl fmt::Debug for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Others")
    }
}

/// What they hold follows from the job and its state.
impl PartialEq for Others {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Others {}

/// Each text of a value that a target may repeat.
pub(super) fn each_text(value: &Value, each: &mut dyn FnMut(&str)) {
    let mut trimmed = |text: &str| {
        let text = text.trim();
        if !text.is_empty() {
            each(text);
        }
    };
    match value {
        Value::Text(text) => trimmed(text),
        Value::Integer(number) => trimmed(&number.to_string()),
        Value::List(values) => values.iter().for_each(|value| each_text(value, each)),
        Value::Object(members) => members.values().for_each(|value| each_text(value, each)),
        // One of two values is no secret that a word could reveal; references are sent as the target's
        // own ids.
        Value::Boolean(_) | Value::Reference(_) => {}
    }
}

/// Targets fold case.
pub(super) fn fold(text: &str) -> Vec<char> {
    let fold = |c: char| match c.to_lowercase().next() {
        _ if c.is_whitespace() => ' ',
        Some(lower) => lower,
        None => c,
    };
    text.chars().map(fold).collect()
}
