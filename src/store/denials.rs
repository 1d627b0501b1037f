//! Which sources refuse to be read, and for which jobs.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Row, params};

use super::jobs::ensure_job;
use super::state::State;
use super::wire::{Column, unreadable};
use super::{Error, Store};
use crate::engine::denial::{Denial, Denied, Refuses};
use crate::engine::model::{JobName, SourceNumber};

impl Store {
    /// Notes whether a source refused to be read for a job.
    pub(crate) fn note_denial(
        &self,
        job: &JobName,
        source: SourceNumber,
        denial: Option<&Denial>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let known = self.denial(job, source)?;
        if known.as_ref().map(|known| &known.denial) == denial {
            return Ok(());
        }
        let since = match (&known, denial) {
            (Some(known), Some(denial)) if known.denial.refuses == denial.refuses => known.since,
            (Some(_) | None, _) => now,
        };
        self.write("note whether the source can be read", |state| {
            let job = ensure_job(state, job)?;
            state.run(
                "UPDATE job_sources SET refuses = ?3, refused_because = ?4, refused_remedy = ?5,
                     refused_since = ?6
                 WHERE job = ?1 AND source = ?2",
                params![
                    job,
                    source,
                    denial.map(|one| one.refuses.as_str()),
                    denial.map(|one| &one.because),
                    denial.and_then(|one| one.remedy.as_ref()),
                    denial.map(|_| Column(since)),
                ],
            )?;
            Ok(())
        })
    }

    /// Whether a source refused to be read for a job, when it was last read for it.
    pub(crate) fn denial(
        &self,
        job: &JobName,
        source: SourceNumber,
    ) -> Result<Option<Denied>, Error> {
        self.read("look up whether the source can be read", |state| {
            state
                .prepare_cached(
                    "SELECT j.name, refuses, refused_because, refused_remedy, refused_since
                     FROM jobs j CROSS JOIN job_sources s ON s.job = j.key
                     WHERE j.name = ?1 AND s.source = ?2 AND refuses IS NOT NULL",
                )?
                .query_row(params![job, source], denied)
                .optional()
        })
    }
}

/// The jobs for which a source refuses to be read.
pub(super) fn denials(state: &State, source: SourceNumber) -> rusqlite::Result<Vec<Denied>> {
    state
        .prepare_cached(
            "SELECT j.name, refuses, refused_because, refused_remedy, refused_since
             FROM job_sources s CROSS JOIN jobs j ON j.key = s.job
             WHERE s.source = ?1 AND refuses IS NOT NULL ORDER BY j.name",
        )?
        .query_map(params![source], denied)?
        .collect()
}

fn denied(row: &Row<'_>) -> rusqlite::Result<Denied> {
    let refuses: String = row.get(1)?;
    let mut all = Refuses::ALL.into_iter();
    let refuses = all.find(|one| one.as_str() == refuses);
    let Column(since) = row.get(4)?;
    Ok(Denied {
        job: row.get(0)?,
        since,
        denial: Denial {
            refuses: refuses.ok_or_else(|| unreadable("refusal of the source"))?,
            because: row.get(2)?,
            remedy: row.get(3)?,
        },
    })
}
