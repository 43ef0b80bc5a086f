//! What one transaction takes, and who waits for it.

use tokio::sync::{mpsc, oneshot};

use super::append::HashedMessage;
use super::nonces::UsedNonce;
use crate::store::{Appended, StoreError};

/// How many writes one transaction takes at most ...
const BATCH: usize = 128;
/// ... and how many bytes of envelopes.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// A write and the way back to its caller.
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

/// What became of a [`Batch`], in the same order.
pub(super) struct Outcomes {
    pub(super) appends: Vec<Result<Appended, StoreError>>,
    pub(super) nonces: Vec<bool>,
    /// Whether old nonces are left that might have been deleted with it.
    pub(super) old_nonces: bool,
}

impl Batch {
    /// The first write and those that wait behind it, as many as fit.
    pub(super) fn gather(first: Job, jobs: &mut mpsc::Receiver<Job>) -> Self {
        let mut batch = Self::default();
        batch.push(first);
        while batch.len() < BATCH && batch.bytes < BATCH_BYTES {
            let Ok(job) = jobs.try_recv() else { break };
            batch.push(job);
        }
        batch
    }

    /// All that waits.
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

    /// Answers those who wait for a nonce, and lets go of them.
    pub(super) fn fail_nonces(&mut self, error: &StoreError) {
        answer_all(std::mem::take(&mut self.nonces), std::iter::repeat_with(|| Err(error.clone())));
    }
}

/// A caller that has gone away does not want its answer any more; the write stands all the same.
fn answer_all<W, A>(pending: Vec<Pending<W, A>>, answers: impl IntoIterator<Item = Result<A, StoreError>>) {
    for (pending, answer) in pending.into_iter().zip(answers) {
        let _ = pending.reply.send(answer);
    }
}
