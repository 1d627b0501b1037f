//! The groups of the tenant by name, without their members: enough to say whether a name means one.

use super::client::Client;
use super::error::Error;
use super::list::PAGE_SIZE;
use super::wire;

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
}
