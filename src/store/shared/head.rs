//! How far the database and a copy are.

use postgres::Client;
use rusqlite::{Connection, OptionalExtension};

use super::{FETCHED, Failed, VERSION};
use crate::store::migrations;

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) state: String,
    pub(super) version: i32,
    pub(super) format: i64,
    pub(super) position: i64,
}

/// A change in the order of all.
pub(super) struct Change {
    pub(super) position: i64,
    pub(super) token: String,
    pub(super) body: Vec<u8>,
}

/// How far a copy is, or the database: the last change, and by which it is recognised, where that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) position: i64,
    pub(super) token: Option<String>,
}

impl Place {
    /// Whether a copy that is here has the changes up to `there`, another place of the same position.
    pub(super) fn is_at(&self, there: &Self) -> bool {
        let is_other = self.token.is_some() && self.token != there.token;
        self.position == there.position && !is_other
    }
}

pub(super) fn position_of(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT position FROM copied")?
        .query_row([], |row| row.get(0))
}

pub(super) fn place_of(connection: &Connection) -> rusqlite::Result<Place> {
    connection
        .prepare_cached("SELECT position, token FROM copied")?
        .query_row([], |row| {
            Ok(Place {
                position: row.get(0)?,
                token: row.get(1)?,
            })
        })
}

/// The copy has one change more.
pub(super) const MOVED: &str = "UPDATE copied SET position = ?1, token = ?2";

/// Which state the file is a copy of.
pub(super) fn state_of(connection: &Connection) -> rusqlite::Result<Option<String>> {
    connection
        .query_row("SELECT state FROM copied", [], |row| row.get(0))
        .optional()
}

/// The head, the change at a position, and those after it, whole ones.
pub(super) fn changes_after(
    client: &mut Client,
    position: i64,
) -> Result<(Head, Place, Vec<Change>), Failed> {
    let head = head(client)?.ok_or_else(|| Failed::unreadable("the head of the state"))?;
    let there = client.query_opt(
        "SELECT token FROM changes WHERE position = $1 AND part = 0",
        &[&position],
    )?;
    let token = there.map(|row| row.get(0));
    let there = Place { position, token };
    if head.position == position {
        return Ok((head, there, Vec::new()));
    }
    let rows = client.query(
        "SELECT position, token, body FROM changes WHERE position > $1 AND position <= $1 + $2
         ORDER BY position, part",
        &[&position, &FETCHED],
    )?;
    let changes = rows.into_iter().map(|row| Change {
        position: row.get(0),
        token: row.get(1),
        body: row.get(2),
    });
    Ok((head, there, changes.collect()))
}

/// `None`: there is no state yet.
pub(super) fn head(client: &mut Client) -> Result<Option<Head>, Failed> {
    let there: bool = client
        .query_one("SELECT to_regclass('head') IS NOT NULL", &[])?
        .get(0);
    if !there {
        return Ok(None);
    }
    let row = client.query_opt("SELECT state, version, format, position FROM head", &[]);
    let row = match row {
        Ok(row) => row,
        Err(error) if error.code() == Some(&postgres::error::SqlState::UNDEFINED_COLUMN) => {
            return Err(Failed::unfit(
                "the schema holds tables of another program".to_owned(),
                "set state.schema to a name of its own",
            ));
        }
        Err(error) => return Err(error.into()),
    };
    let Some(row) = row else {
        return Ok(None);
    };
    let version: i32 = row.get(1);
    let format: i64 = row.get(2);
    if version > VERSION || format > migrations::newest() {
        return Err(Failed::unfit(
            format!(
                "the state was written by a newer version of entrain (format {format}; this version supports up to \
                 {})",
                migrations::newest()
            ),
            "install that version on this machine, too",
        ));
    }
    Ok(Some(Head {
        state: row.get(0),
        version,
        format,
        position: row.get(3),
    }))
}
