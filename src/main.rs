//! Parses the arguments, calls `cli`, and turns its answer into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    entrain::cli::run(std::env::args_os())
}
