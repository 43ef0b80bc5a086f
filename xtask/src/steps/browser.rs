//! The tests that need a running server: its pages as HTML, and the app in Chromium.

use std::process::Command;

use super::tools;
use crate::command::Run;
use crate::failure::Failure;
use crate::project::Project;

/// Validates the rendered pages with html-validate.
///
/// # Errors
/// When a page is invalid HTML, or the server does not start.
pub(crate) fn pages(project: &Project) -> Result<(), Failure> {
    playwright(project, "pages")?.run()
}

/// Tests the app with several users in separate browsers, and then searches the traces of that run for leaks (the
/// project `leaks` depends on the project `chromium`).
///
/// # Errors
/// When a test fails, or Chromium or NATS is missing and cannot be installed.
pub(crate) fn app(project: &Project) -> Result<(), Failure> {
    let chromium = tools::chromium()?;
    let nats_server = tools::nats_server(project)?;
    playwright(project, "leaks")?
        .args(["--project", "nats"])
        .env("CHROMIUM", chromium)
        .env("NATS_SERVER", nats_server)
        .run()
}

/// Playwright starts the release server itself, on a fresh database.
fn playwright(project: &Project, which: &str) -> Result<Command, Failure> {
    tools::npm_packages(project)?;
    let mut command = Command::new("npx");
    command
        .current_dir(project.end2end())
        .args(["playwright", "test", "--project", which])
        .env("KEZ_CHAT_SERVER_BINARY", project.server())
        .env("KEZ_CHAT_WEB_DIR", project.site());
    Ok(command)
}
