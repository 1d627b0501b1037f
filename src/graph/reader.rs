//! What cycles read from: the tenant itself, or a snapshot of it that stands in for a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::application::ServicePrincipal;
use super::assignments::AssignmentsError;
use super::client::Client;
use super::custom_security::CustomSecurity;
use super::delta::{At, Link, Page, Round};
use super::error::Error;
use super::single::Held;
use super::snapshot::Snapshot;
use super::units::Unit;
use crate::config::Application;
use crate::engine::model::{Assignment, Complete, CustomSecurityAttribute, ObjectKind, SourceId};
use crate::engine::plan::Count;
use crate::http::Exchange;

#[derive(Clone, Debug)]
pub(crate) enum Reader {
    Tenant(Box<Client>),
    Snapshot(Arc<Snapshot>),
}

impl Reader {
    /// `None` for a snapshot, which no one is connected to.
    pub(crate) fn tenant(&self) -> Option<&Client> {
        match self {
            Self::Tenant(client) => Some(client),
            Self::Snapshot(_) => None,
        }
    }

    /// Requests sent to Graph so far.
    pub(crate) fn requests(&self) -> u64 {
        self.tenant().map_or(0, Client::requests)
    }

    /// The requests since the last call, for the record.
    pub(crate) fn take_requests(&self) -> Vec<Exchange> {
        self.tenant().map_or_else(Vec::new, Client::take_requests)
    }

    /// What time it is by the tenant's own clock; a snapshot has none.
    pub(crate) fn date(&self) -> Option<DateTime<Utc>> {
        self.tenant()?.date()
    }

    pub(crate) async fn find_application(
        &self,
        which: &Application,
    ) -> Result<ServicePrincipal, Error> {
        match self {
            Self::Tenant(client) => client.find_application(which).await,
            Self::Snapshot(snapshot) => snapshot.find_application(which),
        }
    }

    /// Whether Microsoft's own service provisions an application; `None`: it is not known.
    pub(crate) async fn is_provisioned_by_entra(&self, service_principal: &str) -> Option<bool> {
        let tenant = self.tenant()?;
        tenant.is_provisioned_by_entra(service_principal).await
    }

    pub(crate) async fn fetch_page(&self, kind: ObjectKind, at: At<'_>) -> Result<Page, Error> {
        match self {
            Self::Tenant(client) => client.fetch_page(kind, at).await,
            Self::Snapshot(snapshot) => snapshot.fetch_page(kind, at),
        }
    }

    /// A round from here to its end. `None`: it has more than so many memberships.
    pub(crate) async fn fetch_round(
        &self,
        kind: ObjectKind,
        at: At<'_>,
        most_members: usize,
    ) -> Result<Option<Round>, Error> {
        let mut page = self.fetch_page(kind, at).await?;
        let mut changes = Vec::new();
        let mut members = 0;
        loop {
            let slices = page.changes.iter().map(|change| change.members.len());
            members += slices.sum::<usize>();
            if members > most_members {
                return Ok(None);
            }
            changes.append(&mut page.changes);
            match page.link {
                Link::Next(link) => page = self.fetch_page(kind, At::Link(&link)).await?,
                Link::Delta(link) => return Ok(Some(Round { changes, link })),
            }
        }
    }

    /// The groups that have one of these display names, each with the name that it has.
    pub(crate) async fn fetch_groups_named(
        &self,
        names: &[&str],
    ) -> Result<BTreeMap<SourceId, String>, Error> {
        match self {
            Self::Tenant(client) => client.fetch_groups_named(names).await,
            // It is read as a whole.
            Self::Snapshot(_) => Ok(BTreeMap::new()),
        }
    }

    /// How many users and groups there are. `None`: the tenant does not show it.
    pub(crate) async fn fetch_size(&self) -> Result<Option<Count>, Error> {
        match self {
            Self::Tenant(client) => client.fetch_size().await,
            // It is read as a whole.
            Self::Snapshot(_) => Ok(None),
        }
    }

    pub(crate) async fn fetch_assignments(
        &self,
        service_principal: &str,
    ) -> Result<Complete<Vec<Assignment>>, AssignmentsError> {
        match self {
            Self::Tenant(client) => client.fetch_assignments(service_principal).await,
            Self::Snapshot(snapshot) => snapshot.fetch_assignments(service_principal),
        }
    }

    pub(crate) async fn fetch_units(&self) -> Result<Vec<Unit>, Error> {
        match self {
            Self::Tenant(client) => client.fetch_units().await,
            Self::Snapshot(snapshot) => snapshot.fetch_units(),
        }
    }

    pub(crate) async fn fetch_unit_members(
        &self,
        unit: &Unit,
    ) -> Result<Complete<Vec<Assignment>>, Error> {
        match self {
            Self::Tenant(client) => client.fetch_unit_members(unit).await,
            Self::Snapshot(snapshot) => Ok(snapshot.fetch_unit_members(unit)),
        }
    }

    pub(crate) async fn are_in_unit(
        &self,
        unit: &str,
        ids: &[SourceId],
    ) -> Result<BTreeMap<SourceId, bool>, Error> {
        match self {
            Self::Tenant(client) => client.are_in_unit(unit, ids).await,
            Self::Snapshot(snapshot) => Ok(snapshot.are_in_unit(unit, ids)),
        }
    }

    pub(crate) async fn fetch_custom_security_attributes(
        &self,
        wanted: &BTreeSet<CustomSecurityAttribute>,
    ) -> Result<CustomSecurity, Error> {
        match self {
            Self::Tenant(client) => client.fetch_custom_security_attributes(wanted).await,
            Self::Snapshot(snapshot) => snapshot.fetch_custom_security_attributes(wanted),
        }
    }

    pub(crate) async fn fetch_default_domain(&self) -> Result<String, Error> {
        match self {
            Self::Tenant(client) => client.fetch_default_domain().await,
            Self::Snapshot(snapshot) => snapshot.fetch_default_domain(),
        }
    }

    pub(crate) async fn present_among(
        &self,
        kind: ObjectKind,
        ids: &[SourceId],
    ) -> Result<BTreeSet<SourceId>, Error> {
        match self {
            Self::Tenant(client) => client.present_among(kind, ids).await,
            Self::Snapshot(snapshot) => Ok(snapshot.present_among(kind, ids)),
        }
    }

    pub(crate) async fn in_recycle_bin(
        &self,
        ids: &[SourceId],
    ) -> Result<BTreeMap<SourceId, bool>, Error> {
        match self {
            Self::Tenant(client) => client.in_recycle_bin(ids).await,
            Self::Snapshot(snapshot) => Ok(snapshot.in_recycle_bin(ids)),
        }
    }

    pub(crate) async fn groups_of(
        &self,
        kind: ObjectKind,
        ids: &[SourceId],
    ) -> Result<BTreeMap<SourceId, BTreeSet<SourceId>>, Error> {
        match self {
            Self::Tenant(client) => client.groups_of(kind, ids).await,
            Self::Snapshot(snapshot) => Ok(snapshot.groups_of(kind, ids)),
        }
    }

    pub(crate) async fn all_groups_of(
        &self,
        kind: ObjectKind,
        ids: &[SourceId],
    ) -> Result<BTreeMap<SourceId, BTreeSet<SourceId>>, Error> {
        match self {
            Self::Tenant(client) => client.all_groups_of(kind, ids).await,
            // It is read as a whole.
            Self::Snapshot(_) => Ok(BTreeMap::new()),
        }
    }

    pub(crate) async fn sign_in_of(
        &self,
        users: &[SourceId],
    ) -> Result<BTreeMap<SourceId, bool>, Error> {
        match self {
            Self::Tenant(client) => client.sign_in_of(users).await,
            // It is read as a whole.
            Self::Snapshot(_) => Ok(BTreeMap::new()),
        }
    }

    pub(crate) async fn members_of(
        &self,
        groups: &[SourceId],
    ) -> Result<BTreeMap<SourceId, BTreeSet<SourceId>>, Error> {
        match self {
            Self::Tenant(client) => client.members_of(groups).await,
            Self::Snapshot(snapshot) => Ok(snapshot.members_of(groups)),
        }
    }

    pub(crate) async fn roles_of(
        &self,
        kind: ObjectKind,
        ids: &[SourceId],
        service_principal: &SourceId,
    ) -> Result<Option<BTreeMap<SourceId, BTreeSet<Held>>>, Error> {
        match self {
            Self::Tenant(client) => client.roles_of(kind, ids, service_principal).await,
            Self::Snapshot(snapshot) => Ok(Some(snapshot.roles_of(kind, ids, service_principal))),
        }
    }

    /// See [`Client::managers_of`]. A snapshot has the managers that were reported.
    pub(crate) async fn managers_of(
        &self,
        users: &[SourceId],
        all: u64,
    ) -> Result<BTreeMap<SourceId, Option<SourceId>>, Error> {
        match self {
            Self::Tenant(client) => client.managers_of(users, all).await,
            Self::Snapshot(_) => Ok(BTreeMap::new()),
        }
    }

    pub(crate) async fn addresses_of(
        &self,
        ids: &[SourceId],
    ) -> Result<BTreeMap<SourceId, Vec<String>>, Error> {
        match self {
            Self::Tenant(client) => client.addresses_of(ids).await,
            Self::Snapshot(snapshot) => Ok(snapshot.addresses_of(ids)),
        }
    }
}
