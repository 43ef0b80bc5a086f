//! Concurrent and interrupted backups and restores.

use std::path::PathBuf;

use kez_chat_server::store::sqlite::{BackupError, back_up, restore};
use kez_chat_server::store::{OpenError, Store};
use tempfile::TempDir;

use crate::store::claim;
use crate::support::Person;

struct Files {
    directory: TempDir,
    db: PathBuf,
    backup: PathBuf,
}

impl Files {
    /// A database that contains Bob and is not in use, and the name of a backup that does not exist yet.
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let [db, backup] = ["kez-chat.db", "backup.db"].map(|name| directory.path().join(name));
        let store = Store::sqlite(&db).await.unwrap();
        store.claim_handle(claim(&Person::new("bob"))).await.unwrap();
        store.close().await;
        Self { directory, db, backup }
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    async fn has_bob(&self) -> bool {
        let store = Store::sqlite(&self.db).await.unwrap();
        let bob = store.lookup(&"bob".parse().unwrap()).await.unwrap();
        store.close().await;
        bob.is_some()
    }
}

#[tokio::test]
async fn concurrent_backups_to_one_name_do_not_interfere() {
    let files = Files::new().await;
    let part = files.beside("backup.db.part");
    std::fs::write(&part, "the first one is running").unwrap();
    let refused = back_up(&files.db, &files.backup);
    assert!(matches!(&refused, Err(BackupError::Exists(file)) if *file == part), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&part).unwrap(), "the first one is running");

    std::fs::remove_file(&part).unwrap();
    let both = std::thread::scope(|scope| {
        let back_up = || back_up(&files.db, &files.backup);
        let (first, second) = (scope.spawn(back_up), scope.spawn(back_up));
        (first.join().unwrap(), second.join().unwrap())
    });
    assert!(both.0.is_ok() != both.1.is_ok(), "{both:?}");
    assert!(files.backup.exists() && !part.exists());
    restore(&files.backup, &files.beside("other.db"), false).unwrap();
}

#[tokio::test]
async fn a_failed_backup_leaves_no_files() {
    let files = Files::new().await;
    std::fs::write(&files.db, "no database").unwrap();
    let count = || std::fs::read_dir(files.directory.path()).unwrap().count();
    let before = count();
    back_up(&files.db, &files.backup).unwrap_err();
    assert_eq!(count(), before);
}

/// The power fails between the two renames.
#[tokio::test]
async fn an_interrupted_restore_is_not_mistaken_for_an_empty_database() {
    let files = Files::new().await;
    back_up(&files.db, &files.backup).unwrap();
    let [replaced, restoring] =
        ["kez-chat.db.replaced", "kez-chat.db.restoring"].map(|name| files.beside(name));
    std::fs::rename(&files.db, &replaced).unwrap();
    std::fs::copy(&files.backup, &restoring).unwrap();

    let refused = Store::sqlite(&files.db).await.err().unwrap();
    assert!(matches!(&refused, OpenError::HalfRestored { left, .. } if *left == replaced), "{refused:?}");
    assert!(refused.to_string().contains("run restore again"), "{refused}");
    assert!(!files.db.exists());

    // Either return to the former database, ...
    std::fs::rename(&replaced, &files.db).unwrap();
    assert!(files.has_bob().await);
    // ... or repeat the restore, which starts with the files left over.
    std::fs::rename(&files.db, &replaced).unwrap();
    let refused = restore(&files.backup, &files.db, true);
    assert!(matches!(&refused, Err(BackupError::Exists(file)) if *file == restoring), "{refused:?}");
    std::fs::remove_file(&restoring).unwrap();
    restore(&files.backup, &files.db, true).unwrap();
    assert!(files.has_bob().await);
}

#[tokio::test]
async fn a_failed_restore_changes_nothing() {
    let files = Files::new().await;
    std::fs::write(&files.backup, "no backup").unwrap();
    restore(&files.backup, &files.db, true).unwrap_err();
    assert!(
        !files.beside("kez-chat.db.restoring").exists() && !files.beside("kez-chat.db.replaced").exists()
    );
    assert!(files.has_bob().await);
}
