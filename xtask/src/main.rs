//! The project's commands: `cargo xtask run`, `cargo xtask test` and `cargo xtask build`.

mod command;
mod failure;
mod project;
mod run;
#[cfg(test)]
mod scratch;
mod steps;
mod summary;
mod test;

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
    /// Builds the site and the server, and starts nothing.
    Build,
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
        Task::Build => run::build(&project).map(|()| ExitCode::SUCCESS),
    }
}
