//! The format of the state file: an ordered list of migrations, counted in `user_version`.
//! A migration that was released is never edited; a new format is a new entry.

use rusqlite::{Connection, TransactionBehavior};

const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
    include_str!("migrations/0004.sql"),
    include_str!("migrations/0005.sql"),
    include_str!("migrations/0006.sql"),
    include_str!("migrations/0007.sql"),
    include_str!("migrations/0008.sql"),
    include_str!("migrations/0009.sql"),
    include_str!("migrations/0010.sql"),
];

/// The format that the first migration makes. Formats before it were never released.
pub(super) const FIRST: i64 = 16;

/// Marks an `SQLite` file as ours ("entr" in ASCII), so that no foreign database is written into.
const APPLICATION_ID: i64 = 0x656e_7472;

/// What the header of a file says it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Nothing in it yet.
    Empty,
    Ours(i64),
    Foreign,
}

/// The format that this version writes.
pub(super) fn newest() -> i64 {
    FIRST - 1 + i64::try_from(MIGRATIONS.len()).expect("the list of migrations is short")
}

pub(super) fn format(connection: &Connection) -> rusqlite::Result<Format> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let objects: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match (pragma("application_id")?, pragma("user_version")?) {
        (APPLICATION_ID, version) => Format::Ours(version),
        (0, 0) if objects == 0 => Format::Empty,
        _ => Format::Foreign,
    })
}

/// Brings an empty or older file to the newest format, each step in a transaction of its own.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    migrate_to(connection, MIGRATIONS.len())
}

fn migrate_to(connection: &mut Connection, target: usize) -> rusqlite::Result<()> {
    for (made, migration) in (FIRST..).zip(&MIGRATIONS[..target]) {
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Read inside the transaction: another process may have migrated the file meanwhile.
        let version: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version >= made {
            continue;
        }
        tx.execute_batch(migration)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", made)?;
        tx.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows that a state of each format may hold, inserted before the next migration runs.
    const SAMPLES: &[&str] = &[
        include_str!("migrations/0001_sample.sql"),
        include_str!("migrations/0002_sample.sql"),
        include_str!("migrations/0003_sample.sql"),
        include_str!("migrations/0004_sample.sql"),
        include_str!("migrations/0005_sample.sql"),
        include_str!("migrations/0006_sample.sql"),
        include_str!("migrations/0007_sample.sql"),
        include_str!("migrations/0008_sample.sql"),
        include_str!("migrations/0009_sample.sql"),
        include_str!("migrations/0010_sample.sql"),
    ];

    #[test]
    fn every_migration_runs_on_top_of_sample_rows_of_the_one_before() {
        assert_eq!(SAMPLES.len(), MIGRATIONS.len(), "each format has its rows");
        let mut connection = Connection::open_in_memory().unwrap();
        assert_eq!(format(&connection).unwrap(), Format::Empty);
        for (number, sample) in SAMPLES.iter().enumerate() {
            migrate_to(&mut connection, number + 1).unwrap();
            connection.execute_batch(sample).unwrap();
        }
        assert_eq!(format(&connection).unwrap(), Format::Ours(newest()));
        let broken: i64 = connection
            .query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(broken, 0);
    }

    #[test]
    fn the_samples_fill_every_table() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        for sample in SAMPLES {
            connection.execute_batch(sample).unwrap();
        }
        let mut tables = connection
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
            .unwrap();
        let tables: Vec<String> = tables
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        for table in tables {
            let rows: i64 = connection
                .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
                    row.get(0)
                })
                .unwrap();
            assert!(rows > 0, "{table} has no sample row");
        }
    }

    #[test]
    fn migrating_twice_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        migrate(&mut connection).unwrap();
        assert_eq!(format(&connection).unwrap(), Format::Ours(newest()));
    }
}
