//! One process at a time runs cycles on a state file: an advisory lock on `<state>.lock`, which the
//! operating system releases however the process ends. The file itself stays.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::Error;

/// A look at the lock holds it for a moment; a process that starts just then tries again.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(20);

/// Held for as long as the value lives.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the state file `path` for this process; `command` is told to whoever finds
    /// it taken.
    pub(crate) fn acquire(path: &Path, command: &str) -> Result<Self, Error> {
        let lock_path = beside(path);
        let failed = |attempt| {
            let path = lock_path.clone();
            move |source| Error::File {
                attempt,
                path,
                source,
            }
        };
        let mut file = private(OpenOptions::new().read(true).write(true).create(true))
            .open(&lock_path)
            .map_err(failed("open the lock file"))?;
        for attempt in 1.. {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if attempt < ATTEMPTS => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    let mut holder = String::new();
                    // Who it is only embellishes the message.
                    let read = file.read_to_string(&mut holder);
                    let holder = holder.trim();
                    return Err(Error::InUse {
                        path: path.to_owned(),
                        holder: (read.is_ok() && !holder.is_empty()).then(|| holder.to_owned()),
                    });
                }
                Err(TryLockError::Error(source)) => return Err(failed("lock")(source)),
            }
        }
        let written = file
            .set_len(0)
            .and_then(|()| writeln!(file, "pid {}, {command}", std::process::id()));
        written.map_err(failed("write to the lock file"))?;
        Ok(Self { _file: file })
    }

    /// Whether a process holds the lock of the state file `path`, this one included.
    pub(crate) fn is_held(path: &Path) -> Result<bool, Error> {
        let lock_path = beside(path);
        let probe = File::open(&lock_path).and_then(|file| match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(source)) => Err(source),
        });
        match probe {
            Ok(held) => Ok(held),
            Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(Error::File {
                attempt: "look at the lock file",
                path: lock_path,
                source,
            }),
        }
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".lock");
    PathBuf::from(name)
}

/// Files of the store are for their owner alone: they hold people's names.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_to_come_learns_who_was_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entrain.db");
        assert!(!Lock::is_held(&path).unwrap());
        let first = Lock::acquire(&path, "sync wizer").unwrap();
        assert!(Lock::is_held(&path).unwrap());
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
        assert!(!Lock::is_held(&path).unwrap());
        Lock::acquire(&path, "run").unwrap();
    }
}
