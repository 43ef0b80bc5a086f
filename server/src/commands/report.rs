//! How a command ends: a report on standard output, or a failure on standard error, each as text or as JSON.

use std::future::Future;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::log;

/// How a command tells what it did.
#[derive(Clone, Copy, Debug, Args)]
pub struct Output {
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// The exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Done.
    Done = 0,
    /// It could not be done.
    Failed = 1,
    /// The command line, the environment or a setting is wrong.
    Usage = 2,
    /// The answer is no.
    No = 3,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// What a command found or did.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    text: String,
    json: Value,
    code: Code,
}

impl Report {
    /// The same in two forms: for people, and for programs.
    pub fn new(text: impl Into<String>, json: Value) -> Self {
        Self { text: text.into(), json, code: Code::Done }
    }

    /// The report is the answer "no".
    #[must_use]
    pub fn with_code(self, code: Code) -> Self {
        Self { code, ..self }
    }
}

/// Why a command did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Failure {
    code: Code,
    sentence: String,
}

impl Failure {
    /// Something outside refused.
    pub fn failed(sentence: impl ToString) -> Self {
        Self { code: Code::Failed, sentence: sentence.to_string() }
    }

    /// What was asked for cannot be.
    pub fn usage(sentence: impl ToString) -> Self {
        Self { code: Code::Usage, sentence: sentence.to_string() }
    }

    /// What was asked about is not there.
    pub fn no(sentence: impl ToString) -> Self {
        Self { code: Code::No, sentence: sentence.to_string() }
    }

    /// Says it on standard error; the log may not have started.
    pub fn tell(&self, output: Output) -> ExitCode {
        let mut stderr = std::io::stderr();
        // Where nobody reads it, the exit code still says that something failed.
        let _ = if output.json {
            writeln!(stderr, "{}", json!({ "error": self.sentence }))
        } else {
            writeln!(stderr, "kez-chat-server: {}", self.sentence)
        };
        self.code.into()
    }
}

/// Runs a command to its end. Its log lines, from warnings up, go to standard error.
pub(super) fn perform(output: Output, work: impl Future<Output = Result<Report, Failure>>) -> ExitCode {
    let done = log::start_for_command().map_err(Failure::usage).and_then(|()| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(Failure::failed)?.block_on(work)
    });
    match done.and_then(|report| print(&report, output).map(|()| report.code)) {
        Ok(code) => code.into(),
        Err(failure) => failure.tell(output),
    }
}

fn print(report: &Report, output: Output) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let printed = if output.json {
        writeln!(out, "{}", report.json)
    } else {
        writeln!(out, "{}", report.text.trim_end())
    };
    printed.map_err(|error| Failure::failed(format!("the report cannot be printed: {error}")))
}
