//! The contents of one transaction, and the callers that wait for it.

use tokio::sync::{mpsc, oneshot};

use super::append::HashedMessage;
use super::nonces::UsedNonce;
use crate::store::{Appended, StoreError};

/// The largest number of writes per transaction ...
const BATCH: usize = 128;
/// ... and of bytes of envelopes.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// A write and the reply channel to its caller.
pub(super) enum Job {
    Append(Pending<HashedMessage, Appended>),
    UseNonce(Pending<UsedNonce, bool>),
}

pub(super) struct Pending<W, A> {
    pub(super) write: W,
    pub(super) reply: oneshot::Sender<Result<A, StoreError>>,
}

/// Writes by kind.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) appends: Vec<Pending<HashedMessage, Appended>>,
    pub(super) nonces: Vec<Pending<UsedNonce, bool>>,
    bytes: usize,
}

/// The results of a [`Batch`], in the same order.
pub(super) struct Outcomes {
    pub(super) appends: Vec<Result<Appended, StoreError>>,
    pub(super) nonces: Vec<bool>,
    /// Whether there are more old nonces to delete.
    pub(super) old_nonces: bool,
}

impl Batch {
    /// The first write and those queued behind it, as many as fit.
    pub(super) fn gather(first: Job, jobs: &mut mpsc::Receiver<Job>) -> Self {
        let mut batch = Self::default();
        batch.push(first);
        while batch.len() < BATCH && batch.bytes < BATCH_BYTES {
            let Ok(job) = jobs.try_recv() else { break };
            batch.push(job);
        }
        batch
    }

    /// All queued writes.
    pub(super) fn gather_all(jobs: &mut mpsc::Receiver<Job>) -> Self {
        let mut batch = Self::default();
        while let Ok(job) = jobs.try_recv() {
            batch.push(job);
        }
        batch
    }

    fn push(&mut self, job: Job) {
        match job {
            Job::Append(pending) => {
                self.bytes += pending.write.len();
                self.appends.push(pending);
            }
            Job::UseNonce(pending) => self.nonces.push(pending),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.appends.len() + self.nonces.len()
    }

    pub(super) fn into_singles(self) -> impl Iterator<Item = Self> {
        let jobs =
            self.appends.into_iter().map(Job::Append).chain(self.nonces.into_iter().map(Job::UseNonce));
        jobs.map(|job| {
            let mut single = Self::default();
            single.push(job);
            single
        })
    }

    pub(super) fn succeed(self, outcomes: Outcomes) {
        answer_all(self.appends, outcomes.appends);
        answer_all(self.nonces, outcomes.nonces.into_iter().map(Ok));
    }

    pub(super) fn fail(mut self, error: &StoreError) {
        self.fail_nonces(error);
        answer_all(self.appends, std::iter::repeat_with(|| Err(error.clone())));
    }

    /// Reports the error to the callers that wait for a nonce, and drops them from the batch.
    pub(super) fn fail_nonces(&mut self, error: &StoreError) {
        answer_all(std::mem::take(&mut self.nonces), std::iter::repeat_with(|| Err(error.clone())));
    }
}

/// A caller that has gone away no longer reads its answer; the write remains valid.
fn answer_all<W, A>(pending: Vec<Pending<W, A>>, answers: impl IntoIterator<Item = Result<A, StoreError>>) {
    for (pending, answer) in pending.into_iter().zip(answers) {
        let _ = pending.reply.send(answer);
    }
}
