//! Connections to the database server: bounded in number, and in how long anybody waits for them.

use std::time::Duration;

use futures::future::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, Postgres};
use sqlx::{Connection, Executor};
use tokio::time::timeout;

use crate::store::StoreError;

/// How long a caller waits for a connection: also over a quick restart of the database.
const ACQUIRE: Duration = Duration::from_secs(5);
/// How long a database server that went silent may hold up its caller. Statements end by themselves before.
const PATIENCE: Duration = Duration::from_secs(8);
/// A connection that nobody used for so long is tried before it is used.
const TRY_AFTER: Duration = Duration::from_secs(1);
/// Connections are renewed after so long, so that they find the way to a new address or a new primary.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// What every connection is set to.
///
/// Read committed, because a reader of its own inbox counter must see what was committed while it waited for the row's
/// lock. Durable commits unless the database already has its own idea of durable, such as `remote_apply`. And plans
/// that use the indexes from the first row on: a plan made while a table was empty stays while it fills.
const SETTINGS: &str = "
    SET default_transaction_isolation = 'read committed';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
    SET statement_timeout = '5s';
    SET lock_timeout = '4s';
    SET idle_in_transaction_session_timeout = '10s';
    SET enable_seqscan = off;
    SET jit = off;
";

/// What a caller does with a connection while it has it.
pub(super) type Work<'c, T> = BoxFuture<'c, Result<T, StoreError>>;

/// The connections of this node.
#[derive(Clone)]
pub(super) struct Pool(PgPool);

impl Pool {
    /// Opens a connection and keeps at most so many.
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

    /// A connection, once there is one.
    pub(super) async fn acquire(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        self.0.acquire().await.map_err(|error| match error {
            // All that may be open are in use; or the next one does not come about.
            sqlx::Error::PoolTimedOut if self.0.size() >= self.0.options().get_max_connections() => {
                StoreError::Busy
            }
            sqlx::Error::PoolTimedOut => StoreError::Unreachable("no connection within 5 s".into()),
            error => error.into(),
        })
    }

    /// Reads, each statement for itself.
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

    /// Writes in one transaction, which is committed, durably, if the work succeeds. When the connection is lost over
    /// the commit, nobody knows whether it took place: what is done here must bear being done again.
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

    /// Waits for what is under way and closes every connection.
    pub(super) async fn close(&self) {
        self.0.close().await;
    }
}

/// Gives up on a database server that says nothing at all.
pub(super) async fn within_patience<T>(
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| Err(StoreError::Unreachable("no answer within 8 s".into())))
}
