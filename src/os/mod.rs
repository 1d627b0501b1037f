//! What operating systems do in ways of their own: signals, sockets in the file system, whose a file is and which
//! file it is. The same names on each; where a system has no such thing, it says so when it is used.

#[cfg(unix)]
pub(crate) mod systemd;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use self::unix::*;
#[cfg(windows)]
pub(crate) use self::windows::*;

/// What the operating system wants of a running agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGTERM or SIGINT; Ctrl-C on Windows.
    Stop,
    /// SIGHUP.
    #[cfg_attr(windows, expect(dead_code, reason = "Windows has no such signal"))]
    Reload,
    /// SIGUSR1: every job's next cycle is now.
    Wake,
}
