//! How the sources of a job were read: what may be derived from what is missing in them, and what belongs to each.

use std::collections::BTreeMap;

use super::super::proof::Proof;
use super::{Planner, Reading};
use crate::engine::mapping::Environment;
use crate::engine::model::{SourceNumber, SourceObject};

/// How each source was read whose objects are decided.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readings {
    sources: BTreeMap<SourceNumber, (Reading, Option<String>)>,
    /// Sources that could not be read, and why. Nothing of them is decided.
    unread: Vec<String>,
}

impl Readings {
    /// With the tenant's default domain, where an expression needs it.
    pub(crate) fn add(
        &mut self,
        source: SourceNumber,
        reading: Reading,
        default_domain: Option<String>,
    ) {
        self.sources.insert(source, (reading, default_domain));
    }

    pub(crate) fn miss(&mut self, why: String) {
        self.unread.push(why);
    }

    /// Those whose objects are decided.
    pub(crate) fn read(&self) -> Vec<SourceNumber> {
        self.sources.keys().copied().collect()
    }

    /// Those that were read completely, where something may be missing from none that is not among them.
    pub(crate) fn complete(&self) -> Vec<SourceNumber> {
        let complete = self
            .sources
            .iter()
            .filter(|(_, (reading, _))| matches!(reading, Reading::Complete(_)));
        complete.map(|(source, _)| *source).collect()
    }
}

#[cfg(test)]
impl From<Reading> for Readings {
    fn from(reading: Reading) -> Self {
        let mut readings = Self::default();
        readings.add(SourceNumber::FIRST, reading, None);
        readings
    }
}

/// The proofs that the readings are, or why they are none.
#[derive(Debug)]
pub(super) struct Proofs {
    sources: BTreeMap<SourceNumber, (Result<Proof, String>, Option<String>)>,
    unread: Vec<String>,
    is_supposed: bool,
}

impl Proofs {
    pub(super) fn of(readings: Readings) -> Self {
        let Readings { sources, unread } = readings;
        let sources = sources.into_iter().map(|(source, (reading, domain))| {
            let proof = match reading {
                Reading::Complete(complete) => Ok(Proof::of_reading(&complete)),
                Reading::Incomplete(why) => Err(why),
            };
            (source, (proof, domain))
        });
        Self {
            sources: sources.collect(),
            unread,
            is_supposed: false,
        }
    }

    pub(super) fn suppose(&mut self) {
        self.is_supposed = true;
    }

    /// Why not everything was read.
    pub(super) fn incomplete(&self) -> Option<String> {
        let whys = self
            .sources
            .values()
            .filter_map(|(proof, _)| proof.as_ref().err());
        let whys: Vec<&str> = whys.chain(&self.unread).map(String::as_str).collect();
        (!self.is_supposed && !whys.is_empty()).then(|| whys.join("; "))
    }

    /// That the source of something was read completely.
    pub(super) fn of_source(&self, source: SourceNumber) -> Option<Proof> {
        if self.is_supposed {
            return Some(Proof::supposed());
        }
        let (proof, _) = self.sources.get(&source)?;
        proof.as_ref().ok().copied()
    }
}

impl<'a> Planner<'a> {
    /// What the mappings of an object see in addition to it.
    pub(super) fn environment_of<'s>(&'s self, object: &SourceObject) -> Environment<'s>
    where
        'a: 's,
    {
        let known = self.readings.sources.get(&object.source);
        let domain = known.and_then(|(_, domain)| domain.as_deref());
        Environment {
            default_domain: domain.or(self.environment.default_domain),
            ..self.environment
        }
    }
}
