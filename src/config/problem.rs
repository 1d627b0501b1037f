//! What is wrong with a configuration: reported together, each problem with its file, line, key and
//! remedy. No problem ever repeats the value of a secret.

use std::collections::BTreeSet;
use std::fmt;

pub(crate) use crate::engine::check::Problem;
use crate::engine::model::nearest;

/// Every problem of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problems {
    /// Never empty.
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
}

impl Problems {
    pub(crate) fn one(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
            warnings: Vec::new(),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
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
