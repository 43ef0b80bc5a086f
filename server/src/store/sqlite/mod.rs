//! The store in one SQLite file, in WAL mode with `synchronous = FULL`: one writer that commits all queued writes as one
//! transaction, readers on connections of their own, and checkpoints off the commit path.

mod backup;
mod checkpoint;
mod nonces;
mod open;
mod page;
mod places;
mod readers;
mod reserve;
mod schema;
mod tail;
mod writer;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::connection::Connection;
use super::page::Page;
use super::types::Vitals;
use super::{OpenError, StoreError};
use crate::files::folder_of;
use crate::histogram::seconds;
use places::Places;
use readers::Readers;
use reserve::Reserve;
use writer::Writer;

pub use backup::{BackedUp, BackupError, back_up, renew_epoch, restore};
pub(super) use open::for_reading;
pub use schema::pending_migrations;
pub(super) use writer::Kind;

/// An open file.
pub(super) struct Sqlite {
    readers: Readers,
    /// The newest messages, which the indexes do not include yet.
    pub(super) places: Arc<Places>,
    /// `None` when the file was opened read-only.
    writer: Option<Writer>,
}

impl Sqlite {
    /// Opens the file, creates it if it is missing, and brings its schema up to date. Also returns the epoch.
    pub(super) fn open(file: &Path) -> Result<(Self, String), OpenError> {
        let reserve = Reserve::of(file);
        match Self::try_open(file) {
            // SQLite cannot open a database on a full disk, and reports that in several ways.
            Err(error @ OpenError::Sqlite(_)) => match reserve.lend() {
                Some(_room) => Self::try_open(file),
                None => Err(error),
            },
            Ok(opened) => {
                reserve.fill();
                Ok(opened)
            }
            refused => refused,
        }
    }

    fn try_open(file: &Path) -> Result<(Self, String), OpenError> {
        must_be_usable(file)?;
        let mut connection = open::for_writing(file)?;
        schema::bring_up_to_date(&mut connection)?;
        let epoch = schema::epoch(&connection)?;
        let places = Arc::new(tail::places(&connection)?);
        let readers = Readers::new(file, open::for_reading(file)?);
        let writer = Some(Writer::start(file, connection, Arc::clone(&places))?);
        Ok((Self { readers, places, writer }, epoch))
    }

    /// Opens the file read-only: every write fails with [`StoreError::Closed`]. Also returns the epoch.
    pub(super) fn open_read_only(file: &Path) -> Result<(Self, String), OpenError> {
        must_be_readable(file)?;
        if !schema::pending_migrations(file)?.is_empty() {
            return Err(OpenError::OlderSchema);
        }
        let unreadable = |error: rusqlite::Error| OpenError::Unreadable(error.to_string());
        let connection = open::for_reading(file)?;
        let epoch = schema::epoch(&connection).map_err(unreadable)?;
        let places = Arc::new(tail::places(&connection).map_err(unreadable)?);
        let readers = Readers::new(file, connection);
        Ok((Self { readers, places, writer: None }, epoch))
    }

    pub(super) async fn fill(&self, mut page: Page) -> Result<Page, StoreError> {
        let places = Arc::clone(&self.places);
        let read = move |connection: &rusqlite::Connection| {
            page::fill(connection, &places, &mut page)?;
            Ok(page)
        };
        self.readers.read(read).await
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Connection<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.read(|connection| read(&mut Connection::Sqlite(connection))).await
    }

    pub(super) fn vitals(&self) -> Vitals {
        let idle = || Vitals { queued: 0, commits: seconds() };
        self.writer.as_ref().map_or_else(idle, Writer::vitals)
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        if let Some(writer) = &self.writer {
            writer.close().await;
        }
    }

    /// The writer.
    ///
    /// # Errors
    /// [`StoreError::Closed`] when the file was opened read-only.
    pub(super) fn writer(&self) -> Result<&Writer, StoreError> {
        self.writer.as_ref().ok_or(StoreError::Closed)
    }
}

/// Fails with the path and the system's reason when the file cannot be written or created, or when a restore was
/// interrupted. SQLite reports all cases of the former as "unable to open database file".
fn must_be_usable(file: &Path) -> Result<(), OpenError> {
    backup::refuse_half_restored(file)?;
    if file.exists() {
        return fs::File::options().read(true).write(true).open(file).map(drop).map_err(unusable(file));
    }
    let folder = folder_of(file);
    fs::read_dir(folder).map(drop).map_err(unusable(folder))
}

/// The same for a file that is only read.
fn must_be_readable(file: &Path) -> Result<(), OpenError> {
    backup::refuse_half_restored(file)?;
    fs::File::open(file).map(drop).map_err(unusable(file))
}

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    |source| OpenError::File { path, source }
}
