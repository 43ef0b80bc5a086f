//! Connections to the database server, with a limit for their number and for the waiting time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, Postgres};
use sqlx::{Connection as _, Executor};
use tokio::runtime::Handle as Runtime;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::deadline::{PATIENCE, in_time};
use crate::histogram::seconds;
use crate::store::connection::Connection;
use crate::store::error::StoreError;
use crate::store::types::Vitals;

/// How long a caller waits for a connection: long enough for a quick restart of the database.
const ACQUIRE: Duration = Duration::from_secs(5);
/// A connection that was idle for this long is tested before use.
const TRY_AFTER: Duration = Duration::from_secs(1);
/// Connections are renewed after this time, so that they follow a new address or a new primary.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// Makes the commits of a session durable, unless the database has a stricter setting such as `remote_apply`.
pub(super) const DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', false) \
    WHERE current_setting('synchronous_commit') = 'off'";
/// The other settings of every connection.
///
/// Read committed, because a reader of its own inbox counter must see rows committed while it waited for the row lock.
/// And query plans that use the indexes from the first row on: a plan made for an empty table stays in use while the
/// table grows.
const SETTINGS: &str = "
    SET default_transaction_isolation = 'read committed';
    SET statement_timeout = '5s';
    SET lock_timeout = '4s';
    SET idle_in_transaction_session_timeout = '10s';
    SET enable_seqscan = off;
    SET jit = off;
";

/// The connections of this node.
pub(in crate::store) struct Pool {
    pool: PgPool,
    /// When a connection was lost last. Those that are older may be lost as well, and are tested before use.
    lost_at: Arc<Mutex<Option<Instant>>>,
    /// Operations that wait for a connection.
    waiting: AtomicUsize,
    commits: Histogram,
}

impl Pool {
    /// Opens one connection, and at most this many later.
    pub(super) async fn open(options: PgConnectOptions, most: u32) -> Result<Self, sqlx::Error> {
        let lost_at = Arc::new(Mutex::new(None::<Instant>));
        let lost = Arc::clone(&lost_at);
        let pool = PgPoolOptions::new()
            .max_connections(most)
            .acquire_timeout(ACQUIRE)
            .max_lifetime(LIFETIME)
            .test_before_acquire(false)
            .before_acquire(move |connection, usage| {
                let lost_at = *lost.lock().unwrap_or_else(PoisonError::into_inner);
                let may_be_lost = lost_at.is_some_and(|at| usage.age > at.elapsed());
                Box::pin(async move {
                    if may_be_lost || usage.idle_for > TRY_AFTER {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute(DURABLE).await?;
                    connection.execute(SETTINGS).await.map(drop)
                })
            })
            .connect_with(options)
            .await?;
        Ok(Self { pool, lost_at, waiting: AtomicUsize::new(0), commits: seconds() })
    }

    /// A connection, as soon as one is free.
    async fn acquire(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        let waiting = Waits::begin(&self.waiting);
        let acquired = self.pool.acquire().await;
        drop(waiting);
        acquired.map_err(|error| match error {
            // Either all allowed connections are in use, or a new one cannot be opened.
            sqlx::Error::PoolTimedOut if self.pool.size() >= self.pool.options().get_max_connections() => {
                StoreError::Busy
            }
            sqlx::Error::PoolTimedOut => StoreError::Unreachable("no connection within 5 s".into()),
            error => error.into(),
        })
    }

    /// The state of the writers.
    pub(in crate::store) fn vitals(&self) -> Vitals {
        Vitals { queued: self.waiting.load(Ordering::Relaxed) as u64, commits: self.commits.clone() }
    }

    /// Runs reads, each statement in a transaction of its own.
    pub(in crate::store) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Connection<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(move |connection, runtime, deadline| {
            read(&mut Connection::Postgres(connection, runtime, deadline))
        })
        .await
    }

    /// Runs writes in one transaction, which is committed durably if they succeed. When the connection is lost during
    /// the commit, its outcome is unknown, so that they must be safe to repeat.
    pub(in crate::store) async fn write<T: Send + 'static>(
        &self,
        mut write: impl FnMut(&mut Connection<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let commits = self.commits.clone();
        self.run(move |connection, runtime, deadline| {
            let start = Instant::now();
            let mut transaction = runtime.block_on(in_time(deadline, connection.begin()))?;
            // Dropping the transaction after a failure rolls it back.
            let done = write(&mut Connection::Postgres(&mut transaction, runtime, deadline))?;
            runtime.block_on(in_time(deadline, transaction.commit()))?;
            commits.observe(start.elapsed().as_secs_f64());
            Ok(done)
        })
        .await
    }

    /// Runs work on a thread that may block.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut PgConnection, &Runtime, Instant) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (mut connection, runtime) = (self.acquire().await?, Runtime::current());
        let lost_at = Arc::clone(&self.lost_at);
        let run = move || {
            let result = work(&mut connection, &runtime, Instant::now() + PATIENCE);
            if matches!(result, Err(StoreError::Unreachable(_))) {
                connection.close_on_drop();
                *lost_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            }
            // A connection returns to the pool by a task of its runtime.
            let _runtime = runtime.enter();
            drop(connection);
            result
        };
        spawn_blocking(run).await.unwrap_or(Err(StoreError::Closed))
    }

    /// Waits for the work in progress and closes every connection.
    pub(in crate::store) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Counts an operation that waits for a connection, until this is dropped: also when its caller goes away.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
