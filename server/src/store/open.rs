//! Opens the store that the configuration names.

use std::path::PathBuf;
use std::sync::Arc;

use super::postgres::{self, PostgresStore};
use super::sqlite::{self, SqliteStore};
use super::{Store, StoreError};
use crate::store::database::Database;
use crate::store::database::DatabaseConfig;

/// Opens the database, creates it if it is missing, and brings its schema up to date.
///
/// # Errors
/// [`OpenError`] when it cannot be used, or was written by a newer version of this server.
pub async fn open(config: &DatabaseConfig) -> Result<Arc<dyn Store>, OpenError> {
    Ok(match &config.db {
        Database::Sqlite(file) => Arc::new(SqliteStore::open(file).await?),
        Database::Postgres(url) => Arc::new(PostgresStore::open(url, config.db_connections).await?),
    })
}

/// Opens the database read-only. An SQLite file is not changed; a PostgreSQL database is opened as it is.
///
/// # Errors
/// [`OpenError`] when it cannot be used, or has a different schema from this version of the server.
pub async fn open_read_only(config: &DatabaseConfig) -> Result<Arc<dyn Store>, OpenError> {
    match &config.db {
        Database::Sqlite(file) => Ok(Arc::new(SqliteStore::open_read_only(file).await?)),
        Database::Postgres(url) if postgres::pending_migrations(url).await?.is_empty() => open(config).await,
        Database::Postgres(_) => Err(OpenError::OlderSchema),
    }
}

/// The names of the missing migrations: all of them if there is no database yet.
///
/// # Errors
/// [`OpenError`] when it cannot be used, or was written by a newer version of this server.
pub async fn pending_migrations(config: &DatabaseConfig) -> Result<Vec<&'static str>, OpenError> {
    match &config.db {
        Database::Sqlite(file) => sqlite::pending_migrations(file).await,
        Database::Postgres(url) => postgres::pending_migrations(url).await,
    }
}

impl OpenError {
    /// Whether the database server is down, so that a later attempt may succeed.
    pub fn is_temporary(&self) -> bool {
        let Self::Database(error) = self else { return false };
        matches!(StoreError::of(error), StoreError::Unreachable(_) | StoreError::Busy)
    }
}

/// The database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A newer version of the server wrote it.
    #[error(
        "the database was written by a newer version of this server (its schema is {found}, this version knows {known}); \
         start that version, or give another database with --db"
    )]
    NewerSchema {
        /// The schema of the database.
        found: i64,
        /// The newest schema version of this server.
        known: i64,
    },
    /// The database must be migrated before it can be read.
    #[error(
        "the schema of the database is older than this version; start the server or run kez-chat-server migrate to bring it \
         up to date"
    )]
    OlderSchema,
    /// The file, or the folder for it, cannot be used.
    #[error("the database cannot be used: {path}: {source}", path = .path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The database opened, but cannot be read.
    #[error("the database cannot be read: {0}")]
    Unreadable(String),
    /// The linked SQLite library is too old.
    #[error("SQLite {0} is too old: this server needs 3.51.3 or newer")]
    OldSqlite(String),
    /// The database server is too old.
    #[error("PostgreSQL {0} is too old: this server needs 13 or newer")]
    OldPostgres(String),
    /// The database server does not guarantee the durability that this server promises.
    #[error("PostgreSQL runs with fsync = off, so what it acknowledges may be lost; switch it on")]
    NotDurable,
    /// Another process is using a database that must not be in use.
    #[error("a server is running on this database; stop every node first")]
    InUse,
    /// There is no database, because a restore that was to replace it was interrupted.
    #[error(
        "there is no database at {db}, but a restore that did not come to its end has left {left}; rename {db}.replaced \
         to {db} to have back what stood there before, or move away what is left and run restore again",
        db = .db.display(), left = .left.display()
    )]
    HalfRestored {
        /// Where the database should be.
        db: PathBuf,
        /// The file left beside it.
        left: PathBuf,
    },
    /// The database returned an error.
    #[error("the database cannot be opened: {0}")]
    Database(#[from] sqlx::Error),
    /// SQLite returned an error on a connection of the message path.
    #[error("the database cannot be opened: {0}")]
    Sqlite(#[from] rusqlite::Error),
}
