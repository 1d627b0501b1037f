//! What comparing a whole target with the tenant and the state shows. `cycle` fills it, reports print it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::model::{JobName, ObjectKind, TargetId, TargetPath, Value};
use super::plan::{Difference, DriftRemedy, Skipped, Subject};
use super::summary::Requests;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Audit {
    pub(crate) job: JobName,
    /// Where the target is.
    pub(crate) address: String,
    pub(crate) at: DateTime<Utc>,
    /// Why the source could not be read completely, or the scope is not certain.
    pub(crate) incomplete: Option<String>,
    /// Those that the job provisions.
    pub(crate) kinds: Vec<KindAudit>,
    pub(crate) requests: Requests,
}

impl Audit {
    pub(crate) fn has_findings(&self) -> bool {
        self.kinds.iter().any(KindAudit::has_findings)
    }
}

/// What was found of one kind of object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KindAudit {
    pub(crate) kind: ObjectKind,
    pub(crate) in_target: u64,
    pub(crate) linked: u64,
    pub(crate) in_scope: u64,
    pub(crate) differing: Vec<Differing>,
    /// Linked objects that are gone from the target.
    pub(crate) missing: Vec<(Subject, TargetId)>,
    pub(crate) orphans: Vec<Orphan>,
    pub(crate) duplicates: Vec<Duplicate>,
    /// Source objects of which it is not clear which target object is theirs.
    pub(crate) ambiguous: Vec<Skipped>,
    pub(crate) coverage: Vec<Coverage>,
    /// Mapped paths that the target shows of no object, so that they were not compared.
    pub(crate) not_shown: Vec<TargetPath>,
}

impl KindAudit {
    fn has_findings(&self) -> bool {
        !(self.differing.is_empty()
            && self.missing.is_empty()
            && self.orphans.is_empty()
            && self.duplicates.is_empty()
            && self.ambiguous.is_empty())
    }
}

/// A linked object that is not as it was last written, or not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Differing {
    pub(crate) subject: Subject,
    pub(crate) target: TargetId,
    /// In the order of the paths.
    pub(crate) attributes: Vec<Attribute>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) path: TargetPath,
    pub(crate) written: Option<Value>,
    pub(crate) held: Option<Value>,
    pub(crate) wanted: Option<Value>,
    /// `None`: the target holds what was last written, and something else is wanted now.
    pub(crate) remedy: Option<DriftRemedy>,
}

/// A target object that belongs to no object in scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Orphan {
    pub(crate) target: TargetId,
    pub(crate) name: String,
    pub(crate) active: bool,
    /// The object out of scope that it is linked to; `None`: it was never linked.
    pub(crate) linked_to: Option<Subject>,
    /// Whom it may belong to.
    pub(crate) near: Option<NearMiss>,
}

/// A source object in scope that nearly matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NearMiss {
    pub(crate) subject: Subject,
    /// Whether that one is linked to another target object.
    pub(crate) is_linked: bool,
    pub(crate) by: Likeness,
}

/// In what two objects are alike. In this order, the first is the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Likeness {
    /// An address of the account is one of the user's addresses.
    Address,
    /// What stands before the @ is the same but for punctuation.
    Alias,
    DisplayName,
}

/// Several target objects with one value that should be unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Duplicate {
    pub(crate) path: TargetPath,
    pub(crate) value: Value,
    pub(crate) targets: Vec<TargetId>,
}

/// How well a source attribute finds target objects at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Coverage {
    pub(crate) path: TargetPath,
    pub(crate) attribute: String,
    /// The job matches by it.
    pub(crate) is_used: bool,
    /// Objects in scope for which exactly one target object is found, and several.
    pub(crate) one: u64,
    pub(crate) several: u64,
    /// Objects in scope.
    pub(crate) of: u64,
}

/// What a plan makes of an object's attributes: by path, the values that are wanted.
pub(crate) type Wanted = BTreeMap<TargetPath, Option<Value>>;

impl Differing {
    /// Joins what differs from what was written with what the plan changes.
    pub(crate) fn new(
        subject: Subject,
        target: TargetId,
        differences: &[Difference],
        mut wanted: Wanted,
        written: &BTreeMap<TargetPath, Value>,
    ) -> Self {
        let mut attributes: Vec<Attribute> = differences
            .iter()
            .map(|difference| {
                let Difference {
                    path,
                    sent,
                    held,
                    remedy,
                } = difference;
                // What the plan does not change is as it should be, but for what is not repaired.
                let wanted = match (wanted.remove(path), remedy) {
                    (Some(wanted), _) => wanted,
                    (None, DriftRemedy::Repair) => held.clone(),
                    (None, DriftRemedy::Report | DriftRemedy::Disabled) => sent.clone(),
                };
                Attribute {
                    path: path.clone(),
                    written: sent.clone(),
                    held: held.clone(),
                    wanted,
                    remedy: Some(*remedy),
                }
            })
            .collect();
        attributes.extend(wanted.into_iter().map(|(path, wanted)| Attribute {
            written: written.get(&path).cloned(),
            held: written.get(&path).cloned(),
            wanted,
            remedy: None,
            path,
        }));
        attributes.sort_by(|one, other| one.path.cmp(&other.path));
        Self {
            subject,
            target,
            attributes,
        }
    }
}

/// What stands before the @ of an address, or a whole name, without what people write differently.
pub(crate) fn alias(name: &str) -> String {
    let before = name.split_once('@').map_or(name, |(before, _)| before);
    let letters = before.chars().filter(|letter| letter.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_are_alike_whatever_stands_between_their_letters() {
        assert_eq!(alias("Jane.Doe@contoso.com"), alias("jane-doe@old.example"));
        assert_eq!(alias("JaneDoe"), "janedoe");
        assert_ne!(
            alias("jane.doe2@contoso.com"),
            alias("jane.doe@contoso.com")
        );
    }
}
