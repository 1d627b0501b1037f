//! When cycles run: a pure rule for what is due, and the driver that owns the clock.

mod clock;
mod driver;
mod due;
mod leavers;
mod signal;
mod status;
mod systemd;

pub(crate) use clock::now;
pub(crate) use driver::run;
pub(crate) use due::next_start;
pub(crate) use signal::{GRACE, Signal, Signals};
