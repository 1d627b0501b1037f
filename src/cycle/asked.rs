//! Facts of the source that are read only when a mapping or a scoping filter of the job asks for them.
//! Without them nobody could be evaluated rightly, so that a cycle that does not get them ends.

use super::{Context, Error};
use crate::config;

/// Brings the custom security attributes that the job names up to date, by a complete reading of them
/// or not at all.
pub(super) async fn custom_security_attributes(context: &Context<'_>) -> Result<(), Error> {
    let wanted = config::custom_security_attributes(&context.job.rules);
    if wanted.is_empty() {
        return Ok(());
    }
    let agent = context.agent;
    let read = agent.graph.fetch_custom_security_attributes(&wanted).await;
    let read = read.map_err(|source| {
        let names: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        Error::CustomSecurityAttributes {
            names: names.join(", "),
            source,
        }
    })?;
    let store = &agent.store;
    let changed = store.merge_custom_security_attributes(&wanted, &read)?;
    let users = read.get().len();
    tracing::debug!(job = %context.job.rules.name, users, changed, "custom security attributes were read");
    Ok(())
}

/// The tenant's default domain, and whether it is another than the job was evaluated with.
pub(super) struct DefaultDomain {
    pub(super) name: String,
    pub(super) changed: bool,
}

/// `None`: no expression of the job calls `DefaultDomain`, and nothing was asked.
pub(super) async fn default_domain(context: &Context<'_>) -> Result<Option<DefaultDomain>, Error> {
    let used_by = config::calls_default_domain(&context.job.rules);
    if used_by.is_empty() {
        return Ok(None);
    }
    let agent = context.agent;
    let name = agent.graph.fetch_default_domain().await;
    let name = name.map_err(|source| Error::DefaultDomain {
        used_by: used_by.into_iter().collect::<Vec<_>>().join(", "),
        source,
    })?;
    let job = &context.job.rules.name;
    let changed = agent.store.note_default_domain(job, &name)?;
    Ok(Some(DefaultDomain { name, changed }))
}
