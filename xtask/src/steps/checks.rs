//! What is checked without running anything: formatting, lints, documentation.

use crate::command::Run;
use crate::failure::Failure;
use crate::project::{Project, WASM_TARGET};

/// `cargo fmt --check`.
///
/// # Errors
/// When a file is formatted otherwise.
pub(crate) fn formatting(project: &Project) -> Result<(), Failure> {
    project.cargo(&["fmt", "--all", "--check"]).run()
}

/// Clippy on everything that runs natively. Never together with the frontend: cargo would unite the features of both,
/// and Leptos renders either on a server or in a browser.
///
/// # Errors
/// On any warning.
pub(crate) fn clippy_native(project: &Project) -> Result<(), Failure> {
    let what = ["clippy", "--workspace", "--exclude", "kez-frontend", "--all-targets"];
    project.cargo(&what).args(["--", "-D", "warnings"]).run()
}

/// Clippy on everything that runs in a browser.
///
/// # Errors
/// On any warning.
pub(crate) fn clippy_wasm(project: &Project) -> Result<(), Failure> {
    let what = ["clippy", "-p", "kez-frontend", "-p", "kez-client", "-p", "kez-core"];
    project.cargo(&what).args(["--target", WASM_TARGET, "--", "-D", "warnings"]).run()
}

/// The public documentation builds, and its links lead somewhere.
///
/// # Errors
/// On any warning.
pub(crate) fn documentation(project: &Project) -> Result<(), Failure> {
    let what = ["doc", "--workspace", "--exclude", "kez-frontend", "--no-deps"];
    project.cargo(&what).env("RUSTDOCFLAGS", "-D warnings").run()
}
