//! Results of checks: of the connections by `entrain test`, and of the configuration by `entrain check`.

use std::fmt;
use std::path::PathBuf;

/// One thing that a cycle needs, and how trying it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    /// Such as "source: access token".
    pub(crate) what: String,
    /// What was found, in a few words.
    pub(crate) outcome: Result<String, Failed>,
}

/// Why a check failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    /// The failure with all its causes, in the service's own words.
    pub(crate) words: String,
    pub(crate) remedy: Option<String>,
}

/// A problem or a warning of the configuration.
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
