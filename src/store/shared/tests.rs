//! On a database alone.

use rusqlite::params;

use super::testing::state_in;
use super::{Shared, snapshot};
use crate::config::StateAt;
use crate::store::Store;

fn cut(shared: &Shared) {
    let ended = shared.link.ask("end the connection", |client| {
        Ok(client.batch_execute("SELECT pg_terminate_backend(pg_backend_pid())")?)
    });
    assert!(ended.is_err());
    // Another question connects anew, without the lock on the head.
    let asked = shared
        .link
        .ask("ask", |client| Ok(client.batch_execute("SELECT 1")?));
    asked.unwrap();
}

const INSERT: &str = "INSERT INTO paths (path) VALUES (?1)";

fn count(store: &Store, name: &str) -> i64 {
    let counted = store.read("count", |state| {
        let sql = "SELECT count(*) FROM paths WHERE path = ?1";
        state.query_row(sql, params![name], |row| row.get(0))
    });
    counted.unwrap()
}

#[test]
fn what_lost_its_connection_inside_a_transaction_is_committed_once_if_no_other_was_faster() {
    let folder = tempfile::tempdir().unwrap();
    let at = state_in(folder.path());
    let store = Store::open(&at).unwrap();
    // A file has no connection to lose; tests/targets/postgres/run sets a database.
    let Some(shared) = &store.shared else {
        return;
    };
    let other = StateAt {
        path: folder.path().join("other.db"),
        ..at
    };
    let other = Store::open(other).unwrap();
    let position = || {
        let head = shared.link.ask("look", super::head).unwrap().unwrap();
        head.position
    };
    let before = position();
    let again = store.write("write", |state| {
        cut(shared);
        state.run(INSERT, params!["again"])
    });
    again.unwrap();
    assert_eq!((position(), count(&store, "again")), (before + 1, 1));

    let late = store.write("write", |state| {
        cut(shared);
        other
            .write("write", |state| state.run(INSERT, params!["faster"]))
            .unwrap();
        state.run(INSERT, params!["late"])
    });
    let error = late.unwrap_err().to_string();
    assert!(error.contains("could not"), "{error}");
    assert_eq!(position(), before + 2);
    store.follow().unwrap();
    let counted = |name| (count(&store, name), count(&other, name));
    assert_eq!(counted("faster"), (1, 1));
    assert_eq!(counted("late"), (0, 0));
    // The next one is committed as usual.
    store
        .write("write", |state| state.run(INSERT, params!["kept"]))
        .unwrap();
    assert_eq!((position(), count(&store, "kept")), (before + 3, 1));
}

/// Ends the connection that fetches changes, once.
const TRAP: &str = "
    ALTER TABLE changes RENAME TO kept;
    CREATE SEQUENCE cuts;
    CREATE FUNCTION cut() RETURNS boolean LANGUAGE plpgsql AS $$
    BEGIN
        IF current_query() LIKE 'SELECT position, token, body%' THEN
            IF nextval('cuts') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
        END IF;
        RETURN true;
    END $$;
    CREATE VIEW changes AS SELECT * FROM kept WHERE cut()";

#[test]
fn a_connection_that_breaks_between_the_lock_and_following_the_others_fails_no_write() {
    let folder = tempfile::tempdir().unwrap();
    let at = state_in(folder.path());
    let store = Store::open(&at).unwrap();
    let Some(shared) = &store.shared else {
        return;
    };
    let other = StateAt {
        path: folder.path().join("other.db"),
        ..at
    };
    let other = Store::open(other).unwrap();
    let insert = |store: &Store, name: &'static str| {
        store.write("write", move |state| state.run(INSERT, params![name]))
    };
    insert(&store, "first").unwrap();
    insert(&other, "others").unwrap();
    let trap = shared
        .link
        .ask("set a trap", |client| Ok(client.batch_execute(TRAP)?));
    trap.unwrap();
    insert(&store, "own").unwrap();
    let cuts = shared.link.ask("count", |client| {
        let row = client.query_one("SELECT last_value FROM cuts WHERE is_called", &[])?;
        Ok(row.get::<_, i64>(0))
    });
    assert!(cuts.unwrap() > 1, "no connection was cut");
    other.follow().unwrap();
    for store in [&store, &other] {
        for name in ["first", "others", "own"] {
            assert_eq!(count(store, name), 1, "{name}");
        }
    }
}

#[test]
fn a_new_copy_begins_with_the_snapshot_that_was_made_of_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = state_in(folder.path());
    let store = Store::open(&at).unwrap();
    let Some(shared) = &store.shared else {
        return;
    };
    let note = |name: &'static str| {
        store
            .write("write", move |state| {
                state.run("INSERT INTO paths (path) VALUES (?1)", params![name])
            })
            .unwrap();
    };
    note("before");
    let due = shared.link.ask("make it due", |client| {
        Ok(client.batch_execute("UPDATE head SET bytes = 1000000000")?)
    });
    due.unwrap();
    assert!(snapshot::renew(&shared.link, &shared.path).unwrap());
    note("after");
    let other = StateAt {
        path: folder.path().join("other.db"),
        ..at
    };
    let copy = Store::open(other).unwrap();
    let known = copy.read("count", |state| {
        state.query_row(
            "SELECT count(*) FROM paths WHERE path IN ('before', 'after')",
            [],
            |row| row.get::<_, i64>(0),
        )
    });
    assert_eq!(known.unwrap(), 2);
}
