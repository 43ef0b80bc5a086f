//! `kez-chat-server migrate`: brings the schema up to date, as the server does at startup.

use clap::Args;
use serde_json::json;

use super::database::Database;
use super::report::{Failure, Output, Report};
use crate::store;

/// See the module.
#[derive(Debug, Args)]
pub(super) struct Migrate {
    #[command(flatten)]
    database: Database,
    /// Only show what would be done.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    pub(super) output: Output,
}

impl Migrate {
    pub(super) async fn run(self) -> Result<Report, Failure> {
        let pending = store::pending_migrations(&self.database.at).await?;
        if !self.dry_run {
            store::open(&self.database.at).await?.close().await;
        }
        let text = match (pending.as_slice(), self.dry_run) {
            ([], _) => "the schema is up to date".to_owned(),
            (names, true) => format!("would run: {}", names.join(", ")),
            (names, false) => format!("ran: {}", names.join(", ")),
        };
        Ok(Report::new(text, json!({ "migrations": pending, "dry_run": self.dry_run })))
    }
}
