//! Erasing a person on request: names and values go from the log and from the state. What stays is a
//! tombstone: the object id, and to which account it was linked, so that its fate goes on as it should.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension as _, params};

use super::super::codec::{pack_attributes, pack_sent};
use super::super::objects::{self, OBJECT};
use super::super::state::State;
use super::super::{Error, Store};
use super::{body, number, status};
use crate::engine::model::{
    Attributes, Held, Key, MatchKey, ObjectKind, SourceId, TargetPath, Value,
};
use crate::engine::plan::{Change, Operation, Subject};
use crate::engine::record::{Erased, Tombstone};

/// In the place of a name in words that are about something else as well.
const GONE: &str = "(erased)";
/// A shorter text is no name that could be found among others.
const SHORTEST: usize = 4;

/// Why a person cannot be erased yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Erasing {
    Done(Erased),
    /// The next cycle would read all of it again.
    InSource,
    /// Something of it is sent, held or planned.
    UnderWay,
}

impl Store {
    /// Users that an operator may mean by this text, those that are deleted for good included.
    pub(crate) fn users_on_record(&self, text: &str) -> Result<Vec<Subject>, Error> {
        self.read("look up users", |state| {
            state
                .prepare_cached(
                    "SELECT kind, key, id, label FROM objects
                     WHERE kind = ?1 AND (id IN (?2, ?3) OR label = ?4 COLLATE NOCASE)",
                )?
                .query_map(
                    params![
                        ObjectKind::User,
                        SourceId::new(text),
                        SourceId::new(text.to_lowercase()),
                        text
                    ],
                    |row| {
                        Ok(Subject {
                            kind: row.get(0)?,
                            key: row.get(1)?,
                            id: row.get(2)?,
                            label: row.get(3)?,
                        })
                    },
                )?
                .collect()
        })
    }

    /// Erases a person, and overwrites what stood in the file.
    pub(crate) fn erase(&self, subject: &Subject) -> Result<Erasing, Error> {
        let key = subject.key;
        let erased = self.write("erase a person", |state| {
            let presence: i64 = state
                .prepare_cached("SELECT presence FROM objects WHERE key = ?1")?
                .query_row(params![key], |row| row.get(0))?;
            if presence == 1 {
                return Ok(Erasing::InSource);
            }
            let is_open: bool = state
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM actions WHERE source = ?1 AND state < 10)",
                )?
                .query_row(params![key], |row| row.get(0))?;
            if is_open {
                return Ok(Erasing::UnderWay);
            }
            let mut names: BTreeSet<String> = BTreeSet::from([subject.label.clone()]);
            names.extend(names_on_record(state, key)?);
            let entries = erase_rows(state, key, &mut names)?;
            names.retain(|name| name.len() >= SHORTEST && *name != subject.id.as_str());
            erase_object(state, subject)?;
            for name in &names {
                erase_words(state, name)?;
            }
            // They hold what commands printed.
            state.run("DELETE FROM commands WHERE exit IS NOT NULL", [])?;
            Ok(Erasing::Done(Erased {
                entries,
                links: tombstones(state, key)?,
            }))
        })?;
        if matches!(erased, Erasing::Done(_)) {
            // The file is written anew, without what earlier changes left in it, and the log is emptied.
            self.read("erase a person", |state| {
                state.execute_batch("VACUUM")?;
                state.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            })?;
        }
        Ok(erased)
    }
}

/// What the source calls the person.
fn names_on_record(state: &State, key: Key) -> rusqlite::Result<Vec<String>> {
    let object = state
        .prepare_cached(&format!(
            "SELECT {OBJECT} FROM objects o WHERE o.key = ?1 AND o.presence > 0"
        ))?
        .query_row(params![key], |row| objects::object(state, row))
        .optional()?;
    let Some(object) = object else {
        return Ok(Vec::new());
    };
    let names = [
        "userPrincipalName",
        "originalUserPrincipalName",
        "displayName",
        "mail",
        "mailNickname",
    ];
    let names = names
        .into_iter()
        .filter_map(|name| object.attributes.text(name));
    Ok(names.map(str::to_owned).collect())
}

/// Takes the values out of each row of the ledger; what the values called the person joins the names.
fn erase_rows(state: &State, key: Key, names: &mut BTreeSet<String>) -> rusqlite::Result<u64> {
    // Skipped: it says nothing but why.
    let skipped = state.run(
        "DELETE FROM actions WHERE source = ?1 AND state = ?2",
        params![key, status::SKIPPED],
    )?;
    let rows: Vec<(i64, i64, Key, Vec<u8>)> = state
        .prepare_cached(
            "SELECT id, operation, source, body FROM actions
             WHERE source = ?1 OR operation IN (?2, ?3)",
        )?
        .query_map(params![key, number::ADOPT, number::HAND_OVER], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut erased = skipped as u64;
    for (id, operation, source, packed) in rows {
        // What failed before it became an action has no values.
        let operation = if number::name_of(operation).is_some() {
            let mut operation = body::unpack_operation(state, operation, &packed)?;
            if source != key && !concerns(&operation, key) {
                continue;
            }
            collect_names(&operation, names);
            strip(&mut operation);
            Some(body::pack_operation(state, &operation)?)
        } else if source == key {
            None
        } else {
            continue;
        };
        state.run(
            "UPDATE actions SET body = coalesce(?2, body),
                                error = CASE WHEN error IS NULL THEN NULL ELSE ?3 END
             WHERE id = ?1",
            params![id, operation, GONE],
        )?;
        erased += 1;
    }
    Ok(erased)
}

/// Whether an account passed from or to the person by it.
fn concerns(operation: &Operation, key: Key) -> bool {
    match operation {
        Operation::HandOver(hand) => hand.to.key == key,
        Operation::Adopt { from, .. } => *from == Some(key),
        _ => false,
    }
}

fn is_name(path: &TargetPath) -> bool {
    let path = path.to_string();
    let names = [
        "userName",
        "displayName",
        "nickName",
        "externalId",
        "name.formatted",
    ];
    names.contains(&path.as_str()) || path.starts_with("emails")
}

fn collect_names(operation: &Operation, names: &mut BTreeSet<String>) {
    let mut add = |path: &TargetPath, value: Option<&Value>| {
        if let (true, Some(Value::Text(text))) = (is_name(path), value) {
            names.insert(text.to_string());
        }
    };
    let changes: &[Change] = match operation {
        Operation::Create { attributes, .. } => {
            for (path, value) in attributes {
                add(path, Some(value));
            }
            &[]
        }
        Operation::Adopt { changes, .. }
        | Operation::Update { changes }
        | Operation::Enable { changes }
        | Operation::Disable { changes, .. } => changes,
        // Values of two people.
        Operation::HandOver(_)
        | Operation::Delete { .. }
        | Operation::AddMembers { .. }
        | Operation::RemoveMembers { .. }
        | Operation::SetReference { .. } => &[],
    };
    for change in changes {
        add(&change.path, change.old.as_ref());
        add(&change.path, change.new.as_ref());
    }
}

fn strip(operation: &mut Operation) {
    let empty = |key: &mut MatchKey| key.value = Value::text(GONE);
    match operation {
        Operation::Create {
            attributes,
            references,
            keys,
            via,
        } => {
            attributes.clear();
            references.clear();
            keys.clear();
            via.clear();
        }
        Operation::Adopt {
            key,
            current,
            changes,
            via,
            from: _,
        } => {
            empty(key);
            *current = Held::default();
            changes.clear();
            via.clear();
        }
        Operation::Update { changes }
        | Operation::Enable { changes }
        | Operation::Disable { changes, .. } => changes.clear(),
        Operation::HandOver(hand) => {
            hand.to.label = hand.to.id.to_string();
            empty(&mut hand.key);
            hand.disable.clear();
            hand.current.clear();
            hand.changes.clear();
            hand.enable.clear();
            hand.via.clear();
        }
        Operation::Delete { .. }
        | Operation::AddMembers { .. }
        | Operation::RemoveMembers { .. }
        | Operation::SetReference { .. } => {}
    }
}

/// The object, its links and what is noted of it, without names and values.
fn erase_object(state: &State, subject: &Subject) -> rusqlite::Result<()> {
    let (key, id) = (subject.key, subject.id.as_str());
    let nothing = pack_sent(state, &Held::default().values)?;
    state.run(
        "DELETE FROM labels WHERE kind = ?1 AND key = ?2",
        params![subject.kind, key],
    )?;
    state.run(
        "UPDATE objects SET label = ?2, attributes = CASE WHEN presence > 0 THEN ?3 END WHERE key = ?1",
        params![key, id, pack_attributes(state, &Attributes::default())?],
    )?;
    // Read before it is compared: what was sent is not known any more.
    state.run(
        "UPDATE links SET sent = ?2, unread = max(unread, 1)
         WHERE link IN (SELECT (j.key << 32) + ?1 FROM jobs j)",
        params![key, nothing],
    )?;
    state.run(
        "UPDATE escrow SET label = ?2, message = ?3 WHERE source = ?1",
        params![key, id, GONE],
    )?;
    state.run("DELETE FROM old_accounts WHERE source = ?1", params![key])?;
    state.run(
        "UPDATE withheld SET message = ?2 WHERE source = ?1",
        params![key, GONE],
    )?;
    state.run(
        "UPDATE operations SET detail = '' WHERE source = ?1",
        params![key],
    )?;
    state.run(
        "UPDATE holds SET reason = NULL WHERE source = ?1 OR member = ?1",
        params![key],
    )?;
    Ok(())
}

/// A name in words about something else, such as a conflict with another user.
fn erase_words(state: &State, name: &str) -> rusqlite::Result<()> {
    for (table, column) in [
        ("actions", "error"),
        ("requests", "error"),
        ("escrow", "message"),
        ("withheld", "message"),
        ("holds", "reason"),
        ("operations", "detail"),
        ("cycles", "error"),
        ("cycles", "incomplete"),
    ] {
        state.run(
            &format!(
                "UPDATE {table} SET {column} = replace({column}, ?1, ?2)
                 WHERE instr({column}, ?1) > 0"
            ),
            params![name, GONE],
        )?;
    }
    state.run(
        "DELETE FROM actions WHERE state = ?2 AND instr(body, CAST(?1 AS BLOB)) > 0",
        params![name, status::SKIPPED],
    )?;
    Ok(())
}

fn tombstones(state: &State, key: Key) -> rusqlite::Result<Vec<Tombstone>> {
    state
        .prepare_cached(
            "SELECT j.name, l.target, l.active
             FROM jobs j CROSS JOIN links l ON l.link = (j.key << 32) + ?1 ORDER BY j.name",
        )?
        .query_map(params![key], |row| {
            Ok(Tombstone {
                job: row.get(0)?,
                target: row.get(1)?,
                is_active: row.get(2)?,
            })
        })?
        .collect()
}
