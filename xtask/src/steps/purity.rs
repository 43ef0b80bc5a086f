//! `kez-core` and `kez-client` do no I/O, and have neither a clock nor a random generator.

use std::collections::BTreeSet;

use crate::command::Run;
use crate::failure::Failure;
use crate::project::{Project, WASM_TARGET};

/// The crates that must be pure.
const PURE: [&str; 2] = ["kez-core", "kez-client"];
/// Crates with a runtime, a network, a database, a browser, a clock or a random generator.
const FORBIDDEN: [&str; 18] = [
    "axum",
    "chrono",
    "futures",
    "getrandom",
    "gloo-timers",
    "hyper",
    "js-sys",
    "leptos",
    "rand",
    "reqwest",
    "rexie",
    "sqlx",
    "time",
    "tokio",
    "tower",
    "uuid",
    "wasm-bindgen",
    "web-sys",
];

/// Checks that neither crate has an impure dependency, on any target, and that both build for WASM.
///
/// # Errors
/// When the dependency tree contains a forbidden crate, named with its version, or a build fails.
pub(crate) fn check(project: &Project) -> Result<(), Failure> {
    for package in PURE {
        let found = impure(&tree(project, package)?);
        if !found.is_empty() {
            return Err(Failure::Broken(format!("{package} depends on {}", found.join(", "))));
        }
        println!("{package} depends on nothing impure");
    }
    let build = ["build", "-p", PURE[0], "-p", PURE[1], "--lib", "--target", WASM_TARGET];
    project.cargo(&build).run()
}

fn tree(project: &Project, package: &str) -> Result<String, Failure> {
    project
        .cargo(&[
            "tree", "-p", package, "-e", "normal", "--target", "all", "--prefix", "none", "--format", "{p}",
        ])
        .read()
}

fn impure(tree: &str) -> Vec<String> {
    let names: BTreeSet<_> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    names.into_iter().filter(|name| FORBIDDEN.contains(name)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_exactly_the_forbidden_crates() {
        let tree =
            "kez-core v0.1.0 (/src/core)\ntokio v1.0.0\nrand_core v0.10.0\ntokio v1.0.0 (*)\nrand v0.9.0\n";
        assert_eq!(impure(tree), ["rand", "tokio"]);
        assert!(impure("kez-core v0.1.0 (/src/core)\nrand_core v0.10.0\n").is_empty());
    }
}
