//! Transactions that have to work on a full disk: those that delete, and what comes before they may.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::sqlite::SqliteConnection;
use tokio::sync::Mutex;

use super::checkpoint;
use super::reserve::Reserve;
use crate::store::{Answer, StoreError};

/// Lends them the room that is kept back.
pub(super) struct FullDisk {
    file: PathBuf,
    turn: Arc<Mutex<()>>,
    reserve: Reserve,
}

impl FullDisk {
    /// `turn` is that of all who write.
    pub(super) fn new(file: &Path, turn: Arc<Mutex<()>>) -> Self {
        Self { file: file.to_owned(), turn, reserve: Reserve::of(file) }
    }

    /// Runs a write in a transaction of its own. The log is emptied before and after, which returns what it takes.
    ///
    /// # Errors
    /// [`StoreError::Full`] also when nothing is kept back.
    pub(super) async fn write<T>(
        &self,
        write: impl for<'c> FnOnce(&'c mut SqliteConnection) -> Answer<'c, T>,
    ) -> Result<T, StoreError> {
        let _turn = self.turn.lock().await;
        // It is taken back when everything else is done.
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
