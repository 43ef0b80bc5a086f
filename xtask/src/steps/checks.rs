//! Static checks: formatting, lints, documentation.

use crate::command::Run;
use crate::failure::Failure;
use crate::project::{Project, WASM_TARGET};
use crate::steps::site::MODULES;

/// `cargo fmt --check`.
///
/// # Errors
/// When a file is not formatted.
pub(crate) fn formatting(project: &Project) -> Result<(), Failure> {
    project.cargo(&["fmt", "--all", "--check"]).run()
}

/// Clippy on all native code. Never together with the frontend: cargo would unify the features of both, and Leptos
/// renders either on a server or in a browser.
///
/// # Errors
/// On any warning.
pub(crate) fn clippy_native(project: &Project) -> Result<(), Failure> {
    let rest = ["kez-frontend", "kez-mls-vectors"].map(|package| ["--exclude", package]).concat();
    project.cargo(&["clippy", "-p", "kez-mls-vectors", "--all-targets", "--", "-D", "warnings"]).run()?;
    project
        .cargo(&["clippy", "--workspace", "--all-targets"])
        .args(rest)
        .args(["--features", "kez-mls/server", "--", "-D", "warnings"])
        .run()
}

/// Clippy on all browser code: both programs of the frontend together, and each one alone. The app is always part of it, so
/// that its dependencies have the same features and are compiled once. `site` builds each program without the other's
/// dependencies.
///
/// # Errors
/// On any warning.
pub(crate) fn clippy_wasm(project: &Project) -> Result<(), Failure> {
    let check = |what: &[&str]| {
        let mut clippy = project.cargo(&["clippy", "--target", WASM_TARGET]);
        clippy.args(what).args(["--", "-D", "warnings"]).run()
    };
    check(&["-p", "kez-frontend", "-p", "kez-client", "-p", "kez-core"])?;
    check(&["-p", "kez-mls", "--features", "browser"])?;
    MODULES.iter().try_for_each(|module| {
        let features = format!("kez-frontend/{module},kez-app/hydrate");
        check(&["-p", "kez-frontend", "-p", "kez-app", "--no-default-features", "--features", &features])
    })
}

/// The public documentation builds, and its links resolve.
///
/// # Errors
/// On any warning.
pub(crate) fn documentation(project: &Project) -> Result<(), Failure> {
    let what = ["doc", "--workspace", "--exclude", "kez-frontend", "--no-deps"];
    project.cargo(&what).env("RUSTDOCFLAGS", "-D warnings").run()
}
