//! The reads of features, on connections that cannot write and never wait for a writer.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::BUSY_TIMEOUT;
use super::direct::CACHE;
use crate::store::{Answer, StoreError};

/// More readers than processors would only wait for each other.
const CONNECTIONS: usize = 4;

/// The connections. sqlx's own pool tests a connection whenever it is returned, which here costs as much as reading.
pub(super) struct Readers {
    options: SqliteConnectOptions,
    /// One permit per allowed connection.
    turns: Semaphore,
    idle: Mutex<Vec<SqliteConnection>>,
}

impl Readers {
    pub(super) async fn open(file: &Path) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .read_only(true)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("cache_size", CACHE.to_string());
        let first = options.connect().await?;
        let (turns, idle) = (Semaphore::new(CONNECTIONS), Mutex::new(vec![first]));
        Ok(Self { options, turns, idle })
    }

    /// Runs a feature's queries on one connection. Each query sees the latest commit; between `BEGIN` and `COMMIT` they
    /// all see the same snapshot.
    pub(super) async fn read<F, T>(&self, read: F) -> Result<T, StoreError>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> Answer<'c, T>,
    {
        let turn = timeout(BUSY_TIMEOUT, self.turns.acquire()).await.map_err(|_| StoreError::Busy)?;
        let _turn = turn.map_err(|_| StoreError::Closed)?;
        let idle = self.idle().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        let result = read(&mut connection).await;
        // After a failure, the connection may be inside a transaction. It is closed, like that of a caller that went
        // away.
        if result.is_ok() {
            self.idle().push(connection);
        }
        result
    }

    pub(super) async fn check(&self) -> Result<(), StoreError> {
        self.read(|connection| {
            async move {
                sqlx::query("SELECT epoch FROM meta").fetch_one(connection).await?;
                Ok(())
            }
            .boxed()
        })
        .await
    }

    /// Waits for current readers, and closes every connection.
    pub(super) async fn close(&self) {
        // Fails when the connections were closed before.
        let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
        let Ok(_turns) = self.turns.acquire_many(all).await else { return };
        self.turns.close();
        let idle = std::mem::take(&mut *self.idle());
        for connection in idle {
            super::close(connection).await;
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<SqliteConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn begin_and_fail(connection: &mut SqliteConnection) -> Result<(), StoreError> {
        sqlx::query("BEGIN").execute(connection).await?;
        Err(StoreError::Corrupt("row"))
    }

    async fn one(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("SELECT 1").fetch_one(connection).await?)
    }

    #[tokio::test]
    async fn reads_that_fail_or_are_abandoned_cost_nobody_a_connection() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("kez-chat.db");
        let _writer = super::super::connect(&file).await.unwrap();
        let readers = Readers::open(&file).await.unwrap();
        for _ in 0..2 * CONNECTIONS {
            let failed = readers.read(|connection| begin_and_fail(connection).boxed()).await;
            assert!(
                matches!(failed, Err(StoreError::Corrupt(_))),
                "no transaction was under way: {failed:?}"
            );
            let abandoned = readers.read(|_| std::future::pending::<Result<(), StoreError>>().boxed());
            assert!(abandoned.now_or_never().is_none());
        }
        let all = (0..2 * CONNECTIONS).map(|_| readers.read(|connection| one(connection).boxed()));
        assert!(futures::future::join_all(all).await.into_iter().all(|answer| matches!(answer, Ok(1))));
        readers.close().await;
        readers.close().await;
        let closed = readers.read(|connection| one(connection).boxed()).await;
        assert!(matches!(closed, Err(StoreError::Closed)));
    }
}
