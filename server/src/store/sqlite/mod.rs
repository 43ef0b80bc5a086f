//! [`Store`] on SQLite in WAL mode with `synchronous = FULL`: one writer that commits all queued writes as one
//! transaction, readers on connections of their own, and checkpoints off the commit path.

mod append;
mod backup;
mod bindings;
#[path = "../chains/sql.rs"]
#[allow(clippy::duplicate_mod, reason = "one text, compiled for each engine")]
mod chains;
mod checkpoint;
mod claim;
mod counters;
mod dialect;
mod direct;
mod failure;
mod features;
mod full_disk;
#[path = "../inboxes/sql.rs"]
#[allow(clippy::duplicate_mod, reason = "one text, compiled for each engine")]
mod inboxes;
mod invites;
mod job;
mod memory;
mod moderation;
mod nonces;
mod operations;
mod packing;
mod page;
mod people;
mod quick;
mod reader;
mod recent;
#[path = "../reports/sql.rs"]
#[allow(clippy::duplicate_mod, reason = "one text, compiled for each engine")]
mod reports;
mod reserve;
#[path = "../rotation/sql.rs"]
#[allow(clippy::duplicate_mod, reason = "one text, compiled for each engine")]
mod rotation;
mod schema;
mod tail;
mod transaction;
mod unplaced;
mod writer;

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use kez_core::api::KeepDays;
use kez_core::caller_auth::Nonce;
use kez_core::handle::Handle;
use kez_core::identity::{Primary, Seed};
use kez_core::log::entry::LogEntry;
use kez_core::sigchain::Hash;
use kez_core::time::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use super::chains::{ChainHead, Chains, LinkOutcome, Links, NewLink};
use super::inboxes::{Acknowledged, Inboxes, Status};
use super::reports::{NewReport, Report, Reports};
use super::rotation::{Rotation, RotationOutcome, Rotations};
use super::{
    Account, AccountId, Answer, Appended, CallerKey, Claim, ClaimOutcome, Expected, NewMessage, OpenError,
    PageLimit, Store, StoreError, StoredMessage,
};
use crate::files::folder_of;
use nonces::UsedNonce;
use quick::QuickReaders;
use reader::Readers;
use reserve::Reserve;
use writer::Writer;

pub use backup::{BackedUp, BackupError, back_up, renew_epoch, restore};
pub(super) use failure::meaning;
pub use schema::pending_migrations;

/// How long a statement waits for another process's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The page size of a new file; a page holds three packed messages of 1 KiB each. Every transaction writes some pages
/// whatever its size, so smaller pages mean less to write; still smaller ones would not fill as well. A file of an
/// earlier version keeps its larger pages until it is backed up and restored.
const PAGE_BYTES: u32 = 2048;

/// A store in one SQLite file.
pub struct SqliteStore {
    epoch: String,
    writer: Writer,
    readers: Readers,
    quick: QuickReaders,
}

impl SqliteStore {
    /// Opens the file, creates it if it is missing, and brings its schema up to date.
    ///
    /// # Errors
    /// [`OpenError`] when the file cannot be used, was written by a newer version of this server, or is missing because
    /// a restore was interrupted.
    pub async fn open(file: &Path) -> Result<Self, OpenError> {
        let reserve = Reserve::of(file);
        match Self::try_open(file).await {
            // SQLite cannot open a database on a full disk, and reports that in several ways.
            Err(error @ (OpenError::Database(_) | OpenError::Sqlite(_))) => match reserve.lend() {
                Some(_room) => Self::try_open(file).await,
                None => Err(error),
            },
            Ok(opened) => {
                reserve.fill();
                Ok(opened)
            }
            refused => refused,
        }
    }

    async fn try_open(file: &Path) -> Result<Self, OpenError> {
        backup::refuse_half_restored(file)?;
        must_be_usable(file)?;
        let mut connection = connect(file).await?;
        schema::bring_up_to_date(&mut connection).await?;
        let epoch = schema::epoch(&mut connection).await?;
        let checkpoints = checkpoint::connect(file).await?;
        let readers = Readers::open(file).await?;
        let quick = QuickReaders::open(file)?;
        let writer = Writer::start(file, connection, checkpoints, quick.recent())?;
        Ok(Self { epoch, writer, readers, quick })
    }
}

impl SqliteStore {
    /// Opens the file read-only: it is not changed, and every write fails with [`StoreError::Closed`]. A server may be
    /// running on it.
    ///
    /// # Errors
    /// [`OpenError`] when the file cannot be read, or has a different schema from this version.
    pub async fn open_read_only(file: &Path) -> Result<Self, OpenError> {
        backup::refuse_half_restored(file)?;
        fs::File::open(file).map_err(unusable(file))?;
        schema::refuse_other(file).await?;
        let readers = Readers::open(file).await?;
        let epoch = readers.read(|connection| read_epoch(connection).boxed()).await;
        let epoch = epoch.map_err(|error| OpenError::Unreadable(error.to_string()))?;
        let quick = QuickReaders::open(file)?;
        let writer = Writer::closed(file)?;
        Ok(Self { epoch, writer, readers, quick })
    }
}

async fn read_epoch(connection: &mut SqliteConnection) -> Result<String, StoreError> {
    Ok(schema::epoch(connection).await?)
}

/// Fails with the path and the system's reason when the file cannot be written or created. SQLite reports all such
/// cases as "unable to open database file".
fn must_be_usable(file: &Path) -> Result<(), OpenError> {
    if file.exists() {
        fs::File::options().read(true).write(true).open(file).map_err(unusable(file))?;
        return Ok(());
    }
    let folder = folder_of(file);
    fs::read_dir(folder).map_err(unusable(folder))?;
    Ok(())
}

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    |source| OpenError::File { path, source }
}

/// A connection that may write. It never checkpoints automatically, because that would stall a commit.
async fn connect(file: &Path) -> Result<SqliteConnection, sqlx::Error> {
    SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .page_size(PAGE_BYTES)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("wal_autocheckpoint", "0")
        .pragma("cache_size", direct::CACHE.to_string())
        .connect()
        .await
}

impl Store for SqliteStore {
    fn claim_handle(&self, claim: Claim) -> Answer<'_, ClaimOutcome> {
        self.writer.write(|connection| claim::claim_handle(connection, claim).boxed()).boxed()
    }

    fn lookup<'a>(&'a self, handle: &'a Handle) -> Answer<'a, Option<Account>> {
        self.quick.lookup(handle).boxed()
    }

    fn lookup_primary<'a>(&'a self, primary: &'a Primary) -> Answer<'a, Option<Account>> {
        self.quick.lookup_primary(primary).boxed()
    }

    fn append(&self, message: NewMessage) -> Answer<'_, Appended> {
        self.writer.append(message).boxed()
    }

    fn page_after(&self, inbox: AccountId, since: u64, limit: PageLimit) -> Answer<'_, Vec<StoredMessage>> {
        self.quick.page_after(inbox, since, limit).boxed()
    }

    fn use_nonce(&self, caller: CallerKey, nonce: Nonce, now: Timestamp) -> Answer<'_, bool> {
        self.writer.use_nonce(UsedNonce { caller, nonce, now }).boxed()
    }

    fn note_nonce(&self, caller: CallerKey, nonce: Nonce, now: Timestamp) -> Answer<'_, bool> {
        ready(self.writer.note_nonce(UsedNonce { caller, nonce, now })).boxed()
    }

    fn expect(&self) -> Expected {
        self.writer.expect()
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn work_key(&self) -> Answer<'_, [u8; 32]> {
        self.readers.read(|connection| work_key(connection).boxed()).boxed()
    }

    fn epoch(&self) -> &str {
        &self.epoch
    }

    fn check(&self) -> Answer<'_, ()> {
        async {
            self.writer.check()?;
            self.readers.check().await
        }
        .boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async {
            self.quick.close().await;
            self.readers.close().await;
            self.writer.close().await;
        }
        .boxed()
    }
}

impl Inboxes for SqliteStore {
    fn last_seq(&self, inbox: AccountId) -> Answer<'_, u64> {
        self.quick.last_seq(inbox).boxed()
    }

    fn inbox_status(&self, inbox: AccountId) -> Answer<'_, Status> {
        self.readers.read(move |connection| inboxes::status(connection, inbox).boxed()).boxed()
    }

    fn acknowledge(&self, inbox: AccountId, seq: u64) -> Answer<'_, Acknowledged> {
        async move {
            let status = self.inbox_status(inbox).await?;
            if seq > status.last {
                return Ok(Acknowledged::NotGivenOut);
            }
            if seq <= status.acknowledged {
                return Ok(Acknowledged::Stands(status));
            }
            let write =
                self.writer.make_room(move |connection| inboxes::acknowledge(connection, inbox, seq).boxed());
            write.await.map(Acknowledged::Stands)
        }
        .boxed()
    }

    fn keep_for(&self, inbox: AccountId, days: Option<KeepDays>) -> Answer<'_, ()> {
        self.writer.make_room(move |connection| inboxes::keep_for(connection, inbox, days).boxed()).boxed()
    }

    fn delete_requests(&self, inbox: AccountId, sender: Primary) -> Answer<'_, u64> {
        self.writer
            .make_room(move |connection| inboxes::delete_requests(connection, inbox, sender).boxed())
            .boxed()
    }

    fn forget_acknowledged(&self, inbox: AccountId, before: Timestamp) -> Answer<'_, u64> {
        self.writer
            .make_room(move |connection| inboxes::forget_acknowledged(connection, inbox, before).boxed())
            .boxed()
    }

    fn forget_requests(&self, inbox: AccountId, before: Timestamp) -> Answer<'_, u64> {
        self.writer
            .make_room(move |connection| inboxes::forget_requests(connection, inbox, before).boxed())
            .boxed()
    }

    fn limited_inboxes(&self, after: AccountId, limit: u64) -> Answer<'_, Vec<(AccountId, KeepDays)>> {
        self.readers
            .read(move |connection| inboxes::limited_inboxes(connection, after, limit).boxed())
            .boxed()
    }

    fn inboxes_with_requests(
        &self,
        before: Timestamp,
        after: AccountId,
        limit: u64,
    ) -> Answer<'_, Vec<AccountId>> {
        self.readers
            .read(move |connection| inboxes::inboxes_with_requests(connection, before, after, limit).boxed())
            .boxed()
    }
}

impl Reports for SqliteStore {
    fn file_report(&self, report: NewReport) -> Answer<'_, bool> {
        self.writer.write(|connection| reports::file_report(connection, report).boxed()).boxed()
    }

    fn open_reports(&self) -> Answer<'_, Vec<Report>> {
        self.readers.read(|connection| reports::open_reports(connection).boxed()).boxed()
    }

    fn close_report(&self, id: i64) -> Answer<'_, bool> {
        self.writer.write(move |connection| reports::close_report(connection, id).boxed()).boxed()
    }
}

impl Rotations for SqliteStore {
    fn rotate(&self, rotation: Rotation) -> Answer<'_, RotationOutcome> {
        self.writer.write(|connection| rotation::rotate(connection, rotation).boxed()).boxed()
    }
}

impl Chains for SqliteStore {
    fn append_link(&self, link: NewLink) -> Answer<'_, LinkOutcome> {
        self.writer.write(|connection| chains::append_link(connection, link).boxed()).boxed()
    }

    fn links_after<'a>(&'a self, root: &'a Primary, since: u64, bytes: usize) -> Answer<'a, Option<Links>> {
        self.readers
            .read(move |connection| chains::links_after(connection, *root, since, bytes).boxed())
            .boxed()
    }

    fn chain_head<'a>(&'a self, root: &'a Primary) -> Answer<'a, Option<ChainHead>> {
        self.readers.read(|connection| chains::chain_head(connection, *root).boxed()).boxed()
    }

    fn log_size(&self) -> Answer<'_, u64> {
        self.readers.read(|connection| chains::log_size(connection).boxed()).boxed()
    }

    fn log_hashes(&self, positions: Vec<u64>) -> Answer<'_, Vec<Hash>> {
        self.readers.read(|connection| chains::log_hashes(connection, positions).boxed()).boxed()
    }

    fn log_entries(&self, first: u64, count: u64) -> Answer<'_, Vec<LogEntry>> {
        self.readers.read(move |connection| chains::log_entries(connection, first, count).boxed()).boxed()
    }

    fn log_seed(&self, fresh: Seed) -> Answer<'_, Seed> {
        self.writer.write(|connection| chains::log_seed(connection, fresh).boxed()).boxed()
    }
}

async fn work_key(connection: &mut SqliteConnection) -> Result<[u8; 32], StoreError> {
    let key: Vec<u8> = sqlx::query_scalar("SELECT key FROM work_key").fetch_one(connection).await?;
    key.try_into().map_err(|_| StoreError::Corrupt("key for proofs of work"))
}

/// Closes a connection whose work is done. A failure here loses nothing, because everything is committed.
async fn close(connection: SqliteConnection) {
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "a database connection did not close cleanly");
    }
}
