//! Builds before the ledger planned on a copy of the state in the temporary folder, which a kill left
//! there, with people's names in it. What is left of it is removed.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// A copy that is younger may be in use by such a build.
const AGE: Duration = Duration::from_hours(1);

pub(super) fn remove() {
    remove_from(&std::env::temp_dir(), AGE);
}

fn remove_from(folder: &Path, age: Duration) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let is_named = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with("entrain-"));
        let is_old = entry.metadata().is_ok_and(|found| {
            let unchanged = found.modified().ok().and_then(|time| time.elapsed().ok());
            found.is_dir() && unchanged.is_some_and(|unchanged| unchanged >= age)
        });
        if is_named && is_old && holds_a_copy_alone(&entry.path()) {
            // Another user's folder cannot be removed, and does not concern us.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether a folder holds a copy of a state and nothing else.
fn holds_a_copy_alone(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    let mut has_copy = false;
    for entry in entries.flatten() {
        let name = entry.file_name();
        has_copy |= name == "scratch.db";
        if !name
            .to_str()
            .is_some_and(|name| name.starts_with("scratch.db"))
        {
            return false;
        }
    }
    has_copy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_that_earlier_builds_left_are_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str, files: &[&str]| {
            let path = folder.path().join(name);
            fs::create_dir(&path).unwrap();
            for file in files {
                fs::write(path.join(file), "x").unwrap();
            }
            path
        };
        let left = make(
            "entrain-a1b2c3",
            &["scratch.db", "scratch.db-wal", "scratch.db-shm"],
        );
        let demo = make("entrain-demo", &["entrain.toml", "scratch.db"]);
        let other = make("other", &["scratch.db"]);
        remove_from(folder.path(), AGE);
        assert!(left.exists());
        remove_from(folder.path(), Duration::ZERO);
        assert!(!left.exists());
        assert!(demo.exists() && other.exists());
    }
}
