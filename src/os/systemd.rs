//! What is reported to the service manager (`sd_notify(3)`). Without one, nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;

pub(crate) fn ready() {
    notify(&[NotifyState::Ready]);
}

/// To be followed by [`ready`]. `Type=notify-reload` needs the time that comes with it.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(time) => notify(&[NotifyState::Reloading, time]),
        Err(_) => notify(&[NotifyState::Reloading]),
    }
}

pub(crate) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

pub(crate) fn status(line: &str) {
    notify(&[NotifyState::Status(line)]);
}

pub(crate) fn still_alive() {
    notify(&[NotifyState::Watchdog]);
}

/// How often the watchdog wants to hear of us, halved, so that one late answer does no harm.
pub(crate) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
        .map(|interval| interval / 2)
        .filter(|interval| !interval.is_zero())
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager could not be notified");
    }
}
