//! Handles that the operator reserves in a file, in addition to those of the protocol and of the database.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use kez_core::handle::Handle;

/// The handles of the file.
#[derive(Default)]
pub struct ReservedHandles {
    file: Option<PathBuf>,
    handles: RwLock<HashSet<Handle>>,
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReservedHandlesError {
    /// It cannot be read.
    #[error("--reserved-handles-file {file}: {error}", file = .file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// The system's error.
        error: std::io::Error,
    },
    /// A line is not a handle.
    #[error("--reserved-handles-file {file}, line {line}: not a handle", file = .file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line number, from 1.
        line: usize,
    },
}

impl ReservedHandles {
    /// Reads the file, if there is one.
    ///
    /// # Errors
    /// [`ReservedHandlesError`] says what is wrong with the file.
    pub fn load(file: Option<&Path>) -> Result<Self, ReservedHandlesError> {
        let reserved = Self { file: file.map(Path::to_owned), handles: RwLock::default() };
        reserved.reload()?;
        Ok(reserved)
    }

    /// Reads the file again. An invalid file changes nothing.
    ///
    /// # Errors
    /// [`ReservedHandlesError`] says what is wrong with the file.
    pub fn reload(&self) -> Result<(), ReservedHandlesError> {
        let Some(file) = &self.file else { return Ok(()) };
        let handles = read(file)?;
        *self.handles.write().unwrap_or_else(PoisonError::into_inner) = handles;
        Ok(())
    }

    /// Whether the file lists the handle.
    pub fn contains(&self, handle: &Handle) -> bool {
        self.handles.read().unwrap_or_else(PoisonError::into_inner).contains(handle)
    }
}

fn read(file: &Path) -> Result<HashSet<Handle>, ReservedHandlesError> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| ReservedHandlesError::Io { file: file.to_owned(), error })?;
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines
        .enumerate()
        .filter(|(_, line)| !line.is_empty())
        .map(|(place, line)| {
            let malformed = |_| ReservedHandlesError::Line { file: file.to_owned(), line: place + 1 };
            line.parse().map_err(malformed)
        })
        .collect()
}
