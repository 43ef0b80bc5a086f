//! `cargo xtask test`: every check, named and timed.

use std::process::ExitCode;
use std::time::Instant;

use crate::failure::Failure;
use crate::project::Project;
use crate::steps::{api, browser, checks, compose, deny, load, purity, server, site, tests, tools};
use crate::summary::{Line, Outcome, Summary};

/// One check.
struct Step {
    name: &'static str,
    check: fn(&Project) -> Result<(), Failure>,
}

/// In the order that finds a mistake soonest; each one relies on those before it.
const STEPS: [Step; 16] = [
    Step { name: "format", check: checks::formatting },
    Step { name: "wasm-target", check: tools::wasm_target },
    Step { name: "purity", check: purity::check },
    Step { name: "deny", check: deny::check },
    Step { name: "clippy", check: checks::clippy_native },
    Step { name: "clippy-wasm", check: checks::clippy_wasm },
    Step { name: "docs", check: checks::documentation },
    Step { name: "tests", check: tests::native },
    Step { name: "tests-wasm", check: tests::wasm },
    Step { name: "compose", check: compose::check },
    Step { name: "site", check: site },
    Step { name: "server", check: server::build },
    Step { name: "api", check: api::briefly },
    Step { name: "load", check: load::brief },
    Step { name: "pages", check: browser::pages },
    Step { name: "browser", check: browser::app },
];

/// What `cargo xtask test` takes.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run only these steps.
    #[arg(value_name = "STEP", value_parser = STEPS.map(|step| step.name))]
    only: Vec<String>,
    /// Go on after a step has failed.
    #[arg(long)]
    keep_going: bool,
}

/// Runs the steps and prints a summary whose last line counts them; fails when one of them did.
pub(crate) fn test(project: &Project, options: &Options) -> ExitCode {
    let mut summary = Summary::default();
    for step in STEPS.iter().filter(|step| options.includes(step)) {
        let stop = summary.failed() && !options.keep_going;
        summary.add(if stop { Line::skipped(step.name) } else { perform(step, project) });
    }
    println!("\n{summary}");
    if summary.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn perform(step: &Step, project: &Project) -> Line {
    println!("\n==== {} ====", step.name);
    let start = Instant::now();
    let outcome = match (step.check)(project) {
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
