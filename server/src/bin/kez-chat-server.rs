//! The home server's binary. `kez_chat_server::commands` is its command line.

use std::process::ExitCode;

use kez_chat_server::commands::{CommandLine, Output};
use kez_chat_server::files;

fn main() -> ExitCode {
    files::create_for_owner_only();
    match CommandLine::from_process() {
        Ok(command_line) => command_line.run(),
        Err(failure) => failure.print(Output { json: false }),
    }
}
