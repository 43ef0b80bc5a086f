//! A temporary folder for a test, removed when the test is over.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// A new, empty folder in the system's temporary directory.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// `test` is the test's name, unique in this crate.
    pub(crate) fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("xtask-{}-{test}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}
