//! The writers of messages and nonces. Each account belongs to one of them. A writer gathers its queued writes, commits
//! them as one transaction on its own connection, and answers only then. So messages for one inbox are stored in the
//! order of arrival, and several commits run concurrently.

use std::time::Instant;

use kez_core::caller_auth::Nonce;
use kez_core::time::Timestamp;
use prometheus_client::metrics::histogram::Histogram;
use sqlx::Connection;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, Postgres};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::append::{HashedMessage, append_all};
use super::batch::{Batch, Job, Outcomes, Pending};
use super::nonces::{UsedNonce, forget_old, use_all};
use super::pool::{Pool, within_patience};
use crate::histogram;
use crate::store::operations::Vitals;
use crate::store::{AccountId, Appended, CallerKey, NewMessage, StoreError};

/// The number of writes that may wait in each lane. Beyond that, callers must retry later.
const QUEUE: usize = 256;
/// The interval at which each lane deletes old nonces, in seconds ...
const FORGET_EVERY: u64 = 60;
/// ... and the delay before the next portion while there are more.
const FORGET_ON: u64 = 1;

/// Sends writes to the lanes and waits for their answers.
pub(super) struct Lanes {
    queues: Vec<mpsc::Sender<Job>>,
    stop: CancellationToken,
    tasks: TaskTracker,
    commits: Histogram,
}

impl Lanes {
    pub(super) fn start(pool: &Pool, number: usize) -> Self {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let commits = histogram::seconds();
        let start = |_| {
            let (queue, jobs) = mpsc::channel(QUEUE);
            let lane = Lane { pool: pool.clone(), connection: None, forget_at: 0, commits: commits.clone() };
            tasks.spawn(lane.run(jobs, stop.clone()));
            queue
        };
        let queues = (0..number.max(1)).map(start).collect();
        tasks.close();
        Self { queues, stop, tasks, commits }
    }

    pub(super) async fn append(&self, message: NewMessage) -> Result<Appended, StoreError> {
        let inbox = message.inbox;
        let write = HashedMessage::new(message);
        self.send(inbox, |reply| Job::Append(Pending { write, reply })).await
    }

    pub(super) async fn use_nonce(
        &self,
        caller: CallerKey,
        nonce: Nonce,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let write = UsedNonce { caller, nonce, now };
        // Any lane will do, as long as the same key always uses the same one.
        self.send(AccountId(i64::from_be_bytes(*caller.as_bytes())), |reply| {
            Job::UseNonce(Pending { write, reply })
        })
        .await
    }

    /// Whether every queue has room.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.queues.iter().try_for_each(|queue| queue.try_reserve().map(drop).map_err(refused))
    }

    /// The state of the lanes.
    pub(super) fn vitals(&self) -> Vitals {
        let queued: usize = self.queues.iter().map(|queue| queue.max_capacity() - queue.capacity()).sum();
        Vitals { queued: queued as u64, commits: self.commits.clone() }
    }

    /// Lets the lanes finish their queued writes.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }

    async fn send<A>(
        &self,
        account: AccountId,
        job: impl FnOnce(oneshot::Sender<Result<A, StoreError>>) -> Job,
    ) -> Result<A, StoreError> {
        let lane = account.0.unsigned_abs() % self.queues.len() as u64;
        let queue = usize::try_from(lane).ok().and_then(|lane| self.queues.get(lane));
        let (reply, answer) = oneshot::channel();
        queue.ok_or(StoreError::Closed)?.try_reserve().map_err(refused)?.send(job(reply));
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

fn refused(error: mpsc::error::TrySendError<()>) -> StoreError {
    match error {
        mpsc::error::TrySendError::Full(()) => StoreError::Busy,
        mpsc::error::TrySendError::Closed(()) => StoreError::Closed,
    }
}

/// One writer.
struct Lane {
    pool: Pool,
    connection: Option<PoolConnection<Postgres>>,
    /// The next time to delete old nonces, in seconds since 1970.
    forget_at: u64,
    commits: Histogram,
}

/// A transaction that failed.
struct Failed {
    error: StoreError,
    /// Whether it may have been committed after all.
    in_doubt: bool,
}

impl Lane {
    async fn run(mut self, mut jobs: mpsc::Receiver<Job>, stop: CancellationToken) {
        loop {
            let first = tokio::select! {
                job = jobs.recv() => job,
                // From here on no new writes are accepted, but the queued ones are still received.
                () = stop.cancelled(), if !jobs.is_closed() => { jobs.close(); continue }
            };
            let Some(first) = first else { break };
            let batch = Batch::gather(first, &mut jobs);
            if let Err(error @ (StoreError::Unreachable(_) | StoreError::Locked)) = self.store(batch).await {
                // The writes queued behind have waited as long, and would only wait once more.
                Batch::gather_all(&mut jobs).fail(&error);
            }
        }
    }

    /// Stores a batch. When the connection was lost, as all are when the database restarts, it is tried once more:
    /// messages that were stored after all are then found. A nonce would be found too and its caller refused, so that
    /// caller is asked to retry instead.
    async fn store(&mut self, mut batch: Batch) -> Result<(), StoreError> {
        let start = Instant::now();
        let mut result = self.transaction(&batch).await;
        if let Err(Failed { error: error @ StoreError::Unreachable(_), in_doubt }) = &result {
            if *in_doubt {
                batch.fail_nonces(error);
            }
            result = self.transaction(&batch).await;
        }
        match result {
            Ok(outcomes) => {
                self.commits.observe(start.elapsed().as_secs_f64());
                batch.succeed(outcomes);
                Ok(())
            }
            // One row that the database rejects, or has damaged, must not fail the others.
            Err(Failed {
                error: StoreError::Database(_) | StoreError::Corrupt(_) | StoreError::NoSuchAccount,
                ..
            }) if batch.len() > 1 => {
                let mut last = Ok(());
                for single in batch.into_singles() {
                    last = Box::pin(self.store(single)).await;
                }
                last
            }
            Err(Failed { error, .. }) => {
                batch.fail(&error);
                Err(error)
            }
        }
    }

    async fn transaction(&mut self, batch: &Batch) -> Result<Outcomes, Failed> {
        let mut in_doubt = false;
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.pool.acquire().await.map_err(|error| Failed { error, in_doubt })?,
        };
        let forget = self.forgets(batch);
        let result = within_patience(write_all(&mut connection, batch, forget, &mut in_doubt)).await;
        if let (Some(now), Ok(Outcomes { old_nonces: true, .. })) = (forget, &result) {
            self.forget_at = now.unix() + FORGET_ON;
        }
        if matches!(result, Err(StoreError::Unreachable(_))) {
            connection.close_on_drop();
        } else {
            self.connection = Some(connection);
        }
        result.map_err(|error| Failed { error, in_doubt })
    }

    /// The time of the batch, if old nonces are due for deletion.
    fn forgets(&mut self, batch: &Batch) -> Option<Timestamp> {
        let now = batch.nonces.last()?.write.now;
        // A clock that was ahead and has been set back delays the deletion by no more than that.
        let due = now.unix() >= self.forget_at || now.unix() + FORGET_EVERY < self.forget_at;
        due.then(|| self.forget_at = now.unix() + FORGET_EVERY).map(|()| now)
    }
}

async fn write_all(
    connection: &mut PgConnection,
    batch: &Batch,
    forget: Option<Timestamp>,
    in_doubt: &mut bool,
) -> Result<Outcomes, StoreError> {
    let mut transaction = connection.begin().await?;
    let messages: Vec<_> = batch.appends.iter().map(|pending| &pending.write).collect();
    let appends = append_all(&mut transaction, &messages).await?;
    let nonces: Vec<_> = batch.nonces.iter().map(|pending| &pending.write).collect();
    let nonces = use_all(&mut transaction, &nonces).await?;
    let old_nonces = match forget {
        Some(now) => forget_old(&mut transaction, now).await?,
        None => false,
    };
    *in_doubt = true;
    transaction.commit().await?;
    Ok(Outcomes { appends, nonces, old_nonces })
}
