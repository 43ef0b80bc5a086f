//! What SQLite's result codes mean to the product (<https://www.sqlite.org/rescode.html>).

use crate::store::StoreError;

const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const FULL: i32 = 13;
const IOERR_WRITE: i32 = 778;
const IOERR_SHMSIZE: i32 = 4874;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolTimedOut => return Self::Busy,
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => return Self::Closed,
            _ => {}
        }
        let code = error.as_database_error().and_then(|error| error.code()?.parse::<i32>().ok()).unwrap_or(0);
        match (code & 0xff, code) {
            (BUSY | LOCKED, _) => Self::Locked,
            // A write beyond a quota and a shared-memory file that cannot grow are a full disk under other names.
            (FULL, _) | (_, IOERR_WRITE | IOERR_SHMSIZE) => Self::Full,
            _ => Self::Database(error.to_string().into()),
        }
    }
}
