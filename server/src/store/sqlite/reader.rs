//! Reading, on connections that cannot write and never wait for the writer.

use std::path::Path;
use std::time::Duration;

use futures::FutureExt;
use kez_core::handle::Handle;
use kez_core::identity::Primary;
use prometheus_client::metrics::counter::Counter;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePool, SqlitePoolOptions};

use super::{BUSY_TIMEOUT, page};
use crate::store::page::Page;
use crate::store::row::AccountRow;
use crate::store::{Account, AccountId, Answer, PageLimit, StoreError, StoredMessage};

/// More readers than processors only wait for each other.
const CONNECTIONS: u32 = 4;

/// KiB of pages that a connection keeps for itself. The system keeps them all once more.
const CACHE: &str = "-512";

pub(super) struct Readers {
    pool: SqlitePool,
    /// Envelopes that were read and left out, because the disk has changed them.
    pub(super) damaged: Counter,
}

impl Readers {
    pub(super) async fn open(file: &Path) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .read_only(true)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("cache_size", CACHE);
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(BUSY_TIMEOUT)
            .idle_timeout(Duration::from_secs(60))
            .test_before_acquire(false)
            .connect_with(options)
            .await?;
        Ok(Self { pool, damaged: Counter::default() })
    }

    /// Runs a feature's queries on one connection. Each sees what was committed before it; between
    /// `BEGIN` and `COMMIT` they see the same.
    pub(super) async fn read<F, T>(&self, read: F) -> Result<T, StoreError>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> Answer<'c, T>,
    {
        let mut connection = self.pool.acquire().await?;
        read(&mut connection).await
    }

    pub(super) async fn lookup(&self, handle: &Handle) -> Result<Option<Account>, StoreError> {
        const SQL: &str = "SELECT id, handle, primary_key, registration, registered_at, chain_root FROM accounts \
             WHERE handle = ?1 AND NOT EXISTS (SELECT 1 FROM bans WHERE account = accounts.id)";
        self.account(SQL, handle.as_str().to_owned()).await
    }

    pub(super) async fn lookup_primary(&self, primary: &Primary) -> Result<Option<Account>, StoreError> {
        const SQL: &str = "SELECT id, handle, primary_key, registration, registered_at, chain_root FROM accounts \
            WHERE (primary_key = ?1 OR id = (SELECT account FROM former_keys WHERE primary_key = ?1)) \
         AND NOT EXISTS (SELECT 1 FROM bans WHERE account = accounts.id)";
        self.account(SQL, primary.to_string()).await
    }

    async fn account(&self, sql: &'static str, wanted: String) -> Result<Option<Account>, StoreError> {
        self.read(|connection| find_account(connection, sql, wanted).boxed()).await
    }

    pub(super) async fn page_after(
        &self,
        inbox: AccountId,
        since: u64,
        limit: PageLimit,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        let page = Page::new(inbox, since, limit, &self.damaged);
        page::fill(&mut connection, page).await
    }

    pub(super) async fn check(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT epoch FROM meta").fetch_one(&self.pool).await?;
        Ok(())
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

async fn find_account(
    connection: &mut SqliteConnection,
    sql: &'static str,
    wanted: String,
) -> Result<Option<Account>, StoreError> {
    let row: Option<AccountRow> = sqlx::query_as(sql).bind(wanted).fetch_optional(connection).await?;
    row.map(Account::try_from).transpose()
}
