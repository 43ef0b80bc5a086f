//! The one writer: it gathers what waits, commits it as one transaction, and answers only then.
//!
//! One `fsync` then pays for many messages, and rows become visible in the order of their sequence numbers because
//! nobody else writes.

use std::sync::Arc;

use kez_core::caller_auth::{NONCE_LIFETIME_SECONDS, Nonce};
use kez_core::time::Timestamp;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::append::{Counters, HashedMessage, append_all};
use super::checkpoint::Checkpoints;
use super::reader::AccountRow;
use crate::store::{Account, AccountId, Appended, Claim, ClaimOutcome, NewMessage, StoreError};

/// How many writes may wait. Beyond that callers are told to come back.
const QUEUE: usize = 512;
/// How many writes one transaction takes at most ...
const BATCH: usize = 128;
/// ... and how many bytes of envelopes.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Hands writes to the writer's task and waits for their answers.
pub(super) struct Writer {
    queue: mpsc::Sender<Job>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

enum Job {
    Append(Pending<HashedMessage, Appended>),
    Claim(Pending<Claim, ClaimOutcome>),
    UseNonce(Pending<UsedNonce, bool>),
}

struct Pending<W, A> {
    write: W,
    reply: oneshot::Sender<Result<A, StoreError>>,
}

struct UsedNonce {
    caller: AccountId,
    nonce: Nonce,
    now: Timestamp,
}

impl Writer {
    pub(super) fn start(connection: SqliteConnection, checkpoints: SqliteConnection) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        // Held while a transaction runs, so that a checkpoint that must not be overtaken can keep the writer out.
        let turn = Arc::new(Mutex::new(()));
        let checkpoints = Checkpoints::start(checkpoints, Arc::clone(&turn), &tasks, stop.clone());
        let task = Task { connection, counters: Counters::default(), turn, checkpoints };
        tasks.spawn(task.run(jobs, stop.clone()));
        tasks.close();
        Self { queue, stop, tasks }
    }

    pub(super) async fn append(&self, message: NewMessage) -> Result<Appended, StoreError> {
        let write = HashedMessage::new(message);
        self.send(|reply| Job::Append(Pending { write, reply })).await
    }

    pub(super) async fn claim_handle(&self, write: Claim) -> Result<ClaimOutcome, StoreError> {
        self.send(|reply| Job::Claim(Pending { write, reply })).await
    }

    pub(super) async fn use_nonce(
        &self,
        caller: AccountId,
        nonce: Nonce,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let write = UsedNonce { caller, nonce, now };
        self.send(|reply| Job::UseNonce(Pending { write, reply })).await
    }

    /// Whether there is a writer, and room in its queue.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.queue.try_reserve().map(|_| ()).map_err(refused)
    }

    /// Lets the writer finish what is queued.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }

    async fn send<A>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<A, StoreError>>) -> Job,
    ) -> Result<A, StoreError> {
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
    counters: Counters,
    turn: Arc<Mutex<()>>,
    checkpoints: Checkpoints,
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

    async fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        let result = self.transaction(&batch).await;
        match result {
            Ok(outcomes) => {
                self.checkpoints.written(batch.bytes);
                batch.succeed(outcomes);
                Ok(())
            }
            // One row that the database refuses must not take the others with it.
            Err(StoreError::Database(_)) if batch.len() > 1 => {
                let mut last = Ok(());
                for single in batch.into_singles() {
                    last = Box::pin(self.commit(single)).await;
                }
                last
            }
            Err(error) => {
                batch.fail(&error);
                Err(error)
            }
        }
    }

    async fn transaction(&mut self, batch: &Batch) -> Result<Outcomes, StoreError> {
        let _turn = self.turn.lock().await;
        let result = write_all(&mut self.connection, &mut self.counters, batch).await;
        if result.is_err() {
            // The counters ran ahead of a history that did not happen.
            self.counters.forget();
            // SQLite has rolled back by itself after some failures, and says so with another error.
            let _ = sqlx::raw_sql("ROLLBACK").execute(&mut self.connection).await;
        }
        result
    }
}

async fn write_all(
    connection: &mut SqliteConnection,
    counters: &mut Counters,
    batch: &Batch,
) -> Result<Outcomes, StoreError> {
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    let mut outcomes = Outcomes::default();
    for pending in &batch.claims {
        outcomes.claims.push(claim(connection, &pending.write).await?);
    }
    for pending in &batch.nonces {
        outcomes.nonces.push(use_nonce(connection, &pending.write).await?);
    }
    let messages: Vec<&HashedMessage> = batch.appends.iter().map(|pending| &pending.write).collect();
    outcomes.appends = append_all(connection, counters, &messages).await?;
    sqlx::query("COMMIT").execute(&mut *connection).await?;
    Ok(outcomes)
}

async fn claim(connection: &mut SqliteConnection, claim: &Claim) -> Result<ClaimOutcome, StoreError> {
    const HOLDERS: &str = "SELECT id, handle, primary_key, registration, registered_at FROM accounts \
                           WHERE handle = ?1 OR primary_key = ?2 ORDER BY handle = ?1 DESC LIMIT 1";
    const ACCOUNT: &str = "INSERT INTO accounts (handle, primary_key, registration, registered_at) \
                           VALUES (?1, ?2, ?3, ?4) RETURNING id";
    const INBOX: &str = "INSERT INTO inboxes (account, last_seq) VALUES (?1, 0)";
    let (handle, primary) = (claim.handle.as_str(), claim.primary.to_string());
    let holder: Option<AccountRow> =
        sqlx::query_as(HOLDERS).bind(handle).bind(&primary).fetch_optional(&mut *connection).await?;
    if let Some(holder) = holder {
        let holder = Account::try_from(holder)?;
        return Ok(if holder.registration == claim.registration {
            ClaimOutcome::Stands(holder)
        } else if holder.handle == claim.handle {
            ClaimOutcome::HandleTaken
        } else {
            ClaimOutcome::PrimaryTaken
        });
    }
    let id: i64 = sqlx::query_scalar(ACCOUNT)
        .bind(handle)
        .bind(&primary)
        .bind(&claim.registration)
        .bind(claim.now.unix().cast_signed())
        .fetch_one(&mut *connection)
        .await?;
    sqlx::query(INBOX).bind(id).execute(&mut *connection).await?;
    Ok(ClaimOutcome::Stands(Account {
        id: AccountId(id),
        handle: claim.handle.clone(),
        primary: claim.primary,
        registration: claim.registration.clone(),
        registered_at: claim.now,
    }))
}

async fn use_nonce(connection: &mut SqliteConnection, used: &UsedNonce) -> Result<bool, StoreError> {
    const FORGET: &str = "DELETE FROM nonces WHERE used_at < ?1";
    const RECORD: &str =
        "INSERT INTO nonces (account, nonce, used_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    let now = used.now.unix().cast_signed();
    sqlx::query(FORGET).bind(now - NONCE_LIFETIME_SECONDS.cast_signed()).execute(&mut *connection).await?;
    let recorded = sqlx::query(RECORD)
        .bind(used.caller.0)
        .bind(used.nonce.as_bytes().as_slice())
        .bind(now)
        .execute(&mut *connection)
        .await?;
    Ok(recorded.rows_affected() == 1)
}

/// What one transaction takes, by kind.
#[derive(Default)]
struct Batch {
    appends: Vec<Pending<HashedMessage, Appended>>,
    claims: Vec<Pending<Claim, ClaimOutcome>>,
    nonces: Vec<Pending<UsedNonce, bool>>,
    bytes: usize,
}

/// What became of a [`Batch`], in the same order.
#[derive(Default)]
struct Outcomes {
    appends: Vec<Appended>,
    claims: Vec<ClaimOutcome>,
    nonces: Vec<bool>,
}

impl Batch {
    fn gather(first: Job, jobs: &mut mpsc::Receiver<Job>) -> Self {
        let mut batch = Self::default();
        batch.push(first);
        while batch.len() < BATCH && batch.bytes < BATCH_BYTES {
            let Ok(job) = jobs.try_recv() else { break };
            batch.push(job);
        }
        batch
    }

    fn gather_all(jobs: &mut mpsc::Receiver<Job>) -> Self {
        let mut batch = Self::default();
        while let Ok(job) = jobs.try_recv() {
            batch.push(job);
        }
        batch
    }

    fn push(&mut self, job: Job) {
        match job {
            Job::Append(pending) => {
                self.bytes += pending.write.envelope().len();
                self.appends.push(pending);
            }
            Job::Claim(pending) => self.claims.push(pending),
            Job::UseNonce(pending) => self.nonces.push(pending),
        }
    }

    fn len(&self) -> usize {
        self.appends.len() + self.claims.len() + self.nonces.len()
    }

    fn into_singles(self) -> impl Iterator<Item = Self> {
        let jobs = (self.claims.into_iter().map(Job::Claim))
            .chain(self.nonces.into_iter().map(Job::UseNonce))
            .chain(self.appends.into_iter().map(Job::Append));
        jobs.map(|job| {
            let mut single = Self::default();
            single.push(job);
            single
        })
    }

    fn succeed(self, outcomes: Outcomes) {
        answer_all(self.appends, outcomes.appends.into_iter().map(Ok));
        answer_all(self.claims, outcomes.claims.into_iter().map(Ok));
        answer_all(self.nonces, outcomes.nonces.into_iter().map(Ok));
    }

    fn fail(self, error: &StoreError) {
        answer_all(self.appends, std::iter::repeat_with(|| Err(error.clone())));
        answer_all(self.claims, std::iter::repeat_with(|| Err(error.clone())));
        answer_all(self.nonces, std::iter::repeat_with(|| Err(error.clone())));
    }
}

/// A caller that has gone away does not want its answer any more; the write stands all the same.
fn answer_all<W, A>(pending: Vec<Pending<W, A>>, answers: impl Iterator<Item = Result<A, StoreError>>) {
    for (pending, answer) in pending.into_iter().zip(answers) {
        let _ = pending.reply.send(answer);
    }
}
