//! `cargo xtask test`: every check, named and timed.

use std::process::ExitCode;
use std::time::Instant;

use crate::failure::Failure;
use crate::prerequisites::{self, Skipped};
use crate::project::Project;
use crate::steps::{
    api, browser, checks, compose, deny, engine, imports, load, purity, server, site, tests, tools,
};
use crate::summary::{Line, Outcome, Summary};

/// One check.
struct Step {
    name: &'static str,
    check: fn(&Project, &Skipped) -> Result<(), Failure>,
}

/// The step that needs a browser.
const BROWSER: &str = "browser";

/// The random steps of our MLS engine and openmls in the same groups; the soak takes more.
const INTEROP_STEPS: u32 = 200;

/// In the order that reveals mistakes soonest. Each step relies on those before it.
const STEPS: [Step; 19] = [
    Step { name: "format", check: |project, _| checks::formatting(project) },
    Step { name: "wasm-target", check: |project, _| tools::wasm_target(project) },
    Step { name: "imports", check: |project, _| imports::check(project) },
    Step { name: "purity", check: |project, _| purity::check(project) },
    Step { name: "deny", check: |project, _| deny::check(project) },
    Step { name: "clippy", check: |project, _| checks::clippy_native(project) },
    Step { name: "clippy-wasm", check: |project, _| checks::clippy_wasm(project) },
    Step { name: "docs", check: |project, _| checks::documentation(project) },
    Step { name: "tests", check: tests::native },
    Step { name: "tests-wasm", check: |project, _| tests::wasm(project) },
    Step { name: "interop", check: |project, _| tests::mls_interop(project, INTEROP_STEPS) },
    Step { name: "compose", check: |project, _| compose::check(project) },
    Step { name: "site", check: |project, _| site(project) },
    Step { name: "engine", check: |project, _| engine::check(project) },
    Step { name: "server", check: |project, _| server::build(project) },
    Step { name: "api", check: |project, _| api::briefly(project) },
    Step { name: "load", check: |project, _| load::brief(project) },
    Step { name: "pages", check: |project, _| browser::pages(project) },
    Step { name: BROWSER, check: |project, _| browser::app(project) },
];

/// The options of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run only these steps.
    #[arg(value_name = "STEP", value_parser = STEPS.map(|step| step.name))]
    only: Vec<String>,
    /// Continue after a step has failed.
    #[arg(long)]
    keep_going: bool,
}

/// Runs the steps and prints a summary, whose last line counts them. Fails when a step failed.
pub(crate) fn test(project: &Project, options: &Options) -> ExitCode {
    let skipped = match prerequisites::check() {
        Ok(skipped) => skipped,
        Err(failure) => {
            eprintln!("{failure}");
            return ExitCode::FAILURE;
        }
    };
    let mut summary = Summary::default();
    for step in STEPS.iter().filter(|step| options.includes(step)) {
        let stop = summary.failed() && !options.keep_going;
        let has_no_browser = skipped.browser && step.name == BROWSER;
        summary.add(if stop || has_no_browser {
            Line::skipped(step.name)
        } else {
            perform(step, project, &skipped)
        });
    }
    println!("\n{summary}");
    if summary.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn perform(step: &Step, project: &Project, skipped: &Skipped) -> Line {
    println!("\n==== {} ====", step.name);
    let start = Instant::now();
    let outcome = match (step.check)(project, skipped) {
        Ok(()) => Outcome::Passed,
        Err(failure) => {
            eprintln!("{} failed: {failure}", step.name);
            Outcome::Failed
        }
    };
    Line { name: step.name, outcome, took: start.elapsed() }
}

fn site(project: &Project) -> Result<(), Failure> {
    println!("{}", site::build(project)?);
    Ok(())
}

impl Options {
    fn includes(&self, step: &Step) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == step.name)
    }
}
