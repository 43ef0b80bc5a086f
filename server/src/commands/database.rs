//! The database that a command uses.

use std::path::Path;

use clap::Args;

use super::report::Failure;
use crate::config::{self, DatabaseConfig};
use crate::store::{OpenError, Store};

/// Which database, with the same flags as the server.
#[derive(Clone, Debug, Args)]
pub struct Database {
    /// Where it is.
    #[command(flatten)]
    pub at: DatabaseConfig,
}

impl Database {
    /// Opens the existing database. A server may be running on it.
    ///
    /// # Errors
    /// A [`Failure`] that says why it cannot be used.
    pub async fn open(&self) -> Result<Store, Failure> {
        self.must_exist()?;
        Ok(self.at.location()?.open().await?)
    }

    /// Opens the database read-only. A server may be running on it, and an SQLite file is not changed.
    ///
    /// # Errors
    /// A [`Failure`] that says why it cannot be used.
    pub async fn open_read_only(&self) -> Result<Store, Failure> {
        self.must_exist()?;
        Ok(self.at.location()?.open_read_only().await?)
    }

    /// Creating an empty database because of a mistyped name would help no user. A database server reports a missing
    /// database itself.
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

    /// The database file, for commands that work on files.
    ///
    /// # Errors
    /// A [`Failure`] that says what to use with PostgreSQL instead.
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
