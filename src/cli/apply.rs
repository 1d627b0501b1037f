//! `entrain apply`: carries out a saved plan, if it is still what a cycle would do.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use super::exit::Exit;
use super::output::Output;
use super::reports::{Reports, Wanted};
use super::session::Session;
use super::{args, load, saved, sync};
use crate::cycle::{Options, Portion};
use crate::engine::summary::ReadBack;
use crate::report::text;
use crate::scheduler;

pub(super) async fn apply(
    output: Output,
    file: Option<&Path>,
    arguments: args::Apply,
) -> anyhow::Result<Exit> {
    let wanted = arguments.out.iter().map(|path| Wanted::parse(path));
    let wanted = wanted.collect::<anyhow::Result<Vec<_>>>()?;
    let config = Arc::new(load::config(output, file)?);
    let plans = saved::read(&arguments.file)?;
    if let Some(expect) = &arguments.expect
        && !plans.iter().all(|plan| plan.digest == *expect)
    {
        let found: Vec<_> = plans.iter().map(|plan| plan.digest.as_str()).collect();
        anyhow::bail!(
            "{} has another digest ({}): it is not the expected plan",
            arguments.file.display(),
            found.join(", ")
        );
    }
    let by_group = arguments.only_group.clone().map(Portion::Group);
    let portion = arguments.only.map(Portion::Users).or(by_group);
    let session = Session::cycles(output, &config, "apply").await?;
    let Session {
        store,
        agent,
        interrupt,
        ..
    } = &session;
    // Every plan is looked at before the first is carried out.
    let mut checked = Vec::new();
    for plan in plans {
        let job = load::job(&config, plan.job.as_str())?;
        let tenant = config.source.tenant_id.as_str();
        let options = plan.options();
        let how = saved::Apply {
            only: portion.clone(),
            is_expected: arguments.expect.is_some(),
        };
        let expected = plan.expected(agent.key(), tenant, job, how);
        let expected =
            expected.with_context(|| format!("{} cannot be applied", arguments.file.display()))?;
        checked.push((job, options, expected));
    }
    let mut reports = Reports::begin_done(&wanted, scheduler::now())?;
    let mut exit = Exit::Done;
    let mut out = output.results();
    let mut text_out = output.text();
    let mut document = output.document(&mut out)?;
    for (job, options, expected) in checked {
        let options = Options {
            saved: Some(Arc::new(expected)),
            ..options
        };
        let ended = sync::one(output, agent, interrupt, job, &options).await;
        reports.last_cycle(store, &config, &job.rules.name)?;
        match ended {
            Ok(summary) => {
                exit = exit.max(Exit::of(summary.health()));
                if portion.is_none() {
                    match &mut document {
                        Some(document) => document.summary(&summary)?,
                        None => text::summary(&mut text_out, &summary, output.style())?,
                    }
                    continue;
                }
                let reading = Box::pin(agent.read_back(job, summary.cycle));
                let read = interrupt.guard(reading).await??;
                if !read.is_as_written() {
                    exit = exit.max(Exit::SomeFailed);
                }
                if let Some(document) = &mut document {
                    document.part(&summary, &read)?;
                } else {
                    text::summary(&mut text_out, &summary, output.style())?;
                    text::read_back(&mut text_out, &read, output.style())?;
                    text_out.flush()?;
                }
                output.message(&offer_rest(&arguments, &read));
            }
            Err(error) => {
                exit = exit.max(Exit::of_error(&error));
                let error = output.error_of(&job.rules.name, &error);
                if let Some(document) = &mut document {
                    document.error(&job.rules.name, &error)?;
                }
            }
        }
    }
    text_out.flush()?;
    if let Some(document) = document {
        document.end()?;
    }
    out.flush()?;
    for sentence in reports.end()? {
        output.message(&sentence);
    }
    Ok(exit)
}

/// The command that carries out the rest.
fn offer_rest(arguments: &args::Apply, read: &ReadBack) -> String {
    let first = if read.is_as_written() {
        ""
    } else {
        "Check the differences before the rest is applied. "
    };
    let expect = arguments.expect.as_ref();
    let expect = expect.map(|digest| format!(" --expect {digest}"));
    format!(
        "{first}To apply the rest of the plan: entrain apply {}{}",
        arguments.file.display(),
        expect.unwrap_or_default()
    )
}
