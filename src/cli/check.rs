//! `entrain check`: every problem of the configuration at once, without any network.

use std::io::{self, Write};
use std::path::Path;

use super::exit::Exit;
use super::load::load;
use super::output::Output;
use crate::config::Problems;
use crate::engine::check::Problem;
use crate::report::{json, text};

pub(super) fn check(output: Output, file: Option<&Path>) -> anyhow::Result<Exit> {
    let loaded = load(file);
    let (problems, warnings) = match &loaded {
        Ok(loaded) => (&[][..], &loaded.warnings[..]),
        Err(Problems(problems)) => (&problems[..], &[][..]),
    };
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

fn print(out: &mut dyn Write, word: &str, problems: &[Problem], output: Output) -> io::Result<()> {
    for problem in problems {
        text::problem(out, word, problem, output.style())?;
        writeln!(out)?;
    }
    Ok(())
}
