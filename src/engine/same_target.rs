//! Is this still our target? Whether the target objects behind links are those that the links were made
//! for, judged from some of them (safety.md, 3). An address may come to mean another service, and a
//! credential another organisation: then old links lead to other people's accounts, or to none.

use std::collections::BTreeMap;

use super::mapping::{self, Mappings};
use super::model::{MatchKey, SourceId, TargetPath, Value};

/// Links that are compared first.
pub(crate) const FIRST: usize = 20;
/// Links that are compared in addition, where the first leave a doubt.
pub(crate) const MORE: usize = 200;
/// Credentials that are tried one after another while the target is verified.
pub(crate) const MOST_CREDENTIALS: u32 = 4;

/// What comparing one link gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compared {
    Agrees,
    Wrong,
    /// It counts neither way.
    NotRead,
}

/// How many of the links that were looked at agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) agree: usize,
    pub(crate) wrong: usize,
    pub(crate) not_read: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The links that are wrong are matched again, and nothing else follows.
    Ours,
    /// Nothing may be written.
    Another,
    /// Too few could be read to say.
    Unsure,
}

impl Tally {
    pub(crate) fn count(&mut self, compared: Compared) {
        *match compared {
            Compared::Agrees => &mut self.agree,
            Compared::Wrong => &mut self.wrong,
            Compared::NotRead => &mut self.not_read,
        } += 1;
    }

    pub(crate) fn read(self) -> usize {
        self.agree + self.wrong
    }

    /// Whether more links must be looked at before anything is said.
    pub(crate) fn leaves_a_doubt(self) -> bool {
        self.wrong >= 2
    }

    pub(crate) fn verdict(self) -> Verdict {
        if self.not_read > self.read() {
            Verdict::Unsure
        } else if self.wrong > self.agree {
            Verdict::Another
        } else {
            Verdict::Ours
        }
    }
}

/// The values by which an object is known again: those that it is matched by, and an externalId that is
/// its id in the source.
pub(crate) fn keys(
    mappings: &Mappings,
    id: &SourceId,
    sent: &BTreeMap<TargetPath, Value>,
) -> Vec<MatchKey> {
    let mut keys: Vec<(Option<u32>, MatchKey)> = mappings
        .iter()
        .filter_map(|mapping| {
            let value = sent.get(&mapping.target)?;
            let names_it = is_id(id, &mapping.target, value);
            let key = MatchKey {
                path: mapping.target.clone(),
                value: value.clone(),
            };
            (mapping.matching.is_some() || names_it).then_some((mapping.matching, key))
        })
        .collect();
    keys.sort_by_key(|(precedence, _)| precedence.unwrap_or(u32::MAX));
    keys.into_iter().map(|(_, key)| key).collect()
}

/// Compares what the target shows with what was last sent: one value in common is enough. Where it shows
/// none of them, nothing is known.
pub(crate) fn compare(
    mappings: &Mappings,
    keys: &[MatchKey],
    shown: &BTreeMap<TargetPath, Value>,
) -> Compared {
    let form = |path: &TargetPath, value: &Value| mapping::searched(mappings, path, value.clone());
    let mut compared = Compared::NotRead;
    for key in keys {
        let there = shown
            .get(&key.path)
            .and_then(|value| form(&key.path, value));
        match (form(&key.path, &key.value), there) {
            (Some(sent), Some(there)) if sent == there => return Compared::Agrees,
            (Some(_), Some(_)) => compared = Compared::Wrong,
            (None, _) | (_, None) => {}
        }
    }
    compared
}

/// Whether the externalId that the target shows is this id of the source.
pub(crate) fn names(id: &SourceId, shown: &BTreeMap<TargetPath, Value>) -> bool {
    shown.iter().any(|(path, value)| is_id(id, path, value))
}

fn is_id(id: &SourceId, path: &TargetPath, value: &Value) -> bool {
    path.to_string() == "externalId"
        && matches!(value, Value::Text(text) if text.eq_ignore_ascii_case(id.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(agree: usize, wrong: usize, not_read: usize) -> Tally {
        Tally {
            agree,
            wrong,
            not_read,
        }
    }

    #[test]
    fn more_than_half_of_those_read_must_be_wrong() {
        assert_eq!(tally(20, 0, 0).verdict(), Verdict::Ours);
        assert_eq!(tally(10, 10, 0).verdict(), Verdict::Ours);
        assert_eq!(tally(9, 11, 0).verdict(), Verdict::Another);
        assert_eq!(tally(0, 1, 0).verdict(), Verdict::Another);
        assert_eq!(tally(0, 0, 0).verdict(), Verdict::Ours);
    }

    #[test]
    fn what_could_not_be_read_counts_neither_way_unless_it_is_more_than_half() {
        assert_eq!(tally(6, 4, 10).verdict(), Verdict::Ours);
        assert_eq!(tally(4, 6, 10).verdict(), Verdict::Another);
        assert_eq!(tally(9, 0, 11).verdict(), Verdict::Unsure);
        assert_eq!(tally(0, 9, 11).verdict(), Verdict::Unsure);
    }

    #[test]
    fn two_that_are_wrong_leave_a_doubt() {
        assert!(!tally(19, 1, 0).leaves_a_doubt());
        assert!(tally(18, 2, 0).leaves_a_doubt());
    }
}
