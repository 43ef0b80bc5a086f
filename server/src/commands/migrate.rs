//! `kez-chat-server migrate`: brings the schema up to date, as the server does at startup, or copies a database from SQLite
//! to PostgreSQL.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::database::Database;
use super::report::{Failure, Output, Report};
use crate::config;
use crate::operations::server_lock::ServerLock;
use crate::store::OpenError;
use crate::store::transfer::transfer;

/// See the module.
#[derive(Debug, Args)]
pub(super) struct Migrate {
    #[command(flatten)]
    database: Database,
    /// Only show what would be done.
    #[arg(long, conflicts_with = "from")]
    dry_run: bool,
    /// Copy this SQLite file, which no server may be using, to --to.
    #[arg(long, value_name = "FILE", requires = "to")]
    from: Option<PathBuf>,
    /// The empty PostgreSQL database for the copy, such as postgres://kez:secret@db.example/kez.
    #[arg(long, value_name = "URL", requires = "from")]
    to: Option<config::Database>,
    #[command(flatten)]
    pub(super) output: Output,
}

impl Migrate {
    pub(super) async fn run(self) -> Result<Report, Failure> {
        if let (Some(from), Some(to)) = (&self.from, &self.to) {
            return copy(from.clone(), to).await;
        }
        let location = self.database.at.location()?;
        let pending = location.pending_migrations().await?;
        if !self.dry_run {
            location.open().await?.close().await;
        }
        let text = match (pending.as_slice(), self.dry_run) {
            ([], _) => "the schema is up to date".to_owned(),
            (names, true) => format!("would run: {}", names.join(", ")),
            (names, false) => format!("ran: {}", names.join(", ")),
        };
        Ok(Report::new(text, json!({ "migrations": pending, "dry_run": self.dry_run })))
    }
}

/// Copies a file to a database server.
async fn copy(from: PathBuf, to: &config::Database) -> Result<Report, Failure> {
    let config::Database::Postgres(url) = to else {
        return Err(Failure::usage("--to takes the address of a PostgreSQL database: postgres://..."));
    };
    if !from.exists() {
        return Err(Failure::usage(format!("there is no database at {}", from.display())));
    }
    let options = url.options().map_err(OpenError::from)?;
    let _lock = ServerLock::take(&config::Database::Sqlite(from.clone())).await.map_err(Failure::failed)?;
    let messages = transfer(&from, &options).await.map_err(Failure::failed)?;
    let text = format!("copied {} with {messages} messages, and compared every row", from.display());
    Ok(Report::new(text, json!({ "from": from.display().to_string(), "messages": messages })))
}
