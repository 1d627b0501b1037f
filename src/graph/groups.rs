//! The groups of the tenant by name, without their members: enough to say whether a name means one.

use std::collections::BTreeMap;

use super::client::Client;
use super::delta::source_id;
use super::error::Error;
use super::list::PAGE_SIZE;
use super::wire;
use crate::engine::model::SourceId;

/// Names in one filter.
const MAX_NAMES: usize = 10;

impl Client {
    /// Id, in lower case, and display name of every group.
    pub(crate) async fn fetch_groups(&self) -> Result<Vec<(String, String)>, Error> {
        let first = self.address(
            &["groups"],
            &[("$select", "id,displayName"), ("$top", PAGE_SIZE)],
        );
        let groups = self.list::<wire::Named>(&first).await?.values.into_iter();
        let groups = groups.map(|group| {
            let name = group.display_name.unwrap_or_default();
            (group.id.to_ascii_lowercase(), name)
        });
        Ok(groups.collect())
    }

    /// The groups that have one of these display names, each with the name that it has.
    pub(crate) async fn fetch_groups_named(
        &self,
        names: &[&str],
    ) -> Result<BTreeMap<SourceId, String>, Error> {
        let mut found = BTreeMap::new();
        for names in names.chunks(MAX_NAMES) {
            let names = names.iter().map(|name| name.replace('\'', "''"));
            let clauses = names.map(|name| format!("displayName eq '{name}'"));
            let filter = clauses.collect::<Vec<String>>().join(" or ");
            let query = [
                ("$filter", &*filter),
                ("$select", "id,displayName"),
                ("$top", PAGE_SIZE),
            ];
            for group in self
                .list::<wire::Named>(&self.address(&["groups"], &query))
                .await?
                .values
            {
                let name = group.display_name.unwrap_or_default();
                found.insert(source_id(&group.id), name);
            }
        }
        Ok(found)
    }
}
