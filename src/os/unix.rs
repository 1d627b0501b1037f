//! Linux, macOS and the like.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _,
    PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{self, SignalKind, signal};

use super::Signal;

/// Whether commands can be handed to a service, and the service to a service manager.
pub(crate) const HAS_SERVICE: bool = true;

/// Whether others can still read a file that is locked. `SQLite` must.
pub(crate) const LOCKED_IS_READABLE: bool = true;

/// How long the machine has been running, times in which it was suspended included: a clock that nothing sets.
pub(crate) fn running() -> Duration {
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    // Elsewhere this clock counts them.
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Monotonic;
    let now = rustix::time::clock_gettime(clock);
    Duration::new(
        now.tv_sec.cast_unsigned(),
        now.tv_nsec.try_into().unwrap_or(0),
    )
}

/// A file that is made is for its owner alone.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600)
}

/// Gives a file that root has made to the owner of its folder: a service with a user of its own could not use it.
pub(crate) fn give_to_owner_of_folder(file: &File, path: &Path) {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let (Ok(file_is), Ok(folder)) = (
        file.metadata(),
        fs::metadata(folder.unwrap_or(Path::new("."))),
    ) else {
        return;
    };
    if file_is.uid() == 0 && folder.uid() != 0 {
        // Only root may, and where it may not, it stays as it is.
        let _ = std::os::unix::fs::fchown(file, Some(folder.uid()), Some(folder.gid()));
    }
}

/// Makes a folder for its owner alone.
pub(crate) fn make_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// The permissions of a file, where users other than its owner have any.
pub(crate) fn mode_for_others(metadata: &Metadata) -> Option<u32> {
    let mode = metadata.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

/// Whether users other than its owner can read a file.
pub(crate) fn is_readable_by_others(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o044 != 0
}

/// Whether the path leads to the file that is open.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(opened), Ok(there)) = (file.metadata(), fs::metadata(path)) else {
        return false;
    };
    (opened.dev(), opened.ino()) == (there.dev(), there.ino())
}

/// How many names a file has.
pub(crate) fn names_of(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.nlink())
}

pub(crate) fn bytes_of(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

pub(crate) fn path_of(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}

/// The user that this process runs as.
pub(crate) fn user() -> String {
    let name = uzers::get_current_username();
    let name = name.map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| format!("uid {}", uzers::get_current_uid()))
}

/// Listens on a socket with these permissions; one that a process left behind is replaced.
pub(crate) fn listen(path: &Path, mode: u32) -> io::Result<UnixListener> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    Ok(listener)
}

/// Whether the other side is root or the user that this process runs as.
pub(crate) fn is_of_us(stream: &UnixStream) -> bool {
    let own = uzers::get_effective_uid();
    let peer = stream.peer_cred().map(|peer| peer.uid());
    peer.is_ok_and(|uid| uid == 0 || uid == own)
}

/// The signals listened to. From here on they no longer end the process by themselves.
pub(crate) struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hang_up: unix::Signal,
    user: unix::Signal,
}

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            user: signal(SignalKind::user_defined1())?,
        })
    }

    /// The next signal. May be dropped and called again without losing one.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.hang_up.recv() => Signal::Reload,
            _ = self.user.recv() => Signal::Wake,
        }
    }
}
