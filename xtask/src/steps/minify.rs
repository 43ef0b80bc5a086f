//! esbuild: one file of many, and without what only people read.

use std::path::Path;
use std::process::Command;

use crate::command::Run;
use crate::failure::Failure;
use crate::project::Project;

/// The endings of files that have something in them that only people read.
const WORDY: [&str; 2] = ["css", "js"];
/// No newer than what the module needs of a browser.
const STYLE: [&str; 5] =
    ["--log-level=warning", "--minify", "--format=esm", "--target=es2022", "--legal-comments=none"];

/// Shortens a script or a style sheet in its place; leaves every other file alone.
///
/// # Errors
/// When esbuild does not understand the file.
pub(crate) fn minify(project: &Project, file: &Path) -> Result<(), Failure> {
    if !file.extension().is_some_and(|ending| WORDY.iter().any(|wordy| ending == *wordy)) {
        return Ok(());
    }
    esbuild(project).arg("--allow-overwrite").arg(file).arg(outfile(file)).run()
}

/// Writes a script of `frontend/nats` and all that it imports as one file.
///
/// # Errors
/// When esbuild does not find something that is imported.
pub(crate) fn bundle(project: &Project, script: &str, to: &Path) -> Result<(), Failure> {
    esbuild(project).args([script, "--bundle"]).arg(outfile(to)).run()
}

fn esbuild(project: &Project) -> Command {
    let folder = project.nats_script();
    // Its own installation may have put a native program in the place of the script.
    let mut command = Command::new(folder.join("node_modules/.bin/esbuild"));
    command.current_dir(folder).args(STYLE);
    command
}

fn outfile(path: &Path) -> String {
    format!("--outfile={}", path.display())
}
