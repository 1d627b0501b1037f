//! Exit codes, and which one is returned for several jobs.

use std::process::ExitCode;

use crate::cycle::{self, Planned};
use crate::engine::summary::{Health, ReadBack};

/// How a command ended, the most severe last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exit {
    /// Done, or nothing to do.
    Done,
    /// `--detailed-exitcode`: changes are pending.
    Pending,
    /// The cycle was completed, but some objects failed.
    SomeFailed,
    /// Removals are held, or the job is in quarantine.
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
            Self::SomeFailed => 3,
            Self::Held => 4,
            Self::Pending => 5,
        }
    }

    pub(super) fn from_code(code: u8) -> Self {
        let all = [
            Self::Done,
            Self::Pending,
            Self::SomeFailed,
            Self::Held,
            Self::Usage,
        ];
        let known = all.into_iter().find(|exit| exit.code() == code);
        known.unwrap_or(Self::Failed)
    }

    pub(super) fn of(health: Health) -> Self {
        match health {
            Health::Succeeded => Self::Done,
            Health::ObjectsFailed => Self::SomeFailed,
            Health::Held | Health::Quarantined => Self::Held,
            Health::Incomplete | Health::Stopped | Health::Failed => Self::Failed,
        }
    }

    /// Of a part of a plan, which was read back.
    pub(super) fn of_part(health: Health, read_back: Option<&ReadBack>) -> Self {
        match read_back {
            Some(read) if !read.is_as_written() => Self::of(health).max(Self::SomeFailed),
            _ => Self::of(health),
        }
    }

    pub(super) fn of_error(error: &anyhow::Error) -> Self {
        let cycle = error.downcast_ref::<cycle::Error>();
        cycle.map_or(Self::Failed, Self::of_cycle_error)
    }

    pub(super) fn of_cycle_error(error: &cycle::Error) -> Self {
        if error.needs_decision() {
            Self::Held
        } else if error.is_of_a_name() {
            Self::Usage
        } else {
            Self::Failed
        }
    }

    pub(super) fn of_plan(planned: &Planned, detailed: bool) -> Self {
        if planned.header.incomplete.is_some() {
            Self::Failed
        } else if !planned.held.is_empty() {
            Self::Held
        } else if planned.totals.failing > 0 {
            Self::SomeFailed
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
    fn of_several_jobs_the_most_severe_code_is_returned() {
        let most_severe = |exits: &[Exit]| exits.iter().max().map(|exit| exit.code());
        assert_eq!(most_severe(&[Exit::Done, Exit::Pending]), Some(5));
        assert_eq!(
            most_severe(&[Exit::SomeFailed, Exit::Pending, Exit::Done]),
            Some(3)
        );
        assert_eq!(most_severe(&[Exit::Held, Exit::SomeFailed]), Some(4));
        assert_eq!(most_severe(&[Exit::Held, Exit::Failed]), Some(1));
    }
}
