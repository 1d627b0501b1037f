//! The state file as a whole: copies, readers during a write, and what a crash leaves.

use super::*;
use crate::engine::redact::Redactions;
use crate::store::{LogFilter, Since};

use std::fs;

#[test]
fn a_plan_sees_the_state_and_changes_nothing_of_it() {
    let world = World::new();
    world.round(User, &[user("u1")]);
    let path = world.folder.path().join("entrain.db");
    let listing = || {
        let mut names: Vec<_> = fs::read_dir(world.folder.path())
            .unwrap()
            .map(|file| file.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    let before = listing();
    let plan = Store::open_plan(&path).unwrap();
    assert_eq!(pending_of(&plan, &world.job), "u1");
    plan.begin_round(User, SELECT).unwrap();
    let link = PageLink::Next("elsewhere".to_owned());
    plan.commit_page(User, &[user("u2")], link, at(0)).unwrap();
    assert_eq!(pending_of(&plan, &world.job), "u1 u2");
    drop(plan);
    assert_eq!(world.pending(), "u1");
    assert!(world.is_complete(User));
    assert_eq!(listing(), before);
}

#[test]
fn a_plan_on_a_file_at_rest_leaves_it_as_it_is() {
    let World { folder, store, .. } = World::new();
    let path = folder.path().join("entrain.db");
    drop(store);
    let before = fs::read(&path).unwrap();
    drop(Store::open_plan(&path).unwrap());
    drop(Store::open_read_only(&path).unwrap());
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_state_of_the_format_before_is_upgraded_with_what_it_holds() {
    let mut world = World::new();
    world.round(User, &[user("u1")]);
    world.link(User, "u1", "t-u1");
    world.record(&[failed(create(User, "u2", &[]), false)]);
    world.next_cycle();
    world.draft(&[update("u1", "t-u1", &[("title", None, Some("x"))])]);
    let of_u1 = LogFilter {
        object: Some("u1".to_owned()),
        ..LogFilter::default()
    };
    let seen = |store: &Store| {
        let log = store.log(&LogFilter::default(), 10).unwrap();
        (
            log,
            store.log(&of_u1, 10).unwrap(),
            store.status(&JobName::new("wizer"), 9).unwrap(),
        )
    };
    let before = seen(&world.store);
    assert_eq!((before.0.len(), before.1.len()), (2, 1));
    let World { folder, store, .. } = world;
    let path = folder.path().join("entrain.db");
    drop(store);
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(
            "ALTER TABLE cycles DROP COLUMN clock_ahead;
             DROP INDEX actions_ended; DROP INDEX actions_of; DROP INDEX objects_forgotten;
             DROP TABLE unreported_members; DROP TABLE copied;
             DROP TABLE strategy; DROP TABLE shards; DROP TABLE shard_objects; DROP TABLE job_sources;
             DROP INDEX objects_by_kind; CREATE INDEX objects_by_kind ON objects (kind, presence);
             ALTER TABLE objects DROP COLUMN source; ALTER TABLE sources DROP COLUMN number;
             ALTER TABLE roles RENAME TO newer_roles;
             CREATE TABLE roles (job, id, value, display_name, PRIMARY KEY (job, id)) WITHOUT ROWID;
             INSERT INTO roles SELECT job, id, value, display_name FROM newer_roles; DROP TABLE newer_roles;
             ALTER TABLE watermarks RENAME TO newer;
             CREATE TABLE watermarks (
                 kind INTEGER PRIMARY KEY, round, full_round, under_way, selected, delta_link, page_link,
                 updated, anew, present
             );
             INSERT INTO watermarks SELECT kind, round, full_round, under_way, selected, delta_link, page_link,
                 updated, anew, present FROM newer;
             DROP TABLE newer;
             PRAGMA user_version = 16",
        )
        .unwrap();
    let refused = Store::open_read_only(&path).unwrap_err().to_string();
    assert!(refused.contains("the next cycle upgrades it"), "{refused}");
    let store = Store::open(&path).unwrap();
    assert_eq!(seen(&store), before);
    assert!(folder.path().join("entrain.db.format-16").exists());
}

#[test]
fn a_reader_sees_what_is_committed_and_cannot_write() {
    let world = World::new();
    let reader = Store::open_read_only(&world.folder.path().join("entrain.db")).unwrap();
    world.round(User, &[user("u1")]);
    assert_eq!(pending_of(&reader, &world.job), "u1");
    assert!(reader.restart(&world.job).is_err());
}

#[test]
fn a_batch_that_fails_half_way_leaves_nothing() {
    let world = World::new();
    let action = create(User, "u1", &[]);
    let rows = world.begin(std::slice::from_ref(&action));
    // The second row does not exist, so that it cannot be sent; the link was written by then.
    let nowhere = RowId::new(999);
    let outcomes = [(rows[0], done(action, "t1"))];
    let error = world
        .store
        .advance(
            world.cycle,
            &outcomes,
            &[],
            &[nowhere],
            &Redactions::default(),
            clocks(1),
        )
        .unwrap_err();
    let path = world.folder.path().join("entrain.db");
    assert_eq!(
        error.to_string(),
        format!(
            "could not record what was done in the state file {}",
            path.display()
        )
    );
    assert_eq!(world.linked(User, "u1"), None);
    let world = world.reopened();
    assert_eq!(world.linked(User, "u1"), None);
    world.advance(&outcomes, &[]);
    assert_eq!(world.target(User, "u1").as_deref(), Some("t1"));
}

#[test]
fn a_process_killed_inside_a_transaction_leaves_what_was_committed() {
    let world = World::new();
    world.round(User, &[user("u1")]);
    let killed = tempfile::tempdir().unwrap();
    world
        .store
        .write("copy the files as they are", |tx| {
            // More than the page cache holds, so that uncommitted pages are in the files too.
            tx.pragma_update(None, "cache_size", 10)?;
            tx.execute_batch(
                "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 5000)
                 INSERT INTO pending SELECT 1, 1, 1000 + n, 1 FROM n;
                 UPDATE watermarks SET delta_link = 'never seen'",
            )?;
            for file in fs::read_dir(world.folder.path()).unwrap() {
                let file = file.unwrap();
                // The index of the log is rebuilt, as after a power cut.
                if !file.file_name().to_string_lossy().ends_with("-shm") {
                    fs::copy(file.path(), killed.path().join(file.file_name())).unwrap();
                }
            }
            Ok(())
        })
        .unwrap();
    let log = killed.path().join("entrain.db-wal");
    assert!(fs::metadata(log).unwrap().len() > 100_000);
    let store = Store::open(&killed.path().join("entrain.db")).unwrap();
    assert_eq!(pending_of(&store, &world.job), "u1");
    assert_eq!(
        store.begin_round(User, SELECT).unwrap(),
        Since::Watermark("delta".to_owned())
    );
}

#[test]
fn the_store_is_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    let world = World::new();
    shared(&world.store);
    world.store.begin_round(User, SELECT).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let world = &world;
            scope.spawn(move || {
                for number in 0..10 {
                    let user = user(&format!("u{thread}{number}"));
                    let link = PageLink::Next("page".to_owned());
                    let merged = world.store.commit_page(User, &[user], link, at(0));
                    merged.unwrap();
                }
            });
        }
    });
    assert_eq!(world.store.status(&world.job, 0).unwrap().pending.users, 40);
}
