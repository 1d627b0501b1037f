//! What passes between a command and the service: the request in the state, and lines on the socket.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cli::output::Look;
use crate::cli::saved::{Apply, SavedPlan};
use crate::config::Job;
use crate::cycle::{Only, Options};
use crate::engine::model::ObjectKind;
use crate::engine::plan::Count;
use crate::engine::summary::Progress;
use crate::report::text::Style;

/// What is requested of a job, and how its result is to look.
#[derive(Debug, Deserialize, Serialize)]
pub(in crate::cli) struct Request {
    pub(super) work: Work,
    /// Digest of the job's configuration as the command has it.
    #[serde(default)]
    pub(super) configuration: Option<String>,
    look: WrittenLook,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Work {
    Cycle {
        initial: bool,
        /// Objects by kind, where one is given, and name; `None`: all that are due.
        only: Option<Vec<(Option<String>, String)>>,
        max_deletions: Option<u64>,
    },
    /// A saved plan is carried out.
    Apply(SavedPlan, Apply),
    /// Scratch objects show what the target can do.
    Probe,
}

#[derive(Debug, Deserialize, Serialize)]
struct WrittenLook {
    json: bool,
    colour: bool,
    details: bool,
}

impl Request {
    fn new(job: &Job, work: Work, look: Look) -> Self {
        Self {
            work,
            configuration: Some(job.configuration().digest),
            look: WrittenLook {
                json: look.json,
                colour: look.style.colour,
                details: look.style.details,
            },
        }
    }

    pub(in crate::cli) fn apply(job: &Job, plan: SavedPlan, how: Apply, look: Look) -> Self {
        Self::new(job, Work::Apply(plan, how), look)
    }

    pub(in crate::cli) fn probe(job: &Job, look: Look) -> Self {
        Self::new(job, Work::Probe, look)
    }

    pub(in crate::cli) fn cycle(job: &Job, options: &Options, look: Look) -> Self {
        let only = options.only.as_ref().map(|only| {
            let objects = only.objects.iter();
            let word = |kind: &ObjectKind| kind.word().to_owned();
            objects
                .map(|(kind, name)| (kind.as_ref().map(word), name.clone()))
                .collect()
        });
        let work = Work::Cycle {
            initial: options.initial,
            only,
            max_deletions: options.max_deletions,
        };
        Self::new(job, work, look)
    }

    pub(super) fn look(&self) -> Look {
        let WrittenLook {
            json,
            colour,
            details,
        } = self.look;
        Look {
            json,
            style: Style { colour, details },
        }
    }
}

/// What is requested of a cycle.
pub(super) fn options(
    initial: bool,
    only: Option<&[(Option<String>, String)]>,
    max_deletions: Option<u64>,
) -> Options {
    let kind = |word: &String| {
        ObjectKind::ALL
            .into_iter()
            .find(|kind| kind.word() == word.as_str())
    };
    Options {
        initial,
        max_deletions,
        only: only.map(|objects| Only {
            objects: objects
                .iter()
                .map(|(of, name)| (of.as_ref().and_then(kind), name.clone()))
                .collect(),
            with_members: true,
        }),
        ..Options::default()
    }
}

/// The socket next to the state file.
pub(super) fn socket_of(state: &Path) -> PathBuf {
    let mut name = state.as_os_str().to_owned();
    name.push(".sock");
    PathBuf::from(name)
}

/// One line of the socket: where the cycle of a command stands.
pub(super) fn line(id: i64, progress: Progress) -> String {
    let (step, numbers) = match progress {
        Progress::Waiting => ("waiting", [0, 0, 0]),
        Progress::Reading(Count { users, groups }) => ("reading", [users, groups, 0]),
        Progress::Matching { done, total } => ("matching", [done, total, 0]),
        Progress::Planning { done, total } => ("planning", [done, total, 0]),
        Progress::Applying {
            done,
            failed,
            total,
        } => ("applying", [done, failed, total]),
    };
    let [first, second, third] = numbers;
    format!("{id} {step} {first} {second} {third}\n")
}

/// The other way round; `None`: no such line.
pub(super) fn read_line(line: &str) -> Option<(i64, Progress)> {
    let mut words = line.split_whitespace();
    let id = words.next()?.parse().ok()?;
    let step = words.next()?;
    let mut number = || words.next()?.parse::<u64>().ok();
    let (first, second, third) = (number()?, number()?, number()?);
    let progress = match step {
        "waiting" => Progress::Waiting,
        "reading" => Progress::Reading(Count {
            users: first,
            groups: second,
        }),
        "matching" => Progress::Matching {
            done: first,
            total: second,
        },
        "planning" => Progress::Planning {
            done: first,
            total: second,
        },
        "applying" => Progress::Applying {
            done: first,
            failed: second,
            total: third,
        },
        _ => return None,
    };
    Some((id, progress))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_survives_the_socket() {
        for progress in [
            Progress::Waiting,
            Progress::Reading(Count {
                users: 1,
                groups: 2,
            }),
            Progress::Matching { done: 3, total: 4 },
            Progress::Planning { done: 5, total: 6 },
            Progress::Applying {
                done: 7,
                failed: 8,
                total: 9,
            },
        ] {
            assert_eq!(read_line(&line(12, progress)), Some((12, progress)));
        }
        for bad in ["", "x", "1 waiting", "1 resting 0 0 0"] {
            assert_eq!(read_line(bad), None);
        }
    }
}
