//! `kez-chat-server admin report ...`: reports from users.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::commands::{Database, Failure, Output, Report as Printed, report};

/// The actions on reports.
#[derive(Debug, Subcommand)]
pub(in crate::commands) enum ReportCommand {
    /// List the open reports, oldest first.
    List(List),
    /// Close a report, which deletes it.
    Close(Close),
}

impl ReportCommand {
    pub(super) fn run(self) -> ExitCode {
        match self {
            Self::List(command) => report::perform(command.output, command.run()),
            Self::Close(command) => report::perform(command.output, command.run()),
        }
    }
}

/// See [`ReportCommand::List`].
#[derive(Debug, Args)]
pub(in crate::commands) struct List {
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    output: Output,
}

impl List {
    async fn run(self) -> Result<Printed, Failure> {
        let store = self.database.open_read_only().await?;
        let reports = store.open_reports().await;
        store.close().await;
        let (mut text, mut list) = (String::new(), Vec::<Value>::new());
        for report in reports.map_err(Failure::failed)? {
            let about =
                report.about_handle.as_ref().map_or_else(|| report.about.to_string(), ToString::to_string);
            // Notes come from untrusted users: they are quoted, so that no control character reaches the terminal.
            let _ = writeln!(
                text,
                "{}  {}  {} reports {about}, {} messages: {:?}",
                report.id,
                report.at,
                report.reporter,
                report.messages.len(),
                report.note
            );
            list.push(json!({
                "id": report.id,
                "at": report.at,
                "reporter": report.reporter,
                "about": report.about,
                "about_handle": report.about_handle,
                "messages": report.messages,
                "note": report.note,
            }));
        }
        let text = if list.is_empty() { "no open reports".to_owned() } else { text };
        Ok(Printed::new(text, json!({ "reports": list })))
    }
}

/// See [`ReportCommand::Close`].
#[derive(Debug, Args)]
pub(in crate::commands) struct Close {
    /// Its number, as shown by `list`.
    id: i64,
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    output: Output,
}

impl Close {
    async fn run(self) -> Result<Printed, Failure> {
        let store = self.database.open().await?;
        let closed = store.close_report(self.id).await;
        store.close().await;
        if closed.map_err(Failure::failed)? {
            Ok(Printed::new(
                format!("report {} is closed", self.id),
                json!({ "id": self.id, "closed": true }),
            ))
        } else {
            Err(Failure::no(format!("there is no report with the number {}", self.id)))
        }
    }
}
