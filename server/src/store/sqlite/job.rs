//! The queue of the message writer, and the answers to its callers.

use tokio::sync::{mpsc, oneshot};

use super::append::PreparedMessage;
use super::nonces::Waiting;
use crate::store::{Appended, StoreError};

/// The largest number of jobs per transaction ...
const BATCH: usize = 128;
/// ... and of bytes of packed envelopes.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// A job for the writer.
pub(super) enum Job {
    /// An envelope.
    Append(PreparedMessage, Reply<Appended>),
    /// Some nonces have waited long enough.
    Nonces,
    /// Accept nothing more than what is already queued.
    Close,
}

/// The contents of one transaction.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) messages: Vec<PreparedMessage>,
    replies: Vec<Reply<Appended>>,
    /// The nonces that wait when the messages are gathered.
    pub(super) nonces: Vec<Waiting>,
    /// The bytes of packed envelopes.
    pub(super) bytes: usize,
}

/// The results of a batch, each in the order in which it was gathered.
#[derive(Default)]
pub(super) struct Outcomes {
    pub(super) appended: Vec<Result<Appended, StoreError>>,
    pub(super) nonces: Vec<Result<(), StoreError>>,
}

impl Batch {
    /// The first job and those queued behind it, as many as fit.
    pub(super) fn gather(first: Job, jobs: &mut mpsc::Receiver<Job>) -> Self {
        let mut batch = Self::default();
        let waiting = (1 + jobs.len()).min(BATCH);
        batch.messages.reserve(waiting);
        batch.replies.reserve(waiting);
        batch.push(first, jobs);
        while batch.messages.len() < BATCH && batch.bytes < BATCH_BYTES {
            let Ok(job) = jobs.try_recv() else { break };
            batch.push(job, jobs);
        }
        batch
    }

    /// All queued jobs.
    pub(super) fn gather_all(jobs: &mut mpsc::Receiver<Job>) -> Self {
        let mut batch = Self::default();
        while let Ok(job) = jobs.try_recv() {
            batch.push(job, jobs);
        }
        batch
    }

    fn push(&mut self, job: Job, jobs: &mut mpsc::Receiver<Job>) {
        match job {
            Job::Append(message, reply) => {
                self.bytes += message.packed.bytes.len();
                self.messages.push(message);
                self.replies.push(reply);
            }
            Job::Nonces => {}
            Job::Close => jobs.close(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.nonces.is_empty()
    }

    /// The transaction was committed.
    pub(super) fn succeed(self, outcomes: Outcomes) {
        // Callers still hold their messages, so that the memory is freed on the thread that allocated it.
        drop(self.messages);
        self.replies.into_iter().zip(outcomes.appended).for_each(|(to, answer)| reply(to, answer));
        answer_all(self.nonces.into_iter().zip(outcomes.nonces));
    }

    /// Nothing was stored.
    pub(super) fn fail(self, error: &StoreError) {
        self.replies.into_iter().for_each(|to| reply(to, Err(error.clone())));
        answer_all(self.nonces.into_iter().map(|waiting| (waiting, Err(error.clone()))));
    }
}

fn answer_all(nonces: impl Iterator<Item = (Waiting, Result<(), StoreError>)>) {
    for ((_, to), answer) in nonces {
        to.into_iter().for_each(|to| reply(to, answer.clone()));
    }
}

/// A caller that has gone away no longer reads its answer; the write remains valid.
pub(super) fn reply<T>(reply: Reply<T>, answer: Result<T, StoreError>) {
    let _ = reply.send(answer);
}
