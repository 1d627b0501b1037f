//! The plan of one job, serialised action by action.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value as Json;

use super::action::action_json;
use super::misnamed::misnamed_json;
use super::skipped::skipped_json;
use super::value::{count_json, requests_json};
use super::warning::warnings_json;
use super::why::why_held_json;
use crate::engine::redact::ShownReview;
use crate::report::sentence;
use crate::report::view::{Names, PlanView, totals};

pub(super) struct PlanDocument<'a>(pub(super) &'a PlanView<'a>);

impl Serialize for PlanDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let PlanView {
            review,
            kind,
            requests,
            known: _,
        } = self.0;
        let names = &Names::new(self.0);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("job", review.job().as_str())?;
        map.serialize_entry("kind", sentence::cycle_kind(*kind))?;
        map.serialize_entry("evaluated", &count_json(review.evaluated()))?;
        map.serialize_entry("in_scope", &count_json(review.in_scope()))?;
        map.serialize_entry("linked", &count_json(review.linked()))?;
        map.serialize_entry("incomplete", &review.incomplete())?;
        map.serialize_entry("misnamed", &misnamed_json(review.misnamed()))?;
        map.serialize_entry("totals", &totals(review.actions()))?;
        map.serialize_entry("actions", &Actions(*review, names))?;
        let held = review.held().map(|(why, actions)| {
            let mut object = why_held_json(why);
            let actions: Vec<_> = actions.iter().map(|one| action_json(one, names)).collect();
            object.insert("actions".to_owned(), Json::Array(actions));
            object
        });
        map.serialize_entry("held", &held)?;
        map.serialize_entry("skipped", &SkippedObjects(*review, names))?;
        map.serialize_entry("warnings", &warnings_json(review.warnings()))?;
        map.serialize_entry("requests", &requests_json(*requests))?;
        map.end()
    }
}

struct Actions<'a>(ShownReview<'a>, &'a Names<'a>);

impl Serialize for Actions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(review, names) = self;
        serializer.collect_seq(review.actions().map(|action| action_json(&action, names)))
    }
}

struct SkippedObjects<'a>(ShownReview<'a>, &'a Names<'a>);

impl Serialize for SkippedObjects<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(review, names) = self;
        let skipped = review.skipped();
        serializer.collect_seq(skipped.map(|skipped| skipped_json(&skipped, names)))
    }
}
