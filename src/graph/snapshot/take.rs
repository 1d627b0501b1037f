//! Reading a tenant into a snapshot: whole or not at all.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::Deserialize as _;
use serde_json::{Map, Value as Json, json};

use super::wire::{ByKind, Taken};
use crate::config::Application;
use crate::engine::model::ObjectKind;
use crate::graph::client::Client;
use crate::graph::delta::{change, source_id};
use crate::graph::error::Error;
use crate::graph::list::PAGE_SIZE;
use crate::graph::wire::Entry;

/// What the jobs of a configuration read.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) users: BTreeSet<String>,
    pub(crate) groups: BTreeSet<String>,
    pub(crate) applications: Vec<Application>,
    pub(crate) default_domain: bool,
    pub(crate) administrative_units: bool,
    pub(crate) custom_security_attributes: bool,
}

/// In the first cycle on a new state accounts are looked for by old addresses.
const ALWAYS_USER: &[&str] = &["id", "proxyAddresses"];

impl Client {
    pub(crate) async fn take_snapshot(
        &self,
        tenant: &str,
        wanted: Wanted,
        now: DateTime<Utc>,
    ) -> Result<Taken, Error> {
        let Wanted {
            mut users,
            mut groups,
            applications,
            default_domain,
            administrative_units,
            custom_security_attributes,
        } = wanted;
        users.extend(ALWAYS_USER.iter().map(|&name| name.to_owned()));
        groups.insert("id".to_owned());
        let mut known: Vec<(_, Vec<_>)> = Vec::new();
        for which in &applications {
            let application = self.find_application(which).await?;
            if known.iter().any(|(one, _)| *one == application) {
                continue;
            }
            let assignments = self.fetch_assignments(&application.id).await;
            let assignments = assignments.map_err(|partial| partial.error)?;
            known.push((application, assignments.get().clone()));
        }
        let selected = ByKind {
            users: users.into_iter().collect::<Vec<_>>(),
            groups: groups.into_iter().collect(),
        };
        let mut taken = Taken {
            made: now,
            tenant: tenant.to_owned(),
            redacted: false,
            users: self.round(ObjectKind::User, &selected.users).await?,
            groups: self.round(ObjectKind::Group, &selected.groups).await?,
            selected,
            recycle_bin: ByKind {
                users: false,
                groups: false,
            },
            default_domain: None,
            administrative_units: None,
            applications: known,
            custom_security_attributes: None,
        };
        taken.recycle_bin.users = self.add_deleted("user", &mut taken.users).await?;
        taken.recycle_bin.groups = self.add_deleted("group", &mut taken.groups).await?;
        if administrative_units {
            let mut units = Vec::new();
            for unit in self.fetch_units().await? {
                let members = self.fetch_unit_members(&unit).await?;
                units.push((unit, members.get().clone()));
            }
            taken.administrative_units = Some(units);
        }
        if default_domain {
            taken.default_domain = Some(self.fetch_default_domain().await?);
        }
        if custom_security_attributes {
            let select = "id,customSecurityAttributes";
            let first = self.address(&["users"], &[("$select", select), ("$top", PAGE_SIZE)]);
            taken.custom_security_attributes = Some(self.list(&first).await?.values);
        }
        Ok(taken)
    }

    /// The first round of a delta query, entry by entry.
    async fn round(
        &self,
        kind: ObjectKind,
        select: &[String],
    ) -> Result<Vec<Map<String, Json>>, Error> {
        let collection = crate::graph::single::collection(kind);
        let first = self.address(&[collection, "delta"], &[("$select", &select.join(","))]);
        let read = self.list::<Map<String, Json>>(&first).await?;
        let request = format!("GET {}", first.path());
        if read.delta_link.is_none() {
            return Err(Error::NotAPage {
                request,
                why: "it has neither a link to the next page nor one to the next round".to_owned(),
            });
        }
        let mut entries = read.values;
        for entry in &mut entries {
            entry.retain(|name, _| {
                !name.contains('@')
                    || matches!(
                        name.as_str(),
                        "@removed" | "manager@delta" | "members@delta"
                    )
            });
            // An object that may not be read is none to keep.
            let read = Entry::deserialize(&*entry).map_err(|_| Error::NotAPage {
                request: request.clone(),
                why: "an object in it has no id, or its relations have an unknown form".to_owned(),
            })?;
            change(kind, read)?;
        }
        Ok(entries)
    }

    /// Adds what is in the recycle bin. `false`: it may not be read.
    async fn add_deleted(
        &self,
        kind: &str,
        entries: &mut Vec<Map<String, Json>>,
    ) -> Result<bool, Error> {
        let cast = format!("microsoft.graph.{kind}");
        let first = self.address(
            &["directory", "deletedItems", &cast],
            &[("$select", "id"), ("$top", PAGE_SIZE)],
        );
        let deleted = match self.list::<crate::graph::wire::Identified>(&first).await {
            Ok(deleted) => deleted.values,
            Err(Error::Refused(refusal)) if refusal.status == 403 => {
                tracing::warn!(
                    kind,
                    "there is no permission to read the recycle bin, so it is not in the snapshot"
                );
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let known: BTreeSet<String> = entries
            .iter()
            .filter(|entry| entry.contains_key("@removed"))
            .filter_map(|entry| entry.get("id")?.as_str().map(str::to_ascii_lowercase))
            .collect();
        for one in deleted {
            let id = source_id(&one.id);
            if !known.contains(id.as_str()) {
                let removed = json!({ "id": id.as_str(), "@removed": { "reason": "changed" } });
                if let Json::Object(removed) = removed {
                    entries.push(removed);
                }
            }
        }
        Ok(true)
    }
}
