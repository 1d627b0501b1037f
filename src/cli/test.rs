//! `entrain test`: Test Connection, for the source and for each target.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use super::exit::Exit;
use super::interrupt::Interrupt;
use super::load;
use super::output::Output;
use crate::cycle::{self, Agent};
use crate::report::text;
use crate::scheduler;
use crate::store::Store;

pub(super) async fn test(
    output: Output,
    file: Option<&Path>,
    names: &[String],
) -> anyhow::Result<Exit> {
    let config = Arc::new(load::config(output, file)?);
    let jobs = load::jobs(&config, names)?;
    // Nothing is to be remembered of a test.
    let store = Arc::new(Store::open_plan(&config.state)?);
    let interrupt = Interrupt::listen(output)?;
    let agent = Agent::new(
        Arc::clone(&config),
        store,
        interrupt.stop.clone(),
        scheduler::now,
    );
    if jobs.is_empty() {
        output.message("no job is enabled; nothing to test");
    }

    let mut exit = Exit::Done;
    let mut out = output.results();
    let mut text_out = output.text();
    let mut document = output.document(&mut out)?;
    for job in jobs {
        let name = &job.rules.name;
        if interrupt.is_stopped() {
            output.message(&format!("not tested: {name}"));
            exit = exit.max(Exit::Failed);
            continue;
        }
        let (checks, remarks) = match &agent {
            Ok(agent) => interrupt.guard(Box::pin(agent.test(job))).await?,
            Err(error) => {
                let sources = config.sources_of(job).into_iter();
                let checks = sources.map(|source| cycle::unusable(source, error));
                (checks.collect(), Vec::new())
            }
        };
        if checks.iter().any(|check| check.outcome.is_err()) {
            exit = exit.max(Exit::Failed);
        }
        match &mut document {
            Some(document) => document.checks(name, &checks, &remarks)?,
            None => text::checks(
                &mut text_out,
                name.as_str(),
                &checks,
                &remarks,
                output.style(),
            )?,
        }
        text_out.flush()?;
    }
    if let Some(document) = document {
        document.end()?;
    }
    out.flush()?;
    Ok(exit)
}
