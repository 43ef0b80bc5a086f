//! Requirements of `cargo xtask test`, checked at the start rather than minutes later.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::command::Run;
use crate::failure::Failure;
use crate::steps::tools;

/// The oldest Node.js that the tests run on.
const OLDEST_NODE: u32 = 20;

/// A requirement of every step or of some tests, and how to install it.
struct Need {
    name: &'static str,
    is_there: fn() -> bool,
    hint: &'static str,
}

const REQUIRED: [Need; 4] = [
    Need { name: "a C compiler", is_there: || on_path("cc"), hint: "install gcc or clang" },
    Need { name: "rustup", is_there: || on_path("rustup"), hint: "install Rust through rustup" },
    Need { name: "Node.js 20 or newer with npm", is_there: has_node, hint: "install it" },
    Need { name: "Python 3 with pip", is_there: has_pip, hint: "install python3 and python3-pip" },
];

/// Tests that are skipped because a requirement cannot be met. CI skips none.
pub(crate) struct Skipped {
    /// Parts of the names of native tests.
    pub(crate) native: Vec<&'static str>,
    /// Whether the browser tests are skipped.
    pub(crate) browser: bool,
}

/// Checks the machine. For each missing requirement, prints one sentence that says what to do, or which tests are skipped.
///
/// # Errors
/// When a requirement of every run is missing or, in CI, any requirement.
pub(crate) fn check() -> Result<Skipped, Failure> {
    let missing: Vec<_> = REQUIRED.iter().filter(|need| !(need.is_there)()).collect();
    for need in &missing {
        eprintln!("{} is missing: {}.", need.name, need.hint);
    }
    if !missing.is_empty() {
        return Err(Failure::Broken("install what is missing, and start again".to_owned()));
    }
    let mut skipped = Skipped { native: Vec::new(), browser: false };
    let can_install = tools::can_install();
    let unavailable = |found: bool| !found && !can_install;
    if unavailable(tools::has_postgres()) {
        leave_out("PostgreSQL is missing", "install postgresql");
        skipped.native.extend(["postgres::", "nodes::"]);
    }
    if unavailable(on_path("strace")) {
        leave_out("strace is missing", "install strace");
        skipped.native.push("power::");
    }
    if !tools::is_root() {
        leave_out("only root can mount a small disk and change users", "run as root");
        skipped.native.push("as_root");
    }
    if unavailable(tools::has_chromium()) {
        leave_out("Chromium is missing", "install chromium, or name it in CHROMIUM");
        skipped.browser = true;
    }
    if env::var_os("CI").is_some() && (skipped.browser || !skipped.native.is_empty()) {
        return Err(Failure::Broken("CI leaves no test out".to_owned()));
    }
    Ok(skipped)
}

fn leave_out(reason: &str, remedy: &str) {
    println!("{reason}: its tests are left out ({remedy} to run them).");
}

fn on_path(program: &str) -> bool {
    let Some(path) = env::var_os("PATH") else { return false };
    env::split_paths(&path).map(|folder: PathBuf| folder.join(program)).any(|file| file.is_file())
}

fn has_node() -> bool {
    let version = Command::new("node").arg("--version").read().unwrap_or_default();
    on_path("npm") && major(&version).is_some_and(|major| major >= OLDEST_NODE)
}

/// The major version in `v20.20.2`.
fn major(version: &str) -> Option<u32> {
    version.trim().trim_start_matches('v').split('.').next()?.parse().ok()
}

fn has_pip() -> bool {
    on_path("python3") && Command::new("python3").args(["-m", "pip", "--version"]).read().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_node_is_read() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major("v8.1.0"), Some(8));
        assert_eq!(major(""), None);
    }

    #[test]
    fn a_program_is_looked_for_on_the_path() {
        assert!(on_path("sh"));
        assert!(!on_path("no-such-program-anywhere"));
    }
}
