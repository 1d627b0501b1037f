//! What the steps of a cycle ask of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::capabilities::{self, Adapted};
use super::tenant::Want;
use super::{Context, Error};
use crate::engine::model::{Key, ObjectKind, TargetId, TargetPath};
use crate::engine::summary::Requests;
use crate::scim;
use crate::store::Store;

impl Context<'_> {
    /// Reads what the target reports, where it is due, and goes on as it needs it.
    pub(super) async fn discover(&mut self) -> Result<(), Error> {
        if capabilities::discover(self).await? {
            let Adapted {
                job,
                remarks,
                facts,
            } = capabilities::adapted(&self.agent.store, self.configured)?;
            self.reader.adapt(&job.target.dialect);
            self.job = job;
            self.remarks = remarks;
            self.facts = facts;
        }
        Ok(())
    }

    /// The number of the cycle, once it has one.
    pub(super) fn cycle(&self) -> i64 {
        self.cycle.get().copied().unwrap_or_default()
    }

    /// Works with the state on a thread that may wait for the disk.
    pub(super) async fn state<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, crate::store::Error> + Send + 'static,
    ) -> Result<T, Error> {
        Ok(self.agent.store.run(work).await?)
    }

    /// For so long after it was sent something of a write may still arrive, or not show yet (safety.md §1).
    pub(super) fn waiting_time(&self) -> Duration {
        self.job.target.timeout + self.job.target.visibility_delay
    }

    /// The paths that mappings of this kind write, members aside.
    pub(super) fn mapped_paths(&self, kind: ObjectKind) -> Vec<TargetPath> {
        let mappings = self.job.rules.rules(kind).mappings.iter();
        let paths = mappings.map(|mapping| mapping.target.clone());
        paths.filter(|path| !path.is_members()).collect()
    }

    /// The source objects that these target objects are linked to, whatever their kind.
    pub(super) async fn known(&self, targets: &[TargetId]) -> Result<Vec<Key>, Error> {
        let mut known = Vec::new();
        for kind in ObjectKind::ALL {
            let (job, targets) = (self.job.rules.name.clone(), targets.to_vec());
            let holders = self
                .state(move |store| store.holders(&job, kind, &targets))
                .await?;
            known.extend(holders.into_values());
        }
        Ok(known)
    }

    /// A look-up that any working target answers.
    pub(super) async fn look_up_anything(&self) -> Result<(), scim::Error> {
        let rules = &self.job.rules;
        let kind = if rules.users.enabled {
            ObjectKind::User
        } else {
            ObjectKind::Group
        };
        self.reader.answers(kind).await
    }

    /// Whether a failed read is the trouble of what was read alone. A target that is down, or a stop, ends
    /// the cycle.
    pub(super) async fn concerns_one_object(&self, error: &scim::Error) -> bool {
        if error.is_stop() {
            return false;
        }
        !error.stops_everything() || self.look_up_anything().await.is_ok()
    }

    pub(super) fn want(&self) -> Want {
        Want {
            job: self.job.clone(),
            kind: self.kind,
            progress: self.progress.clone(),
            requests: Arc::clone(&self.source_requests),
        }
    }

    /// Requests of this cycle so far. What several jobs share in a reading is counted for the first.
    pub(super) fn requests(&self) -> Requests {
        Requests {
            source: self.source_requests.load(Ordering::Relaxed),
            target: self.reader.requests(),
        }
    }
}
