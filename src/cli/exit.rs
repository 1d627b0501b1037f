//! Exit codes, and which of several jobs' counts.

use std::process::ExitCode;

use crate::cycle::Planned;
use crate::engine::summary::Summary;

/// How a command ended, the gravest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exit {
    /// Done, or nothing to do.
    Done,
    /// `--detailed-exitcode`: changes are pending.
    Pending,
    /// The cycle went through, but some objects failed.
    Partly,
    /// Removals are held back.
    Held,
    Failed,
    /// Wrong usage or configuration. Known before any job starts.
    Usage,
}

impl Exit {
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Partly => 3,
            Self::Held => 4,
            Self::Pending => 5,
        }
    }

    /// A cycle that was stopped, broken off, or could not read the source completely has failed.
    pub(super) fn of_summary(summary: &Summary) -> Self {
        if summary.aborted.is_some() || summary.incomplete.is_some() || summary.stopped {
            Self::Failed
        } else if summary.held.is_some() {
            Self::Held
        } else if summary.failed > 0 || summary.not_tried > 0 {
            Self::Partly
        } else {
            Self::Done
        }
    }

    pub(super) fn of_plan(planned: &Planned, detailed: bool) -> Self {
        if planned.header.incomplete.is_some() {
            Self::Failed
        } else if planned.held.is_some() {
            Self::Held
        } else if planned.totals.failing > 0 {
            Self::Partly
        } else if detailed && !planned.totals.is_empty() {
            Self::Pending
        } else {
            Self::Done
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_jobs_the_gravest_counts() {
        let gravest = |exits: &[Exit]| exits.iter().max().map(|exit| exit.code());
        assert_eq!(gravest(&[Exit::Done, Exit::Pending]), Some(5));
        assert_eq!(gravest(&[Exit::Partly, Exit::Pending, Exit::Done]), Some(3));
        assert_eq!(gravest(&[Exit::Held, Exit::Partly]), Some(4));
        assert_eq!(gravest(&[Exit::Held, Exit::Failed]), Some(1));
    }
}
