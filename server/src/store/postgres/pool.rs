//! Connections to the database server, with a limit for their number and for the waiting time.

use std::time::Duration;

use futures::future::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, Postgres};
use sqlx::{Connection, Executor};
use tokio::time::timeout;

use crate::store::StoreError;

/// How long a caller waits for a connection: long enough for a quick restart of the database.
const ACQUIRE: Duration = Duration::from_secs(5);
/// How long an unresponsive database server may block a caller. Statement time-outs are shorter.
const PATIENCE: Duration = Duration::from_secs(8);
/// A connection that was idle for this long is tested before use.
const TRY_AFTER: Duration = Duration::from_secs(1);
/// Connections are renewed after this time, so that they follow a new address or a new primary.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// The session settings of every connection.
///
/// Read committed, because a reader of its own inbox counter must see rows committed while it waited for the row lock.
/// Durable commits, unless the database has a stricter setting such as `remote_apply`. And query plans that use the
/// indexes from the first row on: a plan made for an empty table stays in use while the table grows.
const SETTINGS: &str = "
    SET default_transaction_isolation = 'read committed';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
    SET statement_timeout = '5s';
    SET lock_timeout = '4s';
    SET idle_in_transaction_session_timeout = '10s';
    SET enable_seqscan = off;
    SET jit = off;
";

/// What a caller does with a connection.
pub(super) type Work<'c, T> = BoxFuture<'c, Result<T, StoreError>>;

/// The connections of this node.
#[derive(Clone)]
pub(super) struct Pool(PgPool);

impl Pool {
    /// Opens one connection, and at most this many later.
    pub(super) async fn open(options: PgConnectOptions, most: u32) -> Result<Self, sqlx::Error> {
        let pool = PgPoolOptions::new()
            .max_connections(most)
            .acquire_timeout(ACQUIRE)
            .max_lifetime(LIFETIME)
            .test_before_acquire(false)
            .before_acquire(|connection, usage| {
                Box::pin(async move {
                    if usage.idle_for > TRY_AFTER {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .after_connect(|connection, _| {
                Box::pin(async move { connection.execute(SETTINGS).await.map(drop) })
            })
            .connect_with(options)
            .await?;
        Ok(Self(pool))
    }

    /// A connection, as soon as one is free.
    pub(super) async fn acquire(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        self.0.acquire().await.map_err(|error| match error {
            // Either all allowed connections are in use, or a new one cannot be opened.
            sqlx::Error::PoolTimedOut if self.0.size() >= self.0.options().get_max_connections() => {
                StoreError::Busy
            }
            sqlx::Error::PoolTimedOut => StoreError::Unreachable("no connection within 5 s".into()),
            error => error.into(),
        })
    }

    /// Runs reads, each statement in a transaction of its own.
    pub(super) async fn read<T>(
        &self,
        work: impl for<'c> FnOnce(&'c mut PgConnection) -> Work<'c, T>,
    ) -> Result<T, StoreError> {
        let mut connection = self.acquire().await?;
        let result = within_patience(work(&mut connection)).await;
        if matches!(result, Err(StoreError::Unreachable(_))) {
            connection.close_on_drop();
        }
        result
    }

    /// Runs writes in one transaction, which is committed durably if the work succeeds. When the connection is lost
    /// during the commit, its outcome is unknown, so the work must be safe to repeat.
    pub(super) async fn write<T: Send>(
        &self,
        work: impl for<'c> FnOnce(&'c mut PgConnection) -> Work<'c, T> + Send,
    ) -> Result<T, StoreError> {
        let mut connection = self.acquire().await?;
        let result = within_patience(async {
            let mut transaction = connection.begin().await?;
            let done = work(&mut transaction).await?;
            transaction.commit().await?;
            Ok(done)
        })
        .await;
        if matches!(result, Err(StoreError::Unreachable(_))) {
            connection.close_on_drop();
        }
        result
    }

    /// Waits for the work in progress and closes every connection.
    pub(super) async fn close(&self) {
        self.0.close().await;
    }
}

/// Gives up on an unresponsive database server.
pub(super) async fn within_patience<T>(
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| Err(StoreError::Unreachable("no answer within 8 s".into())))
}
