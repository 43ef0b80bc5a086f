//! Why a command could not be carried out, for the person who started it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A program ran and said no; what it printed stands above.
    #[error("`{command}` ended with {status}")]
    Ended {
        /// What was run.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// A program could not be started.
    #[error("cannot start `{command}`: {source}; {hint}")]
    NotStarted {
        /// What should have run.
        command: String,
        /// Why it did not.
        source: io::Error,
        /// What to do about it.
        hint: &'static str,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// A tool answered with something else than it promises.
    #[error("{0}")]
    Unexpected(String),
    /// A rule of the project is broken.
    #[error("{0}")]
    Broken(String),
}

impl Failure {
    /// Names the file that an operation failed on: for `map_err`.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { path: path.to_owned(), source }
    }
}
