//! `entrain plan --against FILE` and `--what-if CHANGE`: what another configuration would do, or the same one
//! without the change, to be compared with.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::interrupt::Interrupt;
use super::output::Output;
use super::source::{self, SnapshotFile};
use super::{load, plan};
use crate::config::{Config, Job};
use crate::cycle::{Agent, Options, OtherRows, SavedRow};
use crate::engine::model::JobName;
use crate::engine::redact::Redactions;
use crate::report::Against;
use crate::store::{StateKey, Store};

/// Another configuration or source, on the same state.
pub(super) struct Other {
    name: String,
    config: Arc<Config>,
    agent: Agent,
}

/// What it would do.
pub(super) struct Others {
    name: String,
    plans: BTreeMap<JobName, OtherRows>,
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
            state_path: config.state_path.clone(),
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
        let store = Arc::new(Store::open_plan(&config.state_path)?);
        Ok(Other {
            name,
            agent: source::agent(&config, &store, snapshot, interrupt)?,
            config,
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
        redactions: &dyn Fn(&Job) -> Redactions,
    ) -> anyhow::Result<Others> {
        let Self {
            name,
            config,
            agent,
        } = self;
        let mut plans = BTreeMap::new();
        for job in jobs {
            let job = &job.rules.name;
            let Some(job) = config.jobs.iter().find(|one| one.rules.name == *job) else {
                continue;
            };
            let planned = plan::one(output, &agent, interrupt, job, options).await?;
            let mut known = OtherRows::new();
            let mut note = |row: SavedRow<'_>| -> anyhow::Result<()> {
                let subject = &row.action.subject;
                let words = format!("{} {} {}", row.action.as_str(), subject.kind, subject.label);
                known.entry(row.digest).or_default().push(words);
                Ok(())
            };
            agent.each_saved_row(job, planned.cycle, key, &redactions(job), &mut note)?;
            plans.insert(job.rules.name.clone(), known);
        }
        Ok(Others { name, plans })
    }
}

impl Others {
    /// The rows of this job under the other configuration.
    pub(super) fn of(&mut self, job: &JobName) -> OtherRows {
        self.plans.remove(job).unwrap_or_default()
    }

    /// What a report shows of it: `left` are the rows that only the other plan has.
    pub(super) fn told(&self, left: OtherRows) -> Against {
        let mut only_there: Vec<String> = left.into_values().flatten().collect();
        only_there.sort();
        Against {
            name: self.name.clone(),
            only_there,
        }
    }
}
