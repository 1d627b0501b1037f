//! Properties that no object of the tenant has, which may be a typo in a mapping or a filter.

use std::collections::BTreeSet;

use crate::engine::model::{ObjectKind, Presence, SourceChange};

/// The properties that were requested, and that no object of a whole round came with. Graph leaves out
/// what was never set, and unsupported options can fail silently.
#[derive(Default)]
pub(super) struct Unseen {
    properties: BTreeSet<String>,
    has_objects: bool,
}

impl Unseen {
    pub(super) fn of(select: &[String]) -> Self {
        let names = select.iter().filter(|name| {
            // Relations are absent from what has none.
            !matches!(name.as_str(), "id" | "manager" | "members")
        });
        Self {
            properties: names.cloned().collect(),
            has_objects: false,
        }
    }

    pub(super) fn see(&mut self, changes: &[SourceChange]) {
        let mut present = changes
            .iter()
            .filter(|change| change.presence == Presence::Present)
            .peekable();
        self.has_objects |= present.peek().is_some();
        for change in present {
            if self.properties.is_empty() {
                return;
            }
            self.properties
                .retain(|name| !change.attributes.contains_key(name));
        }
    }

    /// `where_read` says what the round was of.
    pub(super) fn report(self, kind: ObjectKind, where_read: &str) {
        if self.has_objects && !self.properties.is_empty() {
            let names: Vec<String> = self.properties.into_iter().collect();
            let names = names.join(", ");
            tracing::info!("no {kind} {where_read} has {names}, which mappings or filters read");
        }
    }
}
