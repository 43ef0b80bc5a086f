//! One transaction for everything that waits.
//!
//! Each trip from the writer's task to SQLite's thread and back costs two switches of tasks, which is more than most of
//! the statements do. So what has to be known travels with `BEGIN`, and what has to be stored with `COMMIT`. When the
//! database refuses that, or a feature's writes are in the batch, each part runs by itself under a savepoint.

use sqlx::sqlite::SqliteConnection;

use super::append::{Counters, HashedMessage, find_standing, place};
use super::job::Batch;
use super::nonces::{UsedNonce, Within, use_all};
use super::tail::Tail;
use crate::store::{Appended, StoreError};

/// What the writer knows of the database without looking, because nobody else changes it.
#[derive(Default)]
pub(super) struct Memory {
    counters: Counters,
    tail: Option<Tail>,
}

impl Memory {
    /// After a transaction that was not committed, this ran ahead of a history that did not happen.
    fn forget(&mut self) {
        self.counters.forget();
        self.tail = None;
    }

    async fn recall(
        &mut self,
        connection: &mut SqliteConnection,
    ) -> Result<(&mut Counters, &mut Tail), StoreError> {
        let tail = match self.tail.take() {
            Some(tail) => tail,
            None => Tail::load(connection).await?,
        };
        Ok((&mut self.counters, self.tail.insert(tail)))
    }
}

/// What came of a batch, each in the order in which it was gathered.
#[derive(Default)]
pub(super) struct Outcomes {
    pub(super) appended: Vec<Result<Appended, StoreError>>,
    pub(super) fresh_nonces: Vec<Result<bool, StoreError>>,
}

/// Writes all of a batch and commits it.
///
/// # Errors
/// Nothing was stored then.
pub(super) async fn write_batch(
    connection: &mut SqliteConnection,
    memory: &mut Memory,
    batch: &mut Batch,
) -> Result<Outcomes, StoreError> {
    if batch.writes.is_empty() {
        let result = at_once(connection, memory, &batch.nonces, &batch.messages).await;
        match undone_if_failed(connection, memory, result).await {
            // One of the parts is to blame, most likely.
            Err(StoreError::Database(_)) => {}
            result => return result,
        }
    }
    let result = by_parts(connection, memory, batch).await;
    undone_if_failed(connection, memory, result).await
}

async fn undone_if_failed(
    connection: &mut SqliteConnection,
    memory: &mut Memory,
    result: Result<Outcomes, StoreError>,
) -> Result<Outcomes, StoreError> {
    if result.is_err() {
        memory.forget();
        // SQLite has rolled back by itself after some failures, and says so with another error.
        let _ = sqlx::raw_sql("ROLLBACK").execute(connection).await;
    }
    result
}

/// As few trips as possible: one for nonces, one to find retries, one to insert.
async fn at_once(
    connection: &mut SqliteConnection,
    memory: &mut Memory,
    nonces: &[UsedNonce],
    messages: &[HashedMessage],
) -> Result<Outcomes, StoreError> {
    let mut outcomes = Outcomes::default();
    if !nonces.is_empty() {
        let within = if messages.is_empty() { Within::Whole } else { Within::Beginning };
        let fresh = use_all(connection, nonces, within).await?;
        outcomes.fresh_nonces = fresh.into_iter().map(Ok).collect();
    }
    if messages.is_empty() {
        return Ok(outcomes);
    }
    let (counters, tail) = memory.recall(connection).await?;
    let standing = find_standing(connection, tail, messages, !nonces.is_empty()).await?;
    let (appended, rows) = place(connection, counters, tail, messages, standing).await?;
    outcomes.appended = appended;
    let commit_with_rows = !rows.is_empty() && !tail.is_due();
    if !rows.is_empty() {
        rows.insert(connection, tail, commit_with_rows).await?;
    }
    if !commit_with_rows {
        tail.write_due(connection).await?;
        sqlx::query("COMMIT").execute(connection).await?;
    }
    Ok(outcomes)
}

/// Every part by itself, so that one that fails is undone alone.
async fn by_parts(
    connection: &mut SqliteConnection,
    memory: &mut Memory,
    batch: &mut Batch,
) -> Result<Outcomes, StoreError> {
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    for write in &mut batch.writes {
        begin_part(connection).await?;
        let result = write.run(connection).await;
        end_part(connection, &result).await?;
    }
    let mut outcomes = Outcomes::default();
    for nonce in batch.nonces.chunks(1) {
        begin_part(connection).await?;
        let result = use_all(connection, nonce, Within::Begun).await;
        end_part(connection, &result).await?;
        match result {
            Ok(fresh) => outcomes.fresh_nonces.extend(fresh.into_iter().map(Ok)),
            Err(error) => outcomes.fresh_nonces.push(Err(error)),
        }
    }
    append_parts(connection, memory, &batch.messages, &mut outcomes.appended).await?;
    if let Some(tail) = &mut memory.tail {
        tail.write_due(connection).await?;
    }
    sqlx::query("COMMIT").execute(connection).await?;
    Ok(outcomes)
}

/// All messages at once, or, when the database refuses one of them, each by itself.
async fn append_parts(
    connection: &mut SqliteConnection,
    memory: &mut Memory,
    messages: &[HashedMessage],
    appended: &mut Vec<Result<Appended, StoreError>>,
) -> Result<(), StoreError> {
    if messages.is_empty() {
        return Ok(());
    }
    match append_part(connection, memory, messages).await? {
        Ok(all) => appended.extend(all),
        Err(error) if messages.len() == 1 => appended.push(Err(error)),
        Err(_) => {
            for single in messages.chunks(1) {
                match append_part(connection, memory, single).await? {
                    Ok(one) => appended.extend(one),
                    Err(error) => appended.push(Err(error)),
                }
            }
        }
    }
    Ok(())
}

type Part = Result<Vec<Result<Appended, StoreError>>, StoreError>;

async fn append_part(
    connection: &mut SqliteConnection,
    memory: &mut Memory,
    messages: &[HashedMessage],
) -> Result<Part, StoreError> {
    let (counters, tail) = memory.recall(connection).await?;
    begin_part(connection).await?;
    let result = async {
        let standing = find_standing(connection, tail, messages, true).await?;
        let (appended, rows) = place(connection, counters, tail, messages, standing).await?;
        if !rows.is_empty() {
            rows.insert(connection, tail, false).await?;
        }
        Ok(appended)
    }
    .await;
    end_part(connection, &result).await?;
    if result.is_err() {
        memory.forget();
    }
    Ok(result)
}

/// Begins a part of the transaction that can be undone by itself.
async fn begin_part(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("SAVEPOINT part").execute(connection).await?;
    Ok(())
}

/// Ends it; what a failed part did is undone. When that is not possible, as after failures upon which SQLite undoes
/// everything, the part's error is that of the transaction.
async fn end_part<T>(
    connection: &mut SqliteConnection,
    result: &Result<T, StoreError>,
) -> Result<(), StoreError> {
    match result {
        Ok(_) => sqlx::raw_sql("RELEASE part").execute(connection).await?,
        Err(error) => {
            let undone = sqlx::raw_sql("ROLLBACK TO part; RELEASE part").execute(connection).await;
            undone.map_err(|_| error.clone())?
        }
    };
    Ok(())
}
