//! Custom security attributes, which are not in the delta pages: merged into the users that are known,
//! each together with its mark (product rule 1).

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, params};

use super::codec::{pack_attributes, unpack_attributes};
use super::marks::Marks;
use super::state::State;
use super::{Error, Store};
use crate::engine::model::{
    Attributes, Complete, CustomSecurityAttribute, CustomSecurityValues, Key, ObjectKind,
    SourceNumber,
};

/// Users per transaction. Nothing is lost between two: the next cycle reads and compares them all.
const CHUNK: usize = 1_000;

impl Store {
    /// Makes these attributes of every user that was read what the reading says, and marks who changed
    /// in every job that reads the source; gives their number. A user who is not in it stays unchanged, and so does a
    /// user whom no delta page has returned yet.
    pub(crate) fn merge_custom_security_attributes(
        &self,
        source: SourceNumber,
        wanted: &BTreeSet<CustomSecurityAttribute>,
        read: &Complete<Vec<CustomSecurityValues>>,
    ) -> Result<u64, Error> {
        let wanted: Vec<_> = wanted.iter().map(|name| (name, name.to_string())).collect();
        let mut changed = 0;
        for chunk in read.get().chunks(CHUNK) {
            changed += self.write("store the custom security attributes", |tx| {
                let mut marks = Marks::of_source(tx, source)?;
                let mut changed = 0;
                for user in chunk {
                    if let Some(key) = merge(tx, &wanted, user)? {
                        marks.object(ObjectKind::User, key)?;
                        changed += 1;
                    }
                }
                Ok(changed)
            })?;
        }
        Ok(changed)
    }
}

/// The user's key when anything changed.
fn merge(
    state: &State,
    wanted: &[(&CustomSecurityAttribute, String)],
    user: &CustomSecurityValues,
) -> rusqlite::Result<Option<Key>> {
    let known: Option<(Key, Attributes)> = state
        .prepare_cached(
            "SELECT key, attributes FROM objects WHERE id = ?1 AND kind = 1 AND presence > 0",
        )?
        .query_row(params![user.user], |row| {
            let attributes = row.get_ref(1)?.as_blob()?;
            Ok((row.get(0)?, unpack_attributes(state, attributes)?))
        })
        .optional()?;
    let Some((key, old)) = known else {
        return Ok(None);
    };
    let mut new = old.clone();
    for (attribute, name) in wanted {
        match user.values.get(attribute) {
            Some(value) => new.set(name.clone(), value.clone()),
            None => new.remove(name),
        }
    }
    if new == old {
        return Ok(None);
    }
    state.run(
        "UPDATE objects SET attributes = ?2 WHERE key = ?1",
        params![key, pack_attributes(state, &new)?],
    )?;
    Ok(Some(key))
}
