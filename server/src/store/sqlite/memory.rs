//! What the writer of messages knows of the database without looking, because nobody else adds messages to it.

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

/// What is true of the database as far as the transaction under way has come.
pub(super) struct Known {
    pub(super) counters: Counters,
    pub(super) tail: Tail,
    pub(super) unplaced: Unplaced,
    /// SQLite's count of what other connections committed (<https://www.sqlite.org/pragma.html#pragma_data_version>).
    version: i64,
}

impl Memory {
    /// Nothing is known yet; readers look into `recent`.
    pub(super) fn new(recent: Arc<Recent>) -> Self {
        Self { recent, known: None }
    }

    /// After a transaction that was not committed, what is known ran ahead of a history that did not happen.
    pub(super) fn forget(&mut self) {
        self.known = None;
    }

    /// What is known, at the beginning of a transaction. Features delete messages and whole inboxes: what they have left is
    /// looked up.
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

    /// The transaction was committed: tells those who read.
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

    /// Writes what is due, at the end of a transaction that brought so many messages.
    pub(super) fn write_due(&mut self, connection: &Connection, messages: usize) -> Result<(), StoreError> {
        if self.unplaced.is_due() {
            self.unplaced.place(connection, &self.counters)?;
            self.counters.limit();
        }
        self.tail.write_due(connection, messages)
    }
}
