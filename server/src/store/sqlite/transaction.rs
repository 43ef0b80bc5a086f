//! One transaction for all queued messages and nonces.
//!
//! A statement that SQLite rejects, because of a constraint or a damaged page, is undone alone, and only its caller
//! gets the error. After some failures (a full disk, a lock) the transaction is gone; then nothing of the batch was
//! stored.

use rusqlite::Connection;

use super::append::{Appending, PreparedMessage};
use super::job::{Batch, Outcomes};
use super::memory::Memory;
use super::nonces;
use crate::store::{Appended, StoreError};

/// Writes all of a batch and commits it.
///
/// # Errors
/// The error of the whole transaction; nothing was stored then.
pub(super) fn write_batch(
    connection: &Connection,
    memory: &mut Memory,
    batch: &Batch,
) -> Result<Outcomes, StoreError> {
    let result = try_batch(connection, memory, batch);
    if result.is_ok() {
        memory.committed();
    } else {
        memory.forget();
        // After some failures SQLite has already rolled back, and reports another error here.
        let _ = connection.execute_batch("ROLLBACK");
    }
    result
}

fn try_batch(connection: &Connection, memory: &mut Memory, batch: &Batch) -> Result<Outcomes, StoreError> {
    let run = |sql| connection.prepare_cached(sql)?.execute([]);
    let mut outcomes = Outcomes::default();
    run("BEGIN IMMEDIATE")?;
    outcomes.nonces = record_all(connection, &batch.nonces)?;
    outcomes.appended = append_all(connection, memory, &batch.messages)?;
    run("COMMIT")?;
    Ok(outcomes)
}

fn record_all(
    connection: &Connection,
    nonces: &[nonces::Waiting],
) -> Result<Vec<Result<(), StoreError>>, StoreError> {
    let Some(now) = nonces.iter().map(|(used, _)| used.now).min() else { return Ok(Vec::new()) };
    nonces::forget_old(connection, now, nonces.len())?;
    let mut recording = nonces::Recording::prepare(connection)?;
    nonces.iter().map(|(used, _)| alone(connection, recording.record(used))).collect()
}

fn append_all(
    connection: &Connection,
    memory: &mut Memory,
    messages: &[PreparedMessage],
) -> Result<Vec<Result<Appended, StoreError>>, StoreError> {
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    let known = memory.recall(connection)?;
    let mut appending = Appending::prepare(connection)?;
    let append = |message| alone(connection, appending.append(known, message));
    let appended = messages.iter().map(append).collect::<Result<_, _>>()?;
    known.write_due(connection, messages.len())?;
    Ok(appended)
}

/// Separates the failure of one part, which affects only its caller, from a failure of the whole transaction.
fn alone<T>(
    connection: &Connection,
    part: Result<T, StoreError>,
) -> Result<Result<T, StoreError>, StoreError> {
    match part {
        Err(error)
            if connection.is_autocommit() || matches!(error, StoreError::Full | StoreError::Locked) =>
        {
            Err(error)
        }
        part => Ok(part),
    }
}
