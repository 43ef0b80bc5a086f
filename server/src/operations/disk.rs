//! Monitors the free space of the database's disk in the background. Above the first threshold, strangers have to wait;
//! above the second, nothing is accepted. Reading and deleting always work, because they make room.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// The interval between checks of the disk.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// Which messages may still be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// All.
    Ample,
    /// Messages between users who know each other.
    KnownOnly,
    /// None.
    None,
}

/// When the disk counts as full.
#[derive(Clone, Copy, Debug)]
pub struct DiskLimits {
    /// While this many bytes are free, there is room for everything, whatever the percentage.
    pub ample_bytes: u64,
    /// From this percentage on, only users who know each other can write.
    pub requests_percent: u8,
    /// From this percentage on, nothing is accepted.
    pub writes_percent: u8,
}

/// The result of the last check.
#[derive(Debug, Default)]
pub struct Disk(AtomicU8);

impl Disk {
    /// Which messages may still be written.
    pub fn room(&self) -> Room {
        match self.0.load(Ordering::Relaxed) {
            0 => Room::Ample,
            1 => Room::KnownOnly,
            _ => Room::None,
        }
    }

    /// Checks the disk, and logs a change for the operator.
    pub fn check(&self, file: &Path, limits: DiskLimits) {
        let room = match usage(file) {
            Ok(usage) => usage.room(limits),
            Err(error) => return tracing::warn!(%error, "the database's disk cannot be checked"),
        };
        let before = self.0.swap(room as u8, Ordering::Relaxed);
        if before == room as u8 {
            return;
        }
        match room {
            Room::Ample => tracing::info!("the database's disk has room again"),
            Room::KnownOnly => {
                tracing::warn!("the database's disk is filling up: messages from strangers are refused")
            }
            Room::None => tracing::error!("the database's disk is nearly full: all writes are refused"),
        }
    }
}

/// Checks the disk periodically.
pub async fn watch(disk: Arc<Disk>, file: PathBuf, limits: DiskLimits) {
    let mut interval = tokio::time::interval(CHECK_EVERY);
    loop {
        interval.tick().await;
        let (disk, file) = (Arc::clone(&disk), file.clone());
        // Checking a network disk may take a while.
        let checked = tokio::task::spawn_blocking(move || disk.check(&file, limits));
        if let Err(error) = checked.await {
            tracing::warn!(%error, "the database's disk cannot be checked");
        }
    }
}

/// Byte counts of a file system, as available to an unprivileged process.
#[derive(Clone, Copy, Debug)]
struct Usage {
    used: u64,
    free: u64,
}

fn usage(file: &Path) -> io::Result<Usage> {
    let disk = rustix::fs::statvfs(file)?;
    let used = disk.f_frsize.saturating_mul(disk.f_blocks.saturating_sub(disk.f_bfree));
    let free = disk.f_frsize.saturating_mul(disk.f_bavail);
    // Deleted data makes room in the file, which does not shrink.
    let reusable = reusable(file)?.min(used);
    Ok(Usage { used: used - reusable, free: free.saturating_add(reusable) })
}

/// The bytes of the unused pages in an SQLite file, as of its last checkpoint
/// (<https://www.sqlite.org/fileformat2.html#the_database_header>).
fn reusable(file: &Path) -> io::Result<u64> {
    let mut header = Vec::with_capacity(40);
    File::open(file)?.take(40).read_to_end(&mut header)?;
    let Ok(header) = <[u8; 40]>::try_from(header) else { return Ok(0) };
    let page_bytes = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        bytes => u64::from(bytes),
    };
    let free_pages = u32::from_be_bytes([header[36], header[37], header[38], header[39]]);
    Ok(page_bytes * u64::from(free_pages))
}

/// The free bytes and the size of a file's file system, as available to an unprivileged process.
///
/// # Errors
/// The system's error.
pub fn free_and_size(file: &Path) -> io::Result<(u64, u64)> {
    usage(file).map(|Usage { used, free }| (free, used.saturating_add(free)))
}

impl Usage {
    fn room(self, limits: DiskLimits) -> Room {
        if self.free >= limits.ample_bytes {
            return Room::Ample;
        }
        let at_least = |percent: u8| {
            u128::from(self.used) * 100
                >= u128::from(percent) * (u128::from(self.used) + u128::from(self.free))
        };
        if at_least(limits.writes_percent) {
            Room::None
        } else if at_least(limits.requests_percent) {
            Room::KnownOnly
        } else {
            Room::Ample
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deleted_messages_make_room_in_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("the.db");
        let database = rusqlite::Connection::open(&file).unwrap();
        database.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(1000000))").unwrap();
        assert_eq!(reusable(&file).unwrap(), 0);
        database.execute_batch("DELETE FROM t").unwrap();
        let room = reusable(&file).unwrap();
        assert!((950_000..1_050_000).contains(&room), "{room}");
    }

    #[test]
    fn the_percentages_count_only_while_little_space_is_free() {
        let limits = DiskLimits { ample_bytes: 50, requests_percent: 80, writes_percent: 90 };
        let room = |used, free| Usage { used, free }.room(limits);
        assert_eq!(room(159, 41), Room::Ample);
        assert_eq!(room(160, 40), Room::KnownOnly);
        assert_eq!(room(179, 21), Room::KnownOnly);
        assert_eq!(room(180, 20), Room::None);
        assert_eq!(room(950, 50), Room::Ample, "a small part of a large disk is plenty");
        assert_eq!(room(0, 0), Room::None);
    }
}
