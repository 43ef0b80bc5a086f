//! The project's commands: `cargo xtask run`, `test`, `soak`, `fuzz`, `mutants` and `build`.

mod command;
mod failure;
mod prerequisites;
mod project;
mod run;
#[cfg(test)]
mod scratch;
mod soak;
mod steps;
mod summary;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::failure::Failure;
use crate::project::Project;

/// Builds, runs and checks KEZ Chat.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Sets up what is missing, builds the site and the server, and serves them.
    Run(run::Options),
    /// Checks everything, step by step.
    Test(test::Options),
    /// Runs one of the tests that take minutes.
    Soak(soak::Options),
    /// Builds the site and the server without starting them.
    Build,
    /// Feeds mutated input to every parser of untrusted data, until a failure or until the time is over.
    Fuzz {
        /// Seconds for each target; the targets run in parallel.
        #[arg(default_value_t = 600)]
        seconds: u64,
    },
    /// Changes the code of core and client in one place at a time, and lists the changes that no test detects. A full
    /// run takes hours.
    Mutants {
        /// Only these files, such as `core/src/envelope.rs`.
        files: Vec<String>,
    },
    /// Runs a test binary that is compiled to WASM; for `cargo test`.
    #[command(name = steps::tests::WASM_TEST, hide = true)]
    WasmTest {
        /// The binary.
        binary: PathBuf,
    },
}

fn main() -> ExitCode {
    match perform(&Task::parse()) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn perform(task: &Task) -> Result<ExitCode, Failure> {
    let project = Project::find()?;
    match task {
        Task::Run(options) => Err(run::run(&project, options)),
        Task::Test(options) => Ok(test::test(&project, options)),
        Task::Fuzz { seconds } => steps::tests::fuzz(&project, *seconds).map(|()| ExitCode::SUCCESS),
        Task::Mutants { files } => steps::tests::mutants(&project, files).map(|()| ExitCode::SUCCESS),
        Task::Soak(options) => soak::soak(&project, options).map(|()| ExitCode::SUCCESS),
        Task::WasmTest { binary } => steps::tests::wasm_binary(&project, binary).map(|()| ExitCode::SUCCESS),
        Task::Build => run::build(&project).map(|()| ExitCode::SUCCESS),
    }
}
