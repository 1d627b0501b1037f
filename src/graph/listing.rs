//! Users and groups of a tenant that refuses delta queries, as external tenants do: by lists. Each reading is one
//! from the beginning.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use url::Url;

use super::client::Client;
use super::delta::{At, Link, Page, change, source_id, with_id};
use super::error::Error;
use super::list::PAGE_SIZE;
use super::single::{collection, manager};
use super::wire;
use crate::engine::model::{Complete, ObjectKind, SourceChange, SourceId, Value};

/// Alone the watermark behind a list, which no later reading goes on from. It also stands in front of the links of
/// a list, with the word for whether managers or members are read, which they do not show.
pub(crate) const LISTED: &str = "listed:";
const WITH: &str = "with:";
const WITHOUT: &str = "without:";
/// So many groups are listed at once, because their members are read with them.
const GROUPS: &str = "100";

impl Client {
    /// A tenant that refuses delta queries is read by lists.
    pub(crate) async fn fetch_page(&self, kind: ObjectKind, at: At<'_>) -> Result<Page, Error> {
        match at {
            At::Link(link) if link.starts_with(LISTED) => return self.list_on(kind, link).await,
            At::Beginning { select } if self.has_no_delta() => {
                return self.list_from_beginning(kind, select).await;
            }
            At::Beginning { .. } | At::Few { .. } | At::Link(_) => {}
        }
        match (self.fetch_delta_page(kind, at).await, at) {
            (Err(error), At::Beginning { select }) if error.is_delta_refused() => {
                self.note_delta_refused();
                self.list_from_beginning(kind, select).await
            }
            (Err(error), At::Few { .. }) if error.is_delta_refused() => {
                self.note_delta_refused();
                Err(error)
            }
            (page, _) => page,
        }
    }

    /// The first page of a list.
    async fn list_from_beginning(
        &self,
        kind: ObjectKind,
        select: &[String],
    ) -> Result<Page, Error> {
        let most = match kind {
            ObjectKind::User => PAGE_SIZE,
            ObjectKind::Group => GROUPS,
        };
        let (link, is_related) = self.list_address(kind, select, most);
        self.list_page(kind, is_related, link.as_str()).await
    }

    /// Whether a list with these properties is permitted.
    pub(super) async fn try_list(&self, kind: ObjectKind, select: &[String]) -> Result<(), Error> {
        let (link, _) = self.list_address(kind, select, "1");
        let page = self.page_at::<wire::Entry>(link.as_str()).await;
        page.map(|_| ())
    }

    /// The address of a list, and whether managers or members are wanted with it.
    fn list_address(&self, kind: ObjectKind, select: &[String], most: &str) -> (Url, bool) {
        let relation = match kind {
            ObjectKind::User => "manager",
            ObjectKind::Group => "members",
        };
        let is_related = select.iter().any(|name| name == relation);
        let mut names = with_id(select);
        names.retain(|name| *name != relation);
        let names = names.join(",");
        let mut query = vec![("$select", names.as_str()), ("$top", most)];
        if is_related && kind == ObjectKind::User {
            query.push(("$expand", "manager($select=id)"));
        }
        (self.address(&[collection(kind)], &query), is_related)
    }

    /// The page behind a link of a list, as it was stored.
    async fn list_on(&self, kind: ObjectKind, stored: &str) -> Result<Page, Error> {
        let place = stored.strip_prefix(LISTED).unwrap_or(stored);
        match (place.strip_prefix(WITH), place.strip_prefix(WITHOUT)) {
            (Some(link), _) => self.list_page(kind, true, link).await,
            (None, Some(link)) => self.list_page(kind, false, link).await,
            (None, None) => Err(Error::NotAPage {
                request: format!("the list of {kind}s"),
                why: "nothing follows its end".to_owned(),
            }),
        }
    }

    async fn list_page(
        &self,
        kind: ObjectKind,
        is_related: bool,
        link: &str,
    ) -> Result<Page, Error> {
        let paged = self.page_at::<wire::Entry>(link).await?;
        let changes = match kind {
            ObjectKind::User => {
                let users = paged.values.into_iter();
                let users = users.map(|user| listed_user(user, is_related));
                users.collect::<Result<_, _>>()?
            }
            ObjectKind::Group => self.listed_groups(paged.values, is_related).await?,
        };
        let word = if is_related { WITH } else { WITHOUT };
        let link = match paged.next_link {
            Some(next) => Link::Next(format!("{LISTED}{word}{next}")),
            None => Link::Delta(Complete::after_last_page(LISTED.to_owned())),
        };
        Ok(Page { changes, link })
    }

    async fn listed_groups(
        &self,
        groups: Vec<wire::Entry>,
        has_members: bool,
    ) -> Result<Vec<SourceChange>, Error> {
        let ids: Vec<SourceId> = groups.iter().map(|group| source_id(&group.id)).collect();
        let mut members = if has_members {
            self.typed_members_of(&ids).await?
        } else {
            BTreeMap::new()
        };
        let groups = groups.into_iter().zip(&ids).map(|(mut group, id)| {
            if has_members {
                let members = members.remove(id).ok_or_else(|| Error::NotAPage {
                    request: format!("GET /groups/{id}/members"),
                    why: "the members were not returned".to_owned(),
                });
                group.members = Some(members?);
            }
            change(ObjectKind::Group, group)
        });
        groups.collect()
    }
}

/// A user of a list, in which one without a manager has no such property.
fn listed_user(mut user: wire::Entry, has_manager: bool) -> Result<SourceChange, Error> {
    let of_manager = user
        .properties
        .iter()
        .position(|(name, _)| name == "manager");
    let of_manager = of_manager.map(|place| user.properties.swap_remove(place).1);
    let mut change = change(ObjectKind::User, user)?;
    if has_manager {
        let value = of_manager.filter(|json| !json.is_null()).map(reference);
        let value = value.transpose()?.flatten();
        change.attributes.insert("manager".to_owned(), value);
    }
    Ok(change)
}

/// `None`: the manager is no user.
fn reference(json: Json) -> Result<Option<Value>, Error> {
    let found: wire::Named = serde_json::from_value(json).map_err(|_| Error::NotAPage {
        request: "the list of users".to_owned(),
        why: "a manager is no object with an id".to_owned(),
    })?;
    Ok(manager(&found).map(Value::Reference))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manager_of(json: &str) -> Option<Value> {
        let user = listed_user(wire::read(json.as_bytes()).unwrap(), true).unwrap();
        user.attributes["manager"].clone()
    }

    #[test]
    fn a_user_of_a_list_without_a_manager_has_none() {
        let user = r##"{"id":"A","manager":{"@odata.type":"#microsoft.graph.user","id":"B"}}"##;
        let expected = Value::Reference(SourceId::new("b"));
        assert_eq!(manager_of(user), Some(expected));
        assert_eq!(manager_of(r#"{"id":"A"}"#), None);
        assert_eq!(manager_of(r#"{"id":"A","manager":null}"#), None);
        let contact =
            r##"{"id":"A","manager":{"@odata.type":"#microsoft.graph.orgContact","id":"B"}}"##;
        assert_eq!(manager_of(contact), None);
    }
}
