//! The places of the newest messages, for readers: [`super::unplaced`] has not written these places to the tables yet.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use rusqlite::Connection;

use crate::store::AccountId;

/// A message's number in its inbox, and its id.
pub(super) type Place = (u64, i64);

/// A stored message that has no place in the tables yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct New {
    pub(super) inbox: AccountId,
    pub(super) place: Place,
    /// Whether it is delivered to readers.
    pub(super) is_delivered: bool,
}

/// See the module.
#[derive(Default)]
pub(super) struct Recent(RwLock<HashMap<AccountId, Newest>>);

/// The newest messages of an inbox.
#[derive(Default)]
struct Newest {
    /// The messages delivered to readers, in the order of their numbers.
    delivered: Vec<Place>,
    /// The number of the last message, delivered or not.
    last_seq: u64,
}

impl Recent {
    /// Loads the unplaced messages of a database that was just opened.
    pub(super) fn load(connection: &Connection) -> Result<Self, rusqlite::Error> {
        const SQL: &str = "SELECT inbox, seq, id, origin <> 2 FROM messages \
                           WHERE id > (SELECT up_to FROM placed_messages) ORDER BY id";
        let recent = Self::default();
        let mut unplaced = connection.prepare(SQL)?;
        let mut rows = unplaced.query([])?;
        while let Some(row) = rows.next()? {
            // An invalid or negative number was damaged on disk: no cursor finds it.
            if let (Ok(inbox), Ok(Ok(seq))) = (row.get(0), row.get::<_, i64>(1).map(u64::try_from)) {
                let place = (seq, row.get(2)?);
                recent.add(false, [New { inbox: AccountId(inbox), place, is_delivered: row.get(3)? }]);
            }
        }
        Ok(recent)
    }

    /// Adds the messages of a committed transaction, in the order of their numbers. `placed` says whether the
    /// transaction placed all earlier ones.
    pub(super) fn add(&self, placed: bool, new: impl IntoIterator<Item = New>) {
        let mut places = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if placed {
            places.clear();
        }
        for New { inbox, place, is_delivered } in new {
            let newest = places.entry(inbox).or_default();
            newest.last_seq = newest.last_seq.max(place.0);
            if is_delivered {
                newest.delivered.push(place);
            }
        }
    }

    /// The messages of an inbox after a cursor that are delivered to readers, in the order of their numbers.
    ///
    /// Must be called before a transaction reads the table: messages that are placed in between are found there.
    pub(super) fn after(&self, inbox: AccountId, since: u64) -> Vec<Place> {
        let places = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(Newest { delivered, .. }) = places.get(&inbox) else { return Vec::new() };
        delivered[delivered.partition_point(|(seq, _)| *seq <= since)..].to_vec()
    }

    /// The highest number of these messages in an inbox, or 0. Must be called before reading the table, like
    /// [`Recent::after`].
    pub(super) fn last(&self, inbox: AccountId) -> u64 {
        let places = self.0.read().unwrap_or_else(PoisonError::into_inner);
        places.get(&inbox).map_or(0, |newest| newest.last_seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_after_the_cursor_and_go_when_they_are_written_down() {
        let (alice, bob) = (AccountId(1), AccountId(2));
        let new = |inbox, place| New { inbox, place, is_delivered: true };
        let recent = Recent::default();
        let blocked = New { is_delivered: false, ..new(alice, (9, 73)) };
        recent.add(false, [new(alice, (7, 70)), new(bob, (1, 71)), new(alice, (8, 72)), blocked]);
        assert_eq!(recent.after(alice, 0), [(7, 70), (8, 72)]);
        assert_eq!(recent.after(alice, 7), [(8, 72)]);
        assert_eq!(recent.after(alice, 8), []);
        assert_eq!(recent.after(AccountId(3), 0), []);
        assert_eq!([alice, bob, AccountId(3)].map(|inbox| recent.last(inbox)), [9, 1, 0]);
        recent.add(true, [new(bob, (2, 74))]);
        assert_eq!(recent.after(alice, 0), []);
        assert_eq!(recent.after(bob, 0), [(2, 74)]);
    }
}
