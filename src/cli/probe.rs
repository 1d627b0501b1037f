//! `entrain probe`: finds out what a target can do, and prints a profile to review.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use super::args;
use super::confirm::confirmed;
use super::control::{self, Handed, Request};
use super::exit::Exit;
use super::load;
use super::output::{Look, Output};
use super::session::Session;
use super::usage::Usage;
use crate::cycle::{Agent, Probed};
use crate::engine::model::JobName;
use crate::report::command;
use crate::report::probe as report;
use crate::store::{CommandEnd, Store};

pub(super) async fn probe(
    output: Output,
    file: Option<&Path>,
    arguments: args::Probe,
) -> anyhow::Result<Exit> {
    let config = Arc::new(load::config(output, file)?);
    let job = load::job(&config, &arguments.job)?;
    let name = &job.rules.name;
    if arguments.write && job.observes {
        let read = command(&format!("probe {name}"));
        let words = format!(
            "{name} has mode = \"observe\", so nothing is written; to find out what can be read: {read}; to let it \
             write, remove mode from the job"
        );
        return Err(Usage(words).into());
    }
    if arguments.write {
        let names = Agent::scratch_names(job).join(", ");
        output.message(&format!(
            "{name}: will create, change and remove {names} in {}",
            job.target.base_url
        ));
        if !arguments.yes && !confirmed()? {
            return Err(Usage("nothing was written; use --yes to confirm".to_owned()).into());
        }
    }
    let session = if arguments.write {
        Session::cycles(output, &config, "probe", &[job]).await
    } else {
        Session::plan(output, &config).await
    };
    let mut kept = Vec::new();
    let (exit, words, left) = match session {
        Err(error) if control::is_service(&error) => {
            let request = Request::probe(job, Look::of(output));
            let state = &config.state;
            let CommandEnd { exit, words, .. } =
                Handed::one(output, &config, name, request).await?;
            let exit = Exit::from_code(exit);
            if exit >= Exit::Failed {
                anyhow::bail!(words);
            }
            let left = Store::open_read_only(state)?.scratch(name)?;
            let left = left.into_iter().map(|one| one.name).collect();
            (exit, words, left)
        }
        session => {
            let Session {
                agent, interrupt, ..
            } = &session?;
            let probing = Box::pin(agent.probe(job, arguments.write));
            let probed = interrupt.guard(probing).await??;
            let words = render(name, &probed, arguments.write, output.is_json());
            kept.clone_from(&probed.kept);
            (exit(&probed), words, probed.left)
        }
    };
    let mut out = output.results();
    out.write_all(words.as_bytes())?;
    out.flush()?;
    for one in &left {
        output.message(&format!(
            "{one} still exists in the target; the next probe --write or sync removes it"
        ));
    }
    for one in &kept {
        output.message(&format!(
            "{one} stays in the target, which does not delete it: delete it there"
        ));
    }
    Ok(exit)
}

/// The profile that is printed.
pub(super) fn render(job: &JobName, probed: &Probed, wrote: bool, json: bool) -> String {
    let Probed {
        findings, knobs, ..
    } = probed;
    let findings = findings
        .iter()
        .map(|one| (one.what.as_str(), one.seen.as_str()));
    let profile = report::Profile {
        job,
        findings: findings.collect(),
        knobs,
        wrote,
    };
    if json {
        report::json(&profile)
    } else {
        report::toml(&profile)
    }
}

pub(super) fn exit(probed: &Probed) -> Exit {
    if probed.left.is_empty() && probed.kept.is_empty() {
        Exit::Done
    } else {
        Exit::SomeFailed
    }
}
