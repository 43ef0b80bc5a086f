//! The site for `--web-dir`, with the folder and file names that cargo-leptos uses.

use std::fs;
use std::path::Path;
use std::process::Command;

use wasm_bindgen_cli_support::Bindgen;

use super::compress::precompress;
use super::engine;
use super::files::{entries, files};
use super::minify::{bundle, minify};
use super::sizes::{self, Sizes};
use super::stamp::Stamp;
use super::tools;
use crate::command::Run;
use crate::failure::Failure;
use crate::project::{OUTPUT_NAME, Project, WASM_TARGET};

/// The options that give the smallest module after compression. Inlining functions with one caller makes the module smaller, but the compressed module
/// larger. The workspace's metadata for cargo-leptos has the same options; it passes them in any order.
const WASM_OPT: [&str; 2] = ["-O2", "--one-caller-inline-max-function-size=10"];
/// The WASM features that rustc emits.
pub(crate) const WASM_FEATURES: [&str; 5] = [
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
];

/// The two browser programs, each a feature of `kez-frontend` and a separate module.
pub(crate) const MODULES: [&str; 2] = ["page", "worker"];
/// The script that browsers load only from a server with NATS.
pub(crate) const NATS_SCRIPT: &str = "nats.js";

/// Builds the whole site. The slow part is skipped if nothing changed.
///
/// # Errors
/// When a tool is missing and cannot be installed, or a part cannot be built.
pub(crate) fn build(project: &Project) -> Result<Sizes, Failure> {
    tools::wasm_target(project)?;
    tools::npm_packages(project)?;
    tools::npm_packages_in(&project.nats_script())?;
    remove_single_module(project)?;
    MODULES.iter().try_for_each(|name| module(project, name))?;
    engine::build(project)?;
    style(project)?;
    public(project)?;
    nats(project)?;
    sizes::measure(project)
}

/// Removes the single module left by `cargo leptos`, which the server would prefer.
fn remove_single_module(project: &Project) -> Result<(), Failure> {
    let pkg = project.site().join("pkg");
    for ending in ["js", "wasm"] {
        let file = pkg.join(format!("{OUTPUT_NAME}.{ending}"));
        if file.exists() {
            fs::remove_file(&file).map_err(Failure::file(&file))?;
        }
    }
    Ok(())
}

/// Builds one browser program: its module, and the JavaScript that loads it.
fn module(project: &Project, name: &str) -> Result<(), Failure> {
    let what = ["build", "-p", "kez-frontend", "--lib", "--target", WASM_TARGET, "--profile", "wasm-release"];
    project.cargo(&what).args(["--no-default-features", "--features", name]).run()?;
    let (pkg, output) = (project.site().join("pkg"), format!("{OUTPUT_NAME}-{name}"));
    let [wasm, js] = ["wasm", "js"].map(|ending| pkg.join(format!("{output}.{ending}")));
    let stamp = Stamp {
        note: project.site_stamp(name),
        inputs: vec![project.wasm(), project.end2end().join("package-lock.json")],
        outputs: vec![wasm.clone(), js.clone()],
        recipe: [&WASM_OPT[..], &WASM_FEATURES].concat().join(" "),
    };
    if stamp.holds() {
        println!("the module of the {name} has not changed");
        return Ok(());
    }
    bind(&project.wasm(), &pkg, &output)?;
    let bound = pkg.join(format!("{output}_bg.wasm"));
    fs::rename(&bound, &wasm).map_err(Failure::file(&bound))?;
    minify(project, &js)?;
    optimise(project, &wasm)?;
    println!("compressing");
    [&wasm, &js].into_iter().try_for_each(|file| precompress(file))?;
    stamp.set()
}

/// The equivalent of the `wasm-bindgen` command with `--target web --no-typescript --omit-default-module-path`: the
/// boot script passes the module's URL itself.
fn bind(wasm: &Path, pkg: &Path, output: &str) -> Result<(), Failure> {
    println!("wasm-bindgen {}", wasm.display());
    let mut bindgen = Bindgen::new();
    bindgen
        .web(true)
        .and_then(|bindgen| bindgen.input_path(wasm).out_name(output).generate(pkg))
        .map_err(|error| Failure::Unexpected(format!("wasm-bindgen: {error:#}")))
}

/// Runs wasm-opt from npm: distributions ship versions whose output crashes at start.
fn optimise(project: &Project, module: &Path) -> Result<(), Failure> {
    wasm_tool(project, "wasm-opt").args(WASM_OPT).args(WASM_FEATURES).arg(module).arg("-o").arg(module).run()
}

/// A tool of binaryen.
pub(crate) fn wasm_tool(project: &Project, name: &str) -> Command {
    let mut tool = Command::new("node");
    tool.arg(project.end2end().join("node_modules/binaryen/bin").join(name));
    tool
}

fn style(project: &Project) -> Result<(), Failure> {
    let from = project.root().join("style/main.css");
    let to = project.site().join("pkg").join(format!("{OUTPUT_NAME}.css"));
    copy(project, &from, &to)
}

/// Bundles the script that a browser loads from a server with NATS, with its library, into one file. Must run after
/// `public`, which clears the directory.
fn nats(project: &Project) -> Result<(), Failure> {
    let to = project.site().join(NATS_SCRIPT);
    bundle(project, "nats.js", &to)?;
    precompress(&to)
}

/// Copies `public/` to the site's root, after removing the files of an earlier `public/`.
fn public(project: &Project) -> Result<(), Failure> {
    let (public, site) = (project.root().join("public"), project.site());
    for entry in entries(&site)? {
        if entry.file_name().is_some_and(|name| name != "pkg") {
            let removed = if entry.is_dir() { fs::remove_dir_all(&entry) } else { fs::remove_file(&entry) };
            removed.map_err(Failure::file(&entry))?;
        }
    }
    for file in files(&public)? {
        let below = file.strip_prefix(&public).unwrap_or(&file);
        copy(project, &file, &site.join(below))?;
    }
    Ok(())
}

fn copy(project: &Project, from: &Path, to: &Path) -> Result<(), Failure> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(Failure::file(folder))?;
    }
    fs::copy(from, to).map_err(Failure::file(from))?;
    minify(project, to)?;
    precompress(to)
}
