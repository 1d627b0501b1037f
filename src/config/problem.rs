//! What is wrong with a configuration: told all at once, each problem with its file, line, key and
//! remedy. No problem ever repeats the value of a secret.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use crate::engine::model::nearest;

/// One thing to correct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The configuration, or a preset of the user's own.
    pub(crate) file: PathBuf,
    /// Counted from 1; `None` where no line is to blame, such as for a section that is missing.
    pub(crate) line: Option<usize>,
    /// In characters, counted from 1.
    pub(crate) column: Option<usize>,
    /// The environment variable that the value came from, instead of the file.
    pub(crate) variable: Option<String>,
    /// `jobs.wizer.target.base_url`; empty for the file as a whole.
    pub(crate) key: String,
    /// What is wrong; may have several lines.
    pub(crate) message: String,
    pub(crate) remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.variable, self.line) {
            (Some(variable), _) => f.write_str(variable)?,
            (None, Some(line)) => write!(f, "{}:{line}", self.file.display())?,
            (None, None) => write!(f, "{}", self.file.display())?,
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        f.write_str(": ")?;
        for (index, line) in self.message.lines().enumerate() {
            if index > 0 {
                f.write_str("\n    ")?;
            }
            f.write_str(line)?;
        }
        for line in self.remedy.lines() {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}

impl Problem {
    /// The same for a log, in which an entry is a line.
    pub(crate) fn one_line(&self) -> String {
        let text = self.to_string();
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        lines.join("; ")
    }
}

/// Every problem of a configuration; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// What a reading found, gathered while it goes on.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

impl Log {
    pub(super) fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    pub(super) fn warning(&mut self, warning: Problem) {
        self.warnings.push(warning);
    }

    /// In the order of the file, each once.
    pub(super) fn sort(&mut self) {
        for list in [&mut self.problems, &mut self.warnings] {
            list.sort_by_key(|problem| {
                (
                    problem.variable.is_some(),
                    problem.file.clone(),
                    problem.line,
                    problem.column,
                )
            });
            let mut told = BTreeSet::new();
            list.retain(|problem| told.insert(problem.to_string()));
        }
    }
}

/// `did you mean X?` where a name is close, else the list of all.
pub(super) fn suggest(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("write one of: {}", known.join(", ")),
    }
}
