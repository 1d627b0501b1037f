//! What a target reports of itself (RFC 7643 sections 5 to 7), and which mappings do not fit it. Targets
//! leave parts out and report what is not so: everything here may be unknown, and nothing is believed
//! against an answer.

use std::collections::BTreeMap;

use super::job::Job;
use super::model::schema::{CORE_GROUP, CORE_USER};
use super::model::{ObjectKind, TargetPath};

/// `None`: not reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Capabilities {
    pub(crate) patch: Option<bool>,
    pub(crate) filter: Option<bool>,
    pub(crate) bulk: Option<bool>,
    /// Operations, and bytes, that one bulk request holds at most.
    pub(crate) max_operations: Option<u64>,
    pub(crate) max_payload: Option<u64>,
    pub(crate) etag: Option<bool>,
    /// Resources that one page of a list holds at most.
    pub(crate) max_results: Option<u64>,
    pub(crate) groups: Option<bool>,
    /// By the URN, in lower case.
    pub(crate) schemas: BTreeMap<String, Attributes>,
}

/// What the answers of a target taught, as far as people want to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Learned {
    /// An addition of members had an effect.
    AdditionsWork,
    /// An addition of members left those that were there.
    OthersStay,
    /// A removal of members in this form took out those that were meant, and no others.
    RemovalsWork {
        form: String,
    },
    /// The members of groups are not shown.
    MembersHidden,
    UsersNotDeleted {
        evidence: String,
    },
    GroupsNotDeleted {
        evidence: String,
    },
    /// A setting.
    Form {
        knob: String,
        word: String,
        evidence: String,
    },
}

/// The attributes of a schema, or the sub-attributes of an attribute, by their names in lower case.
pub(crate) type Attributes = BTreeMap<String, Attribute>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the characteristics of a schema"
)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) is_read_only: bool,
    pub(crate) required: bool,
    /// `None` where it is not reported, or no type of the standard.
    pub(crate) kind: Option<Kind>,
    pub(crate) is_multi: bool,
    /// No two resources may hold the same value.
    pub(crate) is_unique: bool,
    /// Empty where none are reported.
    pub(crate) sub_attributes: Attributes,
}

/// The types of the standard, as far as what may be sent differs (RFC 7643 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Also references and binary data.
    Text,
    Boolean,
    Number,
    DateTime,
    Complex,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::DateTime => "a time",
            Self::Complex => "an object",
        }
    }
}

/// What is reported at a path.
pub(crate) struct Found<'a> {
    pub(crate) attribute: &'a Attribute,
    pub(crate) sub: Option<&'a Attribute>,
}

impl Found<'_> {
    pub(crate) fn is_read_only(&self) -> bool {
        self.attribute.is_read_only || self.sub.is_some_and(|sub| sub.is_read_only)
    }
}

/// A mapping that does not fit what the target reports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Remark {
    ReadOnly {
        kind: ObjectKind,
        path: TargetPath,
    },
    Unknown {
        kind: ObjectKind,
        path: TargetPath,
    },
    /// No mapping writes what a create must hold.
    Missing {
        kind: ObjectKind,
        attribute: String,
    },
    /// The target makes the value itself, as its answers showed.
    Rewritten {
        kind: ObjectKind,
        path: TargetPath,
    },
}

/// Attributes that every resource has and no schema lists (RFC 7643 section 3.1).
const COMMON: [&str; 4] = ["id", "externalid", "meta", "schemas"];

impl Capabilities {
    /// The mappings that do not fit.
    pub(crate) fn remarks(&self, job: &Job) -> Vec<Remark> {
        let kinds = ObjectKind::ALL.into_iter();
        let kinds = kinds.filter(|kind| job.rules(*kind).enabled);
        kinds.flat_map(|kind| self.remarks_of(job, kind)).collect()
    }

    fn remarks_of(&self, job: &Job, kind: ObjectKind) -> Vec<Remark> {
        if self.core(kind).is_none() {
            return Vec::new();
        }
        let mappings = &job.rules(kind).mappings;
        let misfits = mappings.iter().filter_map(|mapping| {
            let path = mapping.target.clone();
            match self.find(kind, &path) {
                Known::Unknown => Some(Remark::Unknown { kind, path }),
                Known::ReadOnly => Some(Remark::ReadOnly { kind, path }),
                Known::Writable => None,
            }
        });
        let is_mapped = |name: &str| {
            let mut targets = mappings.iter().map(|mapping| &mapping.target);
            targets
                .any(|path| path.schema().is_none() && path.attribute().eq_ignore_ascii_case(name))
        };
        let required = self.required(kind).filter(|name| !is_mapped(name));
        let missing = required.map(|name| Remark::Missing {
            kind,
            attribute: name.to_owned(),
        });
        misfits.chain(missing).collect()
    }

    /// The core schema, as far as it is a whole one: without the attribute that names the resource it
    /// says nothing of the others either.
    fn core(&self, kind: ObjectKind) -> Option<&Attributes> {
        let (urn, name) = match kind {
            ObjectKind::User => (CORE_USER, "username"),
            ObjectKind::Group => (CORE_GROUP, "displayname"),
        };
        let core = self.schemas.get(&urn.to_lowercase())?;
        core.contains_key(name).then_some(core)
    }

    /// The attributes that every resource of this kind must hold.
    pub(crate) fn required(&self, kind: ObjectKind) -> impl Iterator<Item = &str> {
        let core = self.core(kind).into_iter().flat_map(BTreeMap::values);
        let required = core.filter(|attribute| {
            let name = attribute.name.to_lowercase();
            attribute.required && !attribute.is_read_only && !COMMON.contains(&name.as_str())
        });
        required.map(|attribute| attribute.name.as_str())
    }

    /// What is reported of an attribute. `None`: nothing, or it is one that every resource has.
    pub(crate) fn attribute(&self, kind: ObjectKind, path: &TargetPath) -> Option<Found<'_>> {
        let attributes = match path.schema() {
            Some(urn) => self.schemas.get(&urn.to_lowercase()),
            None => self.core(kind),
        };
        let name = path.attribute().to_lowercase();
        if path.schema().is_none() && COMMON.contains(&name.as_str()) {
            return None;
        }
        let attribute = attributes?.get(&name)?;
        let sub = match path.sub_attribute() {
            Some(sub) if !attribute.sub_attributes.is_empty() => {
                Some(attribute.sub_attributes.get(&sub.to_lowercase())?)
            }
            _ => None,
        };
        Some(Found { attribute, sub })
    }

    fn find(&self, kind: ObjectKind, path: &TargetPath) -> Known {
        let name = path.attribute().to_lowercase();
        if path.schema().is_none() && COMMON.contains(&name.as_str()) {
            return Known::Writable;
        }
        match self.attribute(kind, path) {
            None => Known::Unknown,
            Some(found) if found.is_read_only() => Known::ReadOnly,
            Some(_) => Known::Writable,
        }
    }
}

enum Known {
    Unknown,
    ReadOnly,
    Writable,
}

/// The job without the mappings that do not fit, for a target whose schemas are trusted. Those that
/// objects are found by stay.
pub(crate) fn fitting(mut job: Job, remarks: &[Remark]) -> Job {
    let drop_from = |rules: &mut super::job::Rules, of: ObjectKind| {
        rules.mappings.retain(|mapping| {
            mapping.matching.is_some()
                || !remarks.iter().any(|remark| match remark {
                    Remark::ReadOnly { kind, path } | Remark::Unknown { kind, path } => {
                        *kind == of && *path == mapping.target
                    }
                    Remark::Missing { .. } | Remark::Rewritten { .. } => false,
                })
        });
    };
    drop_from(&mut job.users, ObjectKind::User);
    drop_from(&mut job.groups, ObjectKind::Group);
    job
}
