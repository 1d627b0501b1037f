//! Which way the tenant is read, the whole of it or only what is in scope, and the change from one to the other.

use chrono::{DateTime, TimeDelta, Utc};

use super::rounds::ends_the_cycle;
use super::{Tenant, Want};
use crate::config;
use crate::cycle::Error;
use crate::cycle::source::selected;
use crate::engine::job::{GroupObjects, Job, ScopeMode};
use crate::engine::model::ObjectKind;
use crate::engine::plan::{self, Count};
use crate::engine::scope;
use crate::engine::strategy::{Choice, Situation, Strategy, Wish};
use crate::engine::summary::CycleKind;
use crate::graph;
use crate::store::ScopeOf;

/// After this the objects of a tenant that is not read whole are counted again.
const COUNT_AGAIN: TimeDelta = TimeDelta::days(7);

const NO_DELTA: &str =
    "the tenant does not support delta queries: each reading lists all users and groups";

/// In so many of the groups of a scope each user is on the average at most, or the groups are too large to be read
/// by themselves.
const MOST_GROUPS_EACH: usize = 10;

/// How a reading goes about it, as far as that is known before the scopes are read.
pub(super) struct Way {
    situation: Situation,
    before: Option<Choice>,
    /// Whether what brings objects into scope is read first.
    pub(super) by_scope: bool,
}

impl Tenant {
    pub(super) async fn begin(&self, wants: &[&Want]) -> Result<Way, Error> {
        let before = self.store.strategy(self.number)?;
        let known = match &before {
            Some(choice) => Some(choice.strategy),
            None => self
                .store
                .has_rounds(self.number)?
                .then_some(Strategy::Whole),
        };
        let mut way = Way {
            situation: Situation {
                wish: self.config.source.read,
                forced: self.why_whole(wants)?,
                known,
                tenant: before.as_ref().and_then(|choice| choice.tenant),
                scope: None,
                counted: before.as_ref().and_then(|choice| choice.counted),
                recent: before
                    .as_ref()
                    .map(|choice| choice.recent.clone())
                    .unwrap_or_default(),
            },
            before,
            by_scope: false,
        };
        if known == Some(Strategy::Whole) {
            way.situation.tenant = Some(self.store.present(self.number)?);
            way.situation.counted = None;
            let scopes = self.scopes(wants);
            way.by_scope = self.choose(&mut way, &scopes)?.strategy == Strategy::InScope;
            return Ok(way);
        }
        // A clock that was set back says nothing.
        let is_old = |at: DateTime<Utc>| !(at..=at + COUNT_AGAIN).contains(&(self.now)());
        if way.situation.forced.is_none()
            && way.situation.wish == Wish::Auto
            && way.situation.counted.is_none_or(is_old)
        {
            match self.graph.fetch_size().await {
                Ok(Some(size)) => {
                    way.situation.tenant = Some(size);
                    way.situation.counted = Some((self.now)());
                }
                Ok(None) => {}
                Err(error) => {
                    let error = Error::from(error);
                    if ends_the_cycle(&error) || self.stop.is_cancelled() {
                        return Err(error);
                    }
                    let error = error.chain();
                    tracing::debug!(error, "the users and groups of the tenant were not counted");
                }
            }
        }
        way.by_scope = way.situation.depends_on_scope();
        Ok(way)
    }

    /// Reads users and groups by the cheaper way. When the groups have been read it is known how many users are in
    /// scope, and the way may be another.
    pub(super) async fn follow_way(
        &self,
        mut way: Way,
        wants: &[&Want],
    ) -> Result<plan::Reading, Error> {
        let mut choice = self.choose(&mut way, &self.scopes(wants))?;
        if choice.strategy == Strategy::InScope {
            self.note(&choice)?;
            way.situation.known = Some(Strategy::InScope);
            let most = usize::try_from(way.situation.most_in_scope()).unwrap_or(usize::MAX);
            let most_members = most.saturating_mul(MOST_GROUPS_EACH);
            let goes_on = |scopes: &[ScopeOf]| {
                choice = self.choose(&mut way, scopes)?;
                if choice.strategy == Strategy::Whole {
                    return Ok(false);
                }
                self.note(&choice)?;
                Self::log(&way, &choice, wants);
                Ok(true)
            };
            let read = self.follow_shards(wants, most_members, goes_on).await?;
            let has_no_delta = self.graph.tenant().is_some_and(graph::Client::has_no_delta);
            match read {
                Some(read) if !has_no_delta => return Ok(read),
                Some(_) => {
                    way.situation.forced = Some(NO_DELTA.to_owned());
                    choice = way.situation.choose();
                }
                None => {}
            }
            if choice.strategy == Strategy::InScope {
                way.situation.scope = Some(Count {
                    users: u64::MAX,
                    groups: 0,
                });
                choice = way.situation.choose();
            }
        }
        self.note(&choice)?;
        Self::log(&way, &choice, wants);
        let (reading, requests) = self.follow_both(wants).await?;
        if let Some(requests) = requests {
            self.store.note_requests(self.number, requests)?;
        }
        Ok(reading)
    }

    fn choose(&self, way: &mut Way, scopes: &[ScopeOf]) -> Result<Choice, Error> {
        let situation = &mut way.situation;
        if situation.depends_on_scope() {
            let most = situation.most_in_scope();
            let linked = self.store.linked_by_all(self.number)?;
            // A state that holds much is not searched for how much it is.
            situation.scope = Some(if linked.total() > most {
                linked
            } else {
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                let count = |kind| {
                    let needed = self.store.needed(self.stream(kind), scopes, most)?;
                    Ok::<u64, Error>(needed.len() as u64)
                };
                Count {
                    users: count(ObjectKind::User)?,
                    groups: count(ObjectKind::Group)?,
                }
            });
        }
        Ok(situation.choose())
    }

    fn note(&self, choice: &Choice) -> Result<(), Error> {
        let select = |kind| selected(&self.config.jobs, kind).join(",");
        Ok(self.store.note_strategy(self.number, choice, select)?)
    }

    fn log(way: &Way, choice: &Choice, wants: &[&Want]) {
        let requests = |strategy| choice.cost(strategy).map(|cost| cost.later);
        let strategy = choice.strategy.as_str();
        let (whole, in_scope) = (requests(Strategy::Whole), requests(Strategy::InScope));
        let first = choice.cost(Strategy::Whole).map(|cost| cost.first);
        let why = &choice.why;
        let before = way.before.as_ref();
        let is_cycle = wants
            .iter()
            .any(|want| matches!(want.kind, CycleKind::Initial | CycleKind::Incremental));
        let is_changed = before.is_some_and(|before| before.strategy != choice.strategy);
        let message = if is_changed {
            "users and groups are read with the other strategy from now on"
        } else if is_cycle {
            "reading users and groups"
        } else {
            return;
        };
        tracing::info!(
            strategy,
            requests_whole = whole,
            requests_whole_first = first,
            requests_in_scope = in_scope,
            why,
            "{message}"
        );
    }

    /// The jobs for which is read: those that are due, and those that will be.
    fn read_for<'a>(&'a self, wants: &'a [&Want]) -> impl Iterator<Item = &'a Job> {
        let is_due = |job: &config::Job| {
            let mut wants = wants.iter();
            wants.any(|want| want.job.rules.name == job.rules.name)
        };
        let jobs = self.config.jobs.iter();
        jobs.filter(move |job| job.enabled || is_due(job))
            .map(|job| &job.rules)
    }

    /// Why the whole tenant must be read; `None` where it need not.
    fn why_whole(&self, wants: &[&Want]) -> Result<Option<String>, Error> {
        let Some(tenant) = self.graph.tenant() else {
            return Ok(Some("a snapshot is read whole".to_owned()));
        };
        if tenant.has_no_delta() || self.store.has_watermark(self.number, graph::LISTED)? {
            return Ok(Some(NO_DELTA.to_owned()));
        }
        let why = self.read_for(wants).find_map(|job| {
            let why = why_whole(job)?;
            Some(format!("job {}: {why}", job.name))
        });
        Ok(why)
    }

    pub(super) fn scopes(&self, wants: &[&Want]) -> Vec<ScopeOf> {
        self.read_for(wants).map(scope_of).collect()
    }
}

fn why_whole(job: &Job) -> Option<&'static str> {
    let reads_groups = |kind: &ObjectKind| scope::reads_groups(job, *kind);
    if job.scope.mode == ScopeMode::All {
        Some("all users and groups are in scope")
    } else if ObjectKind::ALL.iter().any(reads_groups) {
        Some("a filter reads the groups of users or groups")
    } else if !config::custom_security_attributes(job).is_empty() {
        Some("custom security attributes are read, which is a list of all users")
    } else {
        None
    }
}

fn scope_of(job: &Job) -> ScopeOf {
    ScopeOf {
        nested: job.scope.nested_groups,
        job: job.name.clone(),
        through_assigned: job.scope.mode == ScopeMode::Assigned,
        through: match &job.scope.mode {
            ScopeMode::Groups(names) => names.clone(),
            ScopeMode::Assigned | ScopeMode::All | ScopeMode::AdministrativeUnits(_) => Vec::new(),
        },
        groups: match &job.scope.group_objects {
            GroupObjects::Named(names) => names.clone(),
            GroupObjects::InScope => Vec::new(),
        },
    }
}
