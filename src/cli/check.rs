//! `entrain check`: every problem of the configuration at once, without any network.

use std::io::{self, Write};
use std::path::Path;

use super::exit::Exit;
use super::load::load;
use super::output::Output;
use crate::config::{self, Config, Problems};
use crate::cycle;
use crate::engine::check::Problem;
use crate::report::{self, json, text};
use crate::store::Store;

/// The JSON Schema of the configuration, for editors.
pub(super) fn schema(output: Output) -> anyhow::Result<Exit> {
    let mut out = output.results();
    writeln!(out, "{:#}", config::schema())?;
    out.flush()?;
    Ok(Exit::Done)
}

pub(super) fn check(output: Output, file: Option<&Path>) -> anyhow::Result<Exit> {
    let loaded = load(file);
    let (problems, warnings) = match &loaded {
        Ok(loaded) => {
            let mut warnings = loaded.warnings.clone();
            warnings.extend(misfits(&loaded.config));
            (&[][..], warnings)
        }
        Err(Problems { problems, warnings }) => (&problems[..], warnings.clone()),
    };
    let warnings = &warnings[..];
    let mut out = output.text();
    if output.is_json() {
        json::problems(&mut out, problems, warnings)?;
    } else {
        print(&mut out, "error", problems, output)?;
        print(&mut out, "warning", warnings, output)?;
        let verdict = match &loaded {
            Ok(loaded) => {
                let jobs = loaded.config.jobs.iter();
                let names: Vec<_> = jobs.map(|job| job.rules.name.as_str()).collect();
                text::valid(&loaded.config.file.display().to_string(), &names, warnings)
            }
            Err(_) => text::invalid(problems),
        };
        writeln!(out, "{verdict}")?;
    }
    out.flush()?;
    Ok(if problems.is_empty() {
        Exit::Done
    } else {
        Exit::Usage
    })
}

/// Mappings that do not fit what the targets reported of themselves when they were last asked.
fn misfits(config: &Config) -> Vec<Problem> {
    if !config.state.path.exists() {
        return Vec::new();
    }
    // Whether the state is usable is not the configuration's concern.
    let Ok(store) = Store::open_plan(&config.state) else {
        return Vec::new();
    };
    let mut problems = Vec::new();
    for job in &config.jobs {
        let remarks = cycle::known_remarks(&store, job).unwrap_or_default();
        problems.extend(remarks.iter().map(|remark| Problem {
            file: config.file.clone(),
            line: None,
            column: None,
            variable: None,
            key: format!("jobs.{}", job.rules.name),
            message: report::remark(remark),
            remedy: report::remark_remedy(remark).to_owned(),
        }));
    }
    problems
}

fn print(out: &mut dyn Write, word: &str, problems: &[Problem], output: Output) -> io::Result<()> {
    for problem in problems {
        text::problem(out, word, problem, output.style())?;
        writeln!(out)?;
    }
    Ok(())
}
