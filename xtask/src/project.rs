//! Paths and cargo calls, in one place.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::command::Run;
use crate::failure::Failure;

/// The name of the files in `pkg/`: the project's name in `[[workspace.metadata.leptos]]`, as used by cargo-leptos.
pub(crate) const OUTPUT_NAME: &str = "kez-chat";
/// The target of all browser code.
pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// The work tree and cargo's target directory.
pub(crate) struct Project {
    root: PathBuf,
    target: PathBuf,
}

impl Project {
    /// Asks cargo, so that `CARGO_TARGET_DIR` and every other way to move the target directory is respected.
    ///
    /// # Errors
    /// When cargo does not answer.
    pub(crate) fn find() -> Result<Self, Failure> {
        let answer = cargo().args(["metadata", "--no-deps", "--format-version", "1"]).read()?;
        let metadata: Value = serde_json::from_str(&answer)
            .map_err(|error| Failure::Unexpected(format!("cargo metadata: {error}")))?;
        let path = |name: &str| {
            metadata[name]
                .as_str()
                .map(PathBuf::from)
                .ok_or_else(|| Failure::Unexpected(format!("cargo metadata names no {name}")))
        };
        Ok(Self { root: path("workspace_root")?, target: path("target_directory")? })
    }

    /// The root of the work tree.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The browser tests, and the packages from npm.
    pub(crate) fn end2end(&self) -> PathBuf {
        self.root.join("end2end")
    }

    /// The browser's NATS script, with its packages from npm.
    pub(crate) fn nats_script(&self) -> PathBuf {
        self.root.join("frontend").join("nats")
    }

    /// The directory for `--web-dir`: everything that is served as a file.
    pub(crate) fn site(&self) -> PathBuf {
        self.target.join("site")
    }

    /// The stamp of a module of the site, which tells whether the module must be rebuilt.
    pub(crate) fn site_stamp(&self, module: &str) -> PathBuf {
        self.target.join(format!("site-{module}.stamp"))
    }

    /// The browser's module as built by cargo.
    pub(crate) fn wasm(&self) -> PathBuf {
        self.target.join(WASM_TARGET).join("wasm-release").join("kez_frontend.wasm")
    }

    /// The release build of the server.
    pub(crate) fn server(&self) -> PathBuf {
        self.program("release", "kez-chat-server")
    }

    /// A program of the workspace, as a `debug` or `release` build.
    pub(crate) fn program(&self, profile: &str, name: &str) -> PathBuf {
        self.target.join(profile).join(name)
    }

    /// Cargo's target directory.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// The directory for programs that the tests install.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// The folder for the tests that are compiled to WASM, as bound for Node.
    pub(crate) fn wasm_tests(&self) -> PathBuf {
        self.target.join("wasm-tests")
    }

    /// The first twelve digits of the commit that is checked out, with `-dirty` if files differ from it; `None` without
    /// git, or if the work tree is not a repository of its own.
    pub(crate) fn commit(&self) -> Option<String> {
        let git = |arguments: &[&str]| {
            let git = Command::new("git").current_dir(&self.root).args(arguments).output().ok()?;
            let printed = String::from_utf8(git.stdout).ok().filter(|_| git.status.success())?;
            Some(printed.trim().to_owned())
        };
        let root = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?);
        let is_own = root.canonicalize().ok()? == self.root.canonicalize().ok()?;
        is_own.then(|| git(&["describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"])).flatten()
    }

    /// The cargo that started this program, at the root of the work tree.
    pub(crate) fn cargo(&self, args: &[&str]) -> Command {
        let mut command = cargo();
        command.current_dir(&self.root).args(args);
        command
    }
}

fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    forget_this_package(&mut command);
    command
}

/// Removes the environment variables that the calling cargo has set. Build scripts (that of ring) run again when they
/// find other values than before, so a build with `cargo` after one with `cargo xtask` would start from scratch.
fn forget_this_package(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let of_this = ["CARGO_PKG_", "CARGO_MANIFEST_"];
        if name.to_str().is_some_and(|name| of_this.iter().any(|prefix| name.starts_with(prefix))) {
            command.env_remove(name);
        }
    }
}
