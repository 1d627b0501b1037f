//! On a database alone.

use rusqlite::params;

use super::snapshot;
use super::testing::state_in;
use crate::config::StateAt;
use crate::store::Store;

#[test]
fn what_lost_its_connection_inside_a_transaction_is_not_committed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(state_in(folder.path())).unwrap();
    // A file has no connection to lose; tests/targets/postgres/run sets a database.
    let Some(shared) = &store.shared else {
        return;
    };
    let position = shared.place().unwrap().position;
    let done = store.write("write", |state| {
        let ended = shared.link.ask("end the connection", |client| {
            Ok(client.batch_execute("SELECT pg_terminate_backend(pg_backend_pid())")?)
        });
        assert!(ended.is_err());
        // Another question connects anew, without the lock on the head.
        let asked = shared
            .link
            .ask("ask", |client| Ok(client.batch_execute("SELECT 1")?));
        asked.unwrap();
        state.run("INSERT INTO paths (path) VALUES (?1)", params!["lost"])
    });
    let error = done.unwrap_err().to_string();
    assert!(error.contains("could not"), "{error}");
    let head = shared.link.ask("look", super::head).unwrap().unwrap();
    assert_eq!(head.position, position);
    let here = store.read("count", |state| {
        state.query_row(
            "SELECT count(*) FROM paths WHERE path = 'lost'",
            [],
            |row| row.get::<_, i64>(0),
        )
    });
    assert_eq!(here.unwrap(), 0);
    // The next one is committed as usual.
    store
        .write("write", |state| {
            state.run("INSERT INTO paths (path) VALUES (?1)", params!["kept"])
        })
        .unwrap();
    assert_eq!(shared.place().unwrap().position, position + 1);
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
