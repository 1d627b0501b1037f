//! Snapshots of one or several tenants, in one file.

use std::io::{self, Write};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::wire::{self, Taken};
use super::{FORMAT_OF_SEVERAL, Snapshot, SnapshotError, Supposed};

/// What stands in for the tenants, each once.
#[derive(Clone, Debug)]
pub(crate) struct Snapshots {
    all: Vec<Arc<Snapshot>>,
}

impl Snapshots {
    /// At least one.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let documents = wire::parse(bytes)?.into_iter();
        let all = documents.map(|one| Snapshot::of(one).map(Arc::new));
        Ok(Self {
            all: all.collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn of(&self, tenant: &str) -> Option<&Arc<Snapshot>> {
        let mut all = self.all.iter();
        all.find(|one| one.about.tenant.eq_ignore_ascii_case(tenant))
    }

    /// Their tenants, in words.
    pub(crate) fn tenants(&self) -> String {
        let tenants = self.all.iter().map(|one| one.about.tenant.as_str());
        tenants.collect::<Vec<_>>().join(", ")
    }

    /// When the oldest was made.
    pub(crate) fn made(&self) -> Option<DateTime<Utc>> {
        self.all.iter().map(|one| one.about.made).min()
    }

    pub(crate) fn are_redacted(&self) -> bool {
        self.all.iter().any(|one| one.about.redacted)
    }

    /// The same with a change of the one tenant that has what it names.
    pub(crate) fn supposing(mut self, change: &Supposed) -> Result<Self, String> {
        let mut done = Vec::new();
        let mut absent = Vec::new();
        for (place, snapshot) in self.all.iter().enumerate() {
            let mut changed = (**snapshot).clone();
            match changed.suppose(change) {
                Ok(()) => done.push((place, Ok(changed))),
                Err(error) if error.is_absent => absent.push(error.words),
                Err(error) => done.push((place, Err(error.words))),
            }
        }
        match (done.pop(), done.len()) {
            (Some((place, changed)), 0) => {
                self.all[place] = Arc::new(changed?);
                Ok(self)
            }
            (Some(_), _) => Err(format!(
                "{change}: several tenants have objects of these names: give the ids"
            )),
            (None, _) => {
                // A tenant with a similar name says more.
                let best = absent.iter().find(|words| words.contains("did you mean"));
                let best = best.or(absent.first()).cloned();
                Err(best.unwrap_or_default())
            }
        }
    }
}

/// Writes what was read of one tenant or of several.
pub(crate) fn write(taken: &[Taken], out: &mut dyn Write) -> io::Result<()> {
    if let [only] = taken {
        return only.write(out);
    }
    write!(out, "{{\"snapshot\":{FORMAT_OF_SEVERAL},\n\"tenants\":[")?;
    for (place, one) in taken.iter().enumerate() {
        out.write_all(if place == 0 { b"\n" } else { b"," })?;
        one.write(out)?;
    }
    writeln!(out, "]}}")
}
