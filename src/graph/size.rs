//! How many users and groups a tenant has, by one request.

use serde_json::json;

use super::client::Client;
use super::error::Error;
use super::wire;
use crate::engine::plan::Count;

impl Client {
    /// `None`: the tenant does not show it.
    pub(crate) async fn fetch_size(&self) -> Result<Option<Count>, Error> {
        // Counting takes an advanced query: with this header, and with `$count`.
        let of = |kind: &str| {
            json!({
                "id": kind,
                "method": "GET",
                "url": format!("/{kind}?$count=true&$top=1&$select=id"),
                "headers": { "ConsistencyLevel": "eventual" },
            })
        };
        let body = json!({ "requests": [of("users"), of("groups")] });
        let answer: wire::Batch = self.one(|sdk| sdk.batch(&body).build()).await?;
        let count = |kind: &str| {
            let mut answers = answer.responses.iter();
            let answer = answers.find(|one| one.id == kind && one.status == 200)?;
            answer.body.as_ref()?.get("@odata.count")?.as_u64()
        };
        let counted = || {
            Some(Count {
                users: count("users")?,
                groups: count("groups")?,
            })
        };
        Ok(counted())
    }
}
