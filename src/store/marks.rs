//! Setting pending marks: who must be evaluated again when something changed.

use rusqlite::{Connection, named_params, params};

use crate::engine::model::{JobName, ObjectKind, SourceId};

/// Sets marks for some jobs, all with one number. The number is drawn with the first mark, so that a
/// transaction in which nothing changed writes nothing.
pub(super) struct Marks<'c> {
    connection: &'c Connection,
    jobs: Vec<JobName>,
    number: Option<i64>,
}

impl<'c> Marks<'c> {
    pub(super) fn of_every_job(connection: &'c Connection) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare_cached("SELECT name FROM jobs")?;
        let jobs = statement.query_map([], |row| row.get(0))?;
        Ok(Self {
            connection,
            jobs: jobs.collect::<rusqlite::Result<_>>()?,
            number: None,
        })
    }

    pub(super) fn of(connection: &'c Connection, job: &JobName) -> Self {
        Self {
            connection,
            jobs: vec![job.clone()],
            number: None,
        }
    }

    pub(super) fn object(&mut self, kind: ObjectKind, id: &SourceId) -> rusqlite::Result<()> {
        let number = self.number()?;
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO pending (job, kind, id, mark) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET mark = excluded.mark",
        )?;
        for job in &self.jobs {
            statement.execute(params![job, kind, id, number])?;
        }
        Ok(())
    }

    /// The object and, for a group, everyone in it and in the groups inside it, however deep.
    pub(super) fn object_and_below(
        &mut self,
        kind: ObjectKind,
        id: &SourceId,
    ) -> rusqlite::Result<()> {
        self.object(kind, id)?;
        match kind {
            ObjectKind::User => Ok(()),
            // CROSS JOIN keeps the order of the tables: left to itself, SQLite goes through all
            // memberships once for each group.
            ObjectKind::Group => self.select(
                "WITH RECURSIVE below (id) AS (
                     SELECT :id
                     UNION
                     SELECT m.member_id
                     FROM below CROSS JOIN members m ON m.group_id = below.id
                     WHERE m.member_kind = 'group'
                 )
                 INSERT INTO pending (job, kind, id, mark)
                 SELECT :job, m.member_kind, m.member_id, :number
                 FROM below CROSS JOIN members m ON m.group_id = below.id
                 WHERE true
                 ON CONFLICT DO UPDATE SET mark = excluded.mark",
                id,
            ),
        }
    }

    /// The groups that the object is a direct member of.
    pub(super) fn groups_of(&mut self, id: &SourceId) -> rusqlite::Result<()> {
        self.select(
            "INSERT INTO pending (job, kind, id, mark)
             SELECT :job, 'group', group_id, :number FROM members WHERE member_id = :id
             ON CONFLICT DO UPDATE SET mark = excluded.mark",
            id,
        )
    }

    fn select(&mut self, sql: &str, id: &SourceId) -> rusqlite::Result<()> {
        let number = self.number()?;
        let mut statement = self.connection.prepare_cached(sql)?;
        for job in &self.jobs {
            statement.execute(named_params! { ":job": job, ":id": id, ":number": number })?;
        }
        Ok(())
    }

    /// The number of this transaction's marks.
    pub(super) fn number(&mut self) -> rusqlite::Result<i64> {
        if let Some(number) = self.number {
            return Ok(number);
        }
        let number = self
            .connection
            .prepare_cached("UPDATE counter SET mark = mark + 1 RETURNING mark")?
            .query_row([], |row| row.get(0))?;
        self.number = Some(number);
        Ok(number)
    }
}
