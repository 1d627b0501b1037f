//! Whole lists, read to their last page. One whose page links Graph forgets is begun again.

use serde::de::DeserializeOwned;
use url::Url;

use super::client::Client;
use super::error::{Error, Expired};

/// The largest page that Graph gives.
pub(super) const PAGE_SIZE: &str = "999";
/// Listings begun at most, where Graph forgets its own page links.
const MAX_LISTINGS: u32 = 2;

/// A list that was read to its end.
#[derive(Debug)]
pub(super) struct Listed<T> {
    pub(super) values: Vec<T>,
    /// Behind the last page of a delta query.
    pub(super) delta_link: Option<String>,
}

impl Client {
    /// An address of Graph, behind the version.
    pub(super) fn address(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.root().clone();
        url.path_segments_mut()
            .expect("http and https URLs have a path")
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    pub(super) async fn list<T: DeserializeOwned>(&self, first: &Url) -> Result<Listed<T>, Error> {
        let mut listings = 1;
        let mut values = Vec::new();
        let mut next = first.to_string();
        loop {
            let page = match self.page_at::<T>(&next).await {
                Ok(page) => page,
                Err(error) if error.expired() == Some(Expired::Page) && listings < MAX_LISTINGS => {
                    listings += 1;
                    values.clear();
                    next = first.to_string();
                    continue;
                }
                Err(error) => return Err(error),
            };
            values.extend(page.values);
            match page.next_link {
                Some(link) => next = link,
                None => {
                    return Ok(Listed {
                        values,
                        delta_link: page.delta_link,
                    });
                }
            }
        }
    }
}
