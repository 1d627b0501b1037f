//! Problems and warnings of the configuration, and whether it is valid.

use std::io::{self, Write};

use serde_json::{Value as Json, json};

use super::format::FORMAT;
use crate::engine::check::Problem;

/// Problems and warnings of the configuration.
pub(crate) fn problems(
    out: &mut dyn Write,
    problems: &[Problem],
    warnings: &[Problem],
) -> io::Result<()> {
    let document = json!({
        "format": FORMAT,
        "ok": problems.is_empty(),
        "problems": problems.iter().map(problem_json).collect::<Vec<_>>(),
        "warnings": warnings.iter().map(problem_json).collect::<Vec<_>>(),
    });
    writeln!(out, "{document}")
}

fn problem_json(problem: &Problem) -> Json {
    let Problem {
        file,
        line,
        column,
        variable,
        key,
        message,
        remedy,
    } = problem;
    json!({
        "file": file.display().to_string(),
        "line": line,
        "column": column,
        "variable": variable,
        "key": key,
        "message": message,
        "remedy": remedy,
    })
}
