//! Maps SQLite's result codes to store errors (<https://www.sqlite.org/rescode.html>).

use crate::store::StoreError;

const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const FULL: i32 = 13;
const IOERR_WRITE: i32 = 778;
const IOERR_SHMSIZE: i32 = 4874;

/// The kind of failure for an extended result code; `None` for codes that only mean that the database failed.
pub(in crate::store) fn meaning(code: i32) -> Option<StoreError> {
    match (code & 0xff, code) {
        (BUSY | LOCKED, _) => Some(StoreError::Locked),
        // A write beyond a quota, or a shared-memory file that cannot grow, also means that the disk is full.
        (FULL, _) | (_, IOERR_WRITE | IOERR_SHMSIZE) => Some(StoreError::Full),
        _ => None,
    }
}
