//! `entrain test --notify`: a trial of each way to notify.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use super::exit::Exit;
use super::interrupt::Interrupt;
use super::load;
use super::output::Output;
use crate::config::Config;
use crate::engine::check::{Check, Failed};
use crate::notify;
use crate::report::notice::channel_name;
use crate::report::{json, text};
use crate::scheduler;

pub(super) async fn trial(
    output: Output,
    file: Option<&Path>,
    names: &[String],
) -> anyhow::Result<Exit> {
    let config = load::config(output, file)?;
    let interrupt = Interrupt::listen(output)?;
    let checks = interrupt.guard(send(&config, names, output)).await??;
    if checks.is_empty() {
        output.message("no notifications are configured: add [notify] to the configuration");
    }
    let mut out = output.text();
    if output.is_json() {
        json::trial(&mut out, &checks)?;
    } else if !checks.is_empty() {
        text::checks(&mut out, "notifications", &checks, &[], output.style())?;
    }
    out.flush()?;
    let has_failed = checks.iter().any(|check| check.outcome.is_err());
    Ok(if has_failed || checks.is_empty() {
        Exit::Failed
    } else {
        Exit::Done
    })
}

/// A trial by every way, or by those of the named jobs.
async fn send(config: &Config, names: &[String], output: Output) -> anyhow::Result<Vec<Check>> {
    let jobs = load::jobs(config, names)?;
    let wanted: Option<BTreeSet<String>> = (!names.is_empty()).then(|| {
        let names = jobs.iter().map(|job| job.rules.name.as_str());
        names
            .flat_map(|name| notify::channels_of(config, Some(name)))
            .collect()
    });
    let at = scheduler::now();
    let notice = scheduler::From::new(config).trial(at);
    let mut checks = Vec::new();
    for (name, channel) in notify::channels(config) {
        if wanted
            .as_ref()
            .is_some_and(|wanted| !wanted.contains(&name))
        {
            continue;
        }
        let message = scheduler::written(&channel, &notice, at);
        let to = channel_name(&name);
        output.message(&format!("sending to {to}"));
        checks.push(check(to, channel.send(&message).await));
    }
    let general = config.notify.heartbeat.iter();
    let general = general.map(|secret| ("heartbeat".to_owned(), secret));
    let of_jobs = jobs.iter().filter_map(|job| {
        let secret = job.notify.heartbeat.as_ref()?;
        Some((format!("heartbeat of {}", job.rules.name), secret))
    });
    for (what, secret) in general.chain(of_jobs) {
        let called = notify::call_heartbeat(secret, &format!("the {what}")).await;
        checks.push(check(what, called));
    }
    Ok(checks)
}

fn check(what: String, sent: Result<String, notify::Error>) -> Check {
    let outcome = sent.map_err(|error| Failed {
        remedy: Some(error.remedy().to_owned()),
        words: error.chain(),
    });
    Check { what, outcome }
}
