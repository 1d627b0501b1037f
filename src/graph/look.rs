//! What Graph says of one user or group, read on the object itself: for a person who asks.

use uuid::Uuid;

use crate::engine::model::{ObjectKind, Presence, SourceChange, SourceId, Value};
use crate::engine::plan::Count;

use super::client::Client;
use super::delta::{change, source_id};
use super::error::Error;
use super::list::PAGE_SIZE;
use super::single::collection;
use super::wire;

/// Another object, by its id and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) id: SourceId,
    pub(crate) name: String,
}

impl Client {
    /// The objects that a text means, with these properties: by id (also those in the recycle bin), by
    /// principal name, else by address or display name.
    pub(crate) async fn find_objects(
        &self,
        text: &str,
        select: impl Fn(ObjectKind) -> Vec<String>,
    ) -> Result<Vec<SourceChange>, Error> {
        let mut found = Vec::new();
        let selected = |kind| {
            let names = select(kind).into_iter();
            // Relations, which are read by themselves.
            let names = names.filter(|name| !matches!(name.as_str(), "manager" | "members"));
            names.collect::<Vec<_>>().join(",")
        };
        if let Ok(id) = Uuid::try_parse(text) {
            let id = id.hyphenated().to_string();
            for kind in ObjectKind::ALL {
                let query = [("$select", &*selected(kind))];
                let url = self.address(&[collection(kind), &id], &query);
                if let Some(entry) = self.object_at(&url).await? {
                    return Ok(vec![change(kind, entry)?]);
                }
            }
            found.extend(self.deleted(&id).await?);
            return Ok(found);
        }
        if text.contains('@') {
            let query = [("$select", &*selected(ObjectKind::User))];
            let url = self.address(&["users", text], &query);
            if let Some(entry) = self.object_at(&url).await? {
                return Ok(vec![change(ObjectKind::User, entry)?]);
            }
        }
        let quoted = text.replace('\'', "''");
        for (kind, filter) in [
            (
                ObjectKind::User,
                format!("mail eq '{quoted}' or displayName eq '{quoted}'"),
            ),
            (ObjectKind::Group, format!("displayName eq '{quoted}'")),
        ] {
            let query = [("$filter", &*filter), ("$select", &*selected(kind))];
            let first = self.address(&[collection(kind)], &query);
            for entry in self.list(&first).await?.values {
                found.push(change(kind, entry)?);
            }
        }
        Ok(found)
    }

    /// An object of the recycle bin, by its id and name.
    async fn deleted(&self, id: &str) -> Result<Option<SourceChange>, Error> {
        let url = self.address(
            &["directory", "deletedItems", id],
            &[("$select", "id,displayName")],
        );
        let found: Option<wire::Named> = self.object_at(&url).await?;
        let Some(found) = found else { return Ok(None) };
        let Some(kind) = found.kind() else {
            return Ok(None);
        };
        let name = found.display_name.map(Value::text);
        Ok(Some(SourceChange {
            kind,
            id: source_id(&found.id),
            presence: Presence::SoftDeleted,
            attributes: [("displayName".to_owned(), name)].into(),
            members: Vec::new(),
        }))
    }

    pub(crate) async fn manager_of(&self, user: &SourceId) -> Result<Option<Named>, Error> {
        let url = self.address(
            &["users", user.as_str(), "manager"],
            &[("$select", "id,displayName,userPrincipalName")],
        );
        let found: Option<wire::Named> = self.object_at(&url).await?;
        Ok(found.map(named))
    }

    /// The groups of which an object is a direct member.
    pub(crate) async fn memberships_of(
        &self,
        kind: ObjectKind,
        id: &SourceId,
    ) -> Result<Vec<Named>, Error> {
        let first = self.address(
            &[
                collection(kind),
                id.as_str(),
                "memberOf",
                "microsoft.graph.group",
            ],
            &[("$select", "id,displayName"), ("$top", PAGE_SIZE)],
        );
        let groups = self.list::<wire::Named>(&first).await?.values;
        Ok(groups.into_iter().map(named).collect())
    }

    /// How many users and groups are direct members of a group.
    pub(crate) async fn members_count(&self, group: &SourceId) -> Result<Count, Error> {
        let first = self.address(
            &["groups", group.as_str(), "members"],
            &[("$select", "id"), ("$top", PAGE_SIZE)],
        );
        let mut count = Count::default();
        for member in self.list::<wire::Named>(&first).await?.values {
            if let Some(kind) = member.kind() {
                count.add(kind);
            }
        }
        Ok(count)
    }
}

fn named(found: wire::Named) -> Named {
    let id = source_id(&found.id);
    let name = found.user_principal_name.or(found.display_name);
    Named {
        name: name.unwrap_or_else(|| id.to_string()),
        id,
    }
}
