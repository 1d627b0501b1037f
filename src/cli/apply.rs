//! `entrain apply`: carries out a saved plan, if it is still what a cycle would do.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use super::control::{self, Handed, Request};
use super::exit::Exit;
use super::output::{Look, Output};
use super::reports::{Reports, Wanted, expect_each};
use super::saved::SavedPlan;
use super::session::Session;
use super::sync::{Printed, Printer, render};
use super::{args, cycles, load, operator, saved, sync};
use crate::config::{Config, Job};
use crate::cycle::{Expected, Options};
use crate::engine::model::JobName;
use crate::report::{argument, command};
use crate::scheduler;
use crate::store::{StateKey, Store};

pub(super) async fn apply(
    output: Output,
    file: Option<&Path>,
    arguments: args::Apply,
) -> anyhow::Result<Exit> {
    let wanted = Wanted::parse_all(&arguments.reports.out)?;
    let config = Arc::new(load::config(output, file)?);
    let plans = saved::read(&arguments.file)?;
    let found: BTreeSet<&str> = plans.iter().map(|plan| plan.digest.as_str()).collect();
    let expect: BTreeSet<&str> = arguments.expect.iter().map(String::as_str).collect();
    if !expect.is_empty() && expect != found {
        let found: Vec<_> = found.into_iter().collect();
        anyhow::bail!(
            "{} has another digest ({}): it is not the expected plan",
            arguments.file.display(),
            found.join(", ")
        );
    }
    if arguments.approve_removals.is_some() && plans.len() > 1 {
        anyhow::bail!(
            "--approve-removals is for a plan of one job, and {} has {}: make one for each job",
            arguments.file.display(),
            plans.len()
        );
    }
    let how = saved::Apply {
        only_users: arguments.only,
        only_group: arguments.only_group.clone(),
        is_expected: !arguments.expect.is_empty(),
        approved: arguments
            .approve_removals
            .map(|removals| (removals, operator::who())),
    };
    let predicted = plans
        .iter()
        .map(|plan| (JobName::new(plan.job()), plan.predicted()));
    let reports = Reports::begin_applied(&wanted, scheduler::now(), predicted.collect())?;
    // Those that are not configured are reported when the plan is checked.
    let jobs = plans
        .iter()
        .filter_map(|plan| load::job(&config, plan.job()).ok());
    let jobs: Vec<_> = jobs.collect();
    let printed = match Session::cycles(output, &config, "apply", &jobs).await {
        Err(error) if control::is_service(&error) => {
            let store = Store::open(&config.state)?;
            // The service checks them anyway. It may be the only one that can read the key.
            if let Ok(key) = store.key(config.state_key.as_ref()) {
                expected(&config, &key, &arguments.file, &plans, &how)?;
            }
            let requests = plans.into_iter().map(|plan| {
                let job = load::job(&config, plan.job())?;
                let request = Request::apply(job, plan, how.clone(), Look::of(output));
                Ok((job.rules.name.clone(), request))
            });
            let requests = requests.collect::<anyhow::Result<Vec<_>>>()?;
            let handed = Handed::over(output, &config, requests)?;
            sync::handed_over(output, &config, handed, reports).await?
        }
        session => {
            alone(
                output, &config, &session?, &arguments, &plans, &how, reports,
            )
            .await?
        }
    };
    if printed.is_any_done && how.portion().is_some() {
        output.message(&offer_rest(&arguments, printed.exit));
    }
    Ok(printed.exit)
}

/// Every plan is looked at before the first is carried out.
fn expected<'c>(
    config: &'c Config,
    key: &StateKey,
    file: &Path,
    plans: &[SavedPlan],
    how: &saved::Apply,
) -> anyhow::Result<Vec<(&'c Job, Expected)>> {
    let plans = plans.iter().map(|plan| {
        let job = load::job(config, plan.job())?;
        let expected = plan.expected(key, &config.tenants_of(job), job, how);
        let expected = expected.with_context(|| format!("{} cannot be applied", file.display()))?;
        Ok((job, expected))
    });
    plans.collect()
}

async fn alone(
    output: Output,
    config: &Config,
    session: &Session,
    arguments: &args::Apply,
    plans: &[SavedPlan],
    how: &saved::Apply,
    reports: Reports,
) -> anyhow::Result<Printed> {
    let Session {
        store,
        agent,
        interrupt,
        ..
    } = session;
    let checked = expected(config, agent.key(), &arguments.file, plans, how)?;
    let mut out = output.results();
    let mut printer = Printer::begin(output, &mut out, reports)?;
    for ((job, expected), plan) in checked.into_iter().zip(plans) {
        let options = Options {
            saved: Some(Arc::new(expected)),
            ..plan.options()
        };
        let ended = cycles::run(output, agent, interrupt, job, &options).await;
        printer.reports.last_cycle(store, config, &job.rules.name)?;
        let ended = match ended {
            Ok(summary) => {
                let read_back = match how.portion() {
                    Some(_) => {
                        let reading = Box::pin(agent.read_back(job, summary.cycle));
                        Some(interrupt.guard(reading).await??)
                    }
                    None => None,
                };
                let read_back = read_back.as_ref();
                let words = render(&summary, read_back, Some(job), store, Look::of(output))?;
                Ok((Exit::of_part(summary.health(), read_back), words))
            }
            Err(error) => Err((Exit::of_error(&error), error)),
        };
        printer.job(&job.rules.name, ended)?;
    }
    let all = printer.end()?;
    out.flush()?;
    Ok(all)
}

/// The command that carries out the rest.
fn offer_rest(arguments: &args::Apply, exit: Exit) -> String {
    let first = match exit {
        Exit::Done => "",
        _ => "Check the differences and failures before the rest is applied. ",
    };
    let expect = expect_each(arguments.expect.iter().map(String::as_str));
    format!(
        "{first}To apply the rest of the plan: {}",
        command(&format!("apply {}{expect}", argument(&arguments.file)))
    )
}
