//! The site for `--web-dir`, with the folder and file names that cargo-leptos uses.

use std::fs;
use std::path::Path;
use std::process::Command;

use wasm_bindgen_cli_support::Bindgen;

use super::compress::{precompress, with_ending};
use super::files::{entries, files};
use super::minify::{bundle, minify};
use super::sizes::{self, Sizes};
use super::stamp::Stamp;
use super::tools;
use crate::command::Run;
use crate::failure::Failure;
use crate::project::{OUTPUT_NAME, Project, WASM_TARGET};

/// The options that give the smallest module after compression, with the WASM features that rustc emits (those of its
/// target's default CPU). Inlining functions with one caller makes the module smaller, but the compressed module
/// larger. The workspace's metadata for cargo-leptos has the same options; it passes them in any order.
const WASM_OPT: [&str; 7] = [
    "-O2",
    "--one-caller-inline-max-function-size=10",
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
];

/// The two browser programs, each a feature of `kez-frontend` and a separate module.
pub(crate) const MODULES: [&str; 2] = ["page", "worker"];
/// The most bytes of the compressed module of the MLS engine. A browser loads it after everything else.
const ENGINE_BUDGET: u64 = 150_000;
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
    engine(project)?;
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
        recipe: WASM_OPT.join(" "),
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

/// Builds the MLS engine: a module that JavaScript calls with bytes, so it needs no bindings.
fn engine(project: &Project) -> Result<(), Failure> {
    let what = ["build", "-p", "kez-mls", "--lib", "--target", WASM_TARGET, "--profile", "wasm-release"];
    project.cargo(&what).args(["--features", "browser"]).run()?;
    let wasm = project.site().join("pkg").join(format!("{OUTPUT_NAME}-engine.wasm"));
    let stamp = Stamp {
        note: project.site_stamp("engine"),
        inputs: vec![project.engine_wasm(), project.end2end().join("package-lock.json")],
        outputs: vec![wasm.clone()],
        recipe: WASM_OPT.join(" "),
    };
    if stamp.holds() {
        println!("the module of the engine has not changed");
        return Ok(());
    }
    let built = project.engine_wasm();
    if let Some(pkg) = wasm.parent() {
        fs::create_dir_all(pkg).map_err(Failure::file(pkg))?;
    }
    fs::copy(&built, &wasm).map_err(Failure::file(&built))?;
    optimise(project, &wasm)?;
    let imports = imports_of(&wasm)?;
    if !imports.is_empty() {
        return Err(Failure::Unexpected(format!("the engine imports {}", imports.join(", "))));
    }
    precompress(&wasm)?;
    let compressed = with_ending(&wasm, "br");
    let bytes = fs::metadata(&compressed).map_err(Failure::file(&compressed))?.len();
    if bytes > ENGINE_BUDGET {
        return Err(Failure::Unexpected(format!("the engine has {bytes} bytes, more than {ENGINE_BUDGET}")));
    }
    stamp.set()
}

/// What a module imports, as `module.name`.
fn imports_of(wasm: &Path) -> Result<Vec<String>, Failure> {
    let script = "const m = new WebAssembly.Module(require('fs').readFileSync(process.argv[1])); \
                  for (const i of WebAssembly.Module.imports(m)) console.log(`${i.module}.${i.name}`)";
    let said = Command::new("node").args(["-e", script]).arg(wasm).output();
    let said = said.map_err(|error| Failure::Unexpected(format!("node: {error}")))?;
    if !said.status.success() {
        return Err(Failure::Unexpected(String::from_utf8_lossy(&said.stderr).into_owned()));
    }
    Ok(String::from_utf8_lossy(&said.stdout).lines().map(str::to_owned).collect())
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
