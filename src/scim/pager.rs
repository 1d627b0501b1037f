//! Reads a collection to its end, and says so only when the end was seen. Page numbers, counts and
//! totals of servers are hints: what came back is what counts.

use std::collections::BTreeSet;

use super::connection::Connection;
use super::error::Error;
use super::resource;
use super::wire::{List, Listed};
use crate::engine::model::{Complete, ObjectKind, TargetObject, TargetPath};
use crate::engine::redact::Hidden;
use crate::http::Exchange;

/// The parameters of lists (RFC 7644 section 3.4.2), some of which a few targets refuse.
pub(super) const COUNT: &str = "count";
pub(super) const EXCLUDED_ATTRIBUTES: &str = "excludedAttributes";
pub(super) const START_INDEX: &str = "startIndex";

/// What a list that was read to its end held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListSummary {
    /// Resources, each counted once.
    pub(crate) total: u64,
    pub(crate) requests: u64,
}

/// One page, with the request that brought it.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) list: List,
    pub(super) exchange: Exchange,
}

/// Where a page begins.
enum Start {
    /// Counted from 1.
    Index(usize),
    Cursor(String),
}

impl Start {
    fn after(received: u64) -> Self {
        let received = usize::try_from(received).unwrap_or(usize::MAX);
        Self::Index(received.saturating_add(1))
    }
}

/// A collection of the target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pages<'a> {
    pub(super) connection: &'a Connection,
    pub(super) hidden: &'a Hidden,
    pub(super) kind: ObjectKind,
    pub(super) with_members: bool,
}

impl Pages<'_> {
    /// Reads the first page.
    pub(super) async fn first(&self) -> Result<Page, Error> {
        self.fetch(&Start::Index(1), self.connection.page_size())
            .await
    }

    async fn fetch(&self, start: &Start, count: usize) -> Result<Page, Error> {
        let mut parameters = if self.with_members {
            Vec::new()
        } else {
            without_members(self.kind)
        };
        parameters.push(match start {
            Start::Index(index) => (START_INDEX, index.to_string()),
            Start::Cursor(cursor) => ("cursor", cursor.clone()),
        });
        parameters.push((COUNT, count.to_string()));
        let page = self
            .connection
            .page(self.kind, &parameters, self.hidden)
            .await;
        let (list, exchange) = page?;
        Ok(Page { list, exchange })
    }

    /// Whether a page is the whole list, where the target takes no `startIndex`: as many came as it announces, and
    /// it announces the same for a shorter page.
    async fn is_announced(&self, total: Option<u64>, came: u64) -> Result<bool, Error> {
        if total != Some(came) {
            return Ok(false);
        }
        if came < 2 || self.connection.omits(COUNT) {
            return Ok(true);
        }
        let shorter = self.fetch(&Start::Index(1), 1).await?;
        Ok(shorter.list.total == total)
    }

    /// Reads from the first page to the end.
    ///
    /// | the page that came | what it means |
    /// |---|---|
    /// | empty, and as many came as announced | the end |
    /// | nothing new, and as many came as announced | the end: some servers repeat the last page |
    /// | the very first page again | the end, once `startIndex` is proven not to be ignored |
    /// | it names the next cursor (RFC 9865) | the list goes on there, and ends with a page that names none |
    /// | empty, and one less came than announced | a server that counts from 0: the page at 0 is read too |
    /// | some new, some seen before | pages overlap, so something may be between them: not complete |
    /// | empty or nothing new, and fewer came | not complete |
    /// | the first one, and the target takes no `startIndex` | the end, if [as many came as announced](Self::is_announced) |
    pub(super) async fn read_all(
        &self,
        paths: &[TargetPath],
        first: Page,
        mut each: impl FnMut(TargetObject),
    ) -> Result<Complete<ListSummary>, Error> {
        let mut page = first;
        let mut requests = 1;
        let mut received: u64 = 0;
        let mut announced = None;
        let mut seen = BTreeSet::new();
        let mut first_id = None;
        let mut is_by_cursor = false;
        loop {
            let Page { list, exchange } = page;
            is_by_cursor |= list.next.is_some();
            let incomplete = |exchange, why| Error::ListIncomplete {
                exchange,
                what: match self.kind {
                    ObjectKind::User => "users",
                    ObjectKind::Group => "groups",
                },
                why,
            };
            // An empty page in the middle may announce that there is nothing.
            let total = list.total.filter(|total| *total > 0 || received == 0);
            announced = total.or(announced);
            let short = announced.is_some_and(|total| received < total);
            let mut new = BTreeSet::new();
            let mut repeated = false;
            let mut starts_over = false;
            for (position, resource) in list.resources.into_iter().enumerate() {
                let Some(object) =
                    resource::target_object(self.kind, resource, paths, self.with_members)
                else {
                    return Err(incomplete(exchange, "a resource has no id"));
                };
                let mark = object.id.digest();
                starts_over |= position == 0 && first_id == Some(mark);
                first_id.get_or_insert(mark);
                if seen.contains(&mark) {
                    repeated = true;
                } else if new.insert(mark) {
                    // A resource that is twice on one page is one resource.
                    each(object);
                }
            }
            let complete = |seen: &BTreeSet<u128>, requests| {
                Ok(Complete::after_last_page(ListSummary {
                    total: seen.len() as u64,
                    requests,
                }))
            };
            if new.is_empty() {
                if is_by_cursor && list.next.is_some() {
                    return Err(incomplete(exchange, "its cursor does not advance"));
                }
                if announced == Some(received + 1) && !is_by_cursor {
                    requests += 1;
                    let zeroth = self.fetch(&Start::Index(0), 1).await?;
                    let resource = zeroth.list.resources.into_iter().next();
                    let object = resource.and_then(|one| {
                        resource::target_object(self.kind, one, paths, self.with_members)
                    });
                    if let Some(object) = object
                        && seen.insert(object.id.digest())
                    {
                        each(object);
                        return complete(&seen, requests);
                    }
                }
                if short && !is_by_cursor {
                    return Err(incomplete(exchange, "it returned fewer than announced"));
                }
                if starts_over && seen.len() > 1 && !is_by_cursor {
                    requests += 1;
                    let second = self.fetch(&Start::Index(2), 1).await?;
                    if begins_with(&second.list.resources, first_id) {
                        return Err(incomplete(second.exchange, "startIndex is ignored"));
                    }
                }
                return complete(&seen, requests);
            }
            if repeated {
                return Err(incomplete(exchange, "its pages overlap"));
            }
            seen.append(&mut new);
            // One that comes twice takes one place: the next page begins after what was seen.
            received = seen.len() as u64;
            if !is_by_cursor && self.connection.omits(START_INDEX) {
                let is_whole = self.is_announced(list.total, seen.len() as u64).await?;
                let why = "the target does not accept startIndex, and this page may not be all";
                return if is_whole {
                    complete(&seen, requests + 1)
                } else {
                    Err(incomplete(exchange, why))
                };
            }
            let start = match list.next {
                Some(cursor) => Start::Cursor(cursor),
                None if is_by_cursor => return complete(&seen, requests),
                None => Start::after(received),
            };
            page = self.fetch(&start, self.connection.page_size()).await?;
            requests += 1;
        }
    }
}

/// A group of any size must not be read to learn its name.
pub(super) fn without_members(kind: ObjectKind) -> Vec<(&'static str, String)> {
    match kind {
        ObjectKind::User => Vec::new(),
        ObjectKind::Group => vec![(EXCLUDED_ATTRIBUTES, "members".to_owned())],
    }
}

fn begins_with(resources: &[Listed], mark: Option<u128>) -> bool {
    let id = resources
        .first()
        .and_then(|one| resource::id(&one.attributes));
    id.is_some_and(|id| Some(id.digest()) == mark)
}
