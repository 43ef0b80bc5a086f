//! `kez-chat-server admin usage`: what each account stores, largest first.

use std::fmt::Write as _;

use clap::Args;
use serde_json::{Value, json};

use crate::commands::{Database, Failure, Output, Report};

/// See the module.
#[derive(Debug, Args)]
pub(in crate::commands) struct Usage {
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    pub(in crate::commands) output: Output,
}

impl Usage {
    pub(in crate::commands) async fn run(self) -> Result<Report, Failure> {
        let store = self.database.open_read_only().await?;
        let usage = store.usage_by_account().await;
        store.close().await;
        let usage = usage.map_err(Failure::failed)?;
        let mut text = format!("{:32} {:>10} {:>14}\n", "handle", "messages", "bytes");
        let mut accounts: Vec<Value> = Vec::new();
        for account in &usage {
            // Writing to a `String` cannot fail.
            let _ = writeln!(
                text,
                "{:32} {:>10} {:>14}",
                account.handle.as_str(),
                account.messages,
                account.bytes
            );
            accounts.push(json!({
                "handle": account.handle,
                "messages": account.messages,
                "bytes": account.bytes,
            }));
        }
        Ok(Report::new(text, json!({ "accounts": accounts })))
    }
}
