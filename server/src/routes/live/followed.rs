//! The groups that a stream follows, each with its cursor.

use std::collections::BTreeMap;

use kez_core::mls::GroupId;

use crate::store::InboxId;
use crate::store::groups::{GroupNumber, Membership};

/// The groups of a stream.
pub(super) struct FollowedGroups {
    /// The cursors that the client named, until the groups are listed.
    named: BTreeMap<GroupId, u64>,
    groups: Vec<Followed>,
}

/// A group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Followed {
    pub(super) gid: GroupId,
    pub(super) number: GroupNumber,
    pub(super) cursor: u64,
}

impl FollowedGroups {
    /// Starts with the cursors that the client named.
    pub(super) const fn new(named: BTreeMap<GroupId, u64>) -> Self {
        Self { named, groups: Vec::new() }
    }

    /// Takes over the groups as they are listed now. Returns those to read: with items after their cursors, and new ones,
    /// whose log may have grown since it was listed.
    pub(super) fn list(&mut self, listed: &[Membership]) -> Vec<GroupNumber> {
        let mut to_read = Vec::new();
        let known = std::mem::take(&mut self.groups);
        for place in listed {
            let before = known.iter().find(|group| group.number == place.number);
            let cursor = match before {
                Some(group) => group.cursor,
                None => self.named.remove(&place.gid).unwrap_or(0),
            };
            let cursor = cursor.max(place.since);
            if before.is_none() || cursor < place.until.map_or(place.head, |until| until.min(place.head)) {
                to_read.push(place.number);
            }
            self.groups.push(Followed { gid: place.gid, number: place.number, cursor });
        }
        self.named.clear();
        to_read
    }

    /// The logs of all groups.
    pub(super) fn logs(&self) -> Vec<InboxId> {
        self.groups.iter().map(|group| group.number.log()).collect()
    }

    /// The groups, in the order of the list.
    pub(super) fn numbers(&self) -> Vec<GroupNumber> {
        self.groups.iter().map(|group| group.number).collect()
    }

    /// A group.
    pub(super) fn get(&self, number: GroupNumber) -> Option<Followed> {
        self.groups.iter().find(|group| group.number == number).copied()
    }

    /// The items of a group up to this number are sent.
    pub(super) fn advance(&mut self, number: GroupNumber, cursor: u64) {
        for group in self.groups.iter_mut().filter(|group| group.number == number) {
            group.cursor = cursor;
        }
    }
}

#[cfg(test)]
mod tests {
    use kez_core::mls::policy::{Kind, Role};

    use super::*;

    fn place(n: u8, head: u64, since: u64, until: Option<u64>) -> Membership {
        Membership {
            number: GroupNumber(n.into()),
            gid: GroupId::from_bytes([n; 16]),
            kind: Kind::Group,
            epoch: 0,
            head,
            since,
            until,
            leaving: false,
            role: Role::Member,
            added_by: None,
        }
    }

    #[test]
    fn cursors_come_from_the_client_once_and_never_precede_what_a_member_may_read() {
        let named = BTreeMap::from([(GroupId::from_bytes([1; 16]), 5), (GroupId::from_bytes([2; 16]), 1)]);
        let mut groups = FollowedGroups::new(named);
        let listed = [place(1, 5, 0, None), place(2, 9, 4, None), place(3, 0, 0, None)];
        assert_eq!(groups.list(&listed), [1, 2, 3].map(GroupNumber), "all are new");
        let cursors =
            |groups: &FollowedGroups| [1, 2, 3].map(|n| groups.get(GroupNumber(n)).map(|group| group.cursor));
        assert_eq!(cursors(&groups), [Some(5), Some(4), Some(0)]);
        groups.advance(GroupNumber(2), 9);
        // The first is gone, the second has nothing new, the third took the account out at 2.
        let listed = [place(2, 9, 4, None), place(3, 7, 0, Some(2))];
        assert_eq!(groups.list(&listed), [GroupNumber(3)]);
        groups.advance(GroupNumber(3), 2);
        assert_eq!(groups.list(&listed), []);
        assert_eq!(cursors(&groups), [None, Some(9), Some(2)]);
        // It comes back.
        assert_eq!(groups.list(&[place(1, 6, 0, None), place(3, 9, 7, None)]), [1, 3].map(GroupNumber));
        assert_eq!(cursors(&groups), [Some(0), None, Some(7)], "the client named it before");
    }
}
