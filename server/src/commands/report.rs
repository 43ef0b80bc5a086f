//! The result of a command: a report on standard output, or a failure on standard error, each as text or as JSON.

use std::future::Future;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::operations::log;

/// The output format of a command.
#[derive(Clone, Copy, Debug, Args)]
pub struct Output {
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// The exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Success.
    Done = 0,
    /// The command failed.
    Failed = 1,
    /// The command line, the environment or a setting is wrong.
    Usage = 2,
    /// The answer is "no".
    No = 3,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// The result of a command.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    text: String,
    json: Value,
    code: Code,
}

impl Report {
    /// The same result in two forms: text for people and JSON for programs.
    pub fn new(text: impl Into<String>, json: Value) -> Self {
        Self { text: text.into(), json, code: Code::Done }
    }

    /// The report is the answer "no".
    #[must_use]
    pub fn with_code(self, code: Code) -> Self {
        Self { code, ..self }
    }
}

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Failure {
    code: Code,
    sentence: String,
}

impl Failure {
    /// An external error.
    pub fn failed(sentence: impl ToString) -> Self {
        Self { code: Code::Failed, sentence: sentence.to_string() }
    }

    /// The request is invalid.
    pub fn usage(sentence: impl ToString) -> Self {
        Self { code: Code::Usage, sentence: sentence.to_string() }
    }

    /// The requested object does not exist.
    pub fn no(sentence: impl ToString) -> Self {
        Self { code: Code::No, sentence: sentence.to_string() }
    }

    /// Prints the failure to standard error; the log may not have started.
    pub fn print(&self, output: Output) -> ExitCode {
        let mut stderr = std::io::stderr();
        // If standard error is closed, the exit code still reports the failure.
        let _ = if output.json {
            writeln!(stderr, "{}", json!({ "error": self.sentence }))
        } else {
            writeln!(stderr, "kez-chat-server: {}", self.sentence)
        };
        self.code.into()
    }
}

/// Runs a command to completion. Its log lines, from warnings up, go to standard error.
pub(super) fn perform(output: Output, work: impl Future<Output = Result<Report, Failure>>) -> ExitCode {
    let done = log::start_for_command().map_err(Failure::usage).and_then(|()| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(Failure::failed)?.block_on(work)
    });
    match done.and_then(|report| print(&report, output).map(|()| report.code)) {
        Ok(code) => code.into(),
        Err(failure) => failure.print(output),
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
