//! What the target holds of the objects that a cycle changed, read after it: for a part of a saved plan, before
//! the rest is carried out (safety.md §5).

use std::collections::BTreeMap;

use tokio::sync::watch;

use super::{Agent, Context, Error, Options, drift};
use crate::config;
use crate::engine::model::{Key, ObjectKind, TargetId};
use crate::engine::plan::{Drift, DriftRemedy, Drifted, Subject};
use crate::engine::record::LogStatus;
use crate::engine::summary::ReadBack;

/// Entries that are taken from the state at once.
const CHUNK: usize = 500;
/// The action after which nothing is left to be read.
const DELETE: &str = "delete";

/// What a cycle changed.
#[derive(Default)]
struct Changed {
    keys: BTreeMap<ObjectKind, Vec<Key>>,
    deleted: Vec<(Subject, TargetId)>,
}

impl Agent {
    /// Reads what a cycle changed, and compares it with what was written. What differs is read once more
    /// when the target must show it.
    pub(crate) async fn read_back(&self, job: &config::Job, cycle: i64) -> Result<ReadBack, Error> {
        let options = Options::default();
        let progress = watch::Sender::default();
        let context = self.context(job, &options, &progress)?;
        let changed = self.changed(cycle)?;
        let mut read = changed.read(&context).await?;
        if !(read.differing.is_empty() && read.left.is_empty()) {
            let delay = job.target.visibility_delay;
            let waited = self.stop.run_until_cancelled(tokio::time::sleep(delay));
            if waited.await.is_some() {
                read = changed.read(&context).await?;
            }
        }
        Ok(read)
    }

    fn changed(&self, cycle: i64) -> Result<Changed, Error> {
        let mut changed = Changed::default();
        for ids in self.store.ended(cycle)?.chunks(CHUNK) {
            for entry in self.store.entries(ids)? {
                let is_done = match entry.status {
                    LogStatus::Succeeded | LogStatus::AlreadyExists => true,
                    LogStatus::Gone
                    | LogStatus::Failed
                    | LogStatus::InParts
                    | LogStatus::NotTried
                    | LogStatus::Skipped => false,
                };
                let Some(subject) = entry.subject.filter(|_| is_done) else {
                    continue;
                };
                if entry.action == DELETE {
                    changed
                        .deleted
                        .extend(entry.target.map(|target| (subject, target)));
                } else {
                    let keys = changed.keys.entry(subject.kind).or_default();
                    keys.push(subject.key);
                }
            }
        }
        for keys in changed.keys.values_mut() {
            keys.sort_unstable();
            keys.dedup();
        }
        Ok(changed)
    }
}

impl Changed {
    async fn read(&self, context: &Context<'_>) -> Result<ReadBack, Error> {
        let mut read = ReadBack::default();
        for (kind, keys) in &self.keys {
            let (drifted, unread) = drift::read_back(context, *kind, keys).await?;
            read.objects += keys.len() as u64;
            read.unread += unread;
            read.differing.extend(drifted.into_iter().map(as_found));
        }
        for (subject, target) in &self.deleted {
            let reader = &context.reader;
            read.objects += 1;
            match reader.read(subject.kind, target, &[], false).await {
                Ok(None) => {}
                Ok(Some(_)) => read.left.push(subject.clone()),
                Err(error) if context.concerns_one_object(&error).await => read.unread += 1,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(read)
    }
}

/// Nothing is said of a repair: the next cycle decides about it.
fn as_found(mut drifted: Drifted) -> Drifted {
    if let Drift::Differs(differences) = &mut drifted.drift {
        for difference in differences {
            difference.remedy = DriftRemedy::Repair;
        }
    }
    drifted
}
