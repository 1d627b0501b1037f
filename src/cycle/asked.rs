//! Facts of the source that are read only when a mapping or a scoping filter of the job asks for them.
//! Without them nobody could be evaluated rightly, so that a cycle that does not get them ends.

use super::{Context, Error};
use crate::config;

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
