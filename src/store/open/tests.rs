//! Opening a state file, and refusing what is none of ours.

use super::*;
use crate::engine::model::JobName;

use std::fs;

#[test]
fn a_missing_file_is_made_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("entrain.db");
    let _store = Store::open(&path).unwrap();
    #[cfg(unix)]
    for file in fs::read_dir(folder.path()).unwrap() {
        use std::os::unix::fs::PermissionsExt;
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.path().display());
    }
}

#[cfg(unix)]
#[test]
fn what_root_makes_belongs_to_the_owner_of_the_folder() {
    use std::os::unix::fs::{MetadataExt as _, chown};
    const SERVICE: u32 = 12_345;
    let folder = tempfile::tempdir().unwrap();
    // Others than root have no such trouble.
    if chown(folder.path(), Some(SERVICE), Some(SERVICE)).is_err() {
        return;
    }
    let path = folder.path().join("entrain.db");
    let _lock = crate::store::Lock::acquire(&path, "sync").unwrap();
    let store = Store::open(&path).unwrap();
    store.key(None).unwrap();
    let mut count = 0;
    for file in fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        let owner = file.metadata().unwrap().uid();
        assert_eq!(owner, SERVICE, "{}", file.path().display());
        count += 1;
    }
    assert_eq!(count, 5, "the state, its log, the lock and the key");
}

#[test]
fn a_folder_that_is_missing_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing/entrain.db");
    let message = Store::open(&path).unwrap_err().to_string();
    assert_eq!(
        message,
        format!("could not create the state file {}", path.display())
    );
}

#[test]
fn a_newer_file_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("entrain.db");
    drop(Store::open(&path).unwrap());
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    for opened in [
        Store::open(&path),
        Store::open_plan(&path),
        Store::open_read_only(&path),
    ] {
        let error = opened.unwrap_err();
        assert!(matches!(error, Error::Newer { found: 99, .. }), "{error}");
    }
}

#[test]
fn a_file_of_an_early_build_is_left_alone_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("entrain.db");
    drop(Store::open(&path).unwrap());
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    drop(connection);
    for opened in [
        Store::open(&path),
        Store::open_plan(&path),
        Store::open_read_only(&path),
    ] {
        let error = opened.unwrap_err();
        assert!(matches!(error, Error::Early { .. }), "{error}");
        assert!(error.to_string().contains("move it away"), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_with_two_names_is_refused_and_a_symbolic_link_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("entrain.db");
    drop(Store::open(&path).unwrap());
    let symbolic = folder.path().join("symbolic.db");
    std::os::unix::fs::symlink(&path, &symbolic).unwrap();
    drop(Store::open(&symbolic).unwrap());
    fs::hard_link(&path, folder.path().join("other.db")).unwrap();
    let error = Store::open(&path).unwrap_err();
    assert!(matches!(error, Error::HardLinked { .. }), "{error}");
}

#[test]
fn a_text_file_is_not_a_state_file_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("entrain.toml");
    for text in [
        "x",
        "[state]\npath = \"entrain.db\"\n",
        &"# note\n".repeat(1_000),
    ] {
        fs::write(&path, text).unwrap();
        for opened in [
            Store::open(&path),
            Store::open_plan(&path),
            Store::open_read_only(&path),
        ] {
            let error = opened.unwrap_err();
            assert!(matches!(error, Error::Foreign { .. }), "{error:?}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn the_database_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE notes (text)").unwrap();
    drop(other);
    let before = fs::read(&path).unwrap();
    let error = Store::open(&path).unwrap_err();
    assert!(matches!(error, Error::Foreign { .. }), "{error:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_damaged_file_is_reported_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("entrain.db");
    drop(Store::open(&path).unwrap());
    let sound = fs::read(&path).unwrap();

    let mut garbled = sound.clone();
    let last = garbled.len() - 4096;
    garbled[last..].fill(0xa5);
    let cut = sound[..sound.len() / 2].to_vec();
    for damaged in [garbled, cut] {
        fs::write(&path, damaged).unwrap();
        let error = Store::open(&path).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("state rebuild"));
    }
}

#[test]
fn a_plan_on_no_state_begins_empty_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("entrain.db");
    let plan = Store::open_plan(&path).unwrap();
    assert!(plan.last_cycle(&JobName::new("demo")).unwrap().is_none());
    drop(plan);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_file_that_is_not_there_cannot_be_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("entrain.db");
    let error = Store::open_read_only(&path).unwrap_err();
    assert!(matches!(error, Error::Missing { .. }), "{error:?}");
    assert!(!path.exists());
}
