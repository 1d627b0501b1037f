//! What the end of a round from the beginning says of objects and members that it did not report.

use rusqlite::params;

use super::Page;
use crate::engine::model::{Key, ObjectKind, Presence};
use crate::store::sources::jobs_of;
use crate::store::state::array;

impl Page<'_> {
    /// A full round does not report what was deleted before it (Graph delta query): what it did not
    /// report is missing, whether object or membership. `among`: the round was of these objects alone.
    pub(in crate::store) fn drop_what_was_not_reported(
        &mut self,
        among: Option<&[Key]>,
    ) -> rusqlite::Result<()> {
        let missing: Vec<Key> = match among {
            None => self.state.column(
                "SELECT key FROM objects
                 WHERE kind = ?1 AND presence = 1 AND source = ?3 AND seen <> ?2",
                params![self.kind, self.round.number, self.round.stream.source],
            )?,
            Some(keys) => self.state.column(
                "SELECT o.key FROM rarray(?3) k CROSS JOIN objects o ON o.key = k.value
                 WHERE o.kind = ?1 AND o.presence = 1 AND o.seen <> ?2",
                params![self.kind, self.round.number, array(keys)],
            )?,
        };
        for key in &missing {
            self.state.run(
                "UPDATE objects SET presence = ?2 WHERE key = ?1",
                params![key, Presence::Missing],
            )?;
            self.count(Presence::Present, Presence::Missing);
            self.marks.object_and_below(self.kind, *key)?;
            self.marks.groups_around(*key)?;
            self.summary.missing += 1;
        }
        self.miss_what_may_have_been_created(among)?;
        match self.kind {
            ObjectKind::User => Ok(()),
            ObjectKind::Group => self.drop_stale_members(among),
        }
    }

    /// A write whose end is not known is settled by a plan, which holds only what was read: what had been forgotten
    /// and is not reported either is missing.
    fn miss_what_may_have_been_created(&mut self, among: Option<&[Key]>) -> rusqlite::Result<()> {
        let source = self.round.stream.source;
        let mut unsettled: Vec<Key> = Vec::new();
        for job in jobs_of(self.state, source)? {
            unsettled.extend(self.state.column::<Key>(
                "SELECT source FROM actions WHERE job = ?1 AND state BETWEEN 1 AND 4",
                params![job],
            )?);
        }
        if let Some(among) = among {
            unsettled.retain(|key| among.contains(key));
        }
        if unsettled.is_empty() {
            return Ok(());
        }
        let forgotten: Vec<Key> = self.state.column(
            "SELECT o.key FROM rarray(?1) k CROSS JOIN objects o ON o.key = k.value
             WHERE o.kind = ?2 AND o.presence = 0 AND o.source = ?3",
            params![array(&unsettled), self.kind, source],
        )?;
        for key in forgotten {
            self.state.run(
                "UPDATE objects SET presence = ?2 WHERE key = ?1",
                params![key, Presence::Missing],
            )?;
            self.marks.object_and_below(self.kind, key)?;
        }
        Ok(())
    }

    fn drop_stale_members(&mut self, among: Option<&[Key]>) -> rusqlite::Result<()> {
        let number = self.round.number;
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let stale: Vec<(Key, Key, ObjectKind)> = match among {
            None => self
                .state
                .prepare_cached(
                    "SELECT m.group_key, m.member_key, o.kind
                     FROM objects g
                     CROSS JOIN members m ON m.group_key = g.key
                     CROSS JOIN objects o ON o.key = m.member_key
                     WHERE g.kind = 2 AND g.presence > 0 AND g.seen = ?1 AND m.seen <> ?1",
                )?
                .query_map(params![number], read)?
                .collect::<rusqlite::Result<_>>()?,
            Some(keys) => self
                .state
                .prepare_cached(
                    "SELECT m.group_key, m.member_key, o.kind
                     FROM rarray(?2) k
                     CROSS JOIN objects g ON g.key = k.value
                     CROSS JOIN members m ON m.group_key = g.key
                     CROSS JOIN objects o ON o.key = m.member_key
                     WHERE g.presence > 0 AND g.seen = ?1 AND m.seen <> ?1",
                )?
                .query_map(params![number, array(keys)], read)?
                .collect::<rusqlite::Result<_>>()?,
        };
        for (group, member, kind) in stale {
            self.lose_member(group, member, kind)?;
        }
        Ok(())
    }

    /// A member that is not reported any more.
    pub(super) fn lose_member(
        &mut self,
        group: Key,
        member: Key,
        kind: ObjectKind,
    ) -> rusqlite::Result<()> {
        self.drop_member(group, member)?;
        self.marks.object(ObjectKind::Group, group)?;
        self.marks.groups_around(group)?;
        self.marks.object_and_below(kind, member)?;
        self.summary.members_removed += 1;
        Ok(())
    }
}
