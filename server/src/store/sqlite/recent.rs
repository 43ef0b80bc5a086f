//! Where the newest messages stand, for those who read: [`super::unplaced`] has not written these places down yet.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use rusqlite::Connection;

use crate::store::AccountId;

/// A message's number in its inbox, and its id.
pub(super) type Place = (u64, i64);

/// A message that was stored and has no place in the tables yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct New {
    pub(super) inbox: AccountId,
    pub(super) place: Place,
    /// Whether readers get it.
    pub(super) is_delivered: bool,
}

/// See the module.
#[derive(Default)]
pub(super) struct Recent(RwLock<HashMap<AccountId, Newest>>);

/// The newest messages of an inbox.
#[derive(Default)]
struct Newest {
    /// Those that readers get, in the order of their numbers.
    delivered: Vec<Place>,
    /// The number of the last one, whether readers get it or not.
    last_seq: u64,
}

impl Recent {
    /// What is not placed in a database that was just opened.
    pub(super) fn load(connection: &Connection) -> Result<Self, rusqlite::Error> {
        const SQL: &str = "SELECT inbox, seq, id, origin <> 2 FROM messages \
                           WHERE id > (SELECT up_to FROM placed_messages) ORDER BY id";
        let recent = Self::default();
        let mut unplaced = connection.prepare(SQL)?;
        let mut rows = unplaced.query([])?;
        while let Some(row) = rows.next()? {
            // What is no number, or is below zero, the disk has changed: no cursor finds it.
            if let (Ok(inbox), Ok(Ok(seq))) = (row.get(0), row.get::<_, i64>(1).map(u64::try_from)) {
                let place = (seq, row.get(2)?);
                recent.add(false, [New { inbox: AccountId(inbox), place, is_delivered: row.get(3)? }]);
            }
        }
        Ok(recent)
    }

    /// A transaction was committed that brought these messages, in the order of their numbers, and before them placed all
    /// that is here, or did not.
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

    /// Those of an inbox that readers get after a cursor, in the order of their numbers.
    ///
    /// To be asked for before a transaction looks into the table: what leaves in between is found there.
    pub(super) fn after(&self, inbox: AccountId, since: u64) -> Vec<Place> {
        let places = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(Newest { delivered, .. }) = places.get(&inbox) else { return Vec::new() };
        delivered[delivered.partition_point(|(seq, _)| *seq <= since)..].to_vec()
    }

    /// The highest number of those in an inbox, or 0. To be asked for before the table, like [`Recent::after`].
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
