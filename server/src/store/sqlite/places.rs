//! Where readers find the messages of the tail (see [`super::tail`]).

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use crate::store::InboxId;

/// A message's number in its inbox, and its id.
pub(super) type Place = (u64, i64);

/// A stored message of the tail.
#[derive(Clone, Copy)]
pub(super) struct New {
    pub(super) inbox: InboxId,
    pub(super) place: Place,
    pub(super) is_delivered: bool,
}

/// What a transaction does to the tail.
#[derive(Default)]
pub(super) struct Changes {
    /// All earlier messages are indexed.
    pub(super) is_cleared: bool,
    /// The new messages, in the order of their numbers.
    pub(super) new: Vec<New>,
    /// The messages of an inbox up to this number are indexed now.
    pub(super) indexed: Vec<(InboxId, u64)>,
}

/// The places of the tail's messages.
#[derive(Default)]
pub(in crate::store) struct Places(RwLock<HashMap<InboxId, Newest>>);

/// The newest messages of an inbox.
#[derive(Default)]
struct Newest {
    /// The messages delivered to readers, in the order of their numbers.
    delivered: Vec<Place>,
    /// The number of the last message, delivered or not.
    last_seq: u64,
}

impl Places {
    /// A transaction was committed. Leaves nothing in `changes`.
    pub(super) fn apply(&self, changes: &mut Changes) {
        let mut places = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut changes.is_cleared) {
            places.clear();
        }
        for New { inbox, place, is_delivered } in changes.new.drain(..) {
            let newest = places.entry(inbox).or_default();
            newest.last_seq = newest.last_seq.max(place.0);
            if is_delivered {
                newest.delivered.push(place);
            }
        }
        for (inbox, up_to) in changes.indexed.drain(..) {
            let Some(newest) = places.get_mut(&inbox) else { continue };
            let is_all = newest.last_seq <= up_to;
            newest.delivered.drain(..newest.delivered.partition_point(|(seq, _)| *seq <= up_to));
            if is_all {
                places.remove(&inbox);
            }
        }
    }

    /// The messages of an inbox after a cursor that are delivered to readers, in the order of their numbers.
    ///
    /// Must be called before a transaction reads the tables: messages that are indexed in between are found there.
    pub(super) fn after(&self, inbox: InboxId, since: u64) -> Vec<Place> {
        let places = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(Newest { delivered, .. }) = places.get(&inbox) else { return Vec::new() };
        delivered[delivered.partition_point(|(seq, _)| *seq <= since)..].to_vec()
    }

    /// The highest number of these messages in an inbox, or 0. Must be called before reading the tables, like
    /// [`Places::after`].
    pub(in crate::store) fn last(&self, inbox: InboxId) -> u64 {
        let places = self.0.read().unwrap_or_else(PoisonError::into_inner);
        places.get(&inbox).map_or(0, |newest| newest.last_seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_after_the_cursor_and_are_dropped_once_they_are_indexed() {
        let (alice, bob) = (InboxId(1), InboxId(2));
        let new = |inbox, place| New { inbox, place, is_delivered: true };
        let places = Places::default();
        let blocked = New { is_delivered: false, ..new(alice, (9, 73)) };
        let arrived = vec![new(alice, (7, 70)), new(bob, (1, 71)), new(alice, (8, 72)), blocked];
        places.apply(&mut Changes { new: arrived, ..Changes::default() });
        assert_eq!(places.after(alice, 0), [(7, 70), (8, 72)]);
        assert_eq!(places.after(alice, 7), [(8, 72)]);
        assert_eq!(places.after(alice, 8), []);
        assert_eq!(places.after(InboxId(3), 0), []);
        let last = || [alice, bob, InboxId(3)].map(|inbox| places.last(inbox));
        assert_eq!(last(), [9, 1, 0]);

        let indexed = vec![(alice, 7), (bob, 1)];
        places.apply(&mut Changes { indexed, new: vec![new(bob, (2, 74))], ..Changes::default() });
        assert_eq!(places.after(alice, 0), [(8, 72)]);
        assert_eq!(places.after(bob, 0), [(2, 74)]);
        assert_eq!(last(), [9, 2, 0]);
        places.apply(&mut Changes { indexed: vec![(alice, 9)], ..Changes::default() });
        assert_eq!(last(), [0, 2, 0]);

        places.apply(&mut Changes {
            is_cleared: true,
            new: vec![new(alice, (10, 75))],
            ..Changes::default()
        });
        assert_eq!(last(), [10, 0, 0]);
    }
}
