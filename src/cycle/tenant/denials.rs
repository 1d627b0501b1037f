//! Notes in the state which jobs the tenant refuses to be read for.

use std::sync::PoisonError;

use super::{OneRead, Tenant, Want};
use crate::cycle::Error;
use crate::engine::denial::{Denial, Refuses};
use crate::engine::plan::Reading;

impl Tenant {
    /// An error that does not end the reading. Where the tenant refuses something, that is kept for the job.
    pub(super) fn incomplete_by(&self, what: &str, error: &Error) -> Reading {
        let denial = error.denial(&self.source().section());
        self.incomplete(format!("{what}: {}", error.chain()), denial)
    }

    pub(in crate::cycle) fn incomplete(&self, why: String, denial: Option<Denial>) -> Reading {
        if let Some(denial) = denial {
            let mut known = self.denial.lock().unwrap_or_else(PoisonError::into_inner);
            known.get_or_insert(denial);
        }
        Reading::Incomplete(why)
    }

    pub(super) fn take_denial(&self) -> Option<Denial> {
        let mut denial = self.denial.lock().unwrap_or_else(PoisonError::into_inner);
        denial.take()
    }

    /// `denial` did not end the reading. One that does not show whether the tenant still refuses something changes
    /// nothing of what is known.
    pub(super) fn note_denial(
        &self,
        want: &Want,
        reading: &Result<OneRead, Error>,
        denial: Option<Denial>,
    ) -> Result<(), Error> {
        let (job, source) = (&want.job.rules.name, self.number);
        let denial = match reading {
            Ok(_) => denial,
            Err(error) => denial.or_else(|| error.denial(&self.source().section())),
        };
        let is_certain = match reading {
            Ok(read) => {
                let known = self.store.denial(job, source)?;
                let is_permission =
                    known.is_some_and(|known| known.denial.refuses == Refuses::Permission);
                matches!(read.source, Reading::Complete(_)) || !is_permission
            }
            Err(_) => false,
        };
        if denial.is_some() || is_certain {
            self.store
                .note_denial(job, source, denial.as_ref(), (self.now)())?;
        }
        Ok(())
    }
}
