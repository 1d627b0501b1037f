//! What one cycle did, serialised entry by entry.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value as Json;

use super::status::cycle_json;
use super::value::{count_json, list};
use crate::engine::record::LogStatus;
use crate::report::log::entry_json;
use crate::report::view::{CycleReport, Entries, Predicted, prediction};

pub(super) struct CycleDocument<'a>(pub(super) &'a CycleReport<'a>);

impl Serialize for CycleDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let CycleReport {
            job,
            cycle,
            entries,
            predicted,
        } = *self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("job", job.as_str())?;
        if let Json::Object(fields) = cycle_json(cycle) {
            for (name, value) in &fields {
                // These are lists of their own below.
                if name != "skipped" {
                    map.serialize_entry(name, value)?;
                }
            }
        }
        let linked = cycle.finished.map(|_| count_json(cycle.linked));
        map.serialize_entry("linked", &linked)?;
        map.serialize_entry("held", &cycle.held)?;
        map.serialize_entry("actions", &Listed(entries, predicted, false))?;
        map.serialize_entry("skipped", &Listed(entries, predicted, true))?;
        map.end()
    }
}

/// The objects that were skipped, or all other entries.
struct Listed<'a>(&'a dyn Entries, Option<&'a Predicted>, bool);

impl Serialize for Listed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(entries, predicted, skipped) = *self;
        list(serializer, |element| {
            entries.each(&mut |logged, names| {
                if (logged.status == LogStatus::Skipped) != skipped {
                    return Ok(());
                }
                let mut json = entry_json(logged, names);
                if let Some(predicted) = predicted {
                    json["predicted"] = prediction(predicted, logged).cloned().into();
                }
                element(json)
            })
        })
    }
}
