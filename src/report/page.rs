//! What the status page says: whether a job is all right, where its cycle stands, and why a check fails.

use chrono::{DateTime, Utc};

use super::command::command;
use super::operator::paused_text;
use super::progress::Line;
use super::sentence::{
    self, ago, all_held, capital, clean, coarse, count, number, removals, subject_text, things,
};
use super::view::JobStatus;
use crate::engine::denial::DeniedSource;
use crate::engine::model::JobName;
use crate::engine::plan::Count;
use crate::engine::record::{CycleState, HeldSet, JobRecord};
use crate::engine::summary::Health;

/// One job, as the page shows it.
#[derive(Clone, Debug)]
pub(crate) struct JobView {
    pub(crate) status: JobStatus,
    pub(crate) in_scope: Count,
    /// Sources that refuse to be read for it.
    pub(crate) denied: Vec<DeniedSource>,
    pub(crate) running: Option<Running>,
    /// Another agent runs it, or none yet.
    pub(crate) is_elsewhere: bool,
    /// Where its target is, without what may be secret.
    pub(crate) target: String,
    /// In words.
    pub(crate) schedule: String,
}

impl JobView {
    pub(super) fn name(&self) -> &str {
        self.status.job.as_str()
    }

    pub(super) fn held(&self) -> u64 {
        let held = self.status.record.held.as_ref();
        held.map_or(0, |held| held.removals.len() as u64)
    }
}

/// A cycle that is under way in the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Running {
    pub(crate) line: Line,
    /// How long this step still takes, in milliseconds, once that can be said.
    pub(crate) left: Option<u64>,
}

impl Running {
    /// `applying: 120 of 2,000, about 2 min left`.
    pub(crate) fn words(&self) -> String {
        let Line {
            step: _,
            words,
            measured,
        } = &self.line;
        let mut text = capital(words);
        if let Some((done, total)) = measured {
            text = format!("{text}: {} of {}", number(*done), number(*total));
        }
        if let Some(left) = self.left {
            text = format!("{text}, about {} left", coarse(left.max(1_000)));
        }
        text
    }
}

/// How it is with a job; of several reasons the last here counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Condition {
    Good,
    /// Its first cycle runs.
    First,
    /// It does nothing, as was chosen, or not yet.
    Idle,
    Failing,
    Held,
    Bad,
}

impl Condition {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::First => "work",
            Self::Idle => "idle",
            Self::Failing => "change",
            Self::Held => "held",
            Self::Bad => "bad",
        }
    }

    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::First => "…",
            Self::Idle => "–",
            Self::Failing => "!",
            Self::Held => "‖",
            Self::Bad => "✗",
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Good => "in sync",
            Self::First => "first cycle",
            Self::Idle => "idle",
            Self::Failing => "objects fail",
            Self::Held => "held for approval",
            Self::Bad => "needs attention",
        }
    }
}

/// How it is with a job, and everything that there is to say of it, the most severe first.
pub(crate) fn condition(view: &JobView) -> (Condition, Vec<String>) {
    let JobRecord {
        cycles,
        linked,
        in_escrow,
        held,
        paused,
        quarantine,
        ..
    } = &view.status.record;
    let name = clean(view.name());
    let mut reasons = Vec::new();
    if let Some(paused) = paused {
        let text = paused_text(paused);
        reasons.push((
            Condition::Idle,
            format!(
                "{}: no cycle runs until {}.",
                capital(&text),
                command(&format!("resume {name}"))
            ),
        ));
    }
    for source in &view.denied {
        reasons.push((Condition::Bad, format!("{}.", sentence::denied(source))));
    }
    if let Some(quarantine) = quarantine {
        let words = capital(&sentence::quarantine(quarantine));
        reasons.push((Condition::Bad, format!("{words}.")));
    }
    if !view.status.enabled {
        let words = "The job is disabled in the configuration.".to_owned();
        reasons.push((Condition::Idle, words));
    }
    let ended = cycles
        .iter()
        .find(|cycle| cycle.state != CycleState::Running);
    match ended {
        None if view.running.is_some() => reasons.push((
            Condition::First,
            "The first cycle is running; nothing is removed before it has completed.".to_owned(),
        )),
        None => reasons.push((Condition::Idle, "No cycle has finished yet.".to_owned())),
        Some(last) => {
            let cause = last.error.as_deref().map(clean);
            match last.state {
                CycleState::Interrupted => reasons.push((
                    Condition::Failing,
                    "The last cycle was interrupted; the next one continues from there.".to_owned(),
                )),
                CycleState::Ended(Health::Failed) => reasons.push((
                    Condition::Bad,
                    format!(
                        "The last cycle failed: {}",
                        cause.unwrap_or_else(|| "see the log for the reason".to_owned())
                    ),
                )),
                CycleState::Ended(Health::Held) if last.error.is_some() => reasons.push((
                    Condition::Held,
                    format!("The last cycle was held: {}", cause.unwrap_or_default()),
                )),
                CycleState::Running | CycleState::Ended(_) => {}
            }
            if let Some(incomplete) = &last.incomplete {
                reasons.push((
                    Condition::Bad,
                    format!(
                        "The scope is not certain; removals are postponed: {}",
                        clean(incomplete)
                    ),
                ));
            }
        }
    }
    if let Some(held) = held {
        reasons.push((Condition::Held, held_sentence(held)));
    }
    let failing = in_escrow.total();
    if failing > 0 {
        let verb = if failing == 1 { "fails" } else { "fail" };
        reasons.push((
            Condition::Failing,
            format!(
                "{} {verb}; they are retried automatically.",
                capital(&count(*in_escrow))
            ),
        ));
    }
    reasons.sort_by_key(|(condition, _)| std::cmp::Reverse(*condition));
    let condition = reasons.first().map_or(Condition::Good, |(first, _)| *first);
    if reasons.is_empty() {
        let words = format!("In sync: {} linked.", are(*linked));
        reasons.push((Condition::Good, words));
    }
    (
        condition,
        reasons.into_iter().map(|(_, words)| words).collect(),
    )
}

fn are(linked: Count) -> String {
    let verb = if linked.total() == 1 { "is" } else { "are" };
    format!("{} {verb}", count(linked))
}

/// What is held, since when, and why.
fn held_sentence(held: &HeldSet) -> String {
    let because = if held.why.is_empty() {
        "no limit holds them any more, but a decision is still required".to_owned()
    } else {
        all_held(&held.why)
    };
    format!(
        "Held since {}: {}; {because}.",
        held.since.format("%Y-%m-%d %H:%M UTC"),
        removals(&held.by_action()),
    )
}

/// Whether all is right, in one sentence.
pub(crate) fn overall(jobs: &[JobView]) -> (Condition, String) {
    let conditions: Vec<(Condition, &JobView)> =
        jobs.iter().map(|job| (condition(job).0, job)).collect();
    let worst = conditions.iter().map(|(condition, _)| *condition).max();
    let troubled: Vec<&str> = conditions
        .iter()
        .filter(|(condition, _)| *condition > Condition::Idle)
        .map(|(_, job)| job.name())
        .collect();
    let all = jobs.len() as u64;
    let worst = worst.unwrap_or(Condition::Idle);
    let sentence = match (worst, troubled.as_slice()) {
        (Condition::Good, _) if all == 1 => "The job is healthy.".to_owned(),
        (Condition::Good, _) => format!("All {} are healthy.", things(all, "job")),
        (Condition::First, _) => "No job needs attention; a first cycle is running.".to_owned(),
        (Condition::Idle, _) if all == 0 => "No job is configured.".to_owned(),
        (Condition::Idle, _) => "No job needs attention; some are not running.".to_owned(),
        (_, [one]) => format!("{} needs attention.", clean(one)),
        (_, several) => format!(
            "{} of {} need attention.",
            number(several.len() as u64),
            things(all, "job")
        ),
    };
    (worst, sentence)
}

/// Why the service is not ready.
pub(crate) fn stuck(job: &JobName, since: DateTime<Utc>) -> String {
    format!(
        "job {}: no cycle has ended since {}, which is longer than three intervals",
        clean(job.as_str()),
        since.format("%Y-%m-%d %H:%M:%S UTC")
    )
}

/// Since when an object fails: `3 times since 28 November 2026, 2 h ago`.
pub(super) fn failing_since(attempts: u32, first: DateTime<Utc>, now: DateTime<Utc>) -> String {
    format!(
        "in {}, first {}",
        things(u64::from(attempts), "cycle"),
        ago(first, now)
    )
}

/// A removal that waits, without the link to its object.
pub(super) fn member_of(member: Option<&crate::engine::plan::Subject>) -> Option<String> {
    member.map(subject_text)
}
