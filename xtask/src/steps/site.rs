//! The site: what `--web-dir` serves, in the folders and under the names that cargo-leptos uses.

use std::fs;
use std::path::Path;
use std::process::Command;

use wasm_bindgen_cli_support::Bindgen;

use super::compress::precompress;
use super::files::{empty, entries, files};
use super::minify::{bundle, minify, minify_glue};
use super::sizes::{self, Sizes};
use super::split::{LATER_FUNCTIONS, split};
use super::stamp::Stamp;
use super::tools;
use crate::command::Run;
use crate::failure::Failure;
use crate::project::{OUTPUT_NAME, Project, WASM_TARGET};

/// The code that compresses best, with the features of the WASM that rustc writes (those of its target's default CPU). A
/// function with one caller is not put into it unless it is tiny: there it makes less code, but more of it once compressed.
/// The same arguments stand in the workspace's metadata for cargo-leptos, which passes them in any order.
const WASM_OPT: [&str; 7] = [
    "-O2",
    "--one-caller-inline-max-function-size=10",
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
];

/// The one script that the first visit does not load.
pub(crate) const NATS_SCRIPT: &str = "nats.js";
/// How the file of what is split off the module ends.
pub(crate) const LATER: &str = "later.wasm";

/// Builds the whole site, its slow part only when something changed.
///
/// # Errors
/// When a tool is missing and cannot be installed, or a part cannot be built.
pub(crate) fn build(project: &Project) -> Result<Sizes, Failure> {
    tools::wasm_target(project)?;
    tools::npm_packages(project)?;
    tools::npm_packages_in(&project.nats_script())?;
    module(project)?;
    style(project)?;
    public(project)?;
    nats(project)?;
    sizes::measure(project)
}

/// The browser's module and the glue code that loads it.
fn module(project: &Project) -> Result<(), Failure> {
    let profile = ["--profile", "wasm-release"];
    project.cargo(&["build", "-p", "kez-frontend", "--lib", "--target", WASM_TARGET]).args(profile).run()?;
    let pkg = project.site().join("pkg");
    let [wasm, later, js] = ["wasm", LATER, "js"].map(|ending| pkg.join(format!("{OUTPUT_NAME}.{ending}")));
    let stamp = Stamp {
        note: project.site_stamp(),
        inputs: vec![project.wasm(), project.end2end().join("package-lock.json")],
        outputs: vec![wasm.clone(), later.clone(), js.clone()],
        recipe: format!("{}\n{LATER_FUNCTIONS}", WASM_OPT.join(" ")),
    };
    if stamp.holds() {
        println!("the module has not changed");
        return Ok(());
    }
    empty(&pkg)?;
    bind(&project.wasm(), &pkg)?;
    let names = minify_glue(project, &js)?;
    let whole = pkg.join(format!("{OUTPUT_NAME}_bg.wasm"));
    split(&whole, &names, &wasm, &later)
        .map_err(|error| Failure::Unexpected(format!("splitting: {error:#}")))?;
    fs::remove_file(&whole).map_err(Failure::file(&whole))?;
    optimise(project, &wasm)?;
    optimise(project, &later)?;
    println!("compressing");
    files(&pkg)?.iter().try_for_each(|file| precompress(file))?;
    stamp.set()
}

/// What the `wasm-bindgen` command does for `--target web --no-typescript --omit-default-module-path`: the boot script
/// passes the module's URL itself.
fn bind(wasm: &Path, pkg: &Path) -> Result<(), Failure> {
    println!("wasm-bindgen {}", wasm.display());
    let mut bindgen = Bindgen::new();
    bindgen
        .web(true)
        .and_then(|bindgen| bindgen.input_path(wasm).out_name(OUTPUT_NAME).generate(pkg))
        .map_err(|error| Failure::Unexpected(format!("wasm-bindgen: {error:#}")))
}

/// Runs npm's wasm-opt: distributions ship versions that write modules which die at start.
fn optimise(project: &Project, module: &Path) -> Result<(), Failure> {
    Command::new("node")
        .arg(project.end2end().join("node_modules/binaryen/bin/wasm-opt"))
        .args(WASM_OPT)
        .arg(module)
        .arg("-o")
        .arg(module)
        .run()
}

fn style(project: &Project) -> Result<(), Failure> {
    let from = project.root().join("style/main.css");
    let to = project.site().join("pkg").join(format!("{OUTPUT_NAME}.css"));
    copy(project, &from, &to)
}

/// The script that a browser loads where a server has NATS, in one file with the library behind it. After `public`,
/// which clears the place.
fn nats(project: &Project) -> Result<(), Failure> {
    let to = project.site().join(NATS_SCRIPT);
    bundle(project, "nats.js", &to)?;
    precompress(&to)
}

/// Copies `public/` to the site's root, after removing what an earlier `public/` left there.
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
