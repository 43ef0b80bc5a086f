//! Files with secrets: readable only by their owner, which is the service account of the server.

use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use rustix::fs::Mode;
use rustix::process::{geteuid, umask};

/// Makes every file that this process creates from now on readable and writable by its owner only. The database holds
/// the seed that signs the log of chain heads, and so do SQLite's files beside it and every backup.
pub fn create_for_owner_only() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// Gives a file created by root to the owner of another file. Other accounts can only create files of their own.
///
/// # Errors
/// The file system's error.
pub fn give_to_owner_of(file: &Path, model: &Path) -> io::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let owner = std::fs::metadata(model)?;
    chown(file, Some(owner.uid()), Some(owner.gid()))
}

/// Gives a file created by root to the owner of its folder.
///
/// # Errors
/// The file system's error.
pub fn give_to_owner_of_folder(file: &Path) -> io::Result<()> {
    give_to_owner_of(file, folder_of(file))
}

/// The folder that contains a file.
pub fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
