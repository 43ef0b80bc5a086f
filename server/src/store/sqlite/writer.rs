//! The writer: one thread that owns the connection that writes. It gathers the queued jobs, runs them in one transaction,
//! and answers only then. One `fsync` then serves many messages, and rows become visible in the order of their sequence
//! numbers.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use kez_core::caller_auth::NONCE_LIFETIME_SECONDS;
use prometheus_client::metrics::histogram::Histogram;
use rusqlite::Connection as Sqlite;
use tokio::sync::{mpsc, oneshot, watch};

use super::checkpoint;
use super::checkpoint::Checkpoints;
use super::nonces::{self, Nonces, Reply, Waiting};
use super::open::BUSY_TIMEOUT;
use super::places::Places;
use super::reserve::Reserve;
use super::tail::{State, Tail};
use crate::histogram::seconds;
use crate::store::append::HashedMessage;
use crate::store::connection::Connection;
use crate::store::types::{UsedNonce, Vitals};
use crate::store::{Appended, NewMessage, OpenError, StoreError};

/// The length of the queue. Beyond that, callers must retry later.
const QUEUE: usize = 1024;
/// The largest number of jobs per transaction ...
const BATCH: usize = 128;
/// ... and of bytes of envelopes.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// The longest time that a transaction waits for more jobs. It expects as many as the last one had, because those callers
/// are about to send their next messages.
const PATIENCE: Duration = Duration::from_micros(200);
/// After a transaction with fewer jobs, none are expected: they came together by chance.
const WAVE: usize = 4;
/// The interval at which the queue is looked at while waiting.
const LOOK_EVERY: Duration = Duration::from_micros(30);
/// So many nonces do not wait for a message.
const MANY_NONCES: usize = 256;
/// How often a deletion is tried on a full disk: another process may take the space in between ...
const FULL_TRIES: usize = 3;
/// ... how many messages a step indexes before it: the log of one is at most some 24 KiB ...
const INDEXED_AT_ONCE: usize = 256;
/// ... and how long the writer waits when another process has the reserve.
const LENT: Duration = Duration::from_millis(50);

/// What a write needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Kind {
    /// Nothing special.
    Feature,
    /// It changes or deletes messages: the tail is indexed first, and the reserved disk space is lent to it.
    Messages,
}

/// Sends jobs to the thread, and waits for the answers.
pub(in crate::store) struct Writer {
    jobs: mpsc::Sender<Job>,
    nonces: Arc<Nonces>,
    /// Closed when the thread and the checkpoints have ended.
    ended: watch::Receiver<()>,
    commits: Histogram,
}

impl Writer {
    pub(super) fn start(file: &Path, connection: Sqlite, places: Arc<Places>) -> Result<Self, OpenError> {
        let nonces = Arc::new(Nonces::load(&connection)?);
        let (jobs, waiting) = mpsc::channel(QUEUE);
        let (turn, commits, reserve) = (Arc::new(Mutex::new(())), seconds(), Reserve::of(file));
        let (end, ended) = watch::channel(());
        let checkpoints = Checkpoints::start(file, Arc::clone(&turn), reserve.clone(), end)?;
        let thread = WriterThread {
            connection,
            tail: Tail::new(places),
            nonces: Arc::clone(&nonces),
            turn,
            checkpoints,
            reserve,
            commits: commits.clone(),
            unwritten: Vec::new(),
        };
        let named = thread::Builder::new().name("writer".to_owned());
        named
            .spawn(move || thread.run(waiting))
            .map_err(|source| OpenError::File { path: file.into(), source })?;
        Ok(Self { jobs, nonces, ended, commits })
    }

    /// Appends an envelope to its inbox.
    pub(in crate::store) async fn append(&self, message: NewMessage) -> Result<Appended, StoreError> {
        let message = HashedMessage::from(message);
        let bytes = message.envelope.len();
        let append = move |state: &mut State, connection: &Sqlite| state.append(connection, &message);
        self.send(|append| Job::Append(bytes, append), append).await
    }

    /// Runs a write under a savepoint: if it fails, only its own changes are undone. It may run again on a full disk.
    pub(in crate::store) async fn write<T: Send + 'static>(
        &self,
        kind: Kind,
        mut write: impl FnMut(&mut Connection<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let write = move |_: &mut State, connection: &Sqlite| write(&mut Connection::Sqlite(connection));
        self.send(|write| Job::Write(kind, write), write).await
    }

    /// Records a nonce durably, and returns whether it is new.
    pub(in crate::store) async fn use_nonce(&self, used: UsedNonce) -> Result<bool, StoreError> {
        let permit = self.jobs.try_reserve().map_err(refused)?;
        let (reply, answer) = oneshot::channel();
        if self.nonces.add(used, Some(reply))?.0 {
            permit.send(Job::Nonces);
        }
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Returns whether a nonce is new. It is written no later than messages that are appended from now on.
    pub(in crate::store) fn note_nonce(&self, used: UsedNonce) -> Result<bool, StoreError> {
        let permit = self.jobs.try_reserve().map_err(refused)?;
        let (is_new, waiting) = self.nonces.add(used, None)?;
        if waiting >= MANY_NONCES {
            permit.send(Job::Nonces);
        }
        Ok(is_new)
    }

    /// Whether the thread is running, and the queue has room.
    pub(in crate::store) fn check(&self) -> Result<(), StoreError> {
        self.jobs.try_reserve().map(drop).map_err(refused)
    }

    /// The state of the writer.
    pub(in crate::store) fn vitals(&self) -> Vitals {
        let jobs = self.jobs.max_capacity() - self.jobs.capacity();
        Vitals { queued: (jobs + self.nonces.queued()) as u64, commits: self.commits.clone() }
    }

    /// Lets the thread finish its queued jobs.
    pub(in crate::store) async fn close(&self) {
        // Fails when the writer was closed before.
        let _ = self.jobs.send(Job::Close).await;
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
    }

    async fn send<T: Send + 'static>(
        &self,
        job: impl FnOnce(Box<dyn Work>) -> Job,
        write: impl FnMut(&mut State, &Sqlite) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let write = Box::new(Write { write, outcome: Err(StoreError::Closed), reply });
        self.jobs.try_reserve().map_err(refused)?.send(job(write));
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

fn refused(error: mpsc::error::TrySendError<()>) -> StoreError {
    match error {
        mpsc::error::TrySendError::Full(()) => StoreError::Busy,
        mpsc::error::TrySendError::Closed(()) => StoreError::Closed,
    }
}

/// A job for the thread.
enum Job {
    /// Appends a message with this many bytes.
    Append(usize, Box<dyn Work>),
    Write(Kind, Box<dyn Work>),
    /// There are nonces to write.
    Nonces,
    /// Accept nothing more than what is already queued.
    Close,
}

/// A write, with its outcome and its caller.
struct Write<F, T> {
    write: F,
    outcome: Result<T, StoreError>,
    reply: Reply<T>,
}

/// A write of any type.
trait Work: Send {
    /// Runs the write, and keeps its outcome.
    fn run(&mut self, state: &mut State, connection: &Sqlite) -> Result<(), StoreError>;

    /// Sends the outcome to the caller, or the reason why the transaction was not committed.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

impl<F, T> Work for Write<F, T>
where
    F: FnMut(&mut State, &Sqlite) -> Result<T, StoreError> + Send,
    T: Send,
{
    fn run(&mut self, state: &mut State, connection: &Sqlite) -> Result<(), StoreError> {
        self.outcome = (self.write)(state, connection);
        self.outcome.as_ref().map(drop).map_err(Clone::clone)
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let _ = self.reply.send(committed.and(self.outcome));
    }
}

/// The contents of one transaction.
#[derive(Default)]
struct Batch {
    jobs: Vec<Job>,
    nonces: Vec<Waiting>,
    bytes: usize,
}

impl Batch {
    /// The first job and those queued behind it, as many as fit.
    fn gather(first: Job, queue: &mut mpsc::Receiver<Job>) -> Self {
        let mut batch = Self::default();
        batch.push(first, queue);
        while batch.jobs.len() < BATCH
            && batch.bytes < BATCH_BYTES
            && let Ok(job) = queue.try_recv()
        {
            batch.push(job, queue);
        }
        batch
    }

    /// All queued jobs.
    fn gather_all(queue: &mut mpsc::Receiver<Job>) -> Self {
        let mut batch = Self::default();
        while let Ok(job) = queue.try_recv() {
            batch.push(job, queue);
        }
        batch
    }

    fn push(&mut self, job: Job, queue: &mut mpsc::Receiver<Job>) {
        match job {
            Job::Nonces => {}
            Job::Close => queue.close(),
            job => {
                if let Job::Append(bytes, _) = &job {
                    self.bytes += bytes;
                }
                self.jobs.push(job);
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.nonces.is_empty()
    }

    /// Takes out what a full disk must not prevent: the nonces of callers, and deletions, each in a batch of its own,
    /// because the reserve has room for the log of one.
    fn split_essential(&mut self) -> Vec<Self> {
        let is_essential = |job: &mut Job| matches!(job, Job::Write(Kind::Messages, _));
        let nonces: Vec<_> = self.nonces.extract_if(.., |(_, reply)| reply.is_some()).collect();
        let nonces = (!nonces.is_empty()).then(|| Self { nonces, ..Self::default() });
        let jobs = self.jobs.extract_if(.., is_essential);
        nonces.into_iter().chain(jobs.map(|job| Self { jobs: vec![job], ..Self::default() })).collect()
    }

    /// Answers every caller: with its outcome, or with the reason why nothing was stored.
    fn answer(self, committed: &Result<(), StoreError>) {
        for job in self.jobs {
            match job {
                Job::Append(_, work) | Job::Write(_, work) => work.answer(committed.clone()),
                Job::Nonces | Job::Close => {}
            }
        }
        for (_, reply) in self.nonces {
            let _ = reply.map(|reply| reply.send(committed.clone().map(|()| true)));
        }
    }
}

/// The state of the thread.
struct WriterThread {
    connection: Sqlite,
    tail: Tail,
    nonces: Arc<Nonces>,
    /// Held during a transaction, and by a checkpoint that no writer may overtake.
    turn: Arc<Mutex<()>>,
    checkpoints: Checkpoints,
    reserve: Reserve,
    commits: Histogram,
    /// The nonces noted in transactions that failed. Their messages may still come.
    unwritten: Vec<Waiting>,
}

impl WriterThread {
    fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut last = 0;
        while let Some(first) = queue.blocking_recv() {
            wait_for_jobs(&queue, last);
            let mut batch = Batch::gather(first, &mut queue);
            last = batch.jobs.len();
            // After the messages: a nonce noted before its message is gathered with it.
            batch.nonces = self.take_nonces();
            self.commit(batch, &mut queue);
        }
        // Noted for messages that never came.
        let nonces = self.take_nonces();
        self.commit(Batch { nonces, ..Batch::default() }, &mut queue);
        // The checkpoints' connection must be the last one: it empties the log when it is closed.
        let Self { connection, checkpoints, .. } = self;
        if let Err((_, error)) = connection.close() {
            tracing::warn!(%error, "a database connection did not close cleanly");
        }
        drop(checkpoints);
    }

    fn commit(&mut self, mut batch: Batch, queue: &mut mpsc::Receiver<Job>) {
        if batch.is_empty() {
            return;
        }
        let start = Instant::now();
        let committed = self.transaction(&mut batch);
        match &committed {
            Ok(()) => {
                self.commits.observe(start.elapsed().as_secs_f64());
                self.checkpoints.committed(&self.connection);
            }
            Err(StoreError::Full) => {
                for mut part in batch.split_essential() {
                    let committed = self.on_full_disk(&mut part);
                    part.answer(&committed);
                }
            }
            // The jobs queued behind have waited as long. A new transaction would only wait once more.
            Err(StoreError::Locked) => {
                let mut waiting = Batch { nonces: self.nonces.take(), ..Batch::gather_all(queue) };
                self.keep_noted(&mut waiting);
                waiting.answer(&Err(StoreError::Locked));
            }
            Err(_) => {}
        }
        if committed.is_err() {
            self.keep_noted(&mut batch);
        }
        batch.answer(&committed);
    }

    /// The nonces to write now.
    fn take_nonces(&mut self) -> Vec<Waiting> {
        let mut nonces = std::mem::take(&mut self.unwritten);
        nonces.extend(self.nonces.take());
        nonces
    }

    /// Keeps the noted nonces of a batch that was not stored, as long as their requests are valid.
    fn keep_noted(&mut self, batch: &mut Batch) {
        self.unwritten.extend(batch.nonces.extract_if(.., |(_, reply)| reply.is_none()));
        if let Some(newest) = self.unwritten.iter().map(|(used, _)| used.now.unix()).max() {
            self.unwritten.retain(|(used, _)| used.now.unix() + NONCE_LIFETIME_SECONDS >= newest);
        }
    }

    /// Runs the whole batch in one transaction, while no checkpoint keeps writers out. After an error, nothing of it is
    /// stored.
    fn transaction(&mut self, batch: &mut Batch) -> Result<(), StoreError> {
        let turn = Arc::clone(&self.turn);
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.in_turn(batch)
    }

    fn in_turn(&mut self, batch: &mut Batch) -> Result<(), StoreError> {
        let result = self.try_transaction(batch);
        match result {
            Ok(()) => self.tail.committed(),
            Err(_) => {
                self.tail.forget();
                // After some failures SQLite has already rolled back, and reports another error here.
                let _ = self.connection.execute_batch("ROLLBACK");
            }
        }
        result
    }

    fn try_transaction(&mut self, batch: &mut Batch) -> Result<(), StoreError> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        nonces::record(&self.connection, &batch.nonces)?;
        if !batch.jobs.is_empty() {
            self.run_jobs(batch)?;
        }
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }

    fn run_jobs(&mut self, batch: &mut Batch) -> Result<(), StoreError> {
        self.tail.begin(&self.connection)?;
        let state = self.tail.state()?;
        for job in &mut batch.jobs {
            match job {
                Job::Append(_, append) => {
                    let outcome = append.run(state, &self.connection);
                    alone(&self.connection, &outcome)?;
                }
                Job::Write(kind, write) => {
                    if *kind == Kind::Messages {
                        state.index_all(&self.connection)?;
                    }
                    savepoint(state, &self.connection, &mut **write)?;
                }
                Job::Nonces | Job::Close => {}
            }
        }
        state.advance(&self.connection, batch.jobs.len())
    }

    /// Runs what makes room, with the reserved disk space. The log is emptied before and after, which returns its space.
    fn on_full_disk(&mut self, batch: &mut Batch) -> Result<(), StoreError> {
        let mut result = Err(StoreError::Full);
        for _ in 0..FULL_TRIES {
            let turn = Arc::clone(&self.turn);
            let turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
            // Dropped when everything else is done, which takes the space back.
            let Some(_room) = self.reserve.lend() else {
                // Another process may have it for the moment.
                drop(turn);
                thread::sleep(LENT);
                continue;
            };
            self.empty_log();
            let indexed = if batch.jobs.is_empty() { Ok(()) } else { self.index_in_steps() };
            result = indexed.and_then(|()| self.in_turn(batch));
            self.empty_log();
            if !matches!(result, Err(StoreError::Full)) {
                break;
            }
        }
        result
    }

    /// Indexes the tail in transactions that are small enough for the reserve. A deletion indexes it first, and the log
    /// of the whole tail would not fit.
    fn index_in_steps(&mut self) -> Result<(), StoreError> {
        loop {
            self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
            let indexed = self.tail.index_some(&self.connection, INDEXED_AT_ONCE);
            let committed = indexed.and_then(|more| {
                self.connection.prepare_cached("COMMIT")?.execute([])?;
                Ok(more)
            });
            match committed {
                Ok(true) => self.empty_log(),
                Ok(false) => return Ok(()),
                Err(error) => {
                    let _ = self.connection.execute_batch("ROLLBACK");
                    return Err(error);
                }
            }
        }
    }

    /// Empties the log, unless a reader uses it for long.
    fn empty_log(&self) {
        let patience = |time| self.connection.busy_timeout(time);
        if patience(checkpoint::PATIENCE).is_ok() {
            checkpoint::empty(&self.connection);
        }
        if let Err(error) = patience(BUSY_TIMEOUT) {
            tracing::warn!(%error, "the time-out for locks cannot be set");
        }
    }
}

fn wait_for_jobs(queue: &mpsc::Receiver<Job>, wanted: usize) {
    if wanted < WAVE {
        return;
    }
    let start = Instant::now();
    while queue.len() + 1 < wanted && start.elapsed() < PATIENCE {
        thread::sleep(LOOK_EVERY);
    }
}

/// Separates the failure of one message, which affects only its caller, from a failure of the whole transaction.
fn alone(connection: &Sqlite, outcome: &Result<(), StoreError>) -> Result<(), StoreError> {
    match outcome {
        Err(error)
            if connection.is_autocommit() || matches!(error, StoreError::Full | StoreError::Locked) =>
        {
            Err(error.clone())
        }
        _ => Ok(()),
    }
}

/// Runs a write, and undoes it if it fails. If it cannot be undone, as after failures upon which SQLite rolls everything
/// back, or if the disk is full, its error fails the whole transaction.
fn savepoint(state: &mut State, connection: &Sqlite, write: &mut dyn Work) -> Result<(), StoreError> {
    connection.prepare_cached("SAVEPOINT part")?.execute([])?;
    let outcome = write.run(state, connection);
    if outcome.is_err() {
        alone(connection, &outcome)?;
        connection.prepare_cached("ROLLBACK TO part")?.execute([])?;
    }
    connection.prepare_cached("RELEASE part")?.execute([])?;
    Ok(())
}
