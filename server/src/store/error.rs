//! Why a store cannot be opened or used, and what the databases' own errors mean.

use std::path::PathBuf;
use std::sync::Arc;

use sqlx::postgres::PgDatabaseError;

/// Why a store operation failed. Nothing was stored then, unless stated otherwise.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The queue of writes is full.
    #[error("too many writes are waiting")]
    Busy,
    /// Another process holds the database.
    #[error("the database is locked")]
    Locked,
    /// The database server cannot be reached, or the connection was lost. A write in progress may or may not have been
    /// committed; every write may be repeated.
    #[error("the database cannot be reached: {0}")]
    Unreachable(Arc<str>),
    /// The account of the recipient or the sender no longer exists.
    #[error("there is no such account")]
    NoSuchAccount,
    /// The item was made in another epoch than that of the group's log.
    #[error("the group is in epoch {epoch}")]
    StaleEpoch {
        /// The epoch of the log.
        epoch: u64,
        /// The number of its last item.
        head: u64,
    },
    /// An account belongs to as many groups as it may.
    #[error("an account belongs to too many groups")]
    TooManyGroups,
    /// The invitation does not exist, has expired or is used up, or is to another group.
    #[error("the invitation is not valid")]
    InviteRefused,
    /// The inbox, or the share of it for this sender, is full.
    #[error("the inbox is full")]
    InboxFull,
    /// The disk is full.
    #[error("the disk is full")]
    Full,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// Another database failure.
    #[error("{0}")]
    Database(Arc<str>),
    /// A row holds data that this server never writes.
    #[error("the database holds a malformed {0}")]
    Corrupt(&'static str),
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
    /// A version before the first release wrote it.
    #[error(
        "the database was written by a version from before the first release (0.1.0), and is no longer supported"
    )]
    Unreleased,
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
        "there is no database at {db}, but an interrupted restore has left {left}; rename {db}.replaced to {db} to get \
         the previous database back, or move the leftover files away and run restore again",
        db = .db.display(), left = .left.display()
    )]
    HalfRestored {
        /// Where the database should be.
        db: PathBuf,
        /// The file left beside it.
        left: PathBuf,
    },
    /// PostgreSQL returned an error.
    #[error("the database cannot be opened: {0}")]
    Postgres(#[from] sqlx::Error),
    /// SQLite returned an error.
    #[error("the database cannot be opened: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

impl OpenError {
    /// Whether the database server is down, so that a later attempt may succeed.
    pub fn is_temporary(&self) -> bool {
        let Self::Postgres(error) = self else { return false };
        matches!(StoreError::from(error), StoreError::Unreachable(_) | StoreError::Busy)
    }
}

/// SQLite's result codes: <https://www.sqlite.org/rescode.html>.
impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        const BUSY: i32 = 5;
        const LOCKED: i32 = 6;
        const FULL: i32 = 13;
        const IOERR_WRITE: i32 = 778;
        const IOERR_SHMSIZE: i32 = 4874;
        let code = error.sqlite_error().map_or(0, |error| error.extended_code);
        match (code & 0xff, code) {
            (BUSY | LOCKED, _) => Self::Locked,
            // A write beyond a quota, or a shared-memory file that cannot grow, also means that the disk is full.
            (FULL, _) | (_, IOERR_WRITE | IOERR_SHMSIZE) => Self::Full,
            _ => Self::Database(error.to_string().into()),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::from(&error)
    }
}

/// PostgreSQL's error codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
impl From<&sqlx::Error> for StoreError {
    fn from(error: &sqlx::Error) -> Self {
        let unreachable = || Self::Unreachable(error.to_string().into());
        let database = match error {
            sqlx::Error::PoolTimedOut => return Self::Busy,
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => return Self::Closed,
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) => return unreachable(),
            sqlx::Error::Database(database) => database,
            _ => return Self::Database(error.to_string().into()),
        };
        match database.try_downcast_ref::<PgDatabaseError>().map_or("", PgDatabaseError::code) {
            // disk_full
            "53100" => Self::Full,
            // out_of_memory, too_many_connections, configuration_limit_exceeded
            "53200" | "53300" | "53400" => Self::Busy,
            // serialization_failure, deadlock_detected, lock_not_available, query_canceled (by its time-out)
            "40001" | "40P01" | "55P03" | "57014" => Self::Locked,
            // read_only_sql_transaction: the server is now a standby, after a failover that this idle connection did
            // not notice
            "25006" => unreachable(),
            // connection_exception, operator_intervention (shutdown, crash, start-up), idle_in_transaction_session_timeout
            code if code.starts_with("08") || code.starts_with("57P") || code == "25P03" => unreachable(),
            _ => Self::Database(error.to_string().into()),
        }
    }
}
