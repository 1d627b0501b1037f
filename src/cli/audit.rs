//! `entrain audit`: what a target holds, compared with what was last written and with what is wanted. Like
//! `plan`, it holds nothing that could write to the state or to a target.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use super::args;
use super::control;
use super::exit::Exit;
use super::format::Format;
use super::load;
use super::output::Output;
use super::plan::view;
use super::progress::Bars;
use super::rows::LedgerRows;
use super::session::Session;
use crate::cycle::{Audited, Options};
use crate::engine::redact::Redactions;
use crate::report::{audit as report, text};
use crate::scheduler;

pub(super) async fn audit(
    output: Output,
    file: Option<&Path>,
    arguments: args::Audit,
) -> anyhow::Result<Exit> {
    let config = Arc::new(load::config(output, file)?);
    let job = load::job(&config, &arguments.job)?;
    let session = Session::plan(output, &config).await?;
    let Session {
        store,
        agent,
        interrupt,
        ..
    } = &session;
    control::compare(output, store, [job])?;
    let options = Options::auditing();
    let Audited { audit, planned } = {
        let bars = Bars::new(output);
        let (progress, _follower) = bars.follow(&job.rules.name);
        let auditing = agent.audit(job, &options, arguments.plan, &progress, agent.due(job));
        interrupt.guard(Box::pin(auditing)).await??
    };
    if arguments.plan {
        let rows = LedgerRows::new(store, planned.cycle, Redactions::of(&job.rules));
        let view = view(job, &planned, &rows, scheduler::now());
        let mut out = output.results();
        if let Some(mut document) = output.document(&mut out)? {
            document.plan(&view)?;
            document.end()?;
        } else {
            let mut out = output.text();
            text::plan(&mut out, &view, output.style())?;
            out.flush()?;
        }
        out.flush()?;
        return Ok(Exit::of_plan(&planned, arguments.detailed_exitcode));
    }
    let mut out = output.text();
    match output.format {
        Format::Text => report::text(&mut out, &audit, output.style())?,
        Format::Json => report::json(&mut out, &audit)?,
        Format::Csv => report::csv(&mut out, &audit)?,
        // Only the log has it.
        Format::Entra => {}
    }
    out.flush()?;
    Ok(if audit.incomplete.is_some() {
        Exit::Failed
    } else if arguments.detailed_exitcode && audit.has_findings() {
        Exit::Pending
    } else {
        Exit::Done
    })
}
