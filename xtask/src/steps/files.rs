//! Listing and emptying folders.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// All files in and below a folder.
///
/// # Errors
/// When a folder cannot be read.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for entry in entries(folder)? {
        if entry.is_dir() {
            found.extend(files(&entry)?);
        } else {
            found.push(entry);
        }
    }
    Ok(found)
}

/// The files and folders directly in a folder.
///
/// # Errors
/// When the folder cannot be read.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let read = fs::read_dir(folder).map_err(Failure::file(folder))?;
    read.map(|entry| entry.map(|entry| entry.path()).map_err(Failure::file(folder))).collect()
}

/// Empties the folder without removing it.
///
/// # Errors
/// When an entry cannot be removed.
pub(crate) fn empty(folder: &Path) -> Result<(), Failure> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(Failure::file(folder))?;
    }
    fs::create_dir_all(folder).map_err(Failure::file(folder))
}
