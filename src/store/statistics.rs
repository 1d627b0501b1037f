//! How much the state holds.

use rusqlite::params;

use super::{Error, Store};

impl Store {
    /// Rows by table, and pages, in the order of their names.
    pub(crate) fn statistics(&self) -> Result<Vec<(String, i64)>, Error> {
        self.read("count what the state holds", |state| {
            let tables: Vec<String> = state.column(
                "SELECT name FROM main.sqlite_master WHERE type = 'table' ORDER BY name",
                params![],
            )?;
            let mut counts = Vec::new();
            for table in tables {
                let count: i64 = state.query_row(
                    &format!("SELECT count(*) FROM main.\"{table}\""),
                    [],
                    |row| row.get(0),
                )?;
                counts.push((format!("rows of {table}"), count));
            }
            for pragma in ["page_count", "page_size", "freelist_count", "user_version"] {
                let number = state.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0))?;
                counts.push((pragma.to_owned(), number));
            }
            Ok(counts)
        })
    }
}
