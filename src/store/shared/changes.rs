//! What a transaction changed, as rows: which ones is noted by triggers while it runs, and what became of them
//! is packed when it ends. Rows that are there are written whole, and the others are removed, so that the order
//! within one change does not matter. Unlike statements, rows mean the same in every copy.

use std::fmt::Write as _;

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, params_from_iter};

use super::error::Failed;
use crate::store::codec::{Packer, Unpacker};

/// Tables that belong to the file that they are in, and not to the state.
const OF_THE_FILE: &[&str] = &["place", "copied"];

/// A part of a change is closed at this size.
const PART: usize = 4 * 1024 * 1024;

const NULL: u64 = 0;
const INTEGER: u64 = 1;
const REAL: u64 = 2;
const TEXT: u64 = 3;
const BLOB: u64 = 4;

/// A table of the state.
pub(super) struct Table {
    pub(super) name: String,
    /// The columns of its key, which come first among `columns`.
    key: Vec<String>,
    columns: Vec<String>,
}

impl Table {
    /// All tables of the state, in the order of their names.
    pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<Self>> {
        let names: Vec<String> = connection
            .prepare(
                "SELECT name FROM main.sqlite_schema
                 WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
            )?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        names
            .into_iter()
            .filter(|name| !OF_THE_FILE.contains(&name.as_str()))
            .map(|name| Self::read(connection, name))
            .collect()
    }

    fn read(connection: &Connection, name: String) -> rusqlite::Result<Self> {
        let columns: Vec<(String, i64)> = connection
            .prepare("SELECT name, pk FROM pragma_table_info(?1, 'main')")?
            .query_map([&name], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let mut key: Vec<_> = columns.iter().filter(|(_, place)| *place > 0).collect();
        key.sort_by_key(|(_, place)| *place);
        let mut key: Vec<String> = key.into_iter().map(|(name, _)| name.clone()).collect();
        if key.is_empty() {
            key.push("rowid".to_owned());
        }
        let others = columns.iter().filter(|(_, place)| *place == 0);
        let others = others.map(|(name, _)| name.clone());
        let columns = key.iter().cloned().chain(others).collect();
        Ok(Self { name, key, columns })
    }

    fn key_of(&self, row: &str) -> String {
        let names = self.key.iter().map(|name| format!("{row}.{name}"));
        names.collect::<Vec<_>>().join(", ")
    }

    fn note(&self, connection: &Connection) -> rusqlite::Result<()> {
        let Self { name, key, .. } = self;
        let key = key.iter().map(|name| format!("\"{name}\""));
        let key = key.collect::<Vec<_>>().join(", ");
        let mut sql = format!("CREATE TEMP TABLE changed_{name} ({key});");
        for (event, rows) in [
            ("INSERT", &["NEW"] as &[&str]),
            ("DELETE", &["OLD"]),
            ("UPDATE", &["OLD", "NEW"]),
        ] {
            let _ = write!(
                sql,
                "CREATE TEMP TRIGGER note_{event}_{name} AFTER {event} ON main.{name} BEGIN "
            );
            for row in rows {
                let _ = write!(
                    sql,
                    "INSERT INTO changed_{name} VALUES ({}); ",
                    self.key_of(row)
                );
            }
            sql.push_str("END;");
        }
        connection.execute_batch(&sql)
    }

    fn changed(&self) -> String {
        let Self { name, key, .. } = self;
        let columns = self
            .columns
            .iter()
            .map(|column| format!("of_file.{column}"));
        let columns = columns.collect::<Vec<_>>().join(", ");
        let noted = key.iter().map(|name| format!("noted.\"{name}\""));
        let noted = noted.collect::<Vec<_>>().join(", ");
        let same = key
            .iter()
            .map(|name| format!("of_file.{name} = noted.\"{name}\""));
        let same = same.collect::<Vec<_>>().join(" AND ");
        format!(
            "SELECT {noted}, {columns} FROM (SELECT DISTINCT * FROM temp.changed_{name}) noted
             LEFT JOIN main.{name} of_file ON {same}"
        )
    }

    /// All rows, always in the same order.
    pub(super) fn in_order(&self) -> String {
        let Self { name, key, columns } = self;
        let (columns, key) = (columns.join(", "), key.join(", "));
        format!("SELECT {columns} FROM main.{name} ORDER BY {key}")
    }

    fn put(&self) -> String {
        let Self { name, columns, .. } = self;
        let list = columns.join(", ");
        let places = vec!["?"; columns.len()].join(", ");
        format!("INSERT OR REPLACE INTO main.{name} ({list}) VALUES ({places})")
    }

    fn remove(&self) -> String {
        let same = self.key.iter().map(|name| format!("{name} = ?"));
        let same = same.collect::<Vec<_>>().join(" AND ");
        format!("DELETE FROM main.{} WHERE {same}", self.name)
    }
}

/// Notes on one connection which rows its transactions change.
pub(super) struct Recorder {
    tables: Vec<(Table, String)>,
}

impl Recorder {
    pub(super) fn install(connection: &Connection) -> rusqlite::Result<Self> {
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        // So that what an insert replaces is noted, too.
        connection.pragma_update(None, "recursive_triggers", true)?;
        let tables = Table::all(connection)?;
        for table in &tables {
            table.note(connection)?;
        }
        let tables = tables.into_iter().map(|table| {
            let changed = table.changed();
            (table, changed)
        });
        Ok(Self {
            tables: tables.collect(),
        })
    }

    /// The change that the open transaction makes, in parts; none where it changes nothing.
    pub(super) fn take(&self, connection: &Connection) -> rusqlite::Result<Vec<Vec<u8>>> {
        let mut parts = Parts::default();
        for (table, changed) in &self.tables {
            let (keys, columns) = (table.key.len(), table.columns.len());
            let mut statement = connection.prepare_cached(changed)?;
            let mut rows = statement.query([])?;
            let mut any = false;
            while let Some(row) = rows.next()? {
                any = true;
                // Columns of a key are never NULL.
                let is_there = row.get_ref(keys)? != ValueRef::Null;
                let (from, count) = if is_there { (keys, columns) } else { (0, keys) };
                parts.begin(&table.name, is_there);
                for index in from..from + count {
                    parts.value(row.get_ref(index)?);
                }
            }
            drop(rows);
            drop(statement);
            if any {
                connection
                    .prepare_cached(&format!("DELETE FROM temp.changed_{}", table.name))?
                    .execute([])?;
            }
        }
        Ok(parts.finish())
    }
}

/// Rows on their way into parts of a change.
#[derive(Default)]
pub(super) struct Parts {
    done: Vec<Vec<u8>>,
    open: Packer,
}

impl Parts {
    /// Each row names its table: a part is read by itself.
    fn begin(&mut self, table: &str, is_there: bool) {
        if self.open.len() > PART {
            self.done.push(std::mem::take(&mut self.open).finish());
        }
        self.open.text(table);
        self.open.number(u64::from(is_there));
    }

    pub(super) fn value(&mut self, value: ValueRef<'_>) {
        let open = &mut self.open;
        match value {
            ValueRef::Null => open.number(NULL),
            ValueRef::Integer(number) => {
                open.number(INTEGER);
                open.number(number.cast_unsigned());
            }
            ValueRef::Real(number) => {
                open.number(REAL);
                open.number(number.to_bits());
            }
            ValueRef::Text(text) => {
                open.number(TEXT);
                open.bytes(text);
            }
            ValueRef::Blob(bytes) => {
                open.number(BLOB);
                open.bytes(bytes);
            }
        }
    }

    pub(super) fn finish(mut self) -> Vec<Vec<u8>> {
        if self.open.len() > 0 {
            self.done.push(self.open.finish());
        }
        self.done
    }
}

/// Writes changes to the copy on a connection.
pub(super) struct Applier {
    tables: Vec<(Table, String, String)>,
}

impl Applier {
    pub(super) fn new(connection: &Connection) -> rusqlite::Result<Self> {
        // What a removal takes along is in the change, too, and to replace a row takes nothing along.
        connection.pragma_update(None, "foreign_keys", false)?;
        let tables = Table::all(connection)?.into_iter().map(|table| {
            let (put, remove) = (table.put(), table.remove());
            (table, put, remove)
        });
        Ok(Self {
            tables: tables.collect(),
        })
    }

    /// One part, in the open transaction.
    pub(super) fn apply(&self, connection: &Connection, part: &[u8]) -> Result<(), Cut> {
        let mut unpacker = Unpacker::new(part);
        while !unpacker.is_empty() {
            let name = unpacker.text()?;
            let is_there = unpacker.number()? == 1;
            let place = self
                .tables
                .binary_search_by(|(table, ..)| table.name.as_str().cmp(&name));
            let (table, put, remove) = &self.tables[place.map_err(|_| Cut::Unknown)?];
            let (count, sql) = if is_there {
                (table.columns.len(), put)
            } else {
                (table.key.len(), remove)
            };
            let values = (0..count)
                .map(|_| value(&mut unpacker))
                .collect::<Result<Vec<_>, _>>()?;
            connection
                .prepare_cached(sql)?
                .execute(params_from_iter(values))?;
        }
        Ok(())
    }
}

/// A change that cannot be written to a copy.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cut {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("it names a table that is not known")]
    Unknown,
}

impl From<Cut> for Failed {
    fn from(_: Cut) -> Self {
        Self::unreadable("a change in the database")
    }
}

fn value(unpacker: &mut Unpacker<'_>) -> Result<Value, Cut> {
    Ok(match unpacker.number()? {
        NULL => Value::Null,
        INTEGER => Value::Integer(unpacker.number()?.cast_signed()),
        REAL => Value::Real(f64::from_bits(unpacker.number()?)),
        TEXT => Value::Text(unpacker.text()?),
        BLOB => Value::Blob(unpacker.blob()?),
        _ => return Err(Cut::Unknown),
    })
}
