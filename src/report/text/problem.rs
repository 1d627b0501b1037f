//! Problems and warnings of the configuration, and whether it is valid.

use std::io::{self, Write};

use super::style::Style;
use crate::engine::check::Problem;
use crate::report::sentence::{clean, things};

/// One block for each problem or warning.
pub(crate) fn problem(
    out: &mut dyn Write,
    word: &str,
    problem: &Problem,
    style: Style,
) -> io::Result<()> {
    let Problem {
        file,
        line,
        column,
        variable,
        key,
        message,
        remedy,
    } = problem;
    let place = match (variable, line, column) {
        (Some(variable), _, _) => format!("environment variable {}", clean(variable)),
        (None, Some(line), Some(column)) => {
            format!("{}:{line}:{column}", clean(&file.display().to_string()))
        }
        (None, Some(line), None) => format!("{}:{line}", clean(&file.display().to_string())),
        (None, None, _) => clean(&file.display().to_string()),
    };
    let key = match key.as_str() {
        "" => String::new(),
        key => format!(": {}", clean(key)),
    };
    writeln!(out, "{} {place}{key}", style.bold(&format!("{word}:")))?;
    for line in message.lines() {
        writeln!(out, "    {}", clean(line))?;
    }
    for (place, line) in remedy.lines().enumerate() {
        let lead = if place == 0 { "help: " } else { "      " };
        writeln!(out, "    {lead}{}", clean(line))?;
    }
    Ok(())
}

/// The last line of a check that found no problem.
pub(crate) fn valid(file: &str, jobs: &[&str], warnings: &[Problem]) -> String {
    let names = match jobs {
        [] => String::new(),
        some => format!(" ({})", clean(&some.join(", "))),
    };
    let jobs = things(jobs.len() as u64, "job");
    let warnings = match warnings.len() {
        0 => String::new(),
        some => format!(", {}", things(some as u64, "warning")),
    };
    format!("{} is valid: {jobs}{names}{warnings}.", clean(file))
}

/// The last line of a check that found problems.
pub(crate) fn invalid(problems: &[Problem]) -> String {
    let problems = things(problems.len() as u64, "problem");
    format!("The configuration is not valid: {problems}.")
}
