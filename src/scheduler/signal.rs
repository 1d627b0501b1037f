//! Signals of the operating system to a running agent: stop, reload, or run now.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{self, SignalKind, signal};

/// How long requests in flight may take to end once the agent was requested to stop. Product rule 12 allows
/// ten seconds for everything; one is left for writing down.
pub(crate) const GRACE: Duration = Duration::from_secs(9);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP.
    Reload,
    /// SIGUSR1: every job's next cycle is now.
    Wake,
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
