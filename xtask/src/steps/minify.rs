//! esbuild: bundles files into one, and removes comments and whitespace.

use std::path::Path;
use std::process::Command;

use crate::command::Run;
use crate::failure::Failure;
use crate::project::Project;

/// The extensions of files that can be minified.
const WORDY: [&str; 2] = ["css", "js"];
/// The options for minified output. It requires no newer browser than the WASM module does.
const STYLE: [&str; 5] =
    ["--log-level=warning", "--minify", "--format=esm", "--target=es2022", "--legal-comments=none"];

/// Minifies a script or a style sheet in place; leaves every other file unchanged.
///
/// # Errors
/// When esbuild cannot parse the file.
pub(crate) fn minify(project: &Project, file: &Path) -> Result<(), Failure> {
    if !file.extension().is_some_and(|ending| WORDY.iter().any(|wordy| ending == *wordy)) {
        return Ok(());
    }
    esbuild(project).arg("--allow-overwrite").arg(file).arg(outfile(file)).run()
}

/// Bundles a script of `frontend/nats` and all its imports into one file.
///
/// # Errors
/// When esbuild cannot find an import.
pub(crate) fn bundle(project: &Project, script: &str, to: &Path) -> Result<(), Failure> {
    esbuild(project).args([script, "--bundle"]).arg(outfile(to)).run()
}

fn esbuild(project: &Project) -> Command {
    let folder = project.nats_script();
    // The installation of esbuild may have replaced the script with a native program.
    let mut command = Command::new(folder.join("node_modules/.bin/esbuild"));
    command.current_dir(folder).args(STYLE);
    command
}

fn outfile(path: &Path) -> String {
    format!("--outfile={}", path.display())
}
