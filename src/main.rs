//! Parses the arguments, calls `cli`, and turns its answer into an exit code.

use std::process::ExitCode;

/// The system's allocator keeps an arena for each thread: a cycle then needs a quarter more memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    entrain::cli::run(std::env::args_os())
}
