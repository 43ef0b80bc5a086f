//! Where the newest messages stand, for those who read: [`super::unplaced`] has not written these places down yet.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use rusqlite::Connection;

use crate::store::AccountId;

/// A message's number in its inbox, and its id.
pub(super) type Place = (u64, i64);

/// See the module.
#[derive(Default)]
pub(super) struct Recent(RwLock<HashMap<AccountId, Vec<Place>>>);

impl Recent {
    /// What is not placed in a database that was just opened.
    pub(super) fn load(connection: &Connection) -> Result<Self, rusqlite::Error> {
        const SQL: &str = "SELECT inbox, seq, id FROM messages \
                           WHERE id > (SELECT up_to FROM placed_messages) ORDER BY id";
        let recent = Self::default();
        let mut unplaced = connection.prepare(SQL)?;
        let mut rows = unplaced.query([])?;
        while let Some(row) = rows.next()? {
            // What is no number, or is below zero, the disk has changed: no cursor finds it.
            if let (Ok(inbox), Ok(Ok(seq))) = (row.get(0), row.get::<_, i64>(1).map(u64::try_from)) {
                recent.add(false, [(AccountId(inbox), (seq, row.get(2)?))]);
            }
        }
        Ok(recent)
    }

    /// A transaction was committed that brought these messages, in the order of their numbers, and before them placed all
    /// that is here, or did not.
    pub(super) fn add(&self, placed: bool, new: impl IntoIterator<Item = (AccountId, Place)>) {
        let mut places = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if placed {
            places.clear();
        }
        for (inbox, place) in new {
            places.entry(inbox).or_default().push(place);
        }
    }

    /// Those of an inbox after a cursor, in the order of their numbers.
    ///
    /// To be asked for before a transaction looks into the table: what leaves in between is found there.
    pub(super) fn after(&self, inbox: AccountId, since: u64) -> Vec<Place> {
        let places = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(places) = places.get(&inbox) else { return Vec::new() };
        places[places.partition_point(|(seq, _)| *seq <= since)..].to_vec()
    }

    /// The highest number of those in an inbox, or 0. To be asked for before the table, like [`Recent::after`].
    pub(super) fn last(&self, inbox: AccountId) -> u64 {
        let places = self.0.read().unwrap_or_else(PoisonError::into_inner);
        places.get(&inbox).and_then(|places| places.last()).map_or(0, |(seq, _)| *seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_after_the_cursor_and_go_when_they_are_written_down() {
        let (alice, bob) = (AccountId(1), AccountId(2));
        let recent = Recent::default();
        recent.add(false, [(alice, (7, 70)), (bob, (1, 71)), (alice, (8, 72))]);
        assert_eq!(recent.after(alice, 0), [(7, 70), (8, 72)]);
        assert_eq!(recent.after(alice, 7), [(8, 72)]);
        assert_eq!(recent.after(alice, 8), []);
        assert_eq!(recent.after(AccountId(3), 0), []);
        assert_eq!([alice, bob, AccountId(3)].map(|inbox| recent.last(inbox)), [8, 1, 0]);
        recent.add(true, [(bob, (2, 73))]);
        assert_eq!(recent.after(alice, 0), []);
        assert_eq!(recent.after(bob, 0), [(2, 73)]);
    }
}
