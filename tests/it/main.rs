//! The one integration binary: the list of files, one per subject.
#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests; their helpers are meant too"
)]

mod compliance;
mod cycles;
mod eval;
mod foreign;
mod rig;
mod target;
mod tidy;
