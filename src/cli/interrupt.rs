//! What SIGINT and SIGTERM mean to a command that runs a cycle: requests in flight end, the outcome
//! is written down, and within ten seconds it is over. A second signal ends it at once.

use std::future::Future;

use anyhow::{Context as _, bail};
use tokio_util::sync::CancellationToken;

use super::output::Output;
use crate::os::{Signal, Signals};
use crate::scheduler::GRACE;

#[derive(Clone)]
pub(super) struct Interrupt {
    /// Cancelled by the first signal.
    pub(super) stop: CancellationToken,
    /// Cancelled when patience is at its end.
    over: CancellationToken,
}

impl Interrupt {
    /// Listens from now on.
    pub(super) fn listen(output: Output) -> anyhow::Result<Self> {
        let mut signals = Signals::listen().context("could not listen to signals")?;
        let interrupt = Self {
            stop: CancellationToken::new(),
            over: CancellationToken::new(),
        };
        let (stop, over) = (interrupt.stop.clone(), interrupt.over.clone());
        tokio::spawn(async move {
            stop_requested(&mut signals).await;
            output
                .message("stopping after the requests in flight; press again to stop immediately");
            stop.cancel();
            tokio::select! {
                () = stop_requested(&mut signals) => {}
                () = tokio::time::sleep(GRACE) => {}
            }
            over.cancel();
        });
        Ok(interrupt)
    }

    /// Does the work, but not beyond the end of patience.
    pub(super) async fn guard<T>(&self, work: impl Future<Output = T>) -> anyhow::Result<T> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = self.over.cancelled() => bail!("stopped with requests in flight; the next cycle checks \
                                                 their result"),
        }
    }

    /// Waits for the first signal.
    pub(super) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }
}

/// A terminal that is closed (SIGHUP) stops a command, too.
async fn stop_requested(signals: &mut Signals) {
    while signals.next().await == Signal::Wake {}
}
