//! Facts of the source that are read only when a mapping or a scoping filter of the job needs them.
//! Without them no object could be evaluated correctly, so that a cycle that does not get them ends.

use std::collections::BTreeSet;

use super::Error;
use super::tenant::Tenant;
use crate::config;
use crate::engine::model::CustomSecurityAttribute;
use crate::graph;

/// Brings the custom security attributes that the job names up to date, by a complete reading of them
/// or not at all. `known` is what was read for another job in the same reading, of which `all` names all
/// that its jobs need.
pub(super) async fn custom_security_attributes(
    tenant: &Tenant,
    job: &config::Job,
    all: &BTreeSet<CustomSecurityAttribute>,
    known: &mut Option<graph::CustomSecurity>,
) -> Result<(), Error> {
    let wanted = config::custom_security_attributes(&job.rules);
    if wanted.is_empty() {
        return Ok(());
    }
    let unread = |source| {
        let names: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        Error::CustomSecurityAttributes {
            names: names.join(", "),
            source,
        }
    };
    let read = if let Some(read) = known {
        read
    } else {
        let read = tenant.graph.fetch_custom_security_attributes(all).await;
        known.insert(read.map_err(unread)?)
    };
    let read = read.of(&wanted).map_err(unread)?;
    let changed = tenant
        .store
        .merge_custom_security_attributes(tenant.number, &wanted, read)?;
    let users = read.get().len();
    tracing::debug!(job = %job.rules.name, users, changed, "custom security attributes were read");
    Ok(())
}

/// The tenant's default domain, and whether it is another than the job was evaluated with.
pub(super) struct DefaultDomain {
    pub(super) name: String,
    pub(super) changed: bool,
}

/// `None`: no expression of the job calls `DefaultDomain`, and nothing was read. `known` is what was
/// read for another job in the same reading.
pub(super) async fn default_domain(
    tenant: &Tenant,
    job: &config::Job,
    known: &mut Option<String>,
) -> Result<Option<DefaultDomain>, Error> {
    let used_by = config::calls_default_domain(&job.rules);
    if used_by.is_empty() {
        return Ok(None);
    }
    let name = match known {
        Some(name) => name.clone(),
        None => tenant
            .graph
            .fetch_default_domain()
            .await
            .map_err(|source| Error::DefaultDomain {
                used_by: used_by.into_iter().collect::<Vec<_>>().join(", "),
                source,
            })?,
    };
    *known = Some(name.clone());
    let noted = tenant
        .store
        .note_default_domain(&job.rules.name, tenant.number, &name);
    let changed = noted?;
    Ok(Some(DefaultDomain { name, changed }))
}
