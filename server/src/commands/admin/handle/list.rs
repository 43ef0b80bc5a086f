//! `kez-chat-server admin handle list`.

use std::fmt::Write as _;

use clap::Args;
use serde_json::{Value, json};

use super::show::describe;
use crate::commands::{Database, Failure, Output, Report};
use crate::store::{Store, StoreError};

/// The number of accounts read at once.
const PAGE: u64 = 1000;

/// See the module.
#[derive(Debug, Args)]
pub(in crate::commands) struct List {
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    pub(in crate::commands) output: Output,
}

impl List {
    pub(in crate::commands) async fn run(self) -> Result<Report, Failure> {
        let store = self.database.open_read_only().await?;
        let listed = list(&store).await;
        store.close().await;
        let (text, accounts) = listed.map_err(Failure::failed)?;
        Ok(Report::new(text, json!({ "accounts": accounts })))
    }
}

async fn list(store: &Store) -> Result<(String, Vec<Value>), StoreError> {
    let (mut text, mut accounts, mut after) = (String::new(), Vec::new(), None);
    loop {
        let page = store.accounts_after(after, PAGE).await?;
        for listed in &page {
            let state = if listed.ban.is_some() { "banned" } else { "" };
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{:32} {} {state}", listed.account.handle, listed.account.primary);
            accounts.push(describe(listed));
        }
        match page.last() {
            Some(last) if page.len() as u64 == PAGE => after = Some(last.account.handle.clone()),
            _ => return Ok((text, accounts)),
        }
    }
}
