//! The database that a command works on.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::report::Failure;
use crate::store::Store;
use crate::store::sqlite::{OpenError, SqliteStore};

/// Which database, as the server itself is told.
#[derive(Clone, Debug, Args)]
pub struct Database {
    /// The SQLite file.
    #[arg(long, env = "KEZ_CHAT_DB", default_value = "kez-chat.db", value_name = "FILE")]
    pub db: PathBuf,
}

impl Database {
    /// Opens it; it must be there already. A server may be running on it.
    ///
    /// # Errors
    /// A [`Failure`] that says why it cannot be used.
    pub async fn open(&self) -> Result<Arc<dyn Store>, Failure> {
        self.must_exist()?;
        Ok(Arc::new(SqliteStore::open(&self.db).await?))
    }

    /// A command that makes an empty database because of a mistyped name helps nobody.
    ///
    /// # Errors
    /// A [`Failure`] that names the file.
    pub fn must_exist(&self) -> Result<(), Failure> {
        if self.db.exists() {
            return Ok(());
        }
        Err(Failure::usage(format!("there is no database at {}; name it with --db", self.db.display())))
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NewerSchema { .. } => Self::usage(error),
            _ => Self::failed(error),
        }
    }
}
