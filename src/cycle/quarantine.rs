//! When a job goes into quarantine, and when it comes out of it.

use super::tally::Tally;
use super::{Agent, Context, Error};
use crate::config;
use crate::engine::outcome::Class;
use crate::engine::plan::{Decision, Operation, Warning};
use crate::engine::quarantine::{Cause, Pace, Quarantine, Sign, Verdict};
use crate::scim;

/// What this cycle does of a job that may be in quarantine. Where the credential was refused, or
/// the target is incompatible, one look-up says whether it still is: an error if so.
pub(super) async fn pace(context: &Context<'_>) -> Result<Pace, Error> {
    let name = &context.job.rules.name;
    let Some(known) = context.agent.store.quarantine(name)? else {
        return Ok(Pace::Full);
    };
    match known.cause {
        Cause::Refused | Cause::Incompatible => match context.look_up_anything().await {
            Ok(()) => {
                let now = (context.agent.now)();
                context
                    .agent
                    .store
                    .end_quarantine(name, "the target answers again", now)?;
                tracing::info!(
                    job = %name,
                    "the target answers as it should again: the quarantine has ended"
                );
                Ok(Pace::Full)
            }
            Err(error) => match cause_of(&error) {
                Some(cause) => Err(Error::Quarantine {
                    job: name.clone(),
                    quarantine: Quarantine {
                        cause,
                        reason: error.failure().message,
                        ..known
                    },
                }),
                None => Err(error.into()),
            },
        },
        // What an operator names is tried at once.
        Cause::Failures if context.options.is_asked_for() => Ok(Pace::Full),
        Cause::Failures => Ok(known.pace((context.agent.now)())),
    }
}

/// Warns of the quarantine that is in force after a cycle, instead of the one that its plan warned of.
pub(super) fn warn(
    context: &Context<'_>,
    tally: &Tally,
    warnings: &mut Vec<Warning>,
) -> Result<(), Error> {
    warnings.retain(|one| !matches!(one, Warning::Quarantine(_)));
    let quarantine = after(context, tally)?;
    warnings.extend(quarantine.map(Warning::Quarantine));
    Ok(())
}

/// What a cycle that came to its end means for the quarantine. What it gives back is in force.
fn after(context: &Context<'_>, tally: &Tally) -> Result<Option<Quarantine>, Error> {
    let store = &context.agent.store;
    let name = &context.job.rules.name;
    let now = (context.agent.now)();
    let known = store.quarantine(name)?;
    if context.options.is_partial() {
        return Ok(known);
    }
    if let Some(cause) = tally.refused {
        let reason = tally.aborted.clone().unwrap_or_default();
        return begin(context.agent, &context.job, cause, reason).map(Some);
    }
    if context.pace == Pace::Removals {
        return Ok(known);
    }
    let failed = tally.failing.len() as u64;
    let again = store.failed_again(name, context.cycle())?;
    let again = tally.failing.intersection(&again).count() as u64;
    let before = store.failing_before(name)?;
    let sign = Sign {
        fresh: failed - again,
        again,
        succeeded: tally.succeeded,
        before,
    };
    let verdict = sign.verdict();
    let is_over = verdict == Verdict::Nothing && known.is_some() && failed == 0;
    if verdict == Verdict::Good || is_over {
        if known.is_some() {
            tracing::info!(job = %name, "most operations succeed again: the quarantine has ended");
        }
        store.end_quarantine(name, "most operations succeed again", now)?;
        return Ok(None);
    }
    let counted = if before.is_none() { failed } else { sign.fresh };
    if counted > 0 {
        store.note_failing(name, counted)?;
    }
    if let Some(known) = known {
        let known = Quarantine {
            tried: now,
            since: known.since.min(now),
            ..known
        };
        store.set_quarantine(name, &known)?;
        return Ok(Some(known));
    }
    match verdict {
        Verdict::BadAgain => {
            let reason = format!(
                "{failed} of {} objects failed, and most failed in the cycle before, too",
                failed + tally.succeeded
            );
            begin(context.agent, &context.job, Cause::Failures, reason).map(Some)
        }
        Verdict::Good | Verdict::Nothing | Verdict::Bad => Ok(None),
    }
}

/// The same of a cycle that could not go on.
pub(super) fn after_error(context: &Context<'_>, error: &Error) -> Result<(), Error> {
    if let Error::Target(target) = error
        && let Some(cause) = cause_of(target)
    {
        let reason = target.failure().message;
        begin(context.agent, &context.job, cause, reason)?;
    }
    Ok(())
}

fn begin(
    agent: &Agent,
    job: &config::Job,
    cause: Cause,
    reason: String,
) -> Result<Quarantine, Error> {
    let name = &job.rules.name;
    let now = (agent.now)();
    let quarantine = match agent.store.quarantine(name)? {
        Some(known) if known.cause == cause => Quarantine { reason, ..known },
        Some(_) | None => Quarantine {
            since: now,
            cause,
            reason,
            tried: now,
        },
    };
    agent.store.set_quarantine(name, &quarantine)?;
    tracing::warn!(job = %name, reason = quarantine.reason, "the job is in quarantine");
    Ok(quarantine)
}

/// What a failed look-up means for the whole job.
pub(super) fn cause_of(error: &scim::Error) -> Option<Cause> {
    if matches!(error.class(), Class::Unauthorized | Class::Forbidden) {
        return Some(Cause::Refused);
    }
    error.is_incompatible().then_some(Cause::Incompatible)
}

/// Whether a decision belongs to a cycle that only takes away.
pub(super) fn takes_away(decision: &Decision) -> bool {
    match decision {
        Decision::Act(draft) => matches!(
            draft.action.operation,
            Operation::Disable { .. } | Operation::Delete { .. } | Operation::RemoveMembers { .. }
        ),
        Decision::Skip(_) | Decision::Scope { .. } | Decision::Postpone(_) => true,
        Decision::First { .. }
        | Decision::Split { .. }
        | Decision::Withdraw(_)
        | Decision::Needs { .. }
        | Decision::ExistingMembers { .. } => false,
    }
}
