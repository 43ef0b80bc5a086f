//! The folder of backups: the names of the copies, and which of them are kept.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use kez_core::time::Timestamp;

/// The prefix and suffix of the names of copies.
const PREFIX: &str = "kez-chat-";
const SUFFIX: &str = ".db";

/// The name of a copy made at this time. Names sort in chronological order.
pub fn name_at(time: Timestamp) -> String {
    let time: String = time.to_string().chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    format!("{PREFIX}{time}{SUFFIX}")
}

/// Deletes all but the newest `keep` copies in a folder, each with its hash, and returns the names of the deleted ones.
///
/// # Errors
/// The system's error.
pub fn prune(folder: &Path, keep: usize) -> io::Result<Vec<PathBuf>> {
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
pub fn newest_backup(folder: &Path) -> Option<SystemTime> {
    let names = fs::read_dir(folder).ok()?.flatten();
    let copies = names.filter(|entry| entry.file_name().to_str().is_some_and(is_copy));
    copies.filter_map(|entry| entry.metadata().ok()?.modified().ok()).max()
}

fn is_copy(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_oldest_copies_are_deleted() {
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
