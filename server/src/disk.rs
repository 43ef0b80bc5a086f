//! Monitors the free space of the database's disk in the background. Above the first threshold, strangers have to wait;
//! above the second, nothing is accepted. Reading and deleting always work, because they make room.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use axum::extract::Request;
use axum::http::Method;
use kez_core::problem::ProblemCode;

use crate::config::AbuseConfig;
use crate::error::ApiError;
use crate::state::AppState;

/// The interval between checks of the disk.
const LOOK_EVERY: Duration = Duration::from_secs(5);

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

    /// Checks the disk, and tells the operator about a change.
    pub fn look(&self, file: &Path, config: &AbuseConfig) {
        let room = match usage(file) {
            Ok(usage) => usage.room(config),
            Err(error) => return tracing::warn!(%error, "the database's disk cannot be looked at"),
        };
        let before = self.0.swap(room as u8, Ordering::Relaxed);
        if before == room as u8 {
            return;
        }
        match room {
            Room::Ample => tracing::info!("the database's disk has room again"),
            Room::KnownOnly => {
                tracing::warn!("the database's disk fills up: strangers cannot write any more")
            }
            Room::None => tracing::error!("the database's disk is nearly full: nothing is taken in any more"),
        }
    }

    /// Rejects a request that would write while there is no room for it.
    pub fn refuse(&self, request: &Request) -> Option<ApiError> {
        // An owner who acknowledges messages, or shortens their retention, makes room.
        let makes_room = request.uri().path().starts_with("/v1/inbox/");
        let writes = matches!(*request.method(), Method::POST | Method::PUT) && !makes_room;
        let detail = "the server's disk is nearly full, so it takes nothing in at the moment";
        (writes && self.room() == Room::None)
            .then(|| ApiError::new(ProblemCode::StorageFull, detail).retry_after(60))
    }
}

/// Checks the disk periodically.
pub async fn watch(state: AppState, file: PathBuf) {
    let mut interval = tokio::time::interval(LOOK_EVERY);
    loop {
        interval.tick().await;
        let (state, file) = (state.clone(), file.clone());
        // Checking a network disk may take a while.
        let looked = tokio::task::spawn_blocking(move || state.disk.look(&file, &state.config.abuse));
        if let Err(error) = looked.await {
            tracing::warn!(%error, "the database's disk cannot be looked at");
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

/// The bytes of the unused pages in a SQLite file, as of its last checkpoint
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
    fn room(self, config: &AbuseConfig) -> Room {
        if self.free >= config.disk_ample_bytes {
            return Room::Ample;
        }
        let at_least = |percent: u8| {
            u128::from(self.used) * 100
                >= u128::from(percent) * (u128::from(self.used) + u128::from(self.free))
        };
        if at_least(config.disk_writes_percent) {
            Room::None
        } else if at_least(config.disk_requests_percent) {
            Room::KnownOnly
        } else {
            Room::Ample
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

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
    fn the_marks() {
        let flags = ["kez-chat-server", "--disk-ample-bytes", "50"];
        let config: Config = clap::Parser::parse_from(flags);
        let room = |used, free| Usage { used, free }.room(&config.abuse);
        assert_eq!(room(159, 41), Room::Ample);
        assert_eq!(room(160, 40), Room::KnownOnly);
        assert_eq!(room(179, 21), Room::KnownOnly);
        assert_eq!(room(180, 20), Room::None);
        assert_eq!(room(950, 50), Room::Ample, "a small part of a large disk is plenty");
        assert_eq!(room(0, 0), Room::None);
    }
}
