//! Administrative units and who is in them: the full list of each, because Graph has no delta of it.

use std::collections::BTreeMap;

use super::client::Client;
use super::delta::source_id;
use super::error::Error;
use super::list::PAGE_SIZE;
use super::wire;
use crate::engine::model::{Assignment, Complete, SourceId};

/// An administrative unit of the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    /// In lower case.
    pub(crate) id: String,
    pub(crate) name: String,
    /// Whether its members are shown to few only.
    pub(super) is_hidden: bool,
}

impl Unit {
    pub(super) fn of(found: wire::Unit) -> Self {
        let id = found.id.to_ascii_lowercase();
        let visibility = found.visibility.unwrap_or_default();
        Self {
            name: found.display_name.unwrap_or_else(|| id.clone()),
            is_hidden: visibility.eq_ignore_ascii_case("HiddenMembership"),
            id,
        }
    }
}

impl Client {
    pub(crate) async fn fetch_units(&self) -> Result<Vec<Unit>, Error> {
        let first = self.address(
            &["directory", "administrativeUnits"],
            &[
                ("$select", "id,displayName,visibility"),
                ("$top", PAGE_SIZE),
            ],
        );
        let units = self.list::<wire::Unit>(&first).await?.values.into_iter();
        Ok(units.map(Unit::of).collect())
    }

    /// The users and groups that are in this unit: each with the unit in the place of a role.
    pub(crate) async fn fetch_unit_members(
        &self,
        unit: &Unit,
    ) -> Result<Complete<Vec<Assignment>>, Error> {
        let first = self.address(
            &["directory", "administrativeUnits", &unit.id, "members"],
            &[("$select", "id"), ("$top", PAGE_SIZE)],
        );
        let members = self.list::<wire::Named>(&first).await?.values;
        if members.is_empty() && unit.is_hidden {
            return Err(Error::HiddenMembership {
                name: unit.name.clone(),
            });
        }
        let members = members.iter().filter_map(|member| {
            Some(Assignment {
                kind: member.kind()?,
                principal: source_id(&member.id),
                role: unit.id.clone(),
            })
        });
        Ok(Complete::after_last_page(members.collect()))
    }

    /// Whether each of these is in a unit, read on the membership itself. What could not be read is left
    /// out.
    pub(crate) async fn are_in_unit(
        &self,
        unit: &str,
        ids: &[SourceId],
    ) -> Result<BTreeMap<SourceId, bool>, Error> {
        let path = |id: &SourceId| {
            format!("/directory/administrativeUnits/{unit}/members/{id}?$select=id")
        };
        self.exist(ids, path).await
    }
}
