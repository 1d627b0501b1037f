//! Setting pending marks: what must be evaluated again when something changed.

use rusqlite::{named_params, params};

use super::sources::jobs_of;
use super::state::State;
use crate::engine::model::{Key, ObjectKind, SourceNumber};

/// Sets marks for some jobs, all with one number. The number is drawn with the first mark, so that a
/// transaction in which nothing changed writes nothing.
pub(super) struct Marks<'s> {
    state: &'s State,
    jobs: Vec<i64>,
    number: Option<i64>,
}

impl<'s> Marks<'s> {
    /// For every job that reads this source.
    pub(super) fn of_source(state: &'s State, source: SourceNumber) -> rusqlite::Result<Self> {
        Ok(Self {
            state,
            jobs: jobs_of(state, source)?,
            number: None,
        })
    }

    pub(super) fn of(state: &'s State, job: i64) -> Self {
        Self {
            state,
            jobs: vec![job],
            number: None,
        }
    }

    pub(super) fn object(&mut self, kind: ObjectKind, key: Key) -> rusqlite::Result<()> {
        let number = self.number()?;
        let mut statement = self.state.prepare_cached(
            "INSERT INTO pending (job, kind, key, mark) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET mark = excluded.mark",
        )?;
        for job in &self.jobs {
            statement.execute(params![job, kind, key, number])?;
        }
        Ok(())
    }

    /// Marks an object that must be evaluated again although it has not changed: what failed is not tried
    /// sooner for it.
    pub(super) fn again(&mut self, kind: ObjectKind, key: Key) -> rusqlite::Result<()> {
        let number = self.number()?;
        let mut statement = self.state.prepare_cached(
            "UPDATE escrow SET mark = ?4
             WHERE job = ?1 AND kind = ?2 AND source = ?3 AND NOT EXISTS (
                 SELECT 1 FROM pending p
                 WHERE p.job = ?1 AND p.kind = ?2 AND p.key = ?3 AND p.mark > escrow.mark)",
        )?;
        for job in &self.jobs {
            statement.execute(params![job, kind, key, number])?;
        }
        self.object(kind, key)
    }

    /// The object and, for a group, everything in it and in the groups inside it, however deep.
    pub(super) fn object_and_below(&mut self, kind: ObjectKind, key: Key) -> rusqlite::Result<()> {
        self.object(kind, key)?;
        match kind {
            ObjectKind::User => Ok(()),
            // CROSS JOIN keeps the order of the tables: left to itself, SQLite goes through all
            // memberships once for each group.
            ObjectKind::Group => self.select(
                "WITH RECURSIVE below (key) AS (
                     SELECT :key
                     UNION
                     SELECT n.member_key
                     FROM below CROSS JOIN nested n ON n.group_key = below.key
                 )
                 INSERT INTO pending (job, kind, key, mark)
                 SELECT :job, o.kind, o.key, :number
                 FROM below
                 CROSS JOIN members m ON m.group_key = below.key
                 CROSS JOIN objects o ON o.key = m.member_key
                 WHERE true
                 ON CONFLICT DO UPDATE SET mark = excluded.mark",
                key,
            ),
        }
    }

    /// The groups that the object is a member of, and those around them: with nested groups its
    /// presence counts in each.
    pub(super) fn groups_around(&mut self, key: Key) -> rusqlite::Result<()> {
        self.select(
            "WITH RECURSIVE around (key) AS (
                 SELECT group_key FROM memberships WHERE member_key = :key
                 UNION
                 SELECT group_key FROM nested WHERE member_key = :key
                 UNION
                 SELECT n.group_key
                 FROM around CROSS JOIN nested n ON n.member_key = around.key
             )
             INSERT INTO pending (job, kind, key, mark)
             SELECT :job, 2, key, :number FROM around
             WHERE true
             ON CONFLICT DO UPDATE SET mark = excluded.mark",
            key,
        )
    }

    fn select(&mut self, sql: &str, key: Key) -> rusqlite::Result<()> {
        let number = self.number()?;
        let mut statement = self.state.prepare_cached(sql)?;
        for job in &self.jobs {
            statement.execute(named_params! { ":job": job, ":key": key, ":number": number })?;
        }
        Ok(())
    }

    /// The number of this transaction's marks.
    pub(super) fn number(&mut self) -> rusqlite::Result<i64> {
        if let Some(number) = self.number {
            return Ok(number);
        }
        let number = self
            .state
            .prepare_cached("UPDATE counter SET mark = mark + 1 RETURNING mark")?
            .query_row([], |row| row.get(0))?;
        self.number = Some(number);
        Ok(number)
    }
}
