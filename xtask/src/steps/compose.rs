//! The Compose file, against the schema that compose-spec publishes.

use super::tools;
use crate::command::Run;
use crate::failure::Failure;
use crate::project::Project;

/// Validates the file against the schema.
///
/// # Errors
/// When the file is invalid, or the schema cannot be fetched.
pub(crate) fn check(project: &Project) -> Result<(), Failure> {
    tools::check_jsonschema(project)?
        .args(["--builtin-schema", "vendor.compose-spec"])
        .arg(project.root().join("deploy").join("docker-compose.yml"))
        .run()
}
