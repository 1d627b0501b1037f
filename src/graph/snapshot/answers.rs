//! What a snapshot answers to the questions that are put to a tenant.

use std::collections::{BTreeMap, BTreeSet};

use super::{Snapshot, place};
use crate::config::Application;
use crate::engine::model::{
    Assignment, Complete, CustomSecurityAttribute, ObjectKind, SourceId, Value,
};
use crate::graph::application::ServicePrincipal;
use crate::graph::assignments::AssignmentsError;
use crate::graph::custom_security::{self, CustomSecurity};
use crate::graph::delta::{At, Link, Page, change, source_id};
use crate::graph::error::Error;
use crate::graph::single::Held;
use crate::graph::units::Unit;

/// Entries of one page. A link is the place of the next entry, with the names that were selected.
const PAGE: usize = 2_000;
/// A principal that a snapshot does not hold cannot be asked about elsewhere.
fn missing(what: String) -> Error {
    Error::NotInSnapshot { what }
}

impl Snapshot {
    pub(in crate::graph) fn find_application(
        &self,
        which: &Application,
    ) -> Result<ServicePrincipal, Error> {
        let is_it = |one: &ServicePrincipal| match which {
            Application::ServicePrincipalId(id) => one.id.eq_ignore_ascii_case(id),
            Application::AppId(id) => one.app_id.eq_ignore_ascii_case(id),
            Application::DisplayName(name) => one.display_name.eq_ignore_ascii_case(name),
        };
        let mut known = self.applications.iter().map(|(one, _)| one);
        let found = known.find(|one| is_it(one)).cloned();
        found.ok_or_else(|| missing("the job's application".to_owned()))
    }

    pub(in crate::graph) fn fetch_page(&self, kind: ObjectKind, at: At<'_>) -> Result<Page, Error> {
        let entries = match kind {
            ObjectKind::User => &self.users,
            ObjectKind::Group => &self.groups,
        };
        let (from, select) = match at {
            // It is read as a whole.
            At::Beginning { select } | At::Few { select, ids: _ } => {
                let known = &self.selected[place(kind)];
                let unread: Vec<&str> = select
                    .iter()
                    .filter(|name| !known.contains(name))
                    .map(String::as_str)
                    .collect();
                if !unread.is_empty() {
                    return Err(missing(format!("{} of {kind}s", unread.join(", "))));
                }
                (0, select.join(","))
            }
            At::Link(link) => {
                let (place, select) = link.split_once('?').unwrap_or((link, ""));
                (place.parse().unwrap_or(entries.len()), select.to_owned())
            }
        };
        let rest = entries.get(from..).unwrap_or_default();
        let taken = rest.len().min(PAGE);
        let mut changes = Vec::with_capacity(taken);
        for entry in &rest[..taken] {
            let mut change = change(kind, entry.clone())?;
            // As Graph does: what a snapshot holds in addition was not requested.
            let is_selected = |name: &str| select.split(',').any(|one| one == name);
            change.attributes.retain(|name, _| is_selected(name));
            changes.push(change);
        }
        let link = format!("{}?{select}", from + taken);
        Ok(Page {
            changes,
            link: if taken < rest.len() {
                Link::Next(link)
            } else {
                Link::Delta(Complete::after_last_page(link))
            },
        })
    }

    pub(in crate::graph) fn fetch_assignments(
        &self,
        service_principal: &str,
    ) -> Result<Complete<Vec<Assignment>>, AssignmentsError> {
        let mut known = self.applications.iter();
        match known.find(|(one, _)| one.id == service_principal) {
            Some((_, assignments)) => Ok(Complete::after_last_page(assignments.clone())),
            None => Err(AssignmentsError {
                seen: Vec::new(),
                error: missing("the application's assignments".to_owned()),
            }),
        }
    }

    pub(in crate::graph) fn fetch_units(&self) -> Result<Vec<Unit>, Error> {
        let units = self.units.as_ref();
        let units = units.ok_or_else(|| missing("administrative units".to_owned()))?;
        Ok(units.iter().map(|(unit, _)| unit.clone()).collect())
    }

    pub(in crate::graph) fn fetch_unit_members(&self, unit: &Unit) -> Complete<Vec<Assignment>> {
        let known = self.units.iter().flatten();
        let wanted = known.filter(|(one, _)| one == unit);
        let members = wanted.flat_map(|(_, members)| members.iter().cloned());
        Complete::after_last_page(members.collect())
    }

    pub(in crate::graph) fn are_in_unit(
        &self,
        unit: &str,
        ids: &[SourceId],
    ) -> BTreeMap<SourceId, bool> {
        let mut known = self.units.iter().flatten();
        let Some((_, members)) = known.find(|(one, _)| one.id == unit) else {
            return BTreeMap::new();
        };
        let is_in = |id: &SourceId| members.iter().any(|one| one.principal == *id);
        ids.iter().map(|id| (id.clone(), is_in(id))).collect()
    }

    pub(in crate::graph) fn fetch_custom_security_attributes(
        &self,
        wanted: &BTreeSet<CustomSecurityAttribute>,
    ) -> Result<CustomSecurity, Error> {
        let Some(entries) = &self.custom_security else {
            return Err(missing("custom security attributes".to_owned()));
        };
        let mut read = custom_security::Reading::default();
        for entry in entries {
            read.add(entry.clone(), wanted);
        }
        Ok(read.end())
    }

    pub(in crate::graph) fn fetch_default_domain(&self) -> Result<String, Error> {
        let domain = self.default_domain.clone();
        domain.ok_or_else(|| missing("the tenant's default domain".to_owned()))
    }

    pub(in crate::graph) fn present_among(
        &self,
        kind: ObjectKind,
        ids: &[SourceId],
    ) -> BTreeSet<SourceId> {
        let present = &self.present[place(kind)];
        ids.iter()
            .filter(|id| present.contains(*id))
            .cloned()
            .collect()
    }

    pub(in crate::graph) fn in_recycle_bin(&self, ids: &[SourceId]) -> BTreeMap<SourceId, bool> {
        let were_read = self.bins == [true, true];
        let known = ids.iter().filter_map(|id| {
            let is_there = self.removed.contains(id);
            (is_there || were_read).then(|| (id.clone(), is_there))
        });
        known.collect()
    }

    pub(in crate::graph) fn members_of(
        &self,
        groups: &[SourceId],
    ) -> BTreeMap<SourceId, BTreeSet<SourceId>> {
        let known = groups.iter().filter_map(|group| {
            let members = self.members.get(group)?.iter();
            Some((group.clone(), members.map(|(_, id)| id.clone()).collect()))
        });
        known.collect()
    }

    pub(in crate::graph) fn groups_of(
        &self,
        kind: ObjectKind,
        ids: &[SourceId],
    ) -> BTreeMap<SourceId, BTreeSet<SourceId>> {
        let present = &self.present[place(kind)];
        let present = ids.iter().filter(|id| present.contains(*id));
        let groups = present.map(|id| {
            let member = (kind, id.clone());
            let groups = self.members.iter();
            let groups = groups.filter(|(group, members)| {
                members.contains(&member) && self.present[place(ObjectKind::Group)].contains(*group)
            });
            (id.clone(), groups.map(|(group, _)| group.clone()).collect())
        });
        groups.collect()
    }

    pub(in crate::graph) fn roles_of(
        &self,
        kind: ObjectKind,
        ids: &[SourceId],
        service_principal: &SourceId,
    ) -> BTreeMap<SourceId, BTreeSet<Held>> {
        let mut applications = self.applications.iter();
        let assignments = applications
            .find(|(one, _)| one.id == service_principal.as_str())
            .map(|(_, assignments)| assignments.as_slice())
            .unwrap_or_default();
        let groups = self.groups_of(kind, ids).into_iter();
        let roles = groups.map(|(id, groups)| {
            let held = assignments
                .iter()
                .filter(|one| one.principal == id || groups.contains(&one.principal));
            let held = held.map(|one| Held {
                principal: one.principal.clone(),
                role: one.role.clone(),
            });
            let held = held.collect();
            (id, held)
        });
        roles.collect()
    }

    pub(in crate::graph) fn addresses_of(
        &self,
        ids: &[SourceId],
    ) -> BTreeMap<SourceId, Vec<String>> {
        let wanted: BTreeSet<&SourceId> = ids.iter().collect();
        let mut addresses = BTreeMap::new();
        for entry in &self.users {
            let id = source_id(&entry.id);
            if entry.removed.is_some() || !wanted.contains(&id) {
                continue;
            }
            let listed = entry
                .properties
                .iter()
                .find(|(name, _)| name == "proxyAddresses")
                .and_then(|(_, value)| crate::graph::delta::value(value.clone()));
            let known: &mut Vec<String> = addresses.entry(id).or_default();
            if let Some(Value::List(values)) = listed {
                known.extend(values.iter().filter_map(|value| match value {
                    Value::Text(text) => crate::graph::single::smtp(text),
                    _ => None,
                }));
            }
        }
        addresses
    }
}
