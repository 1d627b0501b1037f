//! Custom security attributes of every user: the full list of users in each cycle that needs them,
//! because delta queries refuse the property.
//!
//! <https://learn.microsoft.com/entra/identity/users/users-custom-security-attributes> has the request
//! ("List all users and any custom security attribute assignments") and the permission,
//! CustomSecAttributeAssignment.Read.All. It also says what makes this list treacherous: without access
//! the values are null, just as those of people who have none.

use std::collections::{BTreeMap, BTreeSet};

use graph_rs_sdk::ODataQuery;
use serde_json::Value as Json;

use crate::engine::model::{
    Complete, CustomSecurityAttribute, CustomSecurityValues, SourceId, Value,
};

use super::client::{Client, Paged};
use super::delta::{source_id, value};
use super::error::{Error, Expired};
use super::wire;

const SELECTED: &[&str] = &["id", "customSecurityAttributes"];
/// The largest page that Graph gives.
const PAGE_SIZE: &str = "999";
/// Listings begun at most, where Graph forgets its own page links.
const MAX_LISTINGS: u32 = 2;

impl Client {
    /// What each user has of these attributes.
    pub(crate) async fn fetch_custom_security_attributes(
        &self,
        wanted: &BTreeSet<CustomSecurityAttribute>,
    ) -> Result<CustomSecurity, Error> {
        let mut listings = 1;
        let mut read = Reading::default();
        let mut next: Option<String> = None;
        loop {
            let page = match &next {
                None => self.first_page_of_custom_security_attributes().await,
                Some(link) => self.page_at(link).await,
            };
            let Paged {
                values, next_link, ..
            } = match page {
                Ok(page) => page,
                Err(error) if error.expired() == Some(Expired::Page) && listings < MAX_LISTINGS => {
                    listings += 1;
                    read = Reading::default();
                    next = None;
                    continue;
                }
                Err(error) => return Err(error),
            };
            for entry in values {
                read.add(entry, wanted);
            }
            if next_link.is_none() {
                return Ok(read.end());
            }
            next = next_link;
        }
    }

    /// What one user has of them. Without access there are none.
    pub(crate) async fn custom_security_attributes_of(
        &self,
        user: &SourceId,
        wanted: &BTreeSet<CustomSecurityAttribute>,
    ) -> Result<BTreeMap<CustomSecurityAttribute, Value>, Error> {
        let select = SELECTED.join(",");
        let url = self.address(&["users", user.as_str()], &[("$select", &select)]);
        let mut read = Reading::default();
        if let Some(entry) = self.object_at(&url).await? {
            read.add(entry, wanted);
        }
        Ok(read.users.pop().map(|one| one.values).unwrap_or_default())
    }

    async fn first_page_of_custom_security_attributes(
        &self,
    ) -> Result<Paged<wire::CustomSecurityEntry>, Error> {
        self.page(|sdk| {
            sdk.users()
                .list_user()
                .select(SELECTED)
                .top(PAGE_SIZE)
                .build()
        })
        .await
    }
}

#[derive(Default)]
pub(super) struct Reading {
    users: Vec<CustomSecurityValues>,
    /// In lower case: sets of which a user has a value, whether it was asked for or not.
    sets: BTreeSet<String>,
}

impl Reading {
    pub(super) fn add(
        &mut self,
        entry: wire::CustomSecurityEntry,
        wanted: &BTreeSet<CustomSecurityAttribute>,
    ) {
        let mut values = BTreeMap::new();
        for (set, members) in entry.sets.unwrap_or_default() {
            let Json::Object(members) = members else {
                continue;
            };
            // Annotations hold the types, which are clear from the JSON.
            let members = members.into_iter().filter(|(name, _)| !name.contains('@'));
            for (name, json) in members {
                let Some(mut value) = value(json).filter(|value| !value.is_empty()) else {
                    continue;
                };
                // Several values are a set without an order of its own: Graph's may differ from one
                // reading to the next, and no user is to be updated for that.
                if let Value::List(values) = &mut value {
                    values.sort_unstable();
                }
                self.see(&set);
                for attribute in named(wanted, &set, &name) {
                    values.insert(attribute.clone(), value.clone());
                }
            }
        }
        self.users.push(CustomSecurityValues {
            user: source_id(&entry.id),
            values,
        });
    }

    fn see(&mut self, set: &str) {
        let set = set.to_lowercase();
        if !self.sets.contains(&set) {
            self.sets.insert(set);
        }
    }

    pub(super) fn end(self) -> CustomSecurity {
        let Self { users, sets } = self;
        CustomSecurity {
            users: Complete::after_last_page(users),
            sets,
        }
    }
}

/// What each user of the tenant has of some attributes.
#[derive(Debug)]
pub(crate) struct CustomSecurity {
    users: Complete<Vec<CustomSecurityValues>>,
    /// In lower case: sets of which a user has a value.
    sets: BTreeSet<String>,
}

impl CustomSecurity {
    /// The users, where these attributes can be believed. A set of which no user has any value counts as
    /// one that we may not read: believing it would clear every user's values.
    pub(crate) fn of(
        &self,
        wanted: &BTreeSet<CustomSecurityAttribute>,
    ) -> Result<&Complete<Vec<CustomSecurityValues>>, Error> {
        let unseen = |attribute: &&CustomSecurityAttribute| {
            let set = attribute.set.to_lowercase();
            !self.sets.contains(&set)
        };
        match wanted.iter().find(unseen) {
            Some(attribute) => Err(Error::NoCustomSecurityValues {
                set: attribute.set.clone(),
            }),
            None => Ok(&self.users),
        }
    }
}

/// The tenant's spelling of the names need not be the config's, and the config may have several.
fn named<'w>(
    wanted: &'w BTreeSet<CustomSecurityAttribute>,
    set: &str,
    attribute: &str,
) -> impl Iterator<Item = &'w CustomSecurityAttribute> {
    let same = |one: &str, other: &str| one.to_lowercase() == other.to_lowercase();
    wanted
        .iter()
        .filter(move |wanted| same(&wanted.set, set) && same(&wanted.attribute, attribute))
}
