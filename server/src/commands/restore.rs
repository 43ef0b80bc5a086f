//! `kez-chat-server restore`: replaces the database with a backup.
//!
//! Sequence numbers are then assigned a second time. The new epoch tells clients to read from the start, so that a
//! cursor from before the restore loses no messages.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::database::Database;
use super::report::{Failure, Output, Report};
use crate::config;
use crate::store::{OpenError, postgres, sqlite};

/// See the module.
#[derive(Debug, Args)]
#[group(required = true, multiple = false, args = ["from", "in_place"])]
pub(super) struct Restore {
    #[command(flatten)]
    database: Database,
    /// The backup. When FILE.sha256 exists beside it, it must match.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The database was restored by other means (litestream, a snapshot): only give it a new epoch.
    #[arg(long)]
    in_place: bool,
    /// Move an existing database aside, to <DB>.replaced.
    #[arg(long, requires = "from")]
    replace: bool,
    #[command(flatten)]
    pub(super) output: Output,
}

impl Restore {
    pub(super) async fn run(self) -> Result<Report, Failure> {
        let epoch = match (&self.from, &self.database.at.db) {
            (Some(backup), _) => sqlite::restore(backup, self.database.file()?, self.replace)?,
            (None, config::Database::Sqlite(file)) => {
                self.database.must_exist()?;
                sqlite::renew_epoch(file)?
            }
            (None, config::Database::Postgres(url)) => {
                postgres::renew_epoch(&url.options().map_err(OpenError::from)?).await?
            }
        };
        let db = match &self.database.at.db {
            config::Database::Sqlite(file) => file.display().to_string(),
            config::Database::Postgres(_) => "the PostgreSQL database".to_owned(),
        };
        let text = format!("{db} is in place with the new epoch {epoch}");
        Ok(Report::new(text, json!({ "db": db, "epoch": epoch })))
    }
}
