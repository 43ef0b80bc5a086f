//! The release build of the server.

use crate::command::Run;
use crate::failure::Failure;
use crate::project::Project;

/// Builds `target/release/kez-chat-server`.
///
/// # Errors
/// When it does not compile.
pub(crate) fn build(project: &Project) -> Result<(), Failure> {
    project.cargo(&["build", "--release", "-p", "kez-chat-server", "--bin", "kez-chat-server"]).run()
}

/// Builds `target/release/kez-sig-server`.
///
/// # Errors
/// When it does not compile.
pub(crate) fn build_sigchains(project: &Project) -> Result<(), Failure> {
    project.cargo(&["build", "--release", "-p", "kez-chat-server", "--bin", "kez-sig-server"]).run()
}
