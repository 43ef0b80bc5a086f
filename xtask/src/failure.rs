//! Why a command failed, explained to the user who started it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A program ran and failed; its output is shown above.
    #[error("`{command}` ended with {status}")]
    Ended {
        /// The command line.
        command: String,
        /// Its exit status.
        status: ExitStatus,
    },
    /// A program could not be started.
    #[error("cannot start `{command}`: {source}; {hint}")]
    NotStarted {
        /// The command line.
        command: String,
        /// The cause.
        source: io::Error,
        /// How to fix it.
        hint: &'static str,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A tool returned something unexpected.
    #[error("{0}")]
    Unexpected(String),
    /// A rule of the project was broken.
    #[error("{0}")]
    Broken(String),
}

impl Failure {
    /// An error conversion for `map_err` that names the file.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { path: path.to_owned(), source }
    }
}
