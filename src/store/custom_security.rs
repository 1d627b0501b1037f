//! Custom security attributes, which come beside the delta pages: merged into the users that are known,
//! each together with its mark (product rule 1).

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Transaction, params};

use super::marks::Marks;
use super::wire::Column;
use super::{Error, Store};
use crate::engine::model::{
    Attributes, Complete, CustomSecurityAttribute, CustomSecurityValues, ObjectKind,
};

/// Users per transaction. Nothing is lost between two: the next cycle reads and compares them all.
const CHUNK: usize = 1_000;

impl Store {
    /// Makes these attributes of every user that was read what the reading says, and marks who changed
    /// in every known job; gives their number. Whoever is not in it stays as they are, and so does a
    /// user whom no delta page has told of yet.
    pub(crate) fn merge_custom_security_attributes(
        &self,
        wanted: &BTreeSet<CustomSecurityAttribute>,
        read: &Complete<Vec<CustomSecurityValues>>,
    ) -> Result<u64, Error> {
        let wanted: Vec<_> = wanted.iter().map(|name| (name, name.to_string())).collect();
        let mut changed = 0;
        for chunk in read.get().chunks(CHUNK) {
            changed += self.write("store the custom security attributes", |tx| {
                let mut marks = Marks::of_every_job(tx)?;
                let mut changed = 0;
                for user in chunk {
                    if merge(tx, &wanted, user)? {
                        marks.object(ObjectKind::User, &user.user)?;
                        changed += 1;
                    }
                }
                Ok(changed)
            })?;
        }
        Ok(changed)
    }
}

/// Whether anything changed.
fn merge(
    tx: &Transaction<'_>,
    wanted: &[(&CustomSecurityAttribute, String)],
    user: &CustomSecurityValues,
) -> rusqlite::Result<bool> {
    // Most people have none, before and after: their attributes need not be read at all.
    let known: Option<Column<Attributes>> = tx
        .prepare_cached(
            "SELECT attributes FROM objects
             WHERE kind = 'user' AND id = ?1
                   AND (?2 OR instr(attributes, 'customSecurityAttributes.'))",
        )?
        .query_row(params![user.user, !user.values.is_empty()], |row| {
            row.get(0)
        })
        .optional()?;
    let Some(Column(old)) = known else {
        return Ok(false);
    };
    let mut new = old.clone();
    for (attribute, name) in wanted {
        match user.values.get(attribute) {
            Some(value) => new.set(name.clone(), value.clone()),
            None => new.remove(name),
        }
    }
    if new == old {
        return Ok(false);
    }
    tx.prepare_cached("UPDATE objects SET attributes = ?2 WHERE kind = 'user' AND id = ?1")?
        .execute(params![user.user, Column(&new)])?;
    Ok(true)
}
