//! Files that hold secrets: readable by their owner alone, and owned by the account that the server runs as.

use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use rustix::fs::Mode;
use rustix::process::{geteuid, umask};

/// Makes every file that this process creates from now on readable and writable by its owner alone. The database holds
/// the seed that signs the log of chain heads, and so do SQLite's files beside it and every backup.
pub fn create_for_owner_only() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// Gives a file that root has made to the owner of another one. Other accounts can only make files of their own.
///
/// # Errors
/// What the file system says.
pub fn give_to_owner_of(file: &Path, model: &Path) -> io::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let owner = std::fs::metadata(model)?;
    chown(file, Some(owner.uid()), Some(owner.gid()))
}

/// Gives a file that root has made to the owner of its folder.
///
/// # Errors
/// What the file system says.
pub fn give_to_owner_of_folder(file: &Path) -> io::Result<()> {
    give_to_owner_of(file, folder_of(file))
}

/// The folder that a file is in.
pub fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
