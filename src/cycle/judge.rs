//! The plan of a cycle, confirmed and judged before the first write.

use std::collections::BTreeSet;

use super::plan::{self, Whom};
use super::same_target::{self, Verified};
use super::tenant::Reading;
use super::workers::Worker;
use super::{Agent, Context, Error, confirm};
use crate::engine::guard::{LimitUse, Verdict, WhyHeld};
use crate::engine::model::Key;
use crate::engine::plan::{Totals, Warning};
use crate::engine::quarantine::Pace;
use crate::engine::summary::CycleKind;
use crate::store::{self, Judging, MarkCutoff};

/// A plan in the ledger, judged.
pub(super) struct Judged {
    pub(super) kind: CycleKind,
    pub(super) outline: plan::Outline,
    pub(super) confirmed: confirm::Confirmed,
    pub(super) verdict: Verdict,
    /// Why removals are held; empty when none is.
    pub(super) held: Vec<WhyHeld>,
    pub(super) limits: Vec<LimitUse>,
    pub(super) totals: Totals,
    /// Objects whose removal could not be decided, because an earlier write is not settled, or not be confirmed.
    pub(super) undecided: BTreeSet<Key>,
    /// Objects that stay as they are: held, or rejected.
    pub(super) kept: BTreeSet<Key>,
}

impl Agent {
    /// Reads, plans, confirms what would be removed, and judges the whole before the first write
    /// (product rule 5). What kind of cycle it is shows in the reading.
    pub(super) async fn judge(
        &self,
        context: &Context<'_>,
        cycle: i64,
        reading: &Reading,
        cutoff: MarkCutoff,
        verified: &Verified<'_>,
        whom: Whom,
    ) -> Result<Judged, Error> {
        let is_later = matches!(whom, Whom::Waiting(_));
        let is_partial = context.options.is_partial() || matches!(whom, Whom::Waiting(_));
        context.worker.begin_plan();
        let mut outline = plan::plan(context, reading, cycle, whom, verified).await?;
        if let Worker::Look(look) = &context.worker {
            let planned = context.state(move |store| store.planned_objects(cycle));
            look.decided(planned.await?);
        }
        let postponed = outline.postponed.clone();
        let confirmed = confirm::confirm(context, cycle, cutoff, &mut outline).await?;
        let mut undecided: BTreeSet<Key> = &outline.postponed - &postponed;
        undecided.extend(outline.waiting.keys());
        if let Some(unsure) = &verified.unsure {
            same_target::restrict(context, cycle, unsure, &mut outline).await?;
        }
        if !is_later {
            let quarantine = match context.pace {
                Pace::Full => None,
                Pace::Removals => self.store.quarantine(&context.job.rules.name)?,
            };
            let misfits = context.remarks.iter().cloned().map(Warning::Misfit);
            let quarantine = quarantine.into_iter().map(Warning::Quarantine);
            let warnings = verified.warnings.iter().cloned();
            let warnings = quarantine.chain(warnings).chain(misfits);
            outline.header.warnings.splice(0..0, warnings);
        }
        let name = &context.job.rules.name;
        outline.header.application_changed = self.store.holds_removals(name)?;
        let limits = context.options.limits(context.job.rules.limits);
        let min_members = context.min_members().await?;
        let header = outline.header.clone();
        let scope_groups = outline.scope_groups.clone();
        let judging = context.worker.turn_to_judge().await;
        // Where the clocks differ, what was removed in the last 24 hours by either counts.
        let clocks = context.clocks();
        let now = clocks.differ().map_or(clocks.now, |_| clocks.earlier());
        let other = judging.other();
        let (judged, reports, totals) = context
            .state(move |store| {
                let judging = Judging {
                    header: &header,
                    limits,
                    is_partial,
                    scope_groups: &scope_groups,
                    min_members: &min_members,
                    other,
                    now,
                };
                let judged = store.judge(cycle, &judging)?;
                // Whose manager stays keeps the reference.
                let kept: Vec<Key> = judged.kept.iter().copied().collect();
                let reports = store.reports(&kept)?;
                store.drop_references(cycle, &reports)?;
                Ok((judged, reports, store.totals(cycle)?))
            })
            .await?;
        judging.end(cycle);
        let store::Judged {
            verdict,
            why,
            kept,
            limits,
        } = judged;
        outline.postponed.extend(&kept);
        outline.postponed.extend(reports);
        Ok(Judged {
            kind: reading.kind,
            outline,
            confirmed,
            verdict,
            held: why,
            limits,
            totals,
            undecided,
            kept,
        })
    }
}
