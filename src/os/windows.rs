//! Windows: commands work, the service does not. Files get the permissions of their folder.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::signal::windows::{CtrlC, ctrl_c};
use winapi_util::Handle;
use winapi_util::file::information;

use super::Signal;

/// Whether commands can be handed to a service, and the service to a service manager.
pub(crate) const HAS_SERVICE: bool = false;

/// Whether others can still read a file that is locked. `SQLite` must.
pub(crate) const LOCKED_IS_READABLE: bool = false;

/// How long the program has been running.
pub(crate) fn running() -> Duration {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGUN.elapsed()
}

/// A file that is made gets the permissions of its folder.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// A new file belongs to the owner of its folder as far as its permissions matter.
pub(crate) fn give_to_owner_of_folder(_: &File, _: &Path) {}

pub(crate) fn make_private_folder(path: &Path) -> io::Result<()> {
    fs::create_dir(path)
}

/// Windows has lists and no modes: they are not looked at.
pub(crate) fn mode_for_others(_: &Metadata) -> Option<u32> {
    None
}

pub(crate) fn is_readable_by_others(_: &Metadata) -> bool {
    false
}

/// Whether the path leads to the file that is open.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    let there = Handle::from_path_any(path).and_then(|there| information(&there));
    let (Ok(opened), Ok(there)) = (information(file), there) else {
        return false;
    };
    (opened.volume_serial_number(), opened.file_index())
        == (there.volume_serial_number(), there.file_index())
}

/// How many names a file has.
pub(crate) fn names_of(file: &File) -> io::Result<u64> {
    Ok(information(file)?.number_of_links())
}

pub(crate) fn bytes_of(path: &Path) -> Vec<u8> {
    path.to_string_lossy().into_owned().into_bytes()
}

pub(crate) fn path_of(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(&bytes).into_owned())
}

/// The user that this process runs as.
pub(crate) fn user() -> String {
    let name = std::env::var_os("USERNAME").unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// There is no service, and so no service manager is notified.
pub(crate) mod systemd {
    use std::time::Duration;

    pub(crate) fn ready() {}

    pub(crate) fn reloading() {}

    pub(crate) fn stopping() {}

    pub(crate) fn status(_: &str) {}

    pub(crate) fn still_alive() {}

    pub(crate) fn watchdog() -> Option<Duration> {
        None
    }
}

/// There are none.
pub(crate) enum UnixListener {}

/// There are none.
pub(crate) enum UnixStream {}

fn no_socket() -> io::Error {
    let words = "Windows has no sockets in the file system: choose an address and a port";
    io::Error::new(io::ErrorKind::Unsupported, words)
}

pub(crate) fn listen(_: &Path, _: u32) -> io::Result<UnixListener> {
    Err(no_socket())
}

pub(crate) fn is_of_us(stream: &UnixStream) -> bool {
    match *stream {}
}

impl UnixListener {
    #[expect(clippy::unused_async, reason = "as on other systems")]
    pub(crate) async fn accept(&self) -> io::Result<(UnixStream, ())> {
        match *self {}
    }
}

impl UnixStream {
    #[expect(clippy::unused_async, reason = "as on other systems")]
    pub(crate) async fn connect(_: impl AsRef<Path>) -> io::Result<Self> {
        Err(no_socket())
    }

    pub(crate) fn try_write(&self, _: &[u8]) -> io::Result<usize> {
        match *self {}
    }
}

impl AsyncRead for UnixStream {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match *self {}
    }
}

impl AsyncWrite for UnixStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        match *self {}
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }
}

/// From here on Ctrl-C no longer ends the process by itself.
pub(crate) struct Signals(CtrlC);

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self(ctrl_c()?))
    }

    /// The next signal. May be dropped and called again without losing one.
    pub(crate) async fn next(&mut self) -> Signal {
        // `None` would be the end of the process.
        let _ = self.0.recv().await;
        Signal::Stop
    }
}
