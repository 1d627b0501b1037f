//! When cycles run: a pure rule for what is due, and the driver that owns the clock.

mod clock;
mod deliver;
mod driver;
mod due;
mod duty;
mod ends;
mod leavers;
mod log;
mod notices;
mod on_record;
mod retries;
mod share;
mod shared;
mod status;
mod turn;
mod view;

pub(crate) use clock::now;
pub(crate) use driver::{GRACE, Service};
pub(crate) use due::{next_start, rhythm};
pub(crate) use ends::Ends;
pub(crate) use notices::{From, written};
pub(crate) use share::about;
pub(crate) use shared::Reported;
pub(crate) use status::State;
pub(crate) use turn::NotRun;
pub(crate) use view::{Now, View};
