//! Which objects a job must evaluate, and the end of an evaluation. An object stays marked until the
//! result of its evaluation is committed (product rule 1).

use std::collections::BTreeSet;

use rusqlite::{Transaction, named_params, params};

use super::jobs::{ensure_job, is_full};
use super::marks::Marks;
use super::objects::ids;
use super::{Error, Store};
use crate::engine::model::{JobName, ObjectKind, SourceId};

/// Marks up to here were set before the evaluation began; later ones are for the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Horizon(i64);

/// An evaluation that came to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evaluation<'e> {
    pub(crate) horizon: Horizon,
    pub(crate) evaluated: Evaluated<'e>,
    /// Those that must be evaluated again all the same: held, or not read completely.
    pub(crate) except: &'e BTreeSet<(ObjectKind, SourceId)>,
    /// Whether the job's mappings send references, so that a new link concerns the reports.
    pub(crate) maps_references: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Evaluated<'e> {
    /// Every candidate.
    Everything,
    Only(&'e [(ObjectKind, SourceId)]),
}

impl Store {
    /// Begins an evaluation. What came before its horizon is among the candidates.
    pub(crate) fn begin_evaluation(&self, job: &JobName) -> Result<Horizon, Error> {
        self.write("begin the evaluation", |tx| {
            ensure_job(tx, job)?;
            // A crash may have left links whose consequences nobody was marked for.
            settle_link_events(tx, job, true)?;
            tx.query_row("SELECT mark FROM counter", [], |row| row.get(0))
                .map(Horizon)
        })
    }

    /// The next objects to evaluate, in the order of their ids: those marked and, when everything is
    /// due, all that are present or linked.
    pub(crate) fn candidates(
        &self,
        job: &JobName,
        kind: ObjectKind,
        after: Option<&SourceId>,
        limit: u32,
    ) -> Result<Vec<SourceId>, Error> {
        self.read("look up what to evaluate", |connection| {
            let sql = if is_full(connection, job)? {
                // Each part is in order already, so nothing is sorted and only the chunk is read.
                "SELECT id FROM objects WHERE kind = ?2 AND id > ?3 AND presence = 'present'
                 UNION
                 SELECT source_id FROM links WHERE job = ?1 AND kind = ?2 AND source_id > ?3
                 UNION
                 SELECT id FROM pending WHERE job = ?1 AND kind = ?2 AND id > ?3
                 ORDER BY 1 LIMIT ?4"
            } else {
                "SELECT id FROM pending WHERE job = ?1 AND kind = ?2 AND id > ?3
                 ORDER BY id LIMIT ?4"
            };
            let after = after.map_or("", SourceId::as_str);
            ids(connection, sql, params![job, kind, after, limit])
        })
    }

    pub(crate) fn mark_pending(
        &self,
        job: &JobName,
        kind: ObjectKind,
        ids: &[SourceId],
    ) -> Result<(), Error> {
        self.write("mark objects for evaluation", |tx| {
            ensure_job(tx, job)?;
            let mut marks = Marks::of(tx, job);
            ids.iter().try_for_each(|id| marks.object(kind, id))
        })
    }

    /// Clears the marks of what was evaluated, except those set meanwhile: by a failure, by another
    /// job's reading, by a restart. Marks whoever refers to a link that came or went. Escrow keeps
    /// only objects that are still marked.
    pub(crate) fn finish_evaluation(
        &self,
        job: &JobName,
        evaluation: Evaluation<'_>,
    ) -> Result<(), Error> {
        let Evaluation {
            horizon: Horizon(horizon),
            evaluated,
            except,
            maps_references,
        } = evaluation;
        self.write("finish the evaluation", |tx| {
            match evaluated {
                Evaluated::Everything => {
                    tx.prepare_cached("DELETE FROM pending WHERE job = ?1 AND mark <= ?2")?
                        .execute(params![job, horizon])?;
                    tx.prepare_cached(
                        "UPDATE jobs SET full_mark = NULL WHERE name = ?1 AND full_mark <= ?2",
                    )?
                    .execute(params![job, horizon])?;
                }
                Evaluated::Only(objects) => {
                    for (kind, id) in objects {
                        tx.prepare_cached(
                            "DELETE FROM pending
                             WHERE job = ?1 AND kind = ?2 AND id = ?3 AND mark <= ?4",
                        )?
                        .execute(params![job, kind, id, horizon])?;
                    }
                }
            }
            let mut marks = Marks::of(tx, job);
            for (kind, id) in except {
                marks.object(*kind, id)?;
            }
            settle_link_events(tx, job, maps_references)?;
            tx.prepare_cached(
                "DELETE FROM escrow WHERE job = ?1 AND NOT EXISTS (
                     SELECT 1 FROM pending p
                     WHERE p.job = escrow.job AND p.kind = escrow.kind AND p.id = escrow.source_id)",
            )?
            .execute(params![job])?;
            // A removal that turned out not to be needed needs no approval, and one in years to come
            // is another.
            tx.prepare_cached(
                "DELETE FROM approvals WHERE job = ?1 AND NOT EXISTS (
                     SELECT 1 FROM pending p
                     WHERE p.job = approvals.job AND p.kind = approvals.kind
                           AND p.id = approvals.source_id)",
            )?
            .execute(params![job])?;
            forget_deleted_objects(tx)
        })
    }
}

/// Marks the groups and the reports of each link that came, went or changed scope, where the target
/// was told otherwise: late arrivals heal by themselves (product rule 13).
fn settle_link_events(
    tx: &Transaction<'_>,
    job: &JobName,
    maps_references: bool,
) -> rusqlite::Result<()> {
    let any: bool = tx
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM link_events WHERE job = ?1)")?
        .query_row(params![job], |row| row.get(0))?;
    if !any {
        return Ok(());
    }
    let number = Marks::of(tx, job).number()?;
    let settle = |sql| {
        tx.prepare_cached(sql)?
            .execute(named_params! { ":job": job, ":number": number })
    };
    settle(
        "INSERT INTO pending (job, kind, id, mark)
         SELECT :job, 'group', m.group_id, :number
         FROM link_events e
         CROSS JOIN members m ON m.member_id = e.source_id
         CROSS JOIN links g ON g.job = :job AND g.kind = 'group' AND g.source_id = m.group_id
         WHERE e.job = :job AND
             EXISTS (SELECT 1 FROM links l
                     WHERE l.job = :job AND l.kind = e.kind AND l.source_id = e.source_id
                           AND l.in_scope)
             <> EXISTS (SELECT 1 FROM sent_members s
                        WHERE s.job = :job AND s.group_id = m.group_id
                              AND s.member_id = e.source_id)
         ON CONFLICT DO UPDATE SET mark = excluded.mark",
    )?;
    if maps_references {
        settle(
            "INSERT INTO pending (job, kind, id, mark)
             SELECT :job, 'user', o.id, :number
             FROM link_events e
             CROSS JOIN objects o ON o.manager = e.source_id AND o.kind = 'user'
             CROSS JOIN links r ON r.job = :job AND r.kind = 'user' AND r.source_id = o.id
             WHERE e.job = :job AND e.kind = 'user' AND
                 EXISTS (SELECT 1 FROM links l
                         WHERE l.job = :job AND l.kind = e.kind AND l.source_id = e.source_id
                               AND l.in_scope)
                 <> EXISTS (SELECT 1 FROM sent_references s
                            WHERE s.job = :job AND s.kind = 'user' AND s.source_id = o.id
                                  AND s.referenced = e.source_id)
             ON CONFLICT DO UPDATE SET mark = excluded.mark",
        )?;
    }
    tx.prepare_cached("DELETE FROM link_events WHERE job = ?1")?
        .execute(params![job])?;
    Ok(())
}

/// What is deleted for good, unlinked and unmarked in every job, will never be asked for again.
fn forget_deleted_objects(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    // The first condition is the one of the index `objects_gone`.
    tx.prepare_cached(
        "DELETE FROM objects
         WHERE presence <> 'present' AND presence = 'deleted'
             AND NOT EXISTS (SELECT 1 FROM jobs CROSS JOIN links l
                             ON l.job = jobs.name AND l.kind = objects.kind
                                AND l.source_id = objects.id)
             AND NOT EXISTS (SELECT 1 FROM jobs CROSS JOIN pending p
                             ON p.job = jobs.name AND p.kind = objects.kind
                                AND p.id = objects.id)",
    )?
    .execute([])?;
    Ok(())
}
