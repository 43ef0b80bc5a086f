//! The database that a command works on.

use std::path::Path;
use std::sync::Arc;

use clap::Args;

use super::report::Failure;
use crate::config::{self, DatabaseConfig};
use crate::store::{self, OpenError, Store};

/// Which database, as the server itself is told.
#[derive(Clone, Debug, Args)]
pub struct Database {
    /// Where it is.
    #[command(flatten)]
    pub at: DatabaseConfig,
}

impl Database {
    /// Opens it; it must be there already. A server may be running on it.
    ///
    /// # Errors
    /// A [`Failure`] that says why it cannot be used.
    pub async fn open(&self) -> Result<Arc<dyn Store>, Failure> {
        self.must_exist()?;
        Ok(store::open(&self.at).await?)
    }

    /// Opens it for reading alone. A server may be running on it, and nothing of an SQLite file changes.
    ///
    /// # Errors
    /// A [`Failure`] that says why it cannot be used.
    pub async fn open_read_only(&self) -> Result<Arc<dyn Store>, Failure> {
        self.must_exist()?;
        Ok(store::open_read_only(&self.at).await?)
    }

    /// A command that makes an empty database because of a mistyped name helps nobody. A database server says so by
    /// itself.
    ///
    /// # Errors
    /// A [`Failure`] that names the file.
    pub fn must_exist(&self) -> Result<(), Failure> {
        match &self.at.db {
            config::Database::Sqlite(file) if !file.exists() => {
                Err(Failure::usage(format!("there is no database at {}; name it with --db", file.display())))
            }
            _ => Ok(()),
        }
    }

    /// The file of the database, for what works on files.
    ///
    /// # Errors
    /// A [`Failure`] that says what to use with PostgreSQL.
    pub fn file(&self) -> Result<&Path, Failure> {
        match &self.at.db {
            config::Database::Sqlite(file) => Ok(file),
            config::Database::Postgres(_) => Err(Failure::usage(
                "this works on SQLite files; PostgreSQL has pg_dump and pg_restore, after which \
                 `restore --in-place` gives the database its new epoch",
            )),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NewerSchema { .. }
            | OpenError::OlderSchema
            | OpenError::InUse
            | OpenError::File { .. } => Self::usage(error),
            _ => Self::failed(error),
        }
    }
}
