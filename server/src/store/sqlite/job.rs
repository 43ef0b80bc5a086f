//! What waits for the writer, and how it gets its answer.

use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{mpsc, oneshot};

use super::append::HashedMessage;
use super::nonces::UsedNonce;
use super::transaction::Outcomes;
use crate::store::{Answer, Appended, StoreError};

/// How many jobs one transaction takes at most ...
const BATCH: usize = 128;
/// ... and how many bytes of envelopes.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// A job for the writer.
pub(super) enum Job {
    /// An envelope; those of a transaction are stored together.
    Append(HashedMessage, Reply<Appended>),
    /// A nonce; those of a transaction are recorded together.
    UseNonce(UsedNonce, Reply<bool>),
    /// Anything else.
    Write(Box<dyn Write>),
}

/// A feature's write: it runs in the transaction of a batch, and its caller hears of it after the commit.
pub(super) trait Write: Send {
    /// Runs, and keeps what came of it. A failure is the write's alone when the caller can undo what it did.
    fn run<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Tells the caller what came of it, or why the transaction was not committed.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

/// A closure as a [`Write`].
pub(super) struct WriteOnce<F, T> {
    write: Option<F>,
    outcome: Result<T, StoreError>,
    reply: Reply<T>,
}

impl<F, T> WriteOnce<F, T> {
    pub(super) fn new(write: F, reply: Reply<T>) -> Self {
        Self { write: Some(write), outcome: Err(StoreError::Closed), reply }
    }
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

/// A caller that has gone away does not want its answer any more; the write stands all the same.
fn reply<T>(reply: Reply<T>, answer: Result<T, StoreError>) {
    let _ = reply.send(answer);
}

/// What one transaction takes.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) writes: Vec<Box<dyn Write>>,
    pub(super) messages: Vec<HashedMessage>,
    replies: Vec<Reply<Appended>>,
    pub(super) nonces: Vec<UsedNonce>,
    nonce_replies: Vec<Reply<bool>>,
    /// Bytes of envelopes.
    pub(super) bytes: usize,
}

impl Batch {
    /// The first job and what waits behind it, as far as it fits.
    pub(super) fn gather(first: Job, jobs: &mut mpsc::Receiver<Job>) -> Self {
        let mut batch = Self::default();
        batch.push(first);
        while batch.writes.len() + batch.messages.len() + batch.nonces.len() < BATCH
            && batch.bytes < BATCH_BYTES
        {
            let Ok(job) = jobs.try_recv() else { break };
            batch.push(job);
        }
        batch
    }

    /// Everything that waits.
    pub(super) fn gather_all(jobs: &mut mpsc::Receiver<Job>) -> Self {
        let mut batch = Self::default();
        while let Ok(job) = jobs.try_recv() {
            batch.push(job);
        }
        batch
    }

    fn push(&mut self, job: Job) {
        match job {
            Job::Append(message, reply) => {
                self.bytes += message.envelope().len();
                self.messages.push(message);
                self.replies.push(reply);
            }
            Job::UseNonce(used, reply) => {
                self.nonces.push(used);
                self.nonce_replies.push(reply);
            }
            Job::Write(write) => self.writes.push(write),
        }
    }

    /// The transaction was committed; the outcomes are in the order of the messages and nonces.
    pub(super) fn succeed(self, outcomes: Outcomes) {
        self.writes.into_iter().for_each(|write| write.answer(Ok(())));
        self.replies.into_iter().zip(outcomes.appended).for_each(|(to, answer)| reply(to, answer));
        self.nonce_replies.into_iter().zip(outcomes.fresh_nonces).for_each(|(to, answer)| reply(to, answer));
    }

    /// Nothing was stored.
    pub(super) fn fail(self, error: &StoreError) {
        self.writes.into_iter().for_each(|write| write.answer(Err(error.clone())));
        self.replies.into_iter().for_each(|to| reply(to, Err(error.clone())));
        self.nonce_replies.into_iter().for_each(|to| reply(to, Err(error.clone())));
    }
}
