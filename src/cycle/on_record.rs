//! What is on record, as it may be shown: what objects are called, and without the values that a mapping marks.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::config::Config;
use crate::engine::model::{JobName, Key, SourceId, Value};
use crate::engine::record::{LogEntry, Reason};
use crate::engine::redact::Redactions;
use crate::report::Names;
use crate::store::Store;

/// Names that are not looked up again; a log may mention millions.
const REMEMBERED: usize = 10_000;

/// What objects are called that records mention. A report without a name shows the id. A group's members are
/// mentioned again and again, and each is looked up once.
pub(crate) fn with_names<T>(store: Option<&Store>, work: impl FnOnce(Names<'_>) -> T) -> T {
    with_known(store, BTreeMap::new(), work)
}

/// The same where a few entries are shown: all that they mention is looked up at once. While a cycle writes, each
/// look-up by itself reads everything anew.
pub(crate) fn with_names_of<T>(
    store: &Store,
    entries: &[LogEntry],
    work: impl FnOnce(Names<'_>) -> T,
) -> T {
    let changes = entries.iter().flat_map(|entry| &entry.changes);
    let mut mentioned = BTreeSet::new();
    for value in changes.flat_map(|change| [&change.before, &change.after]) {
        mention(value.as_ref(), &mut mentioned);
    }
    let mentioned: Vec<SourceId> = mentioned.into_iter().cloned().collect();
    let mut labels = store.labels_of(&mentioned).unwrap_or_default();
    let known = mentioned.into_iter().map(|id| {
        let label = labels.remove(&id);
        (id, label)
    });
    with_known(Some(store), known.collect(), work)
}

fn mention<'v>(value: Option<&'v Value>, mentioned: &mut BTreeSet<&'v SourceId>) {
    match value {
        Some(Value::Reference(id)) => {
            mentioned.insert(id);
        }
        Some(Value::List(values)) => {
            for value in values {
                mention(Some(value), mentioned);
            }
        }
        // References stand in no object.
        Some(Value::Object(_) | Value::Text(_) | Value::Boolean(_) | Value::Integer(_)) | None => {}
    }
}

fn with_known<T>(
    store: Option<&Store>,
    known: BTreeMap<SourceId, Option<String>>,
    work: impl FnOnce(Names<'_>) -> T,
) -> T {
    let (ids, keys) = (RefCell::new(known), RefCell::default());
    let by_id = |id: &SourceId| once(&ids, id, || store?.label_of(id).ok().flatten());
    let by_key = |key: Key| {
        once(&keys, &key, || {
            let named = store?.named(&[key]).ok()?.remove(&key)?;
            Some((named.id, named.label))
        })
    };
    work(Names::Both(&by_id, &by_key))
}

fn once<K: Ord + Clone, V: Clone>(
    known: &RefCell<BTreeMap<K, Option<V>>>,
    key: &K,
    look: impl FnOnce() -> Option<V>,
) -> Option<V> {
    if let Some(value) = known.borrow().get(key) {
        return value.clone();
    }
    let value = look();
    let mut known = known.borrow_mut();
    if known.len() >= REMEMBERED {
        known.clear();
    }
    known.insert(key.clone(), value.clone());
    value
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
