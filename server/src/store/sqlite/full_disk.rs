//! Transactions that must work on a full disk: deletions, and the writes that they require first.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::sqlite::SqliteConnection;
use tokio::sync::Mutex;

use super::checkpoint;
use super::reserve::Reserve;
use crate::store::{Answer, StoreError};

/// Lends the reserved disk space to a transaction.
pub(super) struct FullDisk {
    file: PathBuf,
    turn: Arc<Mutex<()>>,
    reserve: Reserve,
}

impl FullDisk {
    /// `turn` is the turn shared by all writers.
    pub(super) fn new(file: &Path, turn: Arc<Mutex<()>>) -> Self {
        Self { file: file.to_owned(), turn, reserve: Reserve::of(file) }
    }

    /// Runs a write in a transaction of its own. The log is emptied before and after, which returns its space.
    ///
    /// # Errors
    /// [`StoreError::Full`] also when no space is reserved.
    pub(super) async fn write<T>(
        &self,
        write: impl for<'c> FnOnce(&'c mut SqliteConnection) -> Answer<'c, T>,
    ) -> Result<T, StoreError> {
        let _turn = self.turn.lock().await;
        // Dropped when everything else is done, which takes the space back.
        let _room = self.reserve.lend().ok_or(StoreError::Full)?;
        let mut log = checkpoint::connect(&self.file).await?;
        let mut connection = super::connect(&self.file).await?;
        checkpoint::empty(&mut log).await;
        let result = transaction(&mut connection, write).await;
        super::close(connection).await;
        checkpoint::empty(&mut log).await;
        super::close(log).await;
        result
    }
}

async fn transaction<T>(
    connection: &mut SqliteConnection,
    write: impl for<'c> FnOnce(&'c mut SqliteConnection) -> Answer<'c, T>,
) -> Result<T, StoreError> {
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    let result = write(connection).await?;
    sqlx::query("COMMIT").execute(connection).await?;
    Ok(result)
}
