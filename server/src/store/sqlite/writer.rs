//! The message writer: a thread that owns its connection, gathers the queued messages, commits them as one transaction,
//! and answers only then.
//!
//! One `fsync` then serves many messages, and rows become visible in the order of their sequence numbers because there
//! is no other writer of messages. All other writes go through [`Features`], in their own turn.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use futures::FutureExt;
use prometheus_client::metrics::histogram::Histogram;
use rusqlite::Connection;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::append::PreparedMessage;
use super::checkpoint::Checkpoints;
use super::direct;
use super::features::Features;
use super::full_disk::FullDisk;
use super::job::{Batch, Job, Outcomes, Reply};
use super::memory::Memory;
use super::nonces::{self, Nonces, UsedNonce};
use super::recent::Recent;
use super::reserve::Reserve;
use super::transaction::write_batch;
use crate::histogram;
use crate::store::expected::Expectations;
use crate::store::operations::Vitals;
use crate::store::{Answer, Appended, Expected, NewMessage, OpenError, StoreError};

/// The length of the queues for messages and for feature writes. Beyond that, callers must retry later.
pub(super) const QUEUE: usize = 512;

/// How often a deletion is tried on a full disk. If it is that of a command, the server beside it may take the space.
const FULL_TRIES: usize = 3;

/// How long a transaction waits at most for expected messages; a client with invalid signatures delays others by no
/// more than this ...
const PATIENCE: Duration = Duration::from_micros(200);
/// ... and the interval at which it checks for them. Verifying a signature takes about as long.
const LOOK_EVERY: Duration = Duration::from_micros(30);

/// Sends writes to the tasks that own connections, and waits for their answers.
pub(super) struct Writer {
    messages: mpsc::Sender<Job>,
    nonces: Arc<Nonces>,
    expectations: Expectations,
    features: Features,
    full_disk: FullDisk,
    tasks: TaskTracker,
    commits: Histogram,
}

/// What each writer does around a transaction.
#[derive(Clone)]
pub(super) struct Desk {
    /// Held while a transaction runs. SQLite would make writers wait as well, but not in order, nor without sleeping
    /// between attempts. A checkpoint that must not be overtaken also holds it.
    pub(super) turn: Arc<Mutex<()>>,
    pub(super) checkpoints: Checkpoints,
    pub(super) commits: Histogram,
    /// Dropped when the last connection is closed.
    _closed: Arc<DropGuard>,
}

impl Desk {
    /// Records a committed transaction with this many bytes of packed envelopes, begun at `start`.
    pub(super) fn committed(&self, start: Instant, bytes: usize) {
        self.commits.observe(start.elapsed().as_secs_f64());
        self.checkpoints.written(bytes);
    }
}

impl Writer {
    pub(super) fn start(
        file: &Path,
        features: SqliteConnection,
        checkpoints: SqliteConnection,
        recent: Arc<Recent>,
    ) -> Result<Self, OpenError> {
        let connection = direct::for_writing(file)?;
        let nonces = Arc::new(Nonces::load(&connection)?);
        let (messages, jobs) = mpsc::channel(QUEUE);
        let (tasks, closed) = (TaskTracker::new(), CancellationToken::new());
        let (turn, commits) = (Arc::new(Mutex::new(())), histogram::seconds());
        let full_disk = FullDisk::new(file, Arc::clone(&turn));
        let reserve = Reserve::of(file);
        let checkpoints = Checkpoints::start(checkpoints, Arc::clone(&turn), reserve, &tasks, closed.clone());
        let desk =
            Desk { turn, checkpoints, commits: commits.clone(), _closed: Arc::new(closed.drop_guard()) };
        let memory = Memory::new(recent);
        let expectations = Expectations::default();
        let writer = MessageWriter {
            connection,
            memory,
            nonces: Arc::clone(&nonces),
            expectations: expectations.clone(),
            desk: desk.clone(),
        };
        let open = tasks.token();
        let run = move || {
            writer.run(jobs);
            drop(open);
        };
        thread::Builder::new().name("messages".to_owned()).spawn(run).map_err(sqlx::Error::Io)?;
        tasks.spawn(remind(Arc::clone(&nonces), messages.downgrade()));
        let features = Features::start(features, desk, &tasks);
        tasks.close();
        Ok(Self { messages, nonces, expectations, features, full_disk, tasks, commits })
    }

    /// A writer that fails every write with [`StoreError::Closed`], for a read-only store.
    pub(super) fn closed(file: &Path) -> Result<Self, OpenError> {
        let nonces = Arc::new(Nonces::load(&direct::for_reading(file)?)?);
        let tasks = TaskTracker::new();
        tasks.close();
        Ok(Self {
            messages: mpsc::channel(1).0,
            nonces,
            expectations: Expectations::default(),
            features: Features::closed(),
            full_disk: FullDisk::new(file, Arc::default()),
            tasks,
            commits: histogram::seconds(),
        })
    }

    /// Appends an envelope to its inbox.
    pub(super) async fn append(&self, message: NewMessage) -> Result<Appended, StoreError> {
        let message = PreparedMessage::new(message);
        // The writer drops the bytes first, so that the memory is freed on the thread that allocated it.
        let _packed = message.packed.bytes.clone();
        self.send(|reply| Job::Append(message, reply)).await
    }

    /// Records a nonce durably, and returns whether it is new.
    pub(super) async fn use_nonce(&self, used: UsedNonce) -> Result<bool, StoreError> {
        let (reply, answer) = oneshot::channel();
        let fresh = self.nonces.add(used, Some(reply))?;
        if fresh {
            match answer.await.unwrap_or(Err(StoreError::Closed)) {
                // The caller may be about to delete something.
                Err(StoreError::Full) => {
                    self.make_room(move |connection| nonces::record(connection, used).boxed()).await?;
                }
                recorded => recorded?,
            }
        }
        Ok(fresh)
    }

    /// Returns whether a nonce is new. It is written soon, and no later than messages appended from now on.
    pub(super) fn note_nonce(&self, used: UsedNonce) -> Result<bool, StoreError> {
        self.nonces.add(used, None)
    }

    /// Announces a message that will arrive soon.
    pub(super) fn expect(&self) -> Expected {
        self.expectations.add()
    }

    /// Runs a feature's write; see [`Features`].
    pub(super) async fn write<F, T>(&self, write: F) -> Result<T, StoreError>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> Answer<'c, T> + Send + 'static,
        T: Send + 'static,
    {
        self.features.write(write).await
    }

    /// Runs a feature's write that deletes, or prepares a deletion: it also works on a full disk.
    pub(super) async fn make_room<F, T>(&self, write: F) -> Result<T, StoreError>
    where
        F: for<'c> Fn(&'c mut SqliteConnection) -> Answer<'c, T> + Clone + Send + 'static,
        T: Send + 'static,
    {
        let mut result = self.features.write(write.clone()).await;
        for _ in 0..FULL_TRIES {
            if !matches!(result, Err(StoreError::Full)) {
                break;
            }
            result = self.full_disk.write(write.clone()).await;
        }
        result
    }

    /// Whether the writers are running, and their queues have room.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.messages.try_reserve().map_err(refused)?;
        self.features.check()
    }

    /// The state of the writers.
    pub(super) fn vitals(&self) -> Vitals {
        let messages = self.messages.max_capacity() - self.messages.capacity();
        let queued = messages + self.nonces.queued() + self.features.queued();
        Vitals { queued: queued as u64, commits: self.commits.clone() }
    }

    /// Lets the writers finish their queued work.
    pub(super) async fn close(&self) {
        // Fails when the writer was closed before.
        let _ = self.messages.send(Job::Close).await;
        self.features.close();
        self.tasks.wait().await;
    }

    async fn send<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.messages.try_reserve().map_err(refused)?.send(job(reply));
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

pub(super) fn refused(error: mpsc::error::TrySendError<()>) -> StoreError {
    match error {
        mpsc::error::TrySendError::Full(()) => StoreError::Busy,
        mpsc::error::TrySendError::Closed(()) => StoreError::Closed,
    }
}

/// Notifies the writer about nonces that have waited long enough, as long as the writer exists.
async fn remind(nonces: Arc<Nonces>, writer: mpsc::WeakSender<Job>) {
    loop {
        nonces.some_wait.notified().await;
        sleep(nonces::PATIENCE).await;
        match writer.upgrade() {
            Some(writer) if writer.send(Job::Nonces).await.is_ok() => {}
            _ => return,
        }
    }
}

/// The state of the thread.
struct MessageWriter {
    connection: Connection,
    memory: Memory,
    nonces: Arc<Nonces>,
    expectations: Expectations,
    desk: Desk,
}

impl MessageWriter {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(first) = jobs.blocking_recv() {
            self.wait_for_expected();
            let mut batch = Batch::gather(first, &mut jobs);
            // After the messages: a nonce noted before its message is gathered with it.
            batch.nonces = self.nonces.take();
            if batch.is_empty() {
                continue;
            }
            if let Err(StoreError::Locked) = self.commit(batch) {
                // The jobs queued behind have waited as long. A new transaction would only wait once more.
                let mut waiting = Batch::gather_all(&mut jobs);
                waiting.nonces = self.nonces.take();
                waiting.fail(&StoreError::Locked);
            }
        }
        self.nonces.close();
        let Self { connection, memory: _, nonces: _, expectations: _, desk } = self;
        if let Err((_, error)) = connection.close() {
            tracing::warn!(%error, "a database connection did not close cleanly");
        }
        drop(desk);
    }

    /// While the processors check signatures, messages arrive one by one. A transaction for every few of them would
    /// take even more of the processor time, which is what is scarce.
    fn wait_for_expected(&self) {
        let start = Instant::now();
        while self.expectations.any() && start.elapsed() < PATIENCE {
            thread::sleep(LOOK_EVERY);
        }
    }

    fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        let start = Instant::now();
        match self.transaction(&batch) {
            Ok(outcomes) => {
                self.desk.committed(start, batch.bytes);
                batch.succeed(outcomes);
                Ok(())
            }
            Err(error) => {
                batch.fail(&error);
                Err(error)
            }
        }
    }

    fn transaction(&mut self, batch: &Batch) -> Result<Outcomes, StoreError> {
        let _turn = self.desk.turn.blocking_lock();
        write_batch(&self.connection, &mut self.memory, batch)
    }
}
