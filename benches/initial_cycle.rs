//! Users per second of an initial cycle beside a bare client posting the same bodies.

fn main() {}
