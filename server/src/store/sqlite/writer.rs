//! The one writer: it gathers what waits, commits it as one transaction, and answers only then.
//!
//! One `fsync` then pays for many messages, and rows become visible in the order of their sequence numbers because
//! nobody else writes.
//!
//! A feature writes with a function of a connection, which it hands to [`Writer::write`]:
//!
//! ```text
//! async fn block(connection: &mut SqliteConnection, block: Block) -> Result<bool, StoreError> { .. }
//!
//! self.writer.write(move |connection| block(connection, block).boxed()).await
//! ```
//!
//! It runs in the transaction of whatever waits at that moment, under a savepoint: what it did is undone when it fails,
//! and then only that. It neither begins nor commits, and does nothing but database work, since everybody waits for it.
//! What it returns reaches the caller when the transaction is durable.

use std::sync::Arc;
use std::time::Instant;

use prometheus_client::metrics::histogram::Histogram;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::append::HashedMessage;
use super::checkpoint::Checkpoints;
use super::job::{Batch, Job, Reply, WriteOnce};
use super::nonces::UsedNonce;
use super::transaction::{Memory, Outcomes, write_batch};
use crate::metrics;
use crate::store::operations::Vitals;
use crate::store::{Answer, Appended, NewMessage, StoreError};

/// How many writes may wait. Beyond that callers are told to come back.
const QUEUE: usize = 512;

/// Hands writes to the writer's task and waits for their answers.
pub(super) struct Writer {
    queue: mpsc::Sender<Job>,
    stop: CancellationToken,
    tasks: TaskTracker,
    commits: Histogram,
}

impl Writer {
    pub(super) fn start(connection: SqliteConnection, checkpoints: SqliteConnection) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        // Held while a transaction runs, so that a checkpoint that must not be overtaken can keep the writer out.
        let turn = Arc::new(Mutex::new(()));
        let closed = CancellationToken::new();
        let checkpoints = Checkpoints::start(checkpoints, Arc::clone(&turn), &tasks, closed.clone());
        let commits = metrics::seconds();
        let (memory, closed) = (Memory::default(), closed.drop_guard());
        let task = Task { connection, memory, turn, checkpoints, commits: commits.clone(), _closed: closed };
        tasks.spawn(task.run(jobs, stop.clone()));
        tasks.close();
        Self { queue, stop, tasks, commits }
    }

    /// Puts an envelope at the end of its inbox.
    pub(super) async fn append(&self, message: NewMessage) -> Result<Appended, StoreError> {
        let message = HashedMessage::new(message);
        self.send(|reply| Job::Append(message, reply)).await
    }

    /// Records a nonce, and says whether it is new.
    pub(super) async fn use_nonce(&self, used: UsedNonce) -> Result<bool, StoreError> {
        self.send(|reply| Job::UseNonce(used, reply)).await
    }

    /// Runs a feature's write; see the module.
    pub(super) async fn write<F, T>(&self, write: F) -> Result<T, StoreError>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> Answer<'c, T> + Send + 'static,
        T: Send + 'static,
    {
        self.send(|reply| Job::Write(Box::new(WriteOnce::new(write, reply)))).await
    }

    /// Whether there is a writer, and room in its queue.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.queue.try_reserve().map(|_| ()).map_err(refused)
    }

    /// How it is doing.
    pub(super) fn vitals(&self) -> Vitals {
        let queued = self.queue.max_capacity() - self.queue.capacity();
        Vitals { queued: queued as u64, commits: self.commits.clone() }
    }

    /// Lets the writer finish what is queued.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }

    async fn send<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.queue.try_reserve().map_err(refused)?.send(job(reply));
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

fn refused(error: mpsc::error::TrySendError<()>) -> StoreError {
    match error {
        mpsc::error::TrySendError::Full(()) => StoreError::Busy,
        mpsc::error::TrySendError::Closed(()) => StoreError::Closed,
    }
}

/// The task that owns the connection.
struct Task {
    connection: SqliteConnection,
    memory: Memory,
    turn: Arc<Mutex<()>>,
    checkpoints: Checkpoints,
    commits: Histogram,
    /// Falls when the connection is closed.
    _closed: DropGuard,
}

impl Task {
    async fn run(mut self, mut jobs: mpsc::Receiver<Job>, stop: CancellationToken) {
        loop {
            let first = tokio::select! {
                job = jobs.recv() => job,
                // Nothing new is taken then, and what is queued still comes out.
                () = stop.cancelled(), if !jobs.is_closed() => { jobs.close(); continue }
            };
            let Some(first) = first else { break };
            let batch = Batch::gather(first, &mut jobs);
            if let Err(StoreError::Locked) = self.commit(batch).await {
                // What waited behind has waited as long. A new transaction would only wait once more.
                Batch::gather_all(&mut jobs).fail(&StoreError::Locked);
            }
        }
        super::close(self.connection).await;
    }

    async fn commit(&mut self, mut batch: Batch) -> Result<(), StoreError> {
        let start = Instant::now();
        match self.transaction(&mut batch).await {
            Ok(outcomes) => {
                self.commits.observe(start.elapsed().as_secs_f64());
                self.checkpoints.written(batch.bytes);
                batch.succeed(outcomes);
                Ok(())
            }
            Err(error) => {
                batch.fail(&error);
                Err(error)
            }
        }
    }

    async fn transaction(&mut self, batch: &mut Batch) -> Result<Outcomes, StoreError> {
        let _turn = self.turn.lock().await;
        write_batch(&mut self.connection, &mut self.memory, batch).await
    }
}
