//! `kez-chat-server backup`: a consistent copy of the database, taken while the server runs.
//!
//! `--to FILE` names the copy. `--into DIRECTORY` names it after the time. With `--keep N` it also deletes the oldest
//! copies there that it has named; this is meant for a timer.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::database::Database;
use super::report::{Failure, Output, Report};
use crate::clock::{Clock as _, SystemClock};
use crate::operations::backups::{name_at, prune};
use crate::store::sqlite::{BackupError, back_up};

/// See the module.
#[derive(Debug, Args)]
#[group(required = true, multiple = false, args = ["to", "into"])]
pub(super) struct Backup {
    #[command(flatten)]
    database: Database,
    /// The file to create, which must not exist. Its SHA-256 is written to FILE.sha256 in the format of sha256sum.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// The directory for a new file that is named after the time.
    #[arg(long, value_name = "DIRECTORY")]
    into: Option<PathBuf>,
    /// How many of the files made by --into to keep; the oldest ones are deleted.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    #[command(flatten)]
    pub(super) output: Output,
}

impl Backup {
    pub(super) async fn run(self) -> Result<Report, Failure> {
        self.database.must_exist()?;
        let (to, into) = match (self.to, self.into) {
            (Some(_), _) if self.keep.is_some() => return Err(Failure::usage("--keep requires --into")),
            (Some(to), _) => (to, None),
            (None, Some(into)) => (into.join(name_at(SystemClock.now())), Some(into)),
            (None, None) => return Err(Failure::usage("give --to or --into")),
        };
        let made = back_up(self.database.file()?, &to)?;
        let deleted = match (into, self.keep) {
            (Some(folder), Some(keep)) => prune(&folder, keep as usize)
                .map_err(|error| Failure::failed(format!("{}: {error}", folder.display())))?,
            _ => Vec::new(),
        };
        let file = to.display().to_string();
        let mut text = format!("{file}: {} bytes, checked, SHA-256 {}", made.bytes, made.sha256);
        for old in &deleted {
            text.push_str(&format!("\ndeleted {}", old.display()));
        }
        let json = json!({ "file": file, "bytes": made.bytes, "sha256": made.sha256, "deleted": deleted });
        Ok(Report::new(text, json))
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Exists(_)
            | BackupError::NotReplaced(_)
            | BackupError::Missing(_)
            | BackupError::Live => Self::usage(error),
            BackupError::Open(error) => error.into(),
            BackupError::Damaged { .. } | BackupError::OtherHash { .. } => Self::no(error),
            BackupError::Io { .. } => Self::failed(error),
        }
    }
}
