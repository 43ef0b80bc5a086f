//! Copies of a database file, and the replacement of a database by a copy.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use sha2::{Digest, Sha256};

use super::open::{self, PAGE_BYTES};
use super::schema;
use crate::files::{folder_of, give_to_owner_of, give_to_owner_of_folder};
use crate::store::OpenError;

/// How long a running server may block the inspection of its database.
const LIVE_TIMEOUT: Duration = Duration::from_secs(1);

/// The suffix for a database that was replaced by a restored one ...
const REPLACED: &str = ".replaced";
/// ... and for the restored one before it takes its place.
const RESTORING: &str = ".restoring";

/// A finished backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// The size of the file.
    pub bytes: u64,
    /// The hash of the file, in hex.
    pub sha256: String,
}

/// Why a backup was not made or not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The target exists, and nothing is ever overwritten.
    #[error("{file} is there already; move it away first", file = .0.display())]
    Exists(PathBuf),
    /// A database exists, and `replace` was not set.
    #[error("{file} is there already; move it away first, or use --replace", file = .0.display())]
    NotReplaced(PathBuf),
    /// The file does not exist.
    #[error("there is no file {file}", file = .0.display())]
    Missing(PathBuf),
    /// Another process has the database open.
    #[error("a server is running on this database; stop it first")]
    Live,
    /// SQLite's integrity check found an error.
    #[error("{file} is damaged: {what}", file = .file.display())]
    Damaged {
        /// The copy.
        file: PathBuf,
        /// SQLite's message.
        what: String,
    },
    /// The file is not the one that was backed up.
    #[error("{file} does not have the SHA-256 that stands in {file}.sha256", file = .file.display())]
    OtherHash {
        /// The backup.
        file: PathBuf,
    },
    /// The database cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The file system returned an error.
    #[error("{file}: {source}", file = .file.display())]
    Io {
        /// The affected file.
        file: PathBuf,
        /// The error.
        source: io::Error,
    },
}

impl From<rusqlite::Error> for BackupError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Open(error.into())
    }
}

/// Makes a consistent copy of the database (`VACUUM INTO`), even while other processes use it; checks the copy and
/// writes its hash beside it. The target name holds a complete and checked file, or none.
///
/// # Errors
/// [`BackupError`] with the reason; no files are left behind then.
pub fn back_up(db: &Path, to: &Path) -> Result<BackedUp, BackupError> {
    must_be_free(to)?;
    let part = beside(to, ".part");
    create(&part)?;
    let made = or_none(&part, || make_copy(db, &part))?;
    put(&part, to)?;
    let sums = beside(to, ".sha256");
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    fs::write(&sums, format!("{}  {name}\n", made.sha256)).map_err(at(&sums))?;
    for file in [to, &sums] {
        give_to_owner_of_folder(file).map_err(at(file))?;
    }
    Ok(made)
}

fn make_copy(db: &Path, part: &Path) -> Result<BackedUp, BackupError> {
    let connection = read_only(db)?;
    schema::refuse_unknown(&connection)?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    let name = part.to_str().ok_or_else(|| BackupError::Missing(part.to_owned()))?;
    connection.execute("VACUUM INTO ?1", [name])?;
    drop(connection);
    check(part)?;
    let bytes = fs::metadata(part).map_err(at(part))?.len();
    Ok(BackedUp { bytes, sha256: hash(part)? })
}

/// Replaces `db` with a backup, brings its schema up to date and gives it a new epoch, which is returned. An existing
/// database is moved aside if `replace` is set.
///
/// # Errors
/// [`BackupError`] with the reason; the former database still exists, in place or moved aside.
pub fn restore(backup: &Path, db: &Path, replace: bool) -> Result<String, BackupError> {
    if !backup.exists() {
        return Err(BackupError::Missing(backup.to_owned()));
    }
    must_match_its_hash(backup)?;
    let aside = beside(db, REPLACED);
    if db.exists() {
        drop(exclusive(db)?);
        if !replace {
            return Err(BackupError::NotReplaced(db.to_owned()));
        }
        must_be_free(&aside)?;
    }
    // A leftover WAL file would be taken for that of the restored database.
    must_be_free(&beside(db, "-wal"))?;
    let part = beside(db, RESTORING);
    create(&part)?;
    let epoch = or_none(&part, || prepare(backup, &part))?;
    or_none(&part, || keep_owner_and_mode(&part, db))?;
    if db.exists() {
        fs::rename(db, &aside).map_err(at(&aside))?;
    }
    put(&part, db)?;
    Ok(epoch)
}

/// Gives the restored file to the service account of the server: the owner of the replaced file, or else of the folder.
fn keep_owner_and_mode(part: &Path, db: &Path) -> Result<(), BackupError> {
    if !db.exists() {
        return give_to_owner_of(part, folder_of(db)).map_err(at(part));
    }
    let mode = std::fs::metadata(db).map_err(at(db))?.permissions();
    std::fs::set_permissions(part, mode).map_err(at(part))?;
    give_to_owner_of(part, db).map_err(at(part))
}

/// Fails when there is no database, but the files of an interrupted restore, for example after a power cut between its
/// two renames. Starting with an empty database would then look as if everything were lost.
pub(super) fn refuse_half_restored(db: &Path) -> Result<(), OpenError> {
    let left = [REPLACED, RESTORING].map(|ending| beside(db, ending)).into_iter().find(|left| left.exists());
    match left {
        Some(left) if !db.exists() => Err(OpenError::HalfRestored { db: db.to_owned(), left }),
        _ => Ok(()),
    }
}

/// Copies the backup and prepares it, durably, before it replaces a database.
fn prepare(backup: &Path, part: &Path) -> Result<String, BackupError> {
    let mut from = fs::File::open(backup).map_err(at(backup))?;
    let mut to = fs::File::options().write(true).open(part).map_err(at(part))?;
    io::copy(&mut from, &mut to).map_err(at(part))?;
    drop(to);
    check(part)?;
    schema::bring_up_to_date(&mut open::for_writing(part)?)?;
    let epoch = renew_epoch(part)?;
    sync(part)?;
    Ok(epoch)
}

/// Gives a database that no process uses a new epoch, and returns it. Clients may then offer later states of groups.
pub fn renew_epoch(db: &Path) -> Result<String, BackupError> {
    const RENEW: &str = "UPDATE meta SET epoch = lower(hex(randomblob(8))) RETURNING epoch";
    let mut connection = exclusive(db)?;
    schema::bring_up_to_date(&mut connection)?;
    let transaction = connection.transaction()?;
    transaction.execute("UPDATE groups SET ahead = 1", [])?;
    let epoch = transaction.query_row(RENEW, [], |row| row.get(0))?;
    transaction.commit()?;
    Ok(epoch)
}

/// An exclusive connection. Leaving WAL mode takes an exclusive lock, and merges the log into the file; the server
/// returns to WAL mode itself.
fn exclusive(db: &Path) -> Result<Connection, BackupError> {
    let connection = Connection::open(db)?;
    connection.busy_timeout(LIVE_TIMEOUT)?;
    match connection.pragma_update(None, "journal_mode", "DELETE") {
        Ok(()) => Ok(connection),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => {
            Err(BackupError::Live)
        }
        Err(error) => Err(error.into()),
    }
}

fn read_only(file: &Path) -> Result<Connection, rusqlite::Error> {
    Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

fn check(file: &Path) -> Result<(), BackupError> {
    let connection = read_only(file)?;
    let mut check = connection.prepare("PRAGMA integrity_check(5)")?;
    let found: Vec<String> = check.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let what = found.join("; ");
    if what == "ok" { Ok(()) } else { Err(BackupError::Damaged { file: file.to_owned(), what }) }
}

fn must_match_its_hash(backup: &Path) -> Result<(), BackupError> {
    let sums = beside(backup, ".sha256");
    if !sums.exists() {
        return Ok(());
    }
    let expected = fs::read_to_string(&sums).map_err(at(&sums))?;
    let matches = expected.split_whitespace().next() == Some(&hash(backup)?);
    if matches { Ok(()) } else { Err(BackupError::OtherHash { file: backup.to_owned() }) }
}

fn hash(file: &Path) -> Result<String, BackupError> {
    let mut reader = fs::File::open(file).map_err(at(file))?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 64 * 1024]);
    loop {
        match reader.read(&mut buffer).map_err(at(file))? {
            0 => return Ok(base16ct::lower::encode_string(&hasher.finalize())),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// Renames a finished file to its final name, durably.
fn put(part: &Path, name: &Path) -> Result<(), BackupError> {
    sync(part)?;
    fs::rename(part, name).map_err(at(name))?;
    sync(folder_of(name))
}

fn sync(path: &Path) -> Result<(), BackupError> {
    let file = fs::File::open(path).map_err(at(path))?;
    file.sync_all().map_err(at(path))
}

/// Creates an empty file, readable only by its owner and owned by this run: of two concurrent runs, the second one
/// fails.
fn create(file: &Path) -> Result<(), BackupError> {
    match fs::File::options().write(true).create_new(true).mode(0o600).open(file) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(BackupError::Exists(file.to_owned()))
        }
        Err(error) => Err(at(file)(error)),
    }
}

/// Deletes a file that this run has created, when its preparation fails.
fn or_none<T>(file: &Path, make: impl FnOnce() -> Result<T, BackupError>) -> Result<T, BackupError> {
    let made = make();
    if made.is_err() {
        let _ = fs::remove_file(file);
    }
    made
}

fn must_be_free(file: &Path) -> Result<(), BackupError> {
    if file.exists() { Err(BackupError::Exists(file.to_owned())) } else { Ok(()) }
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(ending);
    name.into()
}

fn at(file: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let file = file.to_owned();
    |source| BackupError::Io { file, source }
}
