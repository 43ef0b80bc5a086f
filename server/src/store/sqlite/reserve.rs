//! Room on the disk that is kept back in a file beside the database, for what has to work on a full disk.
//!
//! There SQLite can neither delete nor checkpoint: what changes goes into the log first, and what the log holds may have no
//! place in the database file yet. Both give back what they take as soon as the log is emptied, so the room is lent for a
//! moment, and nobody else writes meanwhile.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use crate::files::{folder_of, give_to_owner_of};

/// What the file is called, behind the name of the database.
const SUFFIX: &str = ".reserve";
const MIB: u64 = 1024 * 1024;
/// How much is kept back: several times what the log holds when a checkpoint fails (little more than 4 MiB) and what deleting
/// a portion of messages writes (1 to 4 MiB), because a long backup lets the log grow.
const BYTES: u64 = 32 * MIB;
/// A smaller disk is left alone.
const SMALL_DISK: u64 = 8 * BYTES;

/// The file that keeps the room.
#[derive(Clone, Debug)]
pub(super) struct Reserve {
    database: PathBuf,
    file: PathBuf,
}

impl Reserve {
    /// The one beside a database.
    pub(super) fn of(database: &Path) -> Self {
        let mut file = OsString::from(database);
        file.push(SUFFIX);
        Self { database: database.to_owned(), file: file.into() }
    }

    /// Keeps back what is missing, as far as the disk has it. A server works without it.
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
        // The file system may need a little of it for itself.
        let mut bytes = BYTES.min(held + free);
        while bytes > held {
            match fallocate(&file, FallocateFlags::empty(), 0, bytes) {
                Err(rustix::io::Errno::NOSPC) => bytes = bytes.saturating_sub(MIB),
                done => return Ok(done?),
            }
        }
        Ok(())
    }

    /// Gives all of it to the disk until the answer is dropped; none when nothing is kept back.
    pub(super) fn lend(&self) -> Option<Lent> {
        let file = File::options().write(true).open(&self.file).ok()?;
        (file.metadata().ok()?.len() > 0 && file.set_len(0).is_ok()).then(|| Lent(self.clone()))
    }
}

/// Room that was given to the disk. It is taken back when this is dropped.
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
