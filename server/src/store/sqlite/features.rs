//! The writes of features: everything except messages and nonces.
//!
//! A feature writes with a function that takes a connection and is passed to [`Features::write`]:
//!
//! ```text
//! async fn block(connection: &mut SqliteConnection, block: Block) -> Result<bool, StoreError> { .. }
//!
//! self.writer.write(move |connection| block(connection, block).boxed()).await
//! ```
//!
//! The function runs in one transaction with all other queued writes, under a savepoint: if it fails, only its own
//! changes are undone. It must not begin or commit a transaction, and must do nothing but database work, because all
//! other writes wait for it. Its result reaches the caller when the transaction is durable.

use std::time::Instant;

use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::job::{Reply, reply};
use super::writer::{Desk, QUEUE, refused};
use crate::store::{Answer, StoreError};

/// The largest number of writes per transaction.
const BATCH: usize = 128;

/// Sends the writes of features to the task that owns their connection.
pub(super) struct Features {
    queue: mpsc::Sender<Box<dyn Write>>,
    stop: CancellationToken,
}

impl Features {
    pub(super) fn start(connection: SqliteConnection, desk: Desk, tasks: &TaskTracker) -> Self {
        let (queue, writes) = mpsc::channel(QUEUE);
        let stop = CancellationToken::new();
        tasks.spawn(Task { connection, desk }.run(writes, stop.clone()));
        Self { queue, stop }
    }

    /// A queue that accepts nothing, for a read-only store.
    pub(super) fn closed() -> Self {
        Self { queue: mpsc::channel(1).0, stop: CancellationToken::new() }
    }

    /// Runs a feature's write; see the module.
    pub(super) async fn write<F, T>(&self, write: F) -> Result<T, StoreError>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> Answer<'c, T> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let write = WriteOnce { write: Some(write), outcome: Err(StoreError::Closed), reply };
        self.queue.try_reserve().map_err(refused)?.send(Box::new(write));
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Whether the task is running, and its queue has room.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.queue.try_reserve().map(|_| ()).map_err(refused)
    }

    /// The number of queued writes.
    pub(super) fn queued(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Accepts no new writes.
    pub(super) fn close(&self) {
        self.stop.cancel();
    }
}

/// Runs in the transaction of a batch; its caller gets the result after the commit.
trait Write: Send {
    /// Runs the write, and keeps its result. A failure affects only this write if the caller can undo it.
    fn run<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Sends the result to the caller, or the reason why the transaction was not committed.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct WriteOnce<F, T> {
    write: Option<F>,
    outcome: Result<T, StoreError>,
    reply: Reply<T>,
}

impl<F, T> Write for WriteOnce<F, T>
where
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> Answer<'c, T> + Send,
    T: Send,
{
    fn run<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let Some(write) = self.write.take() else { return Ok(()) };
            self.outcome = write(connection).await;
            self.outcome.as_ref().map(|_| ()).map_err(Clone::clone)
        }
        .boxed()
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        reply(self.reply, committed.and(self.outcome));
    }
}

/// The task that owns the connection.
struct Task {
    connection: SqliteConnection,
    desk: Desk,
}

impl Task {
    async fn run(mut self, mut waiting: mpsc::Receiver<Box<dyn Write>>, stop: CancellationToken) {
        let mut writes = Vec::new();
        loop {
            let count = tokio::select! {
                count = waiting.recv_many(&mut writes, BATCH) => count,
                // From here on no new writes are accepted, but the queued ones are still received.
                () = stop.cancelled(), if !waiting.is_closed() => { waiting.close(); continue }
            };
            if count == 0 {
                break;
            }
            let committed = self.commit(&mut writes).await;
            if let Err(StoreError::Locked) = committed {
                // The writes queued behind have waited as long. A new transaction would only wait once more.
                while let Ok(write) = waiting.try_recv() {
                    writes.push(write);
                }
            }
            writes.drain(..).for_each(|write| write.answer(committed.clone()));
        }
        super::close(self.connection).await;
        drop(self.desk);
    }

    async fn commit(&mut self, writes: &mut [Box<dyn Write>]) -> Result<(), StoreError> {
        let start = Instant::now();
        let _turn = self.desk.turn.lock().await;
        let result = transaction(&mut self.connection, writes).await;
        match result {
            Ok(()) => self.desk.committed(start, 0),
            // After some failures SQLite has already rolled back, and reports another error here.
            Err(_) => drop(sqlx::raw_sql("ROLLBACK").execute(&mut self.connection).await),
        }
        result
    }
}

async fn transaction(
    connection: &mut SqliteConnection,
    writes: &mut [Box<dyn Write>],
) -> Result<(), StoreError> {
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    for write in writes {
        sqlx::query("SAVEPOINT part").execute(&mut *connection).await?;
        let result = write.run(connection).await;
        end_part(connection, result).await?;
    }
    sqlx::query("COMMIT").execute(connection).await?;
    Ok(())
}

/// Ends a part, and undoes it if it failed. If it cannot be undone, as after failures upon which SQLite rolls
/// everything back, the part's error fails the whole transaction.
async fn end_part(
    connection: &mut SqliteConnection,
    result: Result<(), StoreError>,
) -> Result<(), StoreError> {
    match result {
        Ok(()) => sqlx::raw_sql("RELEASE part").execute(connection).await?,
        Err(error) => {
            let undone = sqlx::raw_sql("ROLLBACK TO part; RELEASE part").execute(connection).await;
            undone.map_err(|_| error)?
        }
    };
    Ok(())
}
