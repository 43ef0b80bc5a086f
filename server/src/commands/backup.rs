//! `kez-chat-server backup --to FILE`: a copy of the database as it stands at one moment, taken while the server runs.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::database::Database;
use super::report::{Failure, Output, Report};
use crate::store::sqlite::{BackupError, back_up};

/// See the module.
#[derive(Debug, Args)]
pub(super) struct Backup {
    #[command(flatten)]
    database: Database,
    /// The file to make, which must not exist. Its SHA-256 goes into FILE.sha256, as sha256sum reads it.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    #[command(flatten)]
    pub(super) output: Output,
}

impl Backup {
    pub(super) async fn run(self) -> Result<Report, Failure> {
        self.database.must_exist()?;
        let made = back_up(self.database.file()?, &self.to).await?;
        let file = self.to.display().to_string();
        let text = format!("{file}: {} bytes, checked, SHA-256 {}", made.bytes, made.sha256);
        Ok(Report::new(text, json!({ "file": file, "bytes": made.bytes, "sha256": made.sha256 })))
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Exists(_) | BackupError::Missing(_) | BackupError::Live => Self::usage(error),
            BackupError::Open(error) => error.into(),
            BackupError::Damaged { .. } | BackupError::OtherHash { .. } => Self::no(error),
            BackupError::Io { .. } => Self::failed(error),
        }
    }
}
