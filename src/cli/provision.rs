//! `entrain provision`: users and groups on demand, with every step shown. It is a cycle that is limited to
//! them, and with `--dry-run` the plan of one.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::bail;

use super::args;
use super::control::{self, Handed, Request};
use super::cycles;
use super::exit::Exit;
use super::find;
use super::load;
use super::output::{Look, Output};
use super::rows::LedgerRows;
use super::session::Session;
use super::usage::Usage;
use crate::config::{Config, Job};
use crate::cycle::{self, Only, Options};
use crate::engine::model::{Key, ObjectKind};
use crate::engine::plan::{Action, Skipped};
use crate::engine::record::{LogEntry, LogStatus};
use crate::engine::redact::{Redactions, Shown};
use crate::report::provision::{self as report, Provisioned};
use crate::report::{Order, Part, PlanRow, Rows as _};
use crate::scheduler;
use crate::store::{CommandEnd, LogFilter, Store};

pub(super) async fn provision(
    output: Output,
    file: Option<&Path>,
    arguments: args::Provision,
) -> anyhow::Result<Exit> {
    let config = Arc::new(load::config(output, file)?);
    let job = load::job(&config, &arguments.job)?;
    let objects = arguments.objects.iter();
    let options = Options {
        only: Some(Only {
            objects: objects.map(|name| (None, name.clone())).collect(),
            with_members: true,
        }),
        ..Options::default()
    };
    let session = if arguments.dry_run {
        Session::plan(output, &config).await
    } else {
        Session::cycles(output, &config, "provision", &[job]).await
    };
    let (store, cycle, exit) = match &session {
        Err(error) if control::is_service(error) => {
            let (cycle, exit) = handed_over(output, &config, job, &options).await?;
            let store = Store::open_read_only(&config.state)?;
            (&Arc::new(store), cycle, exit)
        }
        Err(_) => return session.map(|_| Exit::Failed),
        Ok(Session {
            store,
            agent,
            interrupt,
            ..
        }) => {
            if arguments.dry_run {
                control::compare(output, store, [job])?;
                let planned = cycles::plan(output, agent, interrupt, job, &options).await?;
                (store, planned.cycle, Exit::of_plan(&planned, false))
            } else {
                let summary = cycles::run(output, agent, interrupt, job, &options).await?;
                (store, summary.cycle, Exit::of(summary.health()))
            }
        }
    };
    let gathered = Gathered::read(store, job, cycle, arguments.dry_run)?;
    let mut provisioned = Vec::new();
    for key in keys(store, job, &arguments.objects)? {
        let explanation = cycle::explain(store, job, key, scheduler::now()).await?;
        provisioned.extend(explanation.map(|explanation| gathered.of(key, explanation)));
    }
    cycle::with_names(Some(store), |names| {
        if output.is_json() {
            let mut out = output.results();
            let cycle = (!arguments.dry_run).then_some(cycle);
            report::json(&mut out, &job.rules.name, cycle, &provisioned, names)?;
            return out.flush();
        }
        let mut out = output.text();
        for (place, one) in provisioned.iter().enumerate() {
            if place > 0 {
                writeln!(out)?;
            }
            report::text(&mut out, one, names, output.style())?;
        }
        out.flush()
    })?;
    Ok(exit)
}

/// The cycle that a service ran, and how it ended.
async fn handed_over(
    output: Output,
    config: &Config,
    job: &Job,
    options: &Options,
) -> anyhow::Result<(i64, Exit)> {
    let name = &job.rules.name;
    let request = Request::cycle(job, options, Look::of(output));
    let CommandEnd { exit, cycle, words } = Handed::one(output, config, name, request).await?;
    match cycle {
        Some(cycle) => Ok((cycle, Exit::from_code(exit))),
        None if exit == Exit::Usage.code() => Err(Usage(words).into()),
        None => bail!(words),
    }
}

/// The objects that were named, and the members of the groups among them.
fn keys(store: &Store, job: &Job, objects: &[String]) -> anyhow::Result<Vec<Key>> {
    let mut keys = Vec::new();
    let mut known = BTreeSet::new();
    for name in objects {
        let object = find::object(store, name)?;
        if known.insert(object.key) {
            keys.push(object.key);
        }
        if object.kind == ObjectKind::Group {
            store.each_member(&job.rules.name, &[object.key], |member| {
                if known.insert(member.key) {
                    keys.push(member.key);
                }
            })?;
        }
    }
    Ok(keys)
}

/// What the cycle planned and did, object by object.
#[derive(Default)]
struct Gathered {
    planned: BTreeMap<Key, Vec<Action>>,
    held: BTreeMap<Key, Vec<Action>>,
    skipped: BTreeMap<Key, Vec<Skipped>>,
    entries: BTreeMap<Key, Vec<LogEntry>>,
    redactions: Redactions,
    is_dry_run: bool,
}

impl Gathered {
    fn read(store: &Store, job: &Job, cycle: i64, is_dry_run: bool) -> anyhow::Result<Self> {
        let redactions = Redactions::of(&job.rules);
        let mut gathered = Self {
            is_dry_run,
            redactions: redactions.clone(),
            ..Self::default()
        };
        let rows = LedgerRows::new(store, cycle, redactions);
        for part in [Part::Cleared, Part::Held, Part::Skipped] {
            rows.each(part, Order::Execution, &mut |row| {
                match (row, part) {
                    (PlanRow::Action(action, _), Part::Held) => {
                        let of_one = gathered.held.entry(action.subject.key).or_default();
                        of_one.push(Action::clone(action));
                    }
                    (PlanRow::Action(action, _), _) => {
                        let of_one = gathered.planned.entry(action.subject.key).or_default();
                        of_one.push(Action::clone(action));
                    }
                    (PlanRow::Skipped(skipped), _) => {
                        let of_one = gathered.skipped.entry(skipped.subject.key).or_default();
                        of_one.push(Skipped::clone(skipped));
                    }
                }
                Ok(())
            })?;
        }
        if is_dry_run {
            return Ok(gathered);
        }
        let filter = LogFilter {
            job: Some(job.rules.name.clone()),
            cycle: Some(cycle),
            ..LogFilter::default()
        };
        for entry in store.log(&filter, u32::MAX)?.into_iter().rev() {
            let is_planned =
                entry.status != LogStatus::Skipped && entry.action != crate::store::PLAN;
            if is_planned {
                let Some(subject) = &entry.subject else {
                    continue;
                };
                let of_one = gathered.entries.entry(subject.key).or_default();
                of_one.push(entry);
            }
        }
        Ok(gathered)
    }

    fn of(&self, key: Key, explanation: crate::engine::explain::Explanation) -> Provisioned {
        let actions = |of: &BTreeMap<Key, Vec<Action>>| -> Vec<Shown<'static, Action>> {
            let actions = of.get(&key).into_iter().flatten();
            actions
                .map(|action| self.redactions.action(action).into_owned())
                .collect()
        };
        let skipped = self.skipped.get(&key).into_iter().flatten();
        Provisioned {
            planned: actions(&self.planned),
            held: actions(&self.held),
            skipped: skipped
                .map(|one| self.redactions.skipped(one).into_owned())
                .collect(),
            entries: self.entries.get(&key).cloned().unwrap_or_default(),
            is_dry_run: self.is_dry_run,
            explanation,
        }
    }
}
