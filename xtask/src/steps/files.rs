//! Folders and what is in them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Every file in and below a folder.
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

/// Every file and folder right in a folder.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let read = fs::read_dir(folder).map_err(Failure::file(folder))?;
    read.map(|entry| entry.map(|entry| entry.path()).map_err(Failure::file(folder))).collect()
}

/// Leaves the folder there, with nothing in it.
///
/// # Errors
/// When something in it cannot be removed.
pub(crate) fn empty(folder: &Path) -> Result<(), Failure> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(Failure::file(folder))?;
    }
    fs::create_dir_all(folder).map_err(Failure::file(folder))
}
