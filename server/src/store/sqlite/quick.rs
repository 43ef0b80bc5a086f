//! Fast reads for every message and every stream: the holder of a handle, and new items in an inbox.
//!
//! A few rows found by an index take some microseconds, as long as a switch to another thread and back. Such reads run
//! on the caller's thread. Longer ones (a long page, a lock, more callers than connections) go to a thread that may
//! block.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kez_core::handle::Handle;
use kez_core::identity::Primary;
use prometheus_client::metrics::counter::Counter;
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::{Semaphore, TryAcquireError};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::recent::Recent;
use super::{BUSY_TIMEOUT, direct, page};
use crate::store::page::Page;
use crate::store::row::{AccountRow, unsigned};
use crate::store::{Account, AccountId, PageLimit, StoreError, StoredMessage};

/// More connections than processors would only wait for each other.
const CONNECTIONS: u32 = 4;

/// See the module.
pub(super) struct QuickReaders {
    connections: Arc<Connections>,
    recent: Arc<Recent>,
    /// Counts envelopes that were read and left out, because they were damaged on disk.
    pub(super) damaged: Counter,
}

struct Connections {
    file: PathBuf,
    /// One permit per allowed connection.
    turns: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl QuickReaders {
    pub(super) fn open(file: &Path) -> Result<Self, rusqlite::Error> {
        let connection = direct::for_reading(file)?;
        let recent = Recent::load(&connection)?.into();
        let idle = Mutex::new(vec![connection]);
        let turns = Arc::new(Semaphore::new(CONNECTIONS as usize));
        let connections = Arc::new(Connections { file: file.to_owned(), turns, idle });
        Ok(Self { connections, recent, damaged: Counter::default() })
    }

    /// The places of the newest messages, which the writer keeps up to date.
    pub(super) fn recent(&self) -> Arc<Recent> {
        Arc::clone(&self.recent)
    }

    pub(super) async fn lookup(&self, handle: &Handle) -> Result<Option<Account>, StoreError> {
        const SQL: &str = "SELECT id, handle, primary_key, registration, registered_at, chain_root FROM accounts \
             WHERE handle = ?1 AND NOT EXISTS (SELECT 1 FROM bans WHERE account = accounts.id)";
        let handle = handle.clone();
        self.read(move |connection| find_account(connection, SQL, handle.as_str())).await
    }

    pub(super) async fn lookup_primary(&self, primary: &Primary) -> Result<Option<Account>, StoreError> {
        const SQL: &str = "SELECT id, handle, primary_key, registration, registered_at, chain_root FROM accounts \
            WHERE (primary_key = ?1 OR id = (SELECT account FROM former_keys WHERE primary_key = ?1)) \
         AND NOT EXISTS (SELECT 1 FROM bans WHERE account = accounts.id)";
        let primary = primary.to_string();
        self.read(move |connection| find_account(connection, SQL, &primary)).await
    }

    pub(super) async fn page_after(
        &self,
        inbox: AccountId,
        since: u64,
        limit: PageLimit,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        let (damaged, recent) = (self.damaged.clone(), self.recent());
        let begin = move |connection: &Connection| {
            let mut page = Page::new(inbox, since, limit, &damaged);
            let whole = page::fill(connection, &recent, &mut page, page::A_FEW)?;
            Ok((page, whole))
        };
        let (mut page, whole) = self.read(begin).await?;
        if !whole {
            let recent = self.recent();
            let rest = move |connection: &Connection| {
                page::fill(connection, &recent, &mut page, page::ALL)?;
                Ok(page)
            };
            page = self.read_apart(rest).await?;
        }
        Ok(page.into_items())
    }

    pub(super) async fn last_seq(&self, inbox: AccountId) -> Result<u64, StoreError> {
        let recent = self.recent();
        self.read(move |connection| {
            // In this order: a message placed in between is found in the table.
            let newest = recent.last(inbox);
            let placed = connection
                .prepare_cached("SELECT last_seq FROM inboxes WHERE account = ?1")?
                .query_row([inbox.0], |row| row.get(0))
                .optional()?;
            Ok(newest.max(placed.map_or(Ok(0), unsigned)?))
        })
        .await
    }

    /// Waits for current readers, and closes every connection.
    pub(super) async fn close(&self) {
        // Fails when the connections were closed before.
        let Ok(_turns) = self.connections.turns.acquire_many(CONNECTIONS).await else { return };
        self.connections.turns.close();
        self.connections.idle().clear();
    }

    /// Reads a few rows on the caller's thread, or on a thread that may block if that is not possible at once.
    async fn read<T: Send + 'static>(
        &self,
        read: impl Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match self.connections.turns.try_acquire() {
            Ok(_turn) => match self.connections.run(Duration::ZERO, &read) {
                Err(StoreError::Locked) => {}
                result => return result,
            },
            Err(TryAcquireError::Closed) => return Err(StoreError::Closed),
            Err(TryAcquireError::NoPermits) => {}
        }
        self.read_apart(read).await
    }

    async fn read_apart<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connections = Arc::clone(&self.connections);
        let turn = timeout(BUSY_TIMEOUT, Arc::clone(&connections.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| StoreError::Busy)?.map_err(|_| StoreError::Closed)?;
        let run = move || {
            let result = connections.run(BUSY_TIMEOUT, read);
            drop(turn);
            result
        };
        spawn_blocking(run).await.unwrap_or(Err(StoreError::Closed))
    }
}

impl Connections {
    /// Runs a read on a connection, with a time limit for locks. The caller holds a permit.
    fn run<T>(
        &self,
        patience: Duration,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = self.idle().pop();
        let connection = idle.map_or_else(|| direct::for_reading(&self.file), Ok)?;
        connection.busy_timeout(patience)?;
        let result = read(&connection);
        // After a failure, the connection may be inside a transaction.
        if result.is_ok() {
            self.idle().push(connection);
        }
        result
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find_account(connection: &Connection, sql: &str, wanted: &str) -> Result<Option<Account>, StoreError> {
    let row = |row: &rusqlite::Row<'_>| -> rusqlite::Result<AccountRow> {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
    };
    let found = connection.prepare_cached(sql)?.query_row([wanted], row).optional()?;
    found.map(Account::try_from).transpose()
}
