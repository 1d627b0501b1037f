//! That a source cannot be read because it refuses the sign-in, or because a permission is missing.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::model::JobName;
use super::strategy::SourceReading;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refuses {
    /// The credential, or the token that it got.
    SignIn,
    /// Something that a job needs, because of a permission.
    Permission,
}

impl Refuses {
    pub(crate) const ALL: [Self; 2] = [Self::SignIn, Self::Permission];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign-in",
            Self::Permission => "permission",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denial {
    pub(crate) refuses: Refuses,
    /// In the words of the source.
    pub(crate) because: String,
    pub(crate) remedy: Option<String>,
}

/// That a source was last read for a job with this result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denied {
    pub(crate) job: JobName,
    pub(crate) since: DateTime<Utc>,
    pub(crate) denial: Denial,
}

/// What is wrong with a source, for all its jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeniedSource {
    /// As the configuration calls the source; empty for the only one.
    pub(crate) name: String,
    pub(crate) tenant: String,
    pub(crate) since: DateTime<Utc>,
    pub(crate) denial: Denial,
    pub(crate) jobs: BTreeSet<JobName>,
}

impl SourceReading {
    /// A refused sign-in says more than a missing permission; of several, the oldest.
    pub(crate) fn denied(&self) -> Option<DeniedSource> {
        let rank = |one: &&Denied| (one.denial.refuses != Refuses::SignIn, one.since);
        let first = self.denied.iter().min_by_key(rank)?;
        let same = self.denied.iter();
        let same = same.filter(|one| one.denial.refuses == first.denial.refuses);
        Some(DeniedSource {
            name: self.name.clone(),
            tenant: self.tenant.clone(),
            since: first.since,
            denial: first.denial.clone(),
            jobs: same.map(|one| one.job.clone()).collect(),
        })
    }
}
