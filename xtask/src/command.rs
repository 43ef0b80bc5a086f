//! Runs other programs: prints each command line before it runs, and turns a failure into an error.

use std::process::{Child, Command, Output, Stdio};

use crate::failure::Failure;

/// A program that runs to completion.
pub(crate) trait Run {
    /// Runs the program with its output on the terminal.
    ///
    /// # Errors
    /// When the program cannot be started, or exits with a status other than 0.
    fn run(&mut self) -> Result<(), Failure>;

    /// Runs the program silently and returns its standard output.
    ///
    /// # Errors
    /// When the program cannot be started, or exits with a status other than 0; its standard error is then shown.
    fn read(&mut self) -> Result<String, Failure>;
}

impl Run for Command {
    fn run(&mut self) -> Result<(), Failure> {
        println!("$ {}", line(self));
        let status = self.status().map_err(|source| not_started(self, source))?;
        if status.success() { Ok(()) } else { Err(Failure::Ended { command: line(self), status }) }
    }

    fn read(&mut self) -> Result<String, Failure> {
        let Output { status, stdout, stderr } =
            self.stdin(Stdio::null()).output().map_err(|source| not_started(self, source))?;
        if !status.success() {
            eprint!("{}", String::from_utf8_lossy(&stderr));
            return Err(Failure::Ended { command: line(self), status });
        }
        String::from_utf8(stdout)
            .map_err(|_| Failure::Unexpected(format!("`{}` printed no text", line(self))))
    }
}

/// A child process in the background, which is killed on drop.
pub(crate) struct Beside(Child);

impl Beside {
    /// Starts the process, and prints its command line.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(command: &mut Command) -> Result<Self, Failure> {
        println!("$ {} &", line(command));
        command.spawn().map(Self).map_err(|source| not_started(command, source))
    }

    /// Whether the process is still running.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The command line as the user would type it, for messages.
pub(crate) fn line(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|part| part.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Explains what is needed when a program is missing.
pub(crate) fn not_started(command: &Command, source: std::io::Error) -> Failure {
    let program = command.get_program().to_string_lossy();
    let hint = match program.as_ref() {
        "node" | "npm" | "npx" => "install Node.js 20 or newer",
        "python3" => "install Python 3 with pip",
        "rustup" => "install Rust through rustup",
        _ => "is it installed?",
    };
    Failure::NotStarted { command: line(command), source, hint }
}
