//! The report command.

use std::process::ExitCode;

use pipeline::command;

/// See docs/decisions/allocator.md.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    ExitCode::from(command::main())
}
