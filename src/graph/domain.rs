//! The tenant's default domain, for expressions that call `DefaultDomain`. `/domains` returns it with
//! Domain.Read.All alone; `/organization` does, too, but needs a permission that reads more.

use graph_rs_sdk::ODataQuery;

use super::client::Client;
use super::error::Error;
use super::wire;

const SELECTED: &[&str] = &["id", "isDefault", "isVerified"];

impl Client {
    /// Graph documents the list at <https://learn.microsoft.com/graph/api/domain-list>. It has no
    /// filter for the default one.
    pub(crate) async fn fetch_default_domain(&self) -> Result<String, Error> {
        let mut page = self
            .page(|sdk| sdk.domains().list_domain().select(SELECTED).build())
            .await?;
        loop {
            let mut domains = page.values.into_iter();
            if let Some(found) = domains.find(is_default) {
                return Ok(found.id);
            }
            let Some(link) = page.next_link else {
                return Err(Error::NoDefaultDomain);
            };
            page = self.page_at(&link).await?;
        }
    }
}

fn is_default(domain: &wire::Domain) -> bool {
    domain.is_default == Some(true) && domain.is_verified != Some(false)
}
