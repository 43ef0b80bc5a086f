//! The release build of the server.

use std::env;

use crate::command::Run;
use crate::failure::Failure;
use crate::project::Project;

/// The variable that tells the build its commit. `--version` shows it.
const COMMIT: &str = "KEZ_BUILD_COMMIT";

/// Builds `target/release/kez-chat-server`.
///
/// # Errors
/// When it does not compile.
pub(crate) fn build(project: &Project) -> Result<(), Failure> {
    build_program(project, "kez-chat-server")
}

/// Builds `target/release/kez-sig-server`.
///
/// # Errors
/// When it does not compile.
pub(crate) fn build_sigchains(project: &Project) -> Result<(), Failure> {
    build_program(project, "kez-sig-server")
}

fn build_program(project: &Project, name: &str) -> Result<(), Failure> {
    let mut build = project.cargo(&["build", "--release", "-p", "kez-chat-server", "--bin", name]);
    // Without a repository, as in a container, the variable may be set already.
    if env::var_os(COMMIT).is_none()
        && let Some(commit) = project.commit()
    {
        build.env(COMMIT, commit);
    }
    build.run()
}
