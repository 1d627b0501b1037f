//! Read: the source's changes since the watermark into the state, page by page, and the
//! application's assignments. What fails here blocks removals, never additions (product rule 3).

use std::collections::BTreeSet;

use super::{Context, Error, asked};
use crate::config;
use crate::engine::job::ScopeMode;
use crate::engine::model::{Assignment, DEFAULT_ACCESS_ROLE, ObjectKind, SourceId};
use crate::engine::plan::Count;
use crate::engine::summary::{CycleKind, Progress};
use crate::graph::{self, At, Expired, Link};
use crate::store::{self, PageLink, Since};

/// Rounds begun at most, where the service forgets its own links.
const MAX_BEGINNINGS: u32 = 3;

/// How the reading went.
pub(super) struct Reading {
    /// Why it is not complete; `None` when every last page was seen.
    pub(super) incomplete: Option<String>,
    /// The tenant's default domain, when an expression of the job asks for it.
    pub(super) default_domain: Option<String>,
    /// What the cycle is after the reading, which may find a reason to evaluate everything.
    pub(super) kind: CycleKind,
}

pub(super) async fn read(context: &Context<'_>) -> Result<Reading, Error> {
    let agent = context.agent;
    let _one_at_a_time = agent.reading.lock().await;
    let job = &context.job.rules.name;
    let known = agent.store.application(job)?;
    let mut application = match (context.kind, known) {
        (CycleKind::Incremental, Some(known)) => known,
        (CycleKind::Incremental | CycleKind::Initial, _) => find_application(context).await?,
    };
    let mut troubles = Vec::new();
    let mut read = Count::default();
    for kind in ObjectKind::ALL {
        if let Err(error) = follow(context, kind, &mut read).await {
            if ends_the_cycle(&error) || agent.stop.is_cancelled() {
                return Err(error);
            }
            troubles.push(format!("{kind}s: {}", error.chain()));
        }
    }
    if context.job.rules.scope.mode == ScopeMode::Assigned {
        let id = application.service_principal.as_str();
        match agent.graph.fetch_assignments(id).await {
            Ok(assignments) => {
                let is_known = |assignment: &Assignment| {
                    let mut roles = application.roles.iter();
                    assignment.role == DEFAULT_ACCESS_ROLE
                        || roles.any(|role| role.id == assignment.role)
                };
                // New roles are to be looked up; and an answer that is empty all of a sudden is worth
                // asking whether the application is still there.
                let all_known = assignments.get().iter().all(is_known);
                if !all_known || assignments.get().is_empty() {
                    application = find_application(context).await?;
                }
                agent.store.record_application(job, &application)?;
                agent.store.replace_assignments(job, &assignments)?;
            }
            Err(partial) => {
                // Whether the application is there at all; if it is not, that is what must be told.
                find_application(context).await?;
                agent.store.add_assignments(job, &partial.seen)?;
                troubles.push(Error::chain_of(&partial));
            }
        }
    }
    asked::custom_security_attributes(context).await?;
    let default_domain = asked::default_domain(context).await?;
    if agent.stop.is_cancelled() {
        return Err(Error::Stopped);
    }
    if !troubles.is_empty() {
        let words = troubles.join("; ");
        tracing::warn!(job = %job, words, "the source could not be read completely: nothing will be removed");
    }
    Ok(Reading {
        incomplete: (!troubles.is_empty()).then(|| troubles.join("; ")),
        kind: match &default_domain {
            Some(domain) if domain.changed => CycleKind::Initial,
            Some(_) | None => context.kind,
        },
        default_domain: default_domain.map(|domain| domain.name),
    })
}

/// Looks the application up and stores it. Not done in every cycle: its id does not change, and new
/// roles show in the assignments.
async fn find_application(context: &Context<'_>) -> Result<store::Application, Error> {
    let graph = &context.agent.graph;
    let found = graph.find_application(&context.job.application).await?;
    let application = store::Application {
        service_principal: SourceId::new(found.id),
        roles: found.roles,
    };
    let job = &context.job.rules.name;
    context.agent.store.record_application(job, &application)?;
    Ok(application)
}

/// Whether there is no point in reading on: the state cannot be written, or nobody lets us in.
fn ends_the_cycle(error: &Error) -> bool {
    matches!(
        error,
        Error::Store(_)
            | Error::Graph(
                graph::Error::TokenRefused { .. }
                    | graph::Error::TokenUnanswered { .. }
                    | graph::Error::TokenMalformed { .. }
            )
    )
}

/// Follows the stream of one kind of object from its watermark to the next, committing each page
/// with its link.
async fn follow(context: &Context<'_>, kind: ObjectKind, read: &mut Count) -> Result<(), Error> {
    let agent = context.agent;
    let store = &agent.store;
    let select = select(&agent.config, kind);
    let mut beginnings = 1;
    let mut since = store.begin_round(kind, &select.join(","))?;
    loop {
        let at = match &since {
            Since::Watermark(link) => At::Link(link),
            Since::Beginning => At::Beginning { select: &select },
        };
        let page = match agent.graph.fetch_page(kind, at).await {
            Ok(page) => page,
            Err(error) => {
                let Some(expired) = error.expired().filter(|_| beginnings < MAX_BEGINNINGS) else {
                    return Err(error.into());
                };
                tracing::warn!(job = %context.job.rules.name, %kind, %error, "reading the source anew");
                match expired {
                    Expired::Page => store.rewind_round(kind)?,
                    Expired::Watermark => store.forget_watermark(kind)?,
                }
                beginnings += 1;
                since = store.begin_round(kind, &select.join(","))?;
                continue;
            }
        };
        let entries = page.changes.len() as u64;
        match kind {
            ObjectKind::User => read.users += entries,
            ObjectKind::Group => read.groups += entries,
        }
        context.progress.send_replace(Progress::Reading(*read));
        let now = (agent.now)();
        match page.link {
            Link::Next(next) => {
                store.commit_page(kind, &page.changes, PageLink::Next(next.clone()), now)?;
                since = Since::Watermark(next);
            }
            Link::Delta(delta) => {
                store.commit_page(kind, &page.changes, PageLink::Delta(delta), now)?;
                return Ok(());
            }
        }
    }
}

/// What is asked of the source: the union of what the jobs need, because they share one reading.
fn select(config: &config::Config, kind: ObjectKind) -> Vec<String> {
    let enabled = config.jobs.iter().filter(|job| job.enabled);
    let names: BTreeSet<String> = enabled
        .flat_map(|job| config::select(&job.rules, kind))
        .collect();
    names.into_iter().collect()
}
