//! Finds and loads the configuration, and picks the jobs that were named.

use std::path::Path;

use super::output::Output;
use super::usage::Usage;
use crate::config::{self, Config, Job, Loaded, Problems, Source};
use crate::engine::model::nearest;
use crate::report::text;

/// The configuration with its warnings, or everything that is wrong with it.
pub(super) fn load(file: Option<&Path>) -> Result<Loaded, Problems> {
    config::load(&config::find_file(file)?)
}

/// The configuration, once it is free of problems; all of them go to standard error otherwise.
pub(super) fn config(output: Output, file: Option<&Path>) -> anyhow::Result<Config> {
    valid(output, load(file))
}

/// The one source of this name, or the only one, for commands that make a configuration: no job need be there.
pub(super) fn source(
    output: Output,
    file: Option<&Path>,
    name: Option<&str>,
) -> anyhow::Result<Source> {
    let sources = config::find_file(file).and_then(|file| config::load_sources(&file));
    let mut sources = sources.or_else(|problems| Err(refused(output, problems)?))?;
    let names: Vec<String> = sources.iter().map(|source| source.name.clone()).collect();
    if let Some(name) = name {
        sources.retain(|source| source.name == name);
    }
    match sources.len() {
        1 => Ok(sources.remove(0)),
        0 => Err(unknown_source(name.unwrap_or_default(), &names).into()),
        _ => {
            let names = names.join(", ");
            let words = format!("there are several sources; name one with --source: {names}");
            Err(Usage(words).into())
        }
    }
}

pub(super) fn unknown_source(name: &str, known: &[String]) -> Usage {
    let hint = match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near:?}?"),
        None if known.iter().all(String::is_empty) => {
            "the configuration has one source, without a name".to_owned()
        }
        None => format!("use one of {}", known.join(", ")),
    };
    Usage(format!("there is no source named {name:?}: {hint}"))
}

/// The same of this file alone, whatever the environment says.
pub(super) fn config_alone(output: Output, file: &Path) -> anyhow::Result<Config> {
    valid(output, config::load_alone(file))
}

fn valid(output: Output, loaded: Result<Loaded, Problems>) -> anyhow::Result<Config> {
    match loaded {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                let warning = warning.one_line();
                tracing::info!(warning, "the configuration is valid, but");
            }
            Ok(loaded.config)
        }
        Err(problems) => Err(refused(output, problems)?),
    }
}

/// Prints what is wrong, and gives the error that it ends in.
fn refused(output: Output, problems: Problems) -> anyhow::Result<anyhow::Error> {
    let Problems { problems, .. } = problems;
    let mut text = Vec::new();
    for problem in &problems {
        text::problem(&mut text, "error", problem, output.message_style())?;
        text.push(b'\n');
    }
    output.message(String::from_utf8_lossy(&text).trim_end());
    let plural = if problems.len() == 1 { "" } else { "s" };
    let message = format!("the configuration has {} problem{plural}", problems.len());
    Ok(Usage(message).into())
}

/// The jobs of these names, disabled ones included; all enabled jobs when none is named.
pub(super) fn jobs<'a>(config: &'a Config, names: &[String]) -> anyhow::Result<Vec<&'a Job>> {
    if names.is_empty() {
        return Ok(config.jobs.iter().filter(|job| job.enabled).collect());
    }
    let mut chosen: Vec<&Job> = Vec::new();
    for name in names {
        let job = job(config, name)?;
        if !chosen
            .iter()
            .any(|known| known.rules.name == job.rules.name)
        {
            chosen.push(job);
        }
    }
    Ok(chosen)
}

pub(super) fn job<'a>(config: &'a Config, name: &str) -> anyhow::Result<&'a Job> {
    let mut jobs = config.jobs.iter();
    match jobs.find(|job| job.rules.name.as_str() == name) {
        Some(job) => Ok(job),
        None => Err(Usage(unknown(config, name)).into()),
    }
}

fn unknown(config: &Config, name: &str) -> String {
    let known = config.jobs.iter().map(|job| job.rules.name.as_str());
    let hint = match nearest(name, known.clone()) {
        Some(nearest) => format!("did you mean \"{nearest}\"?"),
        None => format!("there are: {}", known.collect::<Vec<_>>().join(", ")),
    };
    format!("there is no job \"{name}\"; {hint}")
}
