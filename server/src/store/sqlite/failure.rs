//! What SQLite's result codes mean to the product (<https://www.sqlite.org/rescode.html>).

use crate::store::StoreError;

const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const FULL: i32 = 13;
const IOERR_WRITE: i32 = 778;
const IOERR_SHMSIZE: i32 = 4874;

/// The kind of failure that an extended result code stands for; none for all that only say that the database failed.
pub(in crate::store) fn meaning(code: i32) -> Option<StoreError> {
    match (code & 0xff, code) {
        (BUSY | LOCKED, _) => Some(StoreError::Locked),
        // A write beyond a quota and a shared-memory file that cannot grow are a full disk under other names.
        (FULL, _) | (_, IOERR_WRITE | IOERR_SHMSIZE) => Some(StoreError::Full),
        _ => None,
    }
}
