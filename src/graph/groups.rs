//! The groups of the tenant by name, without their members: enough to say whether a name means one.

use graph_rs_sdk::ODataQuery;

use super::client::Client;
use super::error::Error;
use super::wire;

/// The most that a page may have.
const PAGE: &str = "999";

impl Client {
    /// Id, in lower case, and display name of every group.
    pub(crate) async fn fetch_groups(&self) -> Result<Vec<(String, String)>, Error> {
        let mut page = self
            .page::<wire::Group, _>(|sdk| {
                sdk.groups()
                    .list_group()
                    .select(&["id", "displayName"])
                    .top(PAGE)
                    .build()
            })
            .await?;
        let mut groups = Vec::new();
        loop {
            groups.extend(page.values.into_iter().map(|group| {
                let name = group.display_name.unwrap_or_default();
                (group.id.to_ascii_lowercase(), name)
            }));
            let Some(link) = page.next_link else {
                return Ok(groups);
            };
            page = self.page_at(&link).await?;
        }
    }
}
