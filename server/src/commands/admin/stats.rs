//! `kez-chat-server admin stats`: totals of the database.

use clap::Args;
use serde_json::json;

use crate::commands::{Database, Failure, Output, Report};

/// See the module.
#[derive(Debug, Args)]
pub(in crate::commands) struct Stats {
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    pub(in crate::commands) output: Output,
}

impl Stats {
    pub(in crate::commands) async fn run(self) -> Result<Report, Failure> {
        let store = self.database.open_read_only().await?;
        let stats = store.stats().await;
        store.close().await;
        let stats = stats.map_err(Failure::failed)?;
        let text =
            format!("handles   {}\nmessages  {}\nbytes     {}", stats.handles, stats.messages, stats.bytes);
        let json = json!({ "handles": stats.handles, "messages": stats.messages, "bytes": stats.bytes });
        Ok(Report::new(text, json))
    }
}
