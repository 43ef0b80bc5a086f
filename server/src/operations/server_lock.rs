//! One server per SQLite file: a lock on a file beside the database, held while the server runs.
//!
//! Two servers would each assign sequence numbers and remember nonces on their own. The system releases the lock when
//! the process ends for any reason. Administrative commands do not take it.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::sleep;

use crate::store::database::Database;

/// The number of attempts to take the lock ...
const ATTEMPTS: u32 = 20;
/// ... and the pause after each attempt: two seconds in all.
const PAUSE: Duration = Duration::from_millis(100);

/// Holds the lock until it is dropped. Holds nothing for PostgreSQL, which several nodes may share.
#[derive(Debug)]
pub struct ServerLock {
    _file: Option<File>,
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ServerLockError {
    /// Another server holds it.
    #[error("another server is running on {db}; stop it, or give this one another database with --db", db = .0.display())]
    InUse(PathBuf),
    /// The lock file cannot be used.
    #[error("the lock of the database cannot be used: {file}: {source}", file = .file.display())]
    File {
        /// The lock file.
        file: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

impl ServerLock {
    /// Takes the lock of a database. A server that is shutting down may still hold it for a moment.
    ///
    /// # Errors
    /// [`ServerLockError`] says why not.
    pub async fn take(database: &Database) -> Result<Self, ServerLockError> {
        let Database::Sqlite(db) = database else { return Ok(Self { _file: None }) };
        let mut name = OsString::from(db);
        name.push(".lock");
        let file = PathBuf::from(name);
        let refused = |source| ServerLockError::File { file: file.clone(), source };
        let open = File::options().write(true).create(true).truncate(false).open(&file).map_err(refused)?;
        for _ in 0..ATTEMPTS {
            match open.try_lock() {
                Ok(()) => return Ok(Self { _file: Some(open) }),
                Err(TryLockError::WouldBlock) => sleep(PAUSE).await,
                Err(TryLockError::Error(source)) => return Err(refused(source)),
            }
        }
        Err(ServerLockError::InUse(db.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_second_server_is_refused_until_the_first_one_ends() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(folder.path().join("kez-chat.db"));
        let first = ServerLock::take(&database).await.unwrap();
        let refused = ServerLock::take(&database).await.unwrap_err();
        assert!(refused.to_string().starts_with("another server is running on "), "{refused}");
        drop(first);
        assert!(ServerLock::take(&database).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_directory_is_named() {
        let refused =
            ServerLock::take(&Database::Sqlite("/nonexistent/kez-chat.db".into())).await.unwrap_err();
        assert!(refused.to_string().contains("/nonexistent/kez-chat.db.lock: No such file"), "{refused}");
    }
}
