//! Dependencies: licences, sources, one generation of each crypto crate, known vulnerabilities (`deny.toml`).

use std::path::Path;
use std::process::Command;

use super::tools;
use crate::command::Run;
use crate::failure::Failure;
use crate::project::Project;

/// Runs cargo-deny. The advisories are checked only if their database can be fetched, because the tests must also run
/// on a machine without internet access.
///
/// # Errors
/// When a dependency breaks a rule, or cargo-deny is missing and cannot be installed.
pub(crate) fn check(project: &Project) -> Result<(), Failure> {
    let program = tools::cargo_deny(project)?;
    cargo_deny(project, &program, &["check", "licenses", "sources", "bans"]).run()?;
    if cargo_deny(project, &program, &["fetch", "db"]).run().is_ok() {
        cargo_deny(project, &program, &["check", "--disable-fetch", "advisories"]).run()
    } else {
        println!("The advisory database cannot be reached: known vulnerabilities were not checked.");
        Ok(())
    }
}

fn cargo_deny(project: &Project, program: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.current_dir(project.root()).args(["--log-level", "error"]).args(args);
    command
}
