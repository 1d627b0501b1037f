//! What the log and the metrics say of a cycle that ended.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::shared::{Reported, Shared};
use super::status::WokenBy;
use crate::cycle::Planned;
use crate::engine::model::JobName;
use crate::engine::plan::Warning;
use crate::engine::summary::{Health, Summary};
use crate::metrics;
use crate::report;
use crate::store::{CYCLE, Store};

/// Objects that failed in a cycle and are named in the log; `status` has more.
const FAILURES_NAMED: usize = 5;

/// What a job that only observes would do.
pub(super) fn log_plan(name: &JobName, planned: &Planned) -> Health {
    let Planned {
        cycle: _,
        refusals,
        header,
        totals,
        held,
        limits: _,
        kind: _,
        requests,
    } = planned;
    let changes: Vec<String> = totals
        .planned
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(word, count)| format!("{word} {count}"))
        .collect();
    tracing::info!(
        job = %name,
        changes = changes.join(", "),
        failing = totals.failing,
        refusals = refusals.len(),
        held = totals.held,
        source_requests = requests.source,
        target_requests = requests.target,
        "planned; nothing is written, because the job has mode = \"observe\"; see `entrain plan`"
    );
    if let Some(reason) = &header.incomplete {
        tracing::warn!(job = %name, reason, "the scope is not certain; removals would be postponed");
        Health::Incomplete
    } else if !held.is_empty() {
        tracing::warn!(job = %name, removals = totals.held, "removals would be held");
        Health::Held
    } else if totals.failing > 0 {
        Health::ObjectsFailed
    } else {
        Health::Succeeded
    }
}

/// Counts, logs and reports a cycle that ran.
pub(super) async fn note(shared: &Arc<Shared>, summary: &Summary, woken_by: WokenBy) -> Health {
    count(&shared.store, summary);
    let health = log_summary(summary, woken_by);
    let is_news = !summary.done.is_empty() || health != Health::Succeeded;
    if is_news {
        let (shared, number) = (Arc::clone(shared), summary.cycle);
        let writing = spawn_blocking(move || {
            let store = &shared.store;
            shared.report(&Reported::Cycle { store, number });
        });
        if let Err(error) = writing.await {
            tracing::error!(%error, "a report crashed; this is a bug");
        }
    }
    health
}

/// Counts what a cycle did for `/metrics`.
fn count(store: &Store, summary: &Summary) {
    let job = summary.job.as_str();
    for (action, times) in &summary.done {
        metrics::objects(job, action, "succeeded", *times);
    }
    let skipped = summary.skipped.values().sum();
    if skipped > 0 {
        metrics::objects(job, "skip", "skipped", skipped);
    }
    if summary.failed > 0 {
        match store.failed_actions(summary.cycle) {
            Ok(failed) => {
                for (action, times) in failed.into_iter().filter(|(action, _)| *action != CYCLE) {
                    metrics::objects(job, action, "failed", times);
                }
            }
            Err(error) => tracing::debug!(%job, %error, "the failures could not be counted"),
        }
    }
}

fn log_summary(summary: &Summary, woken_by: WokenBy) -> Health {
    let Summary {
        job,
        cycle,
        kind: _,
        started: _,
        duration_ms,
        evaluated,
        in_scope: _,
        linked: _,
        done,
        skipped: _,
        failures,
        failed,
        not_tried,
        warnings,
        strangers,
        held,
        incomplete,
        misnamed,
        aborted,
        stopped,
        requests,
    } = summary;
    tracing::info!(
        %job,
        cycle,
        woken_by = woken_by.word(),
        duration_ms,
        evaluated = evaluated.total(),
        actions = done.values().sum::<u64>(),
        failed,
        not_tried,
        stopped,
        source_requests = requests.source,
        target_requests = requests.target,
        "cycle ended"
    );
    if *failed > 0 {
        let named = failures.iter().take(FAILURES_NAMED);
        let named: Vec<String> = named
            .map(|one| format!("{} {}", one.action, one.subject.label))
            .collect();
        let first = named.join(", ");
        tracing::warn!(%job, cycle, failed, first, "some objects failed; see `entrain status`");
    }
    if let Some(strangers) = strangers {
        let accounts = strangers.count;
        tracing::warn!(
            %job, cycle, accounts,
            "the target has active accounts without a user in scope, which may belong to users who \
             left"
        );
        for (id, _) in &strangers.first {
            tracing::warn!(%job, cycle, %id, "an active account without a user in scope");
        }
    }
    log_clocks(job, *cycle, warnings);
    let in_several = |warning: &&Warning| matches!(warning, Warning::SeveralGroups { .. });
    let people = warnings.iter().filter(in_several).count();
    let anew = |warning: &&Warning| matches!(warning, Warning::MatchedAnew { .. });
    let links = warnings.iter().filter(anew).count();
    if links > 0 {
        tracing::warn!(
            %job, cycle, links,
            "the objects of some links were gone from the target or belong to others: matched again"
        );
    }
    if people > 0 {
        tracing::warn!(
            %job, cycle, people,
            "users are in several groups, but the target expects each in one (one_group_each); \
             `entrain sync --initial` lists them all"
        );
    }
    if let Some(held) = held {
        let removals = held.removals;
        tracing::warn!(
            %job, cycle, removals,
            "removals are held; review with `entrain plan`, approve with `entrain approve`"
        );
    }
    if let Some(reason) = incomplete {
        tracing::warn!(%job, cycle, reason, "the scope is not certain; removals are postponed");
    }
    let names = misnamed.iter();
    let names = names.filter(|one| !one.casts_doubt_on_removals()).count();
    if names > 0 {
        tracing::warn!(
            %job, cycle, names,
            "names in the scope do not match exactly one object; `entrain plan` lists them"
        );
    }
    if let Some(reason) = aborted {
        tracing::error!(%job, cycle, reason, "the target was not usable");
    }
    summary.health()
}

/// Says that the clock of this machine is wrong.
fn log_clocks(job: &JobName, cycle: i64, warnings: &[Warning]) {
    for warning in warnings {
        if let Warning::ClocksDiffer { ahead } = warning {
            let words = report::clocks_differ(*ahead);
            tracing::warn!(%job, cycle, "{words}");
        }
    }
}
