//! What a schema says of attributes and objects beyond what entrain knows.

use super::importer::Importer;
use crate::config::entra::toml::shown;
use crate::config::entra::tree::word;
use crate::config::entra::wire;

impl Importer<'_> {
    /// What a mapping that is carried over says beyond what entrain knows.
    pub(super) fn leave_rest(
        &mut self,
        raw: &wire::AttributeMapping,
        definition: Option<&wire::AttributeDefinition>,
        place: &str,
    ) {
        let behavior = word(raw.flow_behavior.as_deref());
        if !["", "flowwhenchanged"].contains(&behavior.as_str()) {
            let what = format!(
                "flowBehavior {}",
                shown(raw.flow_behavior.as_deref().unwrap_or_default())
            );
            self.leave(
                place,
                what,
                "entrain sends what has changed, and nothing else",
            );
        }
        if raw.export_missing_references == Some(true) {
            let why = "entrain sends a reference once its object is in the target";
            self.leave(place, "exportMissingReferences", why);
        }
        let Some(definition) = definition else { return };
        let default = definition.default_value.as_deref().unwrap_or_default();
        if !default.is_empty() && raw.default_value.as_deref().is_none_or(str::is_empty) {
            let what = format!("default {:?} of the target attribute", shown(default));
            self.leave(place, what, "give the mapping a default if it is needed");
        }
        match word(definition.mutability.as_deref()).as_str() {
            "" | "readwrite" => {}
            other => {
                let what = format!("mutability {} of the target attribute", shown(other));
                let why = "entrain writes what is mapped whenever it changes; apply = \"on-create\" \
                           writes it once";
                self.leave(place, what, why);
            }
        }
        for (key, value) in meaningful(&definition.metadata) {
            let what = format!("{} {} of the target attribute", shown(key), shown(value));
            self.leave(place, what, "entrain has no such setting of an attribute");
        }
        if !definition.api_expressions.is_empty() {
            let why = "they are for other interfaces than SCIM";
            self.leave(place, "API expressions of the target attribute", why);
        }
    }
}

/// Metadata that says something, in key and value. Who made a thing, what the portal shows of it, and
/// what is usual does not; [`super::rules::is_set_aside`] reads the rest.
pub(super) fn meaningful(metadata: &[wire::Entry]) -> impl Iterator<Item = (&str, &str)> {
    metadata.iter().filter_map(|entry| {
        let key = entry.key.as_deref()?.trim();
        let value = entry.value.as_deref().unwrap_or_default().trim();
        let value = value.trim_matches('"');
        let usual: &[&str] = match word(Some(key)).as_str() {
            "" | "iscustomerdefined" | "unsynchronized" | "disposition"
            // The precedences of matching say it.
            | "originaljoiningproperty" => return None,
            "escrowbehavior" => &["", "default"],
            "disablemonitoringforchanges" | "excludefromreporting" => &["", "false"],
            _ => &[""],
        };
        (!usual.contains(&word(Some(value)).as_str())).then_some((key, value))
    })
}
