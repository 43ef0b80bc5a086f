//! What the message writer knows of the database without reading it, because no other connection adds messages.

use std::sync::Arc;

use rusqlite::Connection;

use super::counters::Counters;
use super::recent::Recent;
use super::tail::Tail;
use super::unplaced::Unplaced;
use crate::store::StoreError;

/// See the module.
pub(super) struct Memory {
    recent: Arc<Recent>,
    known: Option<Known>,
}

/// The state of the database as of the current point in the transaction.
pub(super) struct Known {
    pub(super) counters: Counters,
    pub(super) tail: Tail,
    pub(super) unplaced: Unplaced,
    /// SQLite's counter of commits by other connections (<https://www.sqlite.org/pragma.html#pragma_data_version>).
    version: i64,
}

impl Memory {
    /// Starts empty; readers use `recent`.
    pub(super) fn new(recent: Arc<Recent>) -> Self {
        Self { recent, known: None }
    }

    /// After a transaction that was not committed, this state is ahead of the database and must be dropped.
    pub(super) fn forget(&mut self) {
        self.known = None;
    }

    /// The state at the beginning of a transaction. Features delete messages and whole inboxes; after such a change the
    /// state is read again.
    pub(super) fn recall(&mut self, connection: &Connection) -> Result<&mut Known, StoreError> {
        let version = connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        let known = match self.known.take() {
            Some(mut known) => {
                known.compare(connection, version)?;
                known
            }
            None => Known::load(connection, version)?,
        };
        Ok(self.known.insert(known))
    }

    /// The transaction was committed: updates the readers.
    pub(super) fn committed(&mut self) {
        if let Some(known) = &mut self.known {
            let (placed, new) = known.unplaced.committed();
            self.recent.add(placed, new);
        }
    }
}

impl Known {
    fn load(connection: &Connection, version: i64) -> Result<Self, StoreError> {
        let mut unplaced = Unplaced::default();
        unplaced.place_as_stored(connection)?;
        Ok(Self { counters: Counters::default(), tail: Tail::load(connection)?, unplaced, version })
    }

    fn compare(&mut self, connection: &Connection, version: i64) -> Result<(), StoreError> {
        if self.version != version {
            self.unplaced.place_as_stored(connection)?;
            self.counters.forget();
            self.tail.doubt();
            self.version = version;
        }
        Ok(())
    }

    /// Writes the data that is due, at the end of a transaction with this many messages.
    pub(super) fn write_due(&mut self, connection: &Connection, messages: usize) -> Result<(), StoreError> {
        if self.unplaced.is_due() {
            self.unplaced.place(connection, &self.counters)?;
            self.counters.limit();
        }
        self.tail.write_due(connection, messages)
    }
}
