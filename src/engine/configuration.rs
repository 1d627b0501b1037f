//! The configuration of a job as it is kept: in words of our own, without secrets, so that what changed
//! between two cycles can be said long after.

use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Configuration {
    /// By which a cycle knows it.
    pub(crate) digest: String,
    /// What is in force, by key, defaults and presets included.
    pub(crate) entries: BTreeMap<String, String>,
}

/// One key that is another than before; `None`: it is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) key: String,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

impl Configuration {
    pub(crate) fn changes_to(&self, after: &Self) -> Vec<Difference> {
        let mut keys: Vec<&String> = self.entries.keys().chain(after.entries.keys()).collect();
        keys.sort();
        keys.dedup();
        let changes = keys.into_iter().map(|key| Difference {
            key: key.clone(),
            before: self.entries.get(key).cloned(),
            after: after.entries.get(key).cloned(),
        });
        changes.filter(|one| one.before != one.after).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_what_came_what_went_and_what_is_another() {
        let of = |entries: &[(&str, &str)]| Configuration {
            digest: String::new(),
            entries: entries
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        };
        let before = of(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let after = of(&[("b", "2"), ("c", "1"), ("d", "1")]);
        let found = before.changes_to(&after);
        let found: Vec<_> = found
            .iter()
            .map(|one| {
                (
                    one.key.as_str(),
                    one.before.as_deref(),
                    one.after.as_deref(),
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                ("a", Some("1"), None),
                ("b", Some("1"), Some("2")),
                ("d", None, Some("1"))
            ]
        );
    }
}
