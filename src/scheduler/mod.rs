//! When cycles run: a pure rule for what is due, and the driver that owns the clock.

mod due;
