//! Running other programs: shown before they run, failed when they fail.

use std::process::{Child, Command, Output, Stdio};

use crate::failure::Failure;

/// A program that is run to its end.
pub(crate) trait Run {
    /// Runs it with its output on the terminal.
    ///
    /// # Errors
    /// When it cannot be started or ends with another status than 0.
    fn run(&mut self) -> Result<(), Failure>;

    /// Runs it without showing it and gives what it printed on standard output.
    ///
    /// # Errors
    /// When it cannot be started or ends with another status than 0; what it said on standard error is then shown.
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

/// A program that runs beside this one, and ends with it.
pub(crate) struct Beside(Child);

impl Beside {
    /// Starts it, and shows that.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(command: &mut Command) -> Result<Self, Failure> {
        println!("$ {} &", line(command));
        command.spawn().map(Self).map_err(|source| not_started(command, source))
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The command as one would type it, for messages.
pub(crate) fn line(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|part| part.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Says what is needed when a program is missing.
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
