//! A cycle that ran, in words: the same on the status page and in reports.

use std::io;

use super::overview::{Population, Share};
use super::page::Condition;
use super::sentence::{capital, clean, count, cycle_kind, deeds, duration, number, things};
use super::view::{CycleReport, prediction};
use crate::engine::record::{CycleRecord, CycleState, LogStatus};
use crate::engine::summary::Health;

/// Whether it went well.
pub(super) fn verdict(cycle: &CycleRecord) -> (Condition, String) {
    let done = deeds(
        cycle
            .done
            .iter()
            .map(|(word, times)| (word.as_str(), *times)),
    );
    let done = if done.is_empty() {
        format!("nothing changed; {} linked", count(cycle.linked))
    } else {
        done.join(", ")
    };
    match cycle.state {
        CycleState::Running => (Condition::Good, "It runs now.".to_owned()),
        CycleState::Interrupted => (
            Condition::Failing,
            "It was interrupted; the next cycle continued from there.".to_owned(),
        ),
        CycleState::Ended(Health::Succeeded) => (Condition::Good, format!("It succeeded: {done}.")),
        CycleState::Ended(Health::ObjectsFailed) => (
            Condition::Failing,
            format!("It completed, and {} failed: {done}.", number(cycle.failed)),
        ),
        CycleState::Ended(Health::Held) => (
            Condition::Held,
            format!(
                "It completed, and {}: {done}.",
                match cycle.held {
                    1 => "1 change was held".to_owned(),
                    held => format!("{} were held", things(held, "change")),
                }
            ),
        ),
        CycleState::Ended(Health::Quarantined) => (
            Condition::Bad,
            format!("It completed, and the job is in quarantine: {done}."),
        ),
        CycleState::Ended(Health::Incomplete) => (
            Condition::Bad,
            format!("It completed without removals: {done}."),
        ),
        CycleState::Ended(Health::Stopped) => (
            Condition::Failing,
            format!("It was stopped, and the next cycle continued from there: {done}."),
        ),
        CycleState::Ended(Health::Failed) => (Condition::Bad, "It failed.".to_owned()),
    }
}

/// When it ran, and what it looked at: sentences.
pub(super) fn facts(cycle: &CycleRecord) -> Vec<String> {
    let took = match cycle.finished {
        Some(_) => format!(", in {}", duration(cycle.duration_ms)),
        None => String::new(),
    };
    let mut facts = vec![format!(
        "{} cycle of {}{took}.",
        capital(cycle_kind(cycle.kind)),
        cycle.started.format("%Y-%m-%d %H:%M:%S UTC"),
    )];
    // What one that did not come to its end evaluated is not on record.
    if cycle.is_counted() {
        facts.push(format!(
            "{} evaluated, {} in scope; {} linked at its end.",
            capital(&count(cycle.evaluated)),
            count(cycle.in_scope),
            count(cycle.linked),
        ));
    } else if cycle.finished.is_some() {
        facts.push(format!(
            "{} linked at its end.",
            capital(&count(cycle.linked))
        ));
    }
    if cycle.not_tried > 0 {
        facts.push(format!(
            "{} not tried; the next cycle plans them again.",
            match cycle.not_tried {
                1 => "1 action was".to_owned(),
                many => format!("{} were", things(many, "action")),
            }
        ));
    }
    facts
}

/// How what a saved plan predicted compares with what happened: a sentence.
pub(super) fn predictions(report: &CycleReport<'_>) -> io::Result<Option<String>> {
    let Some(predicted) = report.predicted else {
        return Ok(None);
    };
    let (mut happened, mut others) = (0, 0);
    report.entries.each(&mut |logged, _| {
        if logged.status == LogStatus::Failed && logged.subject.is_some() {
            match prediction(predicted, logged) {
                Some(_) => happened += 1,
                None => others += 1,
            }
        }
        Ok(())
    })?;
    let refusals = match predicted.len() as u64 {
        0 => "The plan predicted no refusal".to_owned(),
        all => format!(
            "The plan predicted {}, of which {} happened",
            things(all, "refusal"),
            number(happened)
        ),
    };
    let others = match others {
        0 => "nothing else failed".to_owned(),
        others => format!("{} failed without a prediction", things(others, "action")),
    };
    Ok(Some(format!("{refusals}; {others}.")))
}

/// Why it could not do all of its work.
pub(super) fn remarks(cycle: &CycleRecord) -> Vec<String> {
    let error = cycle.error.as_deref().map(clean);
    let incomplete = cycle.incomplete.as_deref().map(|words| {
        format!(
            "The scope was not certain; removals were postponed: {}",
            clean(words)
        )
    });
    error.into_iter().chain(incomplete).collect()
}

/// What happened to what was looked at.
pub(super) fn population(cycle: &CycleRecord) -> Population {
    let of = |word: &str| cycle.done.get(word).copied().unwrap_or(0);
    let mut population = Population::default();
    let parts = [
        (Share::Held, cycle.held),
        (
            Share::Disable,
            of("disable") + of("delete") + of("hand-over"),
        ),
        (Share::Create, of("create")),
        (Share::Update, of("update") + of("adopt") + of("enable")),
        (Share::Failing, cycle.failed),
        (Share::Skip, cycle.skipped.values().sum()),
    ];
    let mut touched = 0;
    for (share, times) in parts {
        population.add(share, times);
        if share != Share::Skip {
            touched += times;
        }
    }
    if cycle.is_counted() {
        let unchanged = cycle.linked.total().saturating_sub(touched);
        population.add(Share::Unchanged, unchanged);
    }
    population
}
