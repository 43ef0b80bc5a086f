//! The server's persistent data: one [`Store`] on SQLite (a file) or PostgreSQL (shared by several nodes).
//!
//! Each topic is a file: its types, its methods of [`Store`], and its SQL, which both databases understand
//! (`connection.rs`). The folders `sqlite` and `postgres` hold what differs: how transactions are run, how messages are
//! appended and read, and how a database is opened. One test story (`tests/server/store.rs`) runs against both.
//!
//! Where a method names no errors, it fails only when the database does, or cannot be opened: [`OpenError`] has the reasons.
#![allow(clippy::missing_errors_doc, reason = "said once, above")]

pub mod accounts;
mod append;
pub mod bindings;
pub mod chains;
mod connection;
mod counters;
pub mod database;
mod error;
pub mod groups;
pub mod inboxes;
pub mod invites;
pub mod key_packages;
pub mod links;
mod migrations;
pub mod moderation;
pub mod operations;
mod page;
pub mod people;
pub mod postgres;
pub mod reports;
pub mod sqlite;
pub mod transfer;
mod types;
pub mod usage;

use std::path::{Path, PathBuf};

use kez_core::caller_auth::Nonce;
use kez_core::time::Timestamp;
use prometheus_client::metrics::counter::Counter;
use sqlx::postgres::PgConnectOptions;
use tokio::task::spawn_blocking;

use connection::{Connection, values};
use page::Page;
use postgres::Postgres;
use sqlite::Sqlite;
use types::UsedNonce;

pub use accounts::{Account, Claim, ClaimOutcome};
pub use bindings::{BindOutcome, Binding, Bound, MAX_EVER, MAX_LIVE, NewBinding};
pub use error::{OpenError, StoreError};
pub use types::{AccountId, Appended, CallerKey, InboxId, NewMessage, PageLimit, StoredMessage};

/// The one source of truth of a server. Everything that a method acknowledges is durable.
pub struct Store {
    engine: Engine,
    epoch: String,
    damaged: Counter,
}

/// The futures of PostgreSQL are boxed where they are awaited. Otherwise each request to either engine, and each of
/// thousands of streams that connect at once, would reserve memory for them: some 10 KiB.
enum Engine {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// Where a database is.
#[derive(Clone, Debug)]
pub enum Location {
    /// In a file on this machine.
    Sqlite(PathBuf),
    /// On a database server, which several nodes share.
    Postgres {
        /// Its address and credentials.
        options: Box<PgConnectOptions>,
        /// The largest number of connections.
        connections: u32,
    },
}

impl Location {
    /// Opens the database, creates it if it is missing, and brings its schema up to date.
    pub async fn open(&self) -> Result<Store, OpenError> {
        match self {
            Self::Sqlite(file) => Store::sqlite(file).await,
            Self::Postgres { options, connections } => Store::postgres(options, *connections).await,
        }
    }

    /// Opens the database read-only. An SQLite file is not changed; a PostgreSQL database is opened as it is.
    pub async fn open_read_only(&self) -> Result<Store, OpenError> {
        match self {
            Self::Sqlite(file) => Store::sqlite_read_only(file).await,
            Self::Postgres { options, .. } if !postgres::pending_migrations(options).await?.is_empty() => {
                Err(OpenError::OlderSchema)
            }
            Self::Postgres { .. } => self.open().await,
        }
    }

    /// The names of the missing migrations: all of them if there is no database yet.
    pub async fn pending_migrations(&self) -> Result<Vec<&'static str>, OpenError> {
        match self {
            Self::Sqlite(file) => {
                let file = file.clone();
                blocking(move || sqlite::pending_migrations(&file)).await
            }
            Self::Postgres { options, .. } => postgres::pending_migrations(options).await,
        }
    }
}

impl Store {
    /// Opens an SQLite file, creates it if it is missing, and brings its schema up to date.
    ///
    /// # Errors
    /// [`OpenError`] when the file cannot be used, was written by a newer version of this server, or is missing because
    /// a restore was interrupted.
    pub async fn sqlite(file: &Path) -> Result<Self, OpenError> {
        let file = file.to_owned();
        let (sqlite, epoch) = blocking(move || Sqlite::open(&file)).await?;
        Ok(Self::new(Engine::Sqlite(sqlite), epoch))
    }

    /// Opens an SQLite file read-only: it is not changed, and every write fails with [`StoreError::Closed`]. A server
    /// may be running on it.
    pub async fn sqlite_read_only(file: &Path) -> Result<Self, OpenError> {
        let file = file.to_owned();
        let (sqlite, epoch) = blocking(move || Sqlite::open_read_only(&file)).await?;
        Ok(Self::new(Engine::Sqlite(sqlite), epoch))
    }

    /// Connects to a PostgreSQL database and brings its schema up to date. At most `connections` are open at any time.
    pub async fn postgres(options: &PgConnectOptions, connections: u32) -> Result<Self, OpenError> {
        let (postgres, epoch) = Postgres::open(options, connections).await?;
        Ok(Self::new(Engine::Postgres(postgres), epoch))
    }

    fn new(engine: Engine, epoch: String) -> Self {
        Self { engine, epoch, damaged: Counter::default() }
    }

    /// Appends an envelope to an inbox, unless the inbox already has the same bytes. The sequence numbers of an inbox
    /// rise in the order in which its rows become visible, and are never reused.
    ///
    /// # Errors
    /// [`StoreError::InboxFull`], [`StoreError::NoSuchAccount`], or a failure of the database; for an item of a group also
    /// [`StoreError::StaleEpoch`] and [`StoreError::TooManyGroups`].
    pub async fn append(&self, message: NewMessage) -> Result<Appended, StoreError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.writer()?.append(message).await,
            Engine::Postgres(postgres) => Box::pin(postgres.append(message)).await,
        }
    }

    /// The items after a cursor in ascending order: at most `limit.items`, and no more once they reach `limit.bytes`.
    /// An envelope that was damaged on disk is left out.
    pub async fn page_after(
        &self,
        inbox: InboxId,
        since: u64,
        limit: PageLimit,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        let page = Page::new(inbox, since, limit);
        let page = match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.fill(page).await?,
            Engine::Postgres(postgres) => Box::pin(postgres.fill(page)).await?,
        };
        Ok(page.into_items(&self.damaged))
    }

    /// The highest number that an inbox has assigned; 0 before the first, and for a deleted account.
    pub async fn last_seq(&self, inbox: InboxId) -> Result<u64, StoreError> {
        // Before the table is read: a message of the tail may be added to the table in between.
        let tail = match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.places.last(inbox),
            Engine::Postgres(_) => 0,
        };
        const SQL: &str = "SELECT last_seq FROM inboxes WHERE account = $1";
        let last: Option<u64> = self.read(move |connection| connection.row(SQL, values![inbox])).await?;
        Ok(last.unwrap_or(0).max(tail))
    }

    /// Records that a caller used a nonce; `false` when it was used before. The record may be dropped
    /// [`kez_core::caller_auth::NONCE_LIFETIME_SECONDS`] later, but not when the caller's account is deleted.
    pub async fn use_nonce(
        &self,
        caller: CallerKey,
        nonce: Nonce,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let used = UsedNonce { caller, nonce, now };
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.writer()?.use_nonce(used).await,
            Engine::Postgres(postgres) => Box::pin(postgres.use_nonce(used)).await,
        }
    }

    /// The same for a caller who is about to append a message: the record becomes durable with that message at the
    /// latest.
    pub async fn note_nonce(
        &self,
        caller: CallerKey,
        nonce: Nonce,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let used = UsedNonce { caller, nonce, now };
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.writer()?.note_nonce(used),
            Engine::Postgres(postgres) => Box::pin(postgres.use_nonce(used)).await,
        }
    }

    /// Whether other servers change the same database, so that cached data may be out of date.
    pub const fn is_shared(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    /// 16 hexadecimal digits, chosen when the database was created.
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Whether the store can read and could write: for `GET /v1/readyz`.
    pub async fn check(&self) -> Result<(), StoreError> {
        if let Engine::Sqlite(sqlite) = &self.engine {
            sqlite.writer()?.check()?;
        }
        self.read(|connection| connection.only_row("SELECT epoch FROM meta", &[]).map(|_: String| ())).await
    }

    /// Stores the queued writes and closes the database. Later calls return [`StoreError::Closed`].
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.close().await,
            Engine::Postgres(postgres) => postgres.pool.close().await,
        }
    }

    /// Runs reads. Each statement sees the latest commit.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Connection<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.read(read).await,
            Engine::Postgres(postgres) => Box::pin(postgres.pool.read(read)).await,
        }
    }

    /// Runs a write in a transaction. If it fails, nothing of it is stored. When the connection to PostgreSQL is lost
    /// during the commit, the outcome is unknown, so that a write must be safe to repeat.
    async fn write<T: Send + 'static>(
        &self,
        write: impl FnMut(&mut Connection<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.writer()?.write(sqlite::Kind::Feature, write).await,
            Engine::Postgres(postgres) => Box::pin(postgres.pool.write(write)).await,
        }
    }

    /// Runs a write that changes or deletes stored messages, or prepares that. In SQLite, the tables then describe all
    /// messages, and the write also works on a full disk.
    async fn change_messages<T: Send + 'static>(
        &self,
        write: impl FnMut(&mut Connection<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.writer()?.write(sqlite::Kind::Messages, write).await,
            Engine::Postgres(postgres) => Box::pin(postgres.pool.write(write)).await,
        }
    }
}

/// Runs blocking work. It does not panic, so that it always has a result.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    let unreadable = |error: tokio::task::JoinError| Err(OpenError::Unreadable(error.to_string()));
    spawn_blocking(work).await.unwrap_or_else(unreadable)
}
