//! `entrain plan --against FILE` and `--what-if CHANGE`: what another configuration would do, or the same one
//! without the change, to be compared with.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::interrupt::Interrupt;
use super::output::Output;
use super::rows::LedgerRows;
use super::source::{self, SnapshotFile};
use super::{cycles, load};
use crate::config::{Config, Job};
use crate::cycle::{Agent, Alone, Deed, Options, OtherRows, Planned, deed};
use crate::engine::model::{JobName, Key, SourceId};
use crate::engine::plan::{Action, Subject};
use crate::engine::redact::Redactions;
use crate::report::{self, Against, Line, Names, There, not_planned, phrase};
use crate::store::{RowId, StateKey, Store};

/// Another configuration or source, on the same state.
pub(super) struct Other {
    name: String,
    config: Arc<Config>,
    store: Arc<Store>,
    agent: Agent,
}

/// What it would do.
pub(super) struct Others {
    name: String,
    store: Arc<Store>,
    agent: Agent,
    /// The cycle of each job's dry run, and its rows.
    plans: BTreeMap<JobName, (i64, OtherRows)>,
}

impl Others {
    pub(super) fn load(
        output: Output,
        file: &Path,
        config: &Config,
        snapshot: Option<&SnapshotFile>,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Other> {
        let other = Arc::new(Config {
            state: config.state.clone(),
            state_key: config.state_key.clone(),
            ..load::config(output, Some(file))?
        });
        Self::with(file.display().to_string(), other, snapshot, interrupt)
    }

    /// The same configuration on the directory as it is.
    pub(super) fn unchanged(
        config: &Arc<Config>,
        snapshot: &SnapshotFile,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Other> {
        let name = "the directory as it is".to_owned();
        Self::with(name, Arc::clone(config), Some(snapshot), interrupt)
    }

    fn with(
        name: String,
        config: Arc<Config>,
        snapshot: Option<&SnapshotFile>,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Other> {
        let store = Arc::new(Store::open_plan(&config.state)?);
        Ok(Other {
            name,
            agent: source::agent(&config, &store, snapshot, interrupt)?,
            config,
            store,
        })
    }
}

impl Other {
    /// Plans the jobs of these names as the other configuration has them. A job that it does not have
    /// does nothing there.
    pub(super) async fn plan(
        self,
        output: Output,
        interrupt: &Interrupt,
        jobs: &[&Job],
        options: &Options,
        key: &StateKey,
    ) -> anyhow::Result<Others> {
        let Self {
            name,
            config,
            store,
            agent,
        } = self;
        let mut plans = BTreeMap::new();
        for job in jobs {
            let job = &job.rules.name;
            let Some(job) = config.jobs.iter().find(|one| one.rules.name == *job) else {
                continue;
            };
            let planned = cycles::plan(output, &agent, interrupt, job, options).await?;
            let rows = agent.rows_of(planned.cycle, key)?;
            plans.insert(job.rules.name.clone(), (planned.cycle, rows));
        }
        Ok(Others {
            name,
            store,
            agent,
            plans,
        })
    }
}

impl Others {
    /// Takes out of a job's dry run what the other plan does, too.
    pub(super) fn compare(
        &mut self,
        agent: &Agent,
        job: &JobName,
        planned: &mut Planned,
        key: &StateKey,
        redactions: &Redactions,
    ) -> anyhow::Result<Difference> {
        let (cycle, mut rows) = self.plans.remove(job).unwrap_or_default();
        let left = agent.leave_out(planned, key, &mut rows)?;
        let objects: BTreeSet<_> = left.iter().map(|(kind, id, _)| (*kind, id)).collect();
        let rows: BTreeSet<RowId> = rows.into_values().flatten().collect();
        let mut difference = Difference {
            name: self.name.clone(),
            store: Arc::clone(&self.store),
            cycle,
            redactions: redactions.clone(),
            only_there: Vec::new(),
            skipped_there: Vec::new(),
            both: BTreeMap::new(),
            members: BTreeMap::new(),
        };
        let mut members: BTreeMap<Deed, BTreeSet<Key>> = BTreeMap::new();
        self.agent.each_alone(cycle, &rows, &mut |row| match row {
            Alone::Action(row, action) => {
                let deed = deed(&action.subject, action.as_str());
                let is_of_members = matches!(deed.2, "add-members" | "remove-members");
                if left.contains(&deed) {
                    if is_of_members {
                        let keys = action.operation.referenced().into_iter().map(|one| one.key);
                        members.entry(deed).or_default().extend(keys);
                    } else {
                        difference.both.insert(deed, row);
                    }
                    return;
                }
                let action = redactions.action(action);
                let words = format!("{} {}", phrase(action.as_str()), named(&action.subject));
                difference.only_there.push(words);
            }
            Alone::Skipped(skipped, names) => {
                let skipped = redactions.skipped(skipped);
                let subject = &skipped.subject;
                // What this plan has of the object says it already.
                if !objects.contains(&(subject.kind, &subject.id)) {
                    let why = not_planned(&skipped, names);
                    let words = format!("skip {}, because {why}", named(subject));
                    difference.skipped_there.push(words);
                }
            }
        })?;
        difference.compare_members(agent, planned.cycle, members)?;
        difference.only_there.sort();
        difference.skipped_there.sort();
        Ok(difference)
    }
}

fn named(subject: &Subject) -> String {
    format!("{} {}", subject.kind, subject.label)
}

/// How two plans of a job differ, apart from what only the first does.
pub(super) struct Difference {
    name: String,
    /// Of the other plan.
    store: Arc<Store>,
    cycle: i64,
    redactions: Redactions,
    only_there: Vec<String>,
    skipped_there: Vec<String>,
    /// What both do, with other values: the rows of the other plan.
    both: BTreeMap<Deed, RowId>,
    /// Groups whose members both change, with others: those of the other plan.
    members: BTreeMap<Deed, BTreeSet<SourceId>>,
}

/// Members of a group that are named; others are counted.
const NAMED: usize = 10;

impl Difference {
    /// Where both plans change the members of a group, only those count that the other does not. The numbers of
    /// objects that are new to the state differ between the two, so they are compared by their ids.
    fn compare_members(
        &mut self,
        agent: &Agent,
        cycle: i64,
        there: BTreeMap<Deed, BTreeSet<Key>>,
    ) -> anyhow::Result<()> {
        let mut here: BTreeMap<Deed, BTreeSet<Key>> = BTreeMap::new();
        if !there.is_empty() {
            agent.each_membership(cycle, &mut |deed, keys| {
                if there.contains_key(&deed) {
                    here.entry(deed).or_default().extend(keys);
                }
            })?;
        }
        for (deed, there) in there {
            let here = here.remove(&deed).unwrap_or_default();
            let here: Vec<Key> = here.into_iter().collect();
            let here = agent.named(&here)?.into_values();
            let here: BTreeSet<SourceId> = here.map(|one| one.id).collect();
            let there: Vec<Key> = there.into_iter().collect();
            let there: Vec<_> = self.store.named(&there)?.into_values().collect();
            let only_there = there.iter().filter(|one| !here.contains(&one.id));
            let labels = only_there.map(|one| self.redactions.label(one.kind, one.label.clone()));
            let labels: Vec<String> = labels.collect();
            if !labels.is_empty() {
                let (kind, id, verb) = &deed;
                let group = self.store.object(*kind, id)?;
                let group = group.map_or_else(|| id.to_string(), |one| one.label().to_owned());
                let group = self.redactions.label(*kind, group);
                let more = match labels.len().saturating_sub(NAMED) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                let named = labels[..labels.len().min(NAMED)].join(", ");
                let words = format!("{} {kind} {group}: {named}{more}", phrase(verb));
                self.only_there.push(words);
            }
            let there = there.into_iter().map(|one| one.id).collect();
            self.members.insert(deed, there);
        }
        Ok(())
    }

    pub(super) fn against(&self) -> Against<'_> {
        Against {
            name: &self.name,
            only_there: &self.only_there,
            skipped_there: &self.skipped_there,
            there: self,
        }
    }
}

impl There for Difference {
    fn lines(&self, action: &Action) -> io::Result<Option<Vec<Line>>> {
        let deed = deed(&action.subject, action.as_str());
        let Some(row) = self.both.get(&deed) else {
            return Ok(None);
        };
        let rows = self.store.take(&[*row]).map_err(io::Error::other)?;
        let names = LedgerRows::new(&self.store, self.cycle, self.redactions.clone());
        let lines = rows.first().map(|row| {
            let action = self.redactions.action(&row.action);
            report::lines(&action, Names::Rows(&names))
        });
        Ok(lines)
    }

    fn members(&self, action: &Action) -> Option<&BTreeSet<SourceId>> {
        self.members.get(&deed(&action.subject, action.as_str()))
    }
}
