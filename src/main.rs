//! Parses the arguments, calls `cli`, and turns its answer into an exit code.

fn main() {}
