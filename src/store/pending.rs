//! Which objects a job must evaluate, and the end of an evaluation. An object stays marked until the
//! result of its evaluation is committed (product rule 1).

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::{named_params, params};

use super::jobs::{ensure_job, is_full};
use super::links::kind_of;
use super::marks::Marks;
use super::objects::make_unread;
use super::source::index_rounds_under_way;
use super::sources::sources_of;
use super::state::{State, array, first_link};
use super::wire::Column;
use super::withheld;
use super::{Error, Store};
use crate::engine::model::{JobName, Key, ObjectKind};

/// Marks up to here were set before the evaluation began; later ones are for the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MarkCutoff(i64);

/// Who may have to lose access.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PerhapsLeaver {
    pub(crate) key: Key,
    /// What changed since it was evaluated last has this mark.
    pub(crate) mark: MarkCutoff,
    /// A removal failed, and is to be tried again.
    pub(crate) is_due: bool,
}

/// An evaluation that came to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evaluation<'e> {
    pub(crate) cutoff: MarkCutoff,
    pub(crate) evaluated: Evaluated<'e>,
    /// Those that must be evaluated again all the same: held, or not read completely.
    pub(crate) except: &'e BTreeSet<Key>,
    /// Whether the job's mappings send references, so that a new link concerns the reports.
    pub(crate) maps_references: bool,
    /// Whether a member of a group counts in the groups around it.
    pub(crate) nested_groups: bool,
    /// Whether what new links concern is marked now, or with the end of a later evaluation.
    pub(crate) marks_new_links: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Evaluated<'e> {
    /// Every candidate.
    Everything,
    Only(&'e [Key]),
}

impl Store {
    /// Begins an evaluation. What came before its cutoff is among the candidates.
    pub(crate) fn begin_evaluation(&self, job: &JobName) -> Result<MarkCutoff, Error> {
        self.write("begin the evaluation", |tx| {
            let job = ensure_job(tx, job)?;
            index_rounds_under_way(tx)?;
            // A crash may have left links whose consequences nothing was marked for.
            settle_link_events(tx, job, true, true)?;
            let cutoff = last_mark(tx)?;
            tx.run(
                "UPDATE jobs SET evaluation = ?2 WHERE key = ?1 AND evaluation <> ?2",
                params![job, cutoff.0],
            )?;
            Ok(cutoff)
        })
    }

    /// The last mark that was set. Those after it are newer than what is read from here on.
    pub(crate) fn last_mark(&self) -> Result<MarkCutoff, Error> {
        self.read("look up the last mark", last_mark)
    }

    /// The objects that were marked after an evaluation began: something changed since.
    pub(crate) fn marked_since(
        &self,
        job: &JobName,
        MarkCutoff(cutoff): MarkCutoff,
    ) -> Result<Vec<Key>, Error> {
        self.read("look up what changed", |state| {
            state.column(
                "SELECT key FROM pending WHERE job = ?1 AND mark > ?2",
                params![state.job_or_none(job)?, cutoff],
            )
        })
    }

    /// Users who can use the application and were marked since an earlier look, and these whatever their mark; those
    /// whom the cycle of this number is to delete, which comes last; and those whose removal failed and is due again:
    /// first after `step`, then after twice as long, at most an hour. With the mark that the next look begins at.
    pub(crate) fn perhaps_leavers(
        &self,
        job: &JobName,
        (since, undecided): (Option<MarkCutoff>, &[Key]),
        other: Option<i64>,
        (step, now): (Duration, DateTime<Utc>),
    ) -> Result<(MarkCutoff, Vec<PerhapsLeaver>), Error> {
        let MarkCutoff(since) = since.unwrap_or(MarkCutoff(0));
        self.read("look up who may have left", |state| {
            let job = state.job_or_none(job)?;
            let mark = last_mark(state)?;
            let found = state
                .prepare_cached(
                    "SELECT p.key, p.mark, 0 FROM pending p CROSS JOIN links l ON l.link = ?2 + p.key
                     WHERE p.job = ?1 AND p.kind = 1 AND p.mark > ?3 AND l.active
                     UNION ALL
                     SELECT k.value, coalesce((SELECT p.mark FROM pending p
                                               WHERE p.job = ?1 AND p.kind = 1 AND p.key = k.value), 0), 0
                     FROM rarray(?7) k CROSS JOIN links l ON l.link = ?2 + k.value
                     WHERE l.kind = 1 AND l.active
                     UNION ALL
                     SELECT a.source, coalesce((SELECT p.mark FROM pending p
                                                WHERE p.job = ?1 AND p.kind = 1 AND p.key = a.source), 0), 0
                     FROM actions a CROSS JOIN links l ON l.link = ?2 + a.source
                     WHERE a.cycle = ?6 AND a.state = 0 AND a.operation = 5 AND l.kind = 1 AND l.active
                     UNION ALL
                     SELECT e.source, 0, 1 FROM escrow e CROSS JOIN links l ON l.link = ?2 + e.source
                     WHERE e.job = ?1 AND e.kind = 1 AND e.action IN ('disable', 'delete') AND l.active
                         AND unixepoch(e.last_failed, 'subsec')
                             + min(3600, ?4 * (1 << min(e.attempts - 1, 12)))
                             <= unixepoch(?5, 'subsec')",
                )?
                .query_map(
                    params![
                        job,
                        first_link(job),
                        since,
                        step.as_secs_f64(),
                        Column(now),
                        other,
                        array(undecided)
                    ],
                    |row| {
                        Ok(PerhapsLeaver {
                            key: row.get(0)?,
                            mark: MarkCutoff(row.get(1)?),
                            is_due: row.get(2)?,
                        })
                    },
                )?
                .collect::<rusqlite::Result<_>>()?;
            Ok((mark, found))
        })
    }

    /// Whether an object is evaluated in the next cycle whatever changes.
    pub(crate) fn is_marked(&self, job: &JobName, key: Key) -> Result<bool, Error> {
        self.read("look up what to evaluate", |state| {
            state
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM pending WHERE job = ?1 AND key = ?2)",
                )?
                .query_row(params![state.job_or_none(job)?, key], |row| row.get(0))
        })
    }

    /// The objects to evaluate, in the order of their keys: those marked and, when everything is due,
    /// all that are present or linked.
    pub(crate) fn candidates(&self, job: &JobName, kind: ObjectKind) -> Result<Vec<Key>, Error> {
        self.read("look up what to evaluate", |state| {
            let key = state.job_or_none(job)?;
            let mut keys: Vec<Key> = state.column(
                "SELECT p.key FROM pending p
                 WHERE p.job = ?1 AND p.kind = ?2 AND NOT EXISTS (
                     SELECT 1 FROM escrow e
                     WHERE e.job = p.job AND e.kind = p.kind AND e.source = p.key AND e.resting)
                 ORDER BY p.key",
                params![key, kind],
            )?;
            // Objects with a write that is not settled are looked at whatever has become of them.
            let unsettled: Vec<Key> = state.column(
                "SELECT source FROM actions
                 WHERE state BETWEEN 1 AND 4 AND state = 2 AND job = ?1",
                params![key],
            )?;
            if !unsettled.is_empty() {
                keys.extend(state.column::<Key>(
                    "SELECT o.key FROM rarray(?1) k CROSS JOIN objects o ON o.key = k.value
                     WHERE o.kind = ?2",
                    params![array(&unsettled), kind],
                )?);
                keys.sort_unstable();
                keys.dedup();
            }
            if is_full(state, job)? {
                // All read the index alone.
                for source in sources_of(state, key)? {
                    keys.extend(state.column::<Key>(
                        "SELECT key FROM objects WHERE kind = ?1 AND presence = 1 AND source = ?2",
                        params![kind, source],
                    )?);
                }
                keys.extend(state.column::<Key>(
                    "SELECT o.key FROM objects o
                     WHERE o.kind = ?1 AND o.presence <> 1
                         AND EXISTS (SELECT 1 FROM links l WHERE l.link = ?2 + o.key)",
                    params![kind, first_link(key)],
                )?);
                keys.sort_unstable();
                keys.dedup();
            }
            Ok(keys)
        })
    }

    /// Clears the marks of what was evaluated, except those set meanwhile: by a failure, by another
    /// job's reading, by a restart. Marks the objects that refer to a link that came or went. Escrow keeps
    /// only objects that are still marked.
    pub(crate) fn finish_evaluation(
        &self,
        job: &JobName,
        evaluation: Evaluation<'_>,
    ) -> Result<(), Error> {
        let Evaluation {
            cutoff: MarkCutoff(cutoff),
            evaluated,
            except,
            maps_references,
            nested_groups,
            marks_new_links,
        } = evaluation;
        self.write("finish the evaluation", |tx| {
            let job = ensure_job(tx, job)?;
            match evaluated {
                Evaluated::Everything => {
                    tx.run(
                        "DELETE FROM pending WHERE job = ?1 AND mark <= ?2 AND NOT EXISTS (
                             SELECT 1 FROM escrow e
                             WHERE e.job = ?1 AND e.kind = pending.kind AND e.source = pending.key
                                 AND e.resting)",
                        params![job, cutoff],
                    )?;
                    tx.run(
                        "UPDATE jobs SET full_mark = NULL WHERE key = ?1 AND full_mark <= ?2",
                        params![job, cutoff],
                    )?;
                }
                Evaluated::Only(keys) => {
                    for key in keys {
                        tx.run(
                            "DELETE FROM pending
                             WHERE job = ?1 AND kind = ?2 AND key = ?3 AND mark <= ?4",
                            params![job, kind_of(tx, *key)?, key, cutoff],
                        )?;
                    }
                }
            }
            let mut marks = Marks::of(tx, job);
            for key in except {
                marks.again(kind_of(tx, *key)?, *key)?;
            }
            if marks_new_links {
                settle_link_events(tx, job, maps_references, nested_groups)?;
            }
            tx.run(
                "DELETE FROM escrow WHERE job = ?1 AND NOT EXISTS (
                     SELECT 1 FROM pending p
                     WHERE p.job = escrow.job AND p.kind = escrow.kind AND p.key = escrow.source)",
                params![job],
            )?;
            // One that is not to be created again counts no more, when it comes back one day.
            tx.run(
                "DELETE FROM gone WHERE job = ?1 AND NOT EXISTS (
                     SELECT 1 FROM pending p WHERE p.job = gone.job AND p.key = gone.source)",
                params![job],
            )?;
            withheld::forget_healed(tx, job)?;
            forget_deleted_objects(tx)
        })
    }
}

fn last_mark(state: &State) -> rusqlite::Result<MarkCutoff> {
    let mark = state.query_row("SELECT mark FROM counter", [], |row| row.get(0));
    mark.map(MarkCutoff)
}

/// Marks the groups and the reports of each link that came, went or changed scope, where something else
/// was sent to the target: late arrivals are repaired without a full evaluation (product rule 13).
fn settle_link_events(
    state: &State,
    job: i64,
    maps_references: bool,
    nested_groups: bool,
) -> rusqlite::Result<()> {
    let any: bool = state
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM link_events WHERE job = ?1)")?
        .query_row(params![job], |row| row.get(0))?;
    if !any {
        return Ok(());
    }
    let number = Marks::of(state, job).number()?;
    let settle = |sql| {
        state
            .prepare_cached(sql)?
            .execute(named_params! { ":job": job, ":number": number, ":first": first_link(job) })
    };
    settle(
        "INSERT INTO pending (job, kind, key, mark)
         SELECT :job, 2, m.group_key, :number
         FROM link_events e
         CROSS JOIN memberships m ON m.member_key = e.source
         CROSS JOIN links g ON g.link = :first + m.group_key
         WHERE e.job = :job AND
             EXISTS (SELECT 1 FROM links l WHERE l.link = :first + e.source AND l.in_scope)
             <> EXISTS (SELECT 1 FROM sent_members s
                        WHERE s.job = :job AND s.group_key = m.group_key
                              AND s.member_key = e.source)
         ON CONFLICT DO UPDATE SET mark = excluded.mark",
    )?;
    if nested_groups {
        settle(
            "WITH RECURSIVE around (source, key) AS (
                 SELECT e.source, n.group_key
                 FROM link_events e
                 CROSS JOIN memberships m ON m.member_key = e.source
                 CROSS JOIN nested n ON n.member_key = m.group_key
                 WHERE e.job = :job
                 UNION
                 SELECT a.source, n.group_key
                 FROM around a CROSS JOIN nested n ON n.member_key = a.key
             )
             INSERT INTO pending (job, kind, key, mark)
             SELECT :job, 2, a.key, :number
             FROM around a
             CROSS JOIN links g ON g.link = :first + a.key
             WHERE EXISTS (SELECT 1 FROM links l WHERE l.link = :first + a.source AND l.in_scope)
                 <> EXISTS (SELECT 1 FROM sent_members s
                            WHERE s.job = :job AND s.group_key = a.key
                                  AND s.member_key = a.source)
             ON CONFLICT DO UPDATE SET mark = excluded.mark",
        )?;
    }
    if maps_references {
        settle(
            "INSERT INTO pending (job, kind, key, mark)
             SELECT :job, 1, o.key, :number
             FROM link_events e
             CROSS JOIN objects o ON o.manager = e.source
             CROSS JOIN links r ON r.link = :first + o.key
             WHERE e.job = :job AND o.kind = 1 AND
                 (SELECT l.target FROM links l WHERE l.link = :first + e.source)
                 IS NOT (SELECT s.target FROM sent_references s
                         WHERE s.job = :job AND s.source = o.key AND s.referenced = e.source)
             ON CONFLICT DO UPDATE SET mark = excluded.mark",
        )?;
    }
    state.run("DELETE FROM link_events WHERE job = ?1", params![job])?;
    Ok(())
}

/// What is deleted for good, unlinked, unmarked and without a write that is not settled in every job, will never be needed
/// again. The log
/// still names it, so that its number, id and label stay.
fn forget_deleted_objects(state: &State) -> rusqlite::Result<()> {
    for kind in ObjectKind::ALL {
        let gone: Vec<Key> = state.column(
            "SELECT o.key FROM objects o
             WHERE o.kind = ?1 AND o.presence = 3
                 AND NOT EXISTS (SELECT 1 FROM jobs j
                                 CROSS JOIN links l ON l.link = (j.key << 32) + o.key)
                 AND NOT EXISTS (SELECT 1 FROM jobs j
                                 CROSS JOIN pending p ON p.job = j.key AND p.kind = o.kind
                                                         AND p.key = o.key)
                 AND NOT EXISTS (SELECT 1 FROM jobs j
                                 CROSS JOIN actions a ON a.job = j.key AND a.source = o.key
                                                         AND a.state BETWEEN 1 AND 4)",
            params![kind],
        )?;
        for key in gone {
            make_unread(state, kind, key)?;
        }
    }
    Ok(())
}
