//! The report command.

use std::process::ExitCode;

use pipeline::command;

fn main() -> ExitCode {
    ExitCode::from(command::main())
}
