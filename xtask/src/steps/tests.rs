//! Tests in Rust, natively and in WASM.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use wasm_bindgen_cli_support::Bindgen;

use super::tools;
use crate::command::Run;
use crate::failure::Failure;
use crate::prerequisites::Skipped;
use crate::project::{Project, WASM_TARGET};

/// The packages of the native tests. The others run apart: with them, cargo would unify the features of what they share.
pub(crate) const NATIVE: [&str; 9] = [
    "--workspace",
    "--exclude",
    "kez-frontend",
    "--exclude",
    "kez-mls",
    "--exclude",
    "kez-mls-vectors",
    "--exclude",
    "xtask",
];
/// The command of this program that runs a test binary.
pub(crate) const WASM_TEST: &str = "wasm-test";
/// How the name of a test begins in the exports of a binary.
const TEST_EXPORT: &[u8] = b"__wbgt_";
/// The name of a bound test binary, as in the script that runs it.
const BOUND: &str = "bound";
/// The script that runs the tests of a bound binary.
const RUN: &str = include_str!("wasm_tests.cjs");

/// Unit, property, integration and documentation tests. The tests of xtask run separately: together with the server,
/// cargo would build wasm-bindgen a second time, for the features that the server adds to shared dependencies. Those of
/// the MLS engine run as a browser has it, without the server's parts and the clock that these give mls-rs, and with them.
///
/// # Errors
/// When a test fails, or PostgreSQL, NATS or strace is missing and cannot be installed.
pub(crate) fn native(project: &Project, skipped: &Skipped) -> Result<(), Failure> {
    let mut test = project.cargo(&["test"]);
    test.args(NATIVE);
    test.env("NATS_SERVER", tools::nats_server(project)?);
    if !skipped.native.contains(&"postgres::") {
        test.env("POSTGRES_BIN", tools::postgres()?);
    }
    if !skipped.native.contains(&"power::") {
        tools::strace()?;
    }
    if !skipped.native.is_empty() {
        test.arg("--").args(skipped.native.iter().flat_map(|name| ["--skip", name]));
    }
    test.run()?;
    project.cargo(&["test", "-p", "kez-mls"]).run()?;
    project.cargo(&["test", "-p", "kez-mls", "--features", "server"]).run()?;
    project.cargo(&["test", "-p", "kez-mls-vectors"]).run()?;
    project.cargo(&["test", "-p", "xtask"]).run()
}

/// The fuzz targets of core and server for the given number of seconds each; `native` runs them for one second.
///
/// # Errors
/// When a target fails; it has printed the failing input.
pub(crate) fn fuzz(project: &Project, seconds: u64) -> Result<(), Failure> {
    let mut fuzz = project.cargo(&["test", "-p", "kez-core", "-p", "kez-chat-server", "--test", "fuzz"]);
    fuzz.env("KEZ_FUZZ_SECONDS", seconds.to_string()).run()
}

/// Changes the core and the client, or some of their files, in one place at a time, and lists the changes that no test
/// of the same crate detects. Changes a copy, not the work tree.
///
/// # Errors
/// When there is such a change, or a tool is missing and cannot be installed.
pub(crate) fn mutants(project: &Project, files: &[String]) -> Result<(), Failure> {
    let mut mutants = Command::new(tools::cargo_mutants(project)?);
    mutants.current_dir(project.root()).args(["mutants", "-p", "kez-core", "-p", "kez-client", "--output"]);
    mutants.arg(project.target());
    files.iter().fold(&mut mutants, |mutants, file| mutants.args(["--file", file])).run()
}

/// The vectors, and every other test of the core and of the MLS engine that is marked for WASM, compiled to WASM and run in
/// Node.
///
/// # Errors
/// When a test fails.
pub(crate) fn wasm(project: &Project) -> Result<(), Failure> {
    let (this, folder) =
        (env::current_exe().map_err(Failure::file(Path::new("xtask")))?, project.wasm_tests());
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(Failure::file(&folder))?;
    }
    ["kez-core", "kez-mls", "kez-mls-vectors"].iter().try_for_each(|package| {
        project
            .cargo(&["test", "-p", package, "--tests", "--target", WASM_TARGET])
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", format!("{} {WASM_TEST}", this.display()))
            .run()
    })?;
    if folder.exists() { Ok(()) } else { Err(Failure::Broken("no test for WASM was found".to_owned())) }
}

/// Runs a test binary that is compiled to WASM, if it has tests: binds it for Node, and passes the tests to the harness
/// that `wasm-bindgen-test` has compiled into it.
///
/// # Errors
/// When a test fails, or the binary cannot be read or bound.
pub(crate) fn wasm_binary(project: &Project, binary: &Path) -> Result<(), Failure> {
    let bytes = fs::read(binary).map_err(Failure::file(binary))?;
    if !bytes.windows(TEST_EXPORT.len()).any(|bytes| bytes == TEST_EXPORT) {
        println!("no tests for WASM");
        return Ok(());
    }
    let folder = project.wasm_tests().join(binary.file_stem().unwrap_or_default());
    Bindgen::new()
        .nodejs(true)
        .and_then(|bindgen| bindgen.export_wasm(true).input_path(binary).out_name(BOUND).generate(&folder))
        .map_err(|error| Failure::Unexpected(format!("wasm-bindgen: {error:#}")))?;
    let script = folder.join("run.cjs");
    fs::write(&script, RUN).map_err(Failure::file(&script))?;
    Command::new("node").arg(&script).run()
}

/// Our MLS engine and openmls in the same groups, in a workspace of its own.
///
/// # Errors
/// When a test fails.
pub(crate) fn mls_interop(project: &Project, steps: u32) -> Result<(), Failure> {
    let mut test = project.cargo(&["test", "--locked", "--", "--nocapture"]);
    test.current_dir(project.root().join("interop"))
        .env("CARGO_TARGET_DIR", project.target().join("interop"));
    test.env("KEZ_INTEROP_STEPS", steps.to_string()).run()
}
