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
        let crate::store::operations::Stats { handles, groups, messages, bytes } = stats;
        let text =
            format!("handles   {handles}\ngroups    {groups}\nmessages  {messages}\nbytes     {bytes}");
        let json = json!({ "handles": handles, "groups": groups, "messages": messages, "bytes": bytes });
        Ok(Report::new(text, json))
    }
}
