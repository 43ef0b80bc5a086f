//! Disk space reserved in a file beside the database, for operations that must work on a full disk.
//!
//! On a full disk SQLite can neither delete nor checkpoint: changes go into the log first, and the content of the log
//! may have no space in the database file yet. Both operations return their space as soon as the log is emptied. So the
//! space is lent for a moment, during which no other writer runs.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use crate::files::{folder_of, give_to_owner_of};

/// The suffix of the file, after the name of the database.
const SUFFIX: &str = ".reserve";
const MIB: u64 = 1024 * 1024;
/// The size of the reserve: more than the content of the log when a checkpoint fails (little more than 16 MiB) plus the
/// log of deleting a portion of messages (1 to 4 MiB), because a long backup lets the log grow.
const BYTES: u64 = 32 * MIB;
/// No space is reserved on a smaller disk.
const SMALL_DISK: u64 = 8 * BYTES;

/// The file that reserves the space.
#[derive(Clone, Debug)]
pub(super) struct Reserve {
    database: PathBuf,
    file: PathBuf,
}

impl Reserve {
    /// The reserve beside a database.
    pub(super) fn of(database: &Path) -> Self {
        let mut file = OsString::from(database);
        file.push(SUFFIX);
        Self { database: database.to_owned(), file: file.into() }
    }

    /// Fills the reserve as far as the disk has space. A server also works without it.
    pub(super) fn fill(&self) {
        if let Err(error) = self.try_fill() {
            tracing::debug!(%error, "no room on the disk is kept back for deleting");
        }
    }

    fn try_fill(&self) -> io::Result<()> {
        let held = fs::metadata(&self.file).map_or(0, |file| file.len());
        let disk = statvfs(folder_of(&self.file))?;
        if held >= BYTES || disk.f_frsize.saturating_mul(disk.f_blocks) < SMALL_DISK {
            return Ok(());
        }
        let free = disk.f_frsize.saturating_mul(disk.f_bavail);
        let file = File::options().write(true).create(true).truncate(false).mode(0o600).open(&self.file)?;
        give_to_owner_of(&self.file, &self.database)?;
        // The file system may need some space for itself.
        let mut bytes = BYTES.min(held + free);
        while bytes > held {
            match fallocate(&file, FallocateFlags::empty(), 0, bytes) {
                Err(rustix::io::Errno::NOSPC) => bytes = bytes.saturating_sub(MIB),
                done => return Ok(done?),
            }
        }
        Ok(())
    }

    /// Releases all of the reserve until the result is dropped; `None` when nothing is reserved.
    pub(super) fn lend(&self) -> Option<Lent> {
        let file = File::options().write(true).open(&self.file).ok()?;
        (file.metadata().ok()?.len() > 0 && file.set_len(0).is_ok()).then(|| Lent(self.clone()))
    }
}

/// Space that was released. Dropping this takes it back.
pub(super) struct Lent(Reserve);

impl Drop for Lent {
    fn drop(&mut self) {
        self.0.fill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_lent_and_taken_back() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("kez-chat.db");
        fs::write(&database, "").unwrap();
        let reserve = Reserve::of(&database);
        assert!(reserve.lend().is_none());
        let held = || fs::metadata(directory.path().join("kez-chat.db.reserve")).unwrap().len();
        reserve.fill();
        assert_eq!(held(), BYTES);
        let room = reserve.lend().unwrap();
        assert_eq!(held(), 0);
        assert!(reserve.lend().is_none(), "only once");
        drop(room);
        assert_eq!(held(), BYTES);
    }
}
