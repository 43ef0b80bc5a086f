//! `engine.wasm`: the MLS engine as a module of its own, which imports nothing.

use std::fs;
use std::process::Command;

use serde_json::json;

use super::compress::{precompress, with_ending};
use super::site::{WASM_FEATURES, wasm_tool};
use super::stamp::Stamp;
use crate::command::Run;
use crate::failure::Failure;
use crate::project::{Project, WASM_TARGET};

/// The script that loads the module, in the site.
pub(crate) const LOADER: &str = "engine.js";
/// The module, in `pkg/`. Only browsers with a group load it.
pub(crate) const MODULE: &str = "kez-chat-engine.wasm";
/// The most bytes that the module may have after compression.
const BUDGET: u64 = 150_000;
/// What the loader (`public/engine.js`) uses. Everything that these do not reach is removed, the descriptions that
/// wasm-bindgen leaves included: no part of the engine calls JavaScript.
const EXPORTS: [&str; 3] = ["memory", "room", "call"];
/// The options that give the smallest module after compression.
const OPTIMISE: [&str; 5] = [
    "-O2",
    "--one-caller-inline-max-function-size=20",
    "--strip-debug",
    "--strip-producers",
    "--strip-target-features",
];

/// Builds the module into the site.
///
/// # Errors
/// When a tool fails.
pub(crate) fn build(project: &Project) -> Result<(), Failure> {
    let what = ["build", "-p", "kez-mls", "--lib", "--target", WASM_TARGET, "--profile", "wasm-release"];
    project.cargo(&what).args(["--features", "browser"]).run()?;
    let built = project.target().join(WASM_TARGET).join("wasm-release").join("kez_mls.wasm");
    let pkg = project.site().join("pkg");
    fs::create_dir_all(&pkg).map_err(Failure::file(&pkg))?;
    let module = pkg.join(MODULE);
    let stamp = Stamp {
        note: project.site_stamp("engine"),
        inputs: vec![built.clone(), project.end2end().join("package-lock.json")],
        outputs: vec![module.clone()],
        recipe: [&OPTIMISE[..], &EXPORTS, &WASM_FEATURES].concat().join(" "),
    };
    if stamp.holds() {
        println!("the module of the engine has not changed");
        return Ok(());
    }
    let roots = project.target().join("engine-exports.json");
    let graph = EXPORTS.map(|name| json!({ "name": name, "export": name, "root": true }));
    fs::write(&roots, json!(graph).to_string()).map_err(Failure::file(&roots))?;
    let reached = project.target().join("engine-reached.wasm");
    let mut reduce = wasm_tool(project, "wasm-metadce");
    reduce.args(WASM_FEATURES).arg("--graph-file").arg(&roots).arg(&built).arg("-o").arg(&reached).read()?;
    wasm_tool(project, "wasm-opt")
        .args(OPTIMISE)
        .args(WASM_FEATURES)
        .arg(&reached)
        .arg("-o")
        .arg(&module)
        .run()?;
    precompress(&module)?;
    stamp.set()
}

/// Checks the module that was built: its size, and in Node its imports, its answers and its loader.
///
/// # Errors
/// When it is too large or a test fails.
pub(crate) fn check(project: &Project) -> Result<(), Failure> {
    let module = project.site().join("pkg").join(MODULE);
    let compressed = with_ending(&module, "br");
    let bytes = fs::metadata(&compressed).map_err(Failure::file(&compressed))?.len();
    println!("the engine has {bytes} bytes, of {BUDGET}");
    if bytes > BUDGET {
        return Err(Failure::Broken(format!("the engine has {bytes} bytes, and {BUDGET} are allowed")));
    }
    Command::new("node")
        .arg("--test")
        .arg(project.root().join("mls/node/engine.test.mjs"))
        .env("ENGINE", &module)
        .env("LOADER", project.root().join("public").join(LOADER))
        .run()
}
