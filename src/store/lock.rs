//! One process at a time runs cycles on a state file: an advisory lock on the file itself, whatever path
//! leads to it, which the operating system releases however the process ends. Who holds it stands in
//! `<state>.lock`, which is locked as well: so the lock outlasts a state file that is removed meanwhile. Where a
//! locked file cannot be read by others, which `SQLite` must, only that one is locked. Its first line is who holds the
//! lock; the others are which configuration of each job a service has.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::Error;
use super::open::{create, sole_file};
use crate::engine::model::JobName;
use crate::engine::record::Holder;
use crate::os::{self, private};

/// A look at the lock holds it for a moment; a process that starts just then tries again.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(20);

/// Held for as long as the value lives. It must be taken before the state is opened, and outlive it: to
/// close a descriptor of the file would release the locks that `SQLite` holds on it.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
    note: File,
    /// The first line of it.
    holder: String,
}

impl Lock {
    /// Takes the lock of the state file `path` for this process, and makes the file when it is missing.
    /// `command` is printed by a process that finds the lock taken.
    pub(crate) fn acquire(path: &Path, command: &str) -> Result<Self, Error> {
        let failed = |attempt, path: &Path| {
            let path = path.to_owned();
            move |source| Error::File {
                attempt,
                path,
                source,
            }
        };
        if path.is_dir() {
            return Err(Error::Folder {
                path: path.to_owned(),
            });
        }
        let note_path = note_of(path);
        // Before the state is made: it may have been removed under a process that uses it.
        let mut note = private(
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false),
        )
        .open(&note_path)
        .map_err(failed("create the lock file", &note_path))?;
        os::give_to_owner_of_folder(&note, &note_path);
        take(&note, path, &note_path)?;
        create(path)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(failed("open the state file", path))?;
        sole_file(&file, path)?;
        if os::LOCKED_IS_READABLE {
            take(&file, path, &note_path)?;
        }
        let holder = format!("pid {}, {command}\n", std::process::id());
        note.set_len(0)
            .and_then(|()| note.write_all(holder.as_bytes()))
            .map_err(failed("write to the lock file", &note_path))?;
        Ok(Self {
            _file: file,
            note,
            holder,
        })
    }

    /// Notes which configuration of each job this process has, by its digest. The first line stays as it is at every
    /// moment, for those who read it just now.
    pub(crate) fn note_configurations(
        &self,
        digests: &BTreeMap<JobName, String>,
    ) -> io::Result<()> {
        let mut text = String::new();
        for (job, digest) in digests {
            let _ = writeln!(text, "{CONFIGURATION} {digest} {job}");
        }
        let length = u64::try_from(self.holder.len()).expect("it is short");
        let mut note = &self.note;
        note.set_len(length)?;
        note.seek(SeekFrom::Start(length))?;
        note.write_all(text.as_bytes())
    }
}

const CONFIGURATION: &str = "configuration";

/// The configurations that the process has which holds the lock, by the digest; empty where it has noted none.
pub(super) fn configurations(path: &Path) -> BTreeMap<JobName, String> {
    let note = fs::read_to_string(note_of(path)).unwrap_or_default();
    let lines = note.lines().skip(1).filter_map(|line| {
        let mut words = line.splitn(3, ' ');
        let is_one = words.next()? == CONFIGURATION;
        let (digest, job) = (words.next()?, words.next()?);
        is_one.then(|| (JobName::new(job), digest.to_owned()))
    });
    lines.collect()
}

fn take(file: &File, path: &Path, note: &Path) -> Result<(), Error> {
    for attempt in 1.. {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if attempt < ATTEMPTS => thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(note).unwrap_or_default();
                let holder = first_line(&holder);
                return Err(Error::InUse {
                    path: path.to_owned(),
                    holder: (!holder.is_empty()).then(|| holder.to_owned()),
                });
            }
            Err(TryLockError::Error(source)) => {
                return Err(Error::File {
                    attempt: "lock",
                    path: path.to_owned(),
                    source,
                });
            }
        }
    }
    Ok(())
}

/// Whether a process holds the lock of the state file, this one included. Only before `SQLite` opens the
/// file, and by a descriptor that stays open as long as it does: to close one releases its locks.
pub(super) fn is_held(descriptor: &File, path: &Path) -> Result<bool, Error> {
    let failed = |source| Error::File {
        attempt: "look at the lock of",
        path: path.to_owned(),
        source,
    };
    let note = if os::LOCKED_IS_READABLE {
        None
    } else {
        match File::open(note_of(path)) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(failed(error)),
        }
    };
    match note.as_ref().unwrap_or(descriptor).try_lock_shared() {
        // It is closed now, which unlocks it.
        Ok(()) if note.is_some() => Ok(false),
        Ok(()) => {
            descriptor.unlock().map_err(|source| Error::File {
                attempt: "unlock",
                path: path.to_owned(),
                source,
            })?;
            Ok(false)
        }
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// The process that holds the lock, as it has noted; `None` where the note cannot be read.
pub(super) fn holder(path: &Path) -> Option<Holder> {
    let note = fs::read_to_string(note_of(path)).ok()?;
    let (pid, command) = first_line(&note).strip_prefix("pid ")?.split_once(", ")?;
    Some(Holder {
        pid: pid.parse().ok()?,
        command: command.to_owned(),
    })
}

fn first_line(note: &str) -> &str {
    note.lines().next().unwrap_or_default().trim()
}

/// Next to the file itself, wherever a symbolic link to it is.
fn note_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(resolved(path));
    name.push(".lock");
    PathBuf::from(name)
}

/// The path with symbolic links followed, also where the file is not there.
pub(super) fn resolved(path: &Path) -> PathBuf {
    if let Ok(real) = fs::canonicalize(path) {
        return real;
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = fs::canonicalize(folder.unwrap_or(Path::new(".")));
    match (folder, path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_learns_which_one_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entrain.db");
        let first = Lock::acquire(&path, "sync wizer").unwrap();
        let other = File::open(&path).unwrap();
        assert!(is_held(&other, &path).unwrap());
        let noted = holder(&path).unwrap();
        assert_eq!(noted.command, "sync wizer");
        assert_eq!(noted.pid, std::process::id());
        let message = Lock::acquire(&path, "run").unwrap_err().to_string();
        let pid = std::process::id();
        assert_eq!(
            message,
            format!(
                "another entrain (pid {pid}, sync wizer) is using {}",
                path.display()
            )
        );
        drop(first);
        assert!(!is_held(&other, &path).unwrap());
        Lock::acquire(&path, "run").unwrap();
    }

    #[test]
    fn the_holder_notes_the_configurations_that_it_has_and_replaces_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entrain.db");
        let lock = Lock::acquire(&path, "run").unwrap();
        assert!(configurations(&path).is_empty());
        for names in [&["long name", "b"][..], &["b"]] {
            let digest = |name: &&str| (JobName::new(*name), format!("digest-of-{}", name.len()));
            let noted: BTreeMap<_, _> = names.iter().map(digest).collect();
            lock.note_configurations(&noted).unwrap();
            assert_eq!(configurations(&path), noted);
            assert!(holder(&path).unwrap().is_service());
        }
        let message = Lock::acquire(&path, "run").unwrap_err().to_string();
        assert!(message.contains(", run) is using"), "{message}");
        drop(lock);
        let _next = Lock::acquire(&path, "run").unwrap();
        assert!(configurations(&path).is_empty());
    }

    #[test]
    fn the_lock_outlasts_a_state_file_that_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entrain.db");
        let first = Lock::acquire(&path, "sync").unwrap();
        let store = crate::store::Store::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let error = Lock::acquire(&path, "sync").unwrap_err();
        assert!(matches!(error, Error::InUse { .. }), "{error}");
        assert!(!path.exists());
        let job = crate::engine::model::JobName::new("demo");
        let error = store.restart(&job).unwrap_err();
        assert!(matches!(error, Error::Replaced { .. }), "{error}");
        drop(store);
        drop(first);
        Lock::acquire(&path, "sync").unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn another_path_to_the_file_leads_to_the_same_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entrain.db");
        let symbolic = folder.path().join("symbolic.db");
        let _first = Lock::acquire(&path, "run").unwrap();
        std::os::unix::fs::symlink(&path, &symbolic).unwrap();
        let error = Lock::acquire(&symbolic, "run").unwrap_err();
        assert!(matches!(error, Error::InUse { .. }), "{error}");
    }
}
