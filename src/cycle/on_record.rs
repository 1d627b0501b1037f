//! What is on record, as it may be shown: what objects are called, and without the values that a mapping marks.

use std::collections::BTreeMap;

use crate::config::Config;
use crate::engine::model::{JobName, Key, ObjectKind, SourceId};
use crate::engine::record::{LogEntry, Reason};
use crate::engine::redact::Redactions;
use crate::report::Names;
use crate::store::Store;

/// The name of a source object that the state knows. A report without it shows the id.
fn name_on_record(store: &Store, id: &SourceId) -> Option<String> {
    ObjectKind::ALL.into_iter().find_map(|kind| {
        let object = store.object(kind, id).ok()??;
        Some(object.label().to_owned())
    })
}

/// What objects are called that records mention.
pub(crate) fn with_names<T>(store: Option<&Store>, work: impl FnOnce(Names<'_>) -> T) -> T {
    let by_id = |id: &SourceId| name_on_record(store?, id);
    let by_key = |key: Key| {
        let named = store?.named(&[key]).ok()?.remove(&key)?;
        Some((named.id, named.label))
    };
    work(Names::Both(&by_id, &by_key))
}

pub(crate) type Marked = BTreeMap<JobName, Redactions>;

/// What is not shown of each job.
pub(crate) fn marked(config: &Config) -> Marked {
    let jobs = config.jobs.iter();
    jobs.map(|job| (job.rules.name.clone(), Redactions::of(&job.rules)))
        .collect()
}

/// Values that a mapping marks `Redact` may stand in the reason why an object was skipped. What a job
/// marked that the configuration no longer has is not known, so its reasons are not shown.
pub(crate) fn hide(entries: &mut [LogEntry], marked: &Marked) {
    for entry in entries {
        match marked.get(&entry.job) {
            Some(redactions) => redactions.hide_in_entry(entry),
            None if matches!(entry.reason, Some(Reason::Skipped(_))) => entry.reason = None,
            None => {}
        }
    }
}
