//! `kez-chat-server backup`: a consistent copy of the database, taken while the server runs.
//!
//! `--to FILE` names the copy. `--into DIRECTORY` names it after the time. With `--keep N` it also deletes the oldest
//! copies there that it has named; this is meant for a timer.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::Args;
use serde_json::json;

use super::database::Database;
use super::report::{Failure, Output, Report};
use crate::clock::{Clock as _, SystemClock};
use crate::store::sqlite::{BackupError, back_up};

/// The prefix and suffix of the names of copies.
const PREFIX: &str = "kez-chat-";
const SUFFIX: &str = ".db";

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
            (Some(_), _) if self.keep.is_some() => return Err(Failure::usage("--keep goes with --into")),
            (Some(to), _) => (to, None),
            (None, Some(into)) => (into.join(name_now()), Some(into)),
            (None, None) => return Err(Failure::usage("give --to or --into")),
        };
        let made = back_up(self.database.file()?, &to).await?;
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

/// Names sort in chronological order.
fn name_now() -> String {
    let time: String = SystemClock.now().to_string().chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    format!("{PREFIX}{time}{SUFFIX}")
}

/// Deletes all but the newest `keep` copies in a folder, each with its hash, and returns the names of the deleted ones.
fn prune(folder: &Path, keep: usize) -> io::Result<Vec<PathBuf>> {
    let mut copies = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if is_copy(name) {
            copies.push(path);
        }
    }
    copies.sort();
    copies.truncate(copies.len().saturating_sub(keep));
    for copy in &copies {
        fs::remove_file(copy)?;
        match fs::remove_file(copy.with_extension("db.sha256")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(copies)
}

/// The time of the newest copy in a folder; `None` if there is none, or the folder cannot be read.
pub(crate) fn newest_backup(folder: &Path) -> Option<SystemTime> {
    let names = fs::read_dir(folder).ok()?.flatten();
    let copies = names.filter(|entry| entry.file_name().to_str().is_some_and(is_copy));
    copies.filter_map(|entry| entry.metadata().ok()?.modified().ok()).max()
}

fn is_copy(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_copies_go_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in
            ["kez-chat-20261101T000000Z.db", "kez-chat-20261102T000000Z.db", "kez-chat-20261103T000000Z.db"]
        {
            fs::write(folder.path().join(name), "").unwrap();
            fs::write(folder.path().join(format!("{name}.sha256")), "").unwrap();
        }
        fs::write(folder.path().join("kez-chat.db"), "").unwrap();
        let deleted = prune(folder.path(), 2).unwrap();
        assert_eq!(deleted, [folder.path().join("kez-chat-20261101T000000Z.db")]);
        let mut left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        let expected = [
            "kez-chat-20261102T000000Z.db",
            "kez-chat-20261102T000000Z.db.sha256",
            "kez-chat-20261103T000000Z.db",
            "kez-chat-20261103T000000Z.db.sha256",
            "kez-chat.db",
        ];
        assert_eq!(left, expected);
        assert!(prune(folder.path(), 2).unwrap().is_empty());
    }
}
