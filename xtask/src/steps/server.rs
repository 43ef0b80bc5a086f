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
