//! All groups of this browser, by id and by the number of their records.

use kez_core::mls::GroupId;

use super::group::{Group, StoredGroup};
use super::seen::Seen;
use crate::kernel::context::Context;
use crate::kernel::place::{PersonId, Place, Slot};
use crate::kernel::record::{Kind, Record, StorageFault};
use crate::kernel::sorted_map::SortedMap;

/// The format of a group's record that has no time of the device's last update.
const WITHOUT_UPDATES: u8 = 1;
/// The format that does not say when the devices were last heard of.
const WITHOUT_TIMES: u8 = 2;

/// All groups.
#[derive(Default)]
pub(crate) struct Groups {
    all: SortedMap<GroupId, Group>,
    by_slot: SortedMap<Slot, GroupId>,
}

impl Groups {
    /// Loads a record of kind [`Kind::Group`].
    ///
    /// # Errors
    /// [`StorageFault`] when the record cannot be read.
    pub(crate) fn load(&mut self, record: &Record) -> Result<(GroupId, Slot), StorageFault> {
        let slot = record.id.parse()?;
        let has_format = |format| record.has_format(format);
        let (stored, (updated_at, seen)): (StoredGroup, _) = if has_format(WITHOUT_UPDATES) {
            (record.read()?, Default::default())
        } else if has_format(WITHOUT_TIMES) {
            let (stored, updated_at) = record.read()?;
            (stored, (updated_at, Seen::default()))
        } else {
            record.read()?
        };
        let gid = stored.gid;
        let mut group = Group { updated_at, seen, ..Group::new(slot, stored) };
        // The times count from now on.
        group.changed.0 = has_format(WITHOUT_UPDATES) || has_format(WITHOUT_TIMES);
        self.insert(group);
        Ok((gid, slot))
    }

    /// Loads a record of kind [`Kind::State`].
    ///
    /// # Errors
    /// [`StorageFault`] when the record cannot be read or belongs to no group.
    pub(crate) fn load_state(&mut self, record: &Record) -> Result<(), StorageFault> {
        let gid = self.at(record.id.parse()?).ok_or(StorageFault::Damaged)?;
        let group = self.all.get_mut(&gid).ok_or(StorageFault::Damaged)?;
        group.state = Some(record.read()?);
        Ok(())
    }

    /// Adds a group that is stored at the end of this event.
    pub(crate) fn add(&mut self, slot: Slot, stored: StoredGroup) {
        let mut group = Group::new(slot, stored);
        group.changed.0 = true;
        self.insert(group);
    }

    fn insert(&mut self, group: Group) {
        self.by_slot.insert(group.slot, group.stored.gid);
        self.all.insert(group.stored.gid, group);
    }

    pub(crate) fn get(&self, gid: GroupId) -> Option<&Group> {
        self.all.get(&gid)
    }

    /// The conversation that a group carries.
    pub(crate) fn place(&self, gid: GroupId) -> Place {
        self.get(gid).and_then(|group| group.person).map_or(Place::Group(gid), Place::Direct)
    }

    /// The groups that carry, or have carried, the conversation with a person.
    pub(crate) fn of_person(&self, person: PersonId) -> Vec<GroupId> {
        self.iter().filter(|(_, group)| group.person == Some(person)).map(|(gid, _)| gid).collect()
    }

    /// The group of the user's own devices.
    pub(crate) fn own(&self) -> Option<(GroupId, &Group)> {
        self.iter().find(|(_, group)| group.stored.is_own())
    }

    /// Removes a group and its records.
    pub(crate) fn remove(&mut self, gid: GroupId, cx: &mut Context<'_>) {
        let Some(group) = self.all.remove(&gid) else { return };
        self.by_slot.remove(&group.slot);
        cx.delete(Kind::Group, group.slot.to_string());
        cx.delete(Kind::State, group.slot.to_string());
    }

    /// A group whose record is about to change.
    pub(crate) fn change(&mut self, gid: GroupId) -> Option<&mut Group> {
        let group = self.all.get_mut(&gid)?;
        group.changed.0 = true;
        Some(group)
    }

    /// A group, to change what is only in memory.
    pub(crate) fn recall(&mut self, gid: GroupId) -> Option<&mut Group> {
        self.all.get_mut(&gid)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (GroupId, &Group)> {
        self.all.iter().map(|(gid, group)| (*gid, group))
    }

    pub(crate) fn ids(&self) -> Vec<GroupId> {
        self.all.keys().copied().collect()
    }

    /// The server is asked for the logs after their cursors.
    pub(crate) fn on_asked(&mut self) {
        for again in self.all.values_mut().filter_map(Group::rereading) {
            again.asked = true;
        }
    }

    /// The group whose records have this number.
    pub(crate) fn at(&self, slot: Slot) -> Option<GroupId> {
        self.by_slot.get(&slot).copied()
    }

    /// Stores the groups that have changed.
    pub(crate) fn save(&mut self, cx: &mut Context<'_>) {
        for group in self.all.values_mut() {
            let (record, state) = std::mem::take(&mut group.changed);
            if record {
                if let Some(known) = &group.stored.known {
                    group.seen.follow(known, cx.wall() / 1000);
                }
                let value = (&group.stored, (group.updated_at, &group.seen));
                cx.put(Kind::Group, group.slot.to_string(), &value);
            }
            match &group.state {
                Some(bytes) if state => cx.put(Kind::State, group.slot.to_string(), bytes),
                None if state => cx.delete(Kind::State, group.slot.to_string()),
                _ => {}
            }
        }
    }

    /// When the next action is due.
    pub(crate) fn wake(&self) -> Option<u64> {
        let of =
            |group: &Group| [group.retry_at, group.duty.wake(), group.retelling.wake(), group.refresh.wake()];
        self.all.values().flat_map(of).flatten().min()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use kez_core::mls::GroupId;

    use super::{Groups, Kind, Record, StoredGroup};
    use crate::groups::Stage;

    #[test]
    fn groups_of_earlier_formats_are_read_and_written_again() {
        let gid = GroupId::from_bytes([7; 16]);
        let stored = StoredGroup { cursor: 41, ..StoredGroup::new(gid, Stage::In, 5) };
        let bytes =
            |format: u8, value: Result<Vec<u8>, postcard::Error>| [vec![format], value.unwrap()].concat();
        let first = bytes(1, postcard::to_allocvec(&stored));
        let second = bytes(2, postcard::to_allocvec(&(&stored, 1_000_u64)));
        for (value, updated_at) in [(first, 0), (second, 1_000)] {
            let mut groups = Groups::default();
            let record = Record { kind: Kind::Group, id: "c3".into(), value: Some(value.into()) };
            assert_eq!(groups.load(&record).unwrap().0, gid);
            let group = groups.get(gid).unwrap();
            assert_eq!((group.stored.cursor, group.updated_at, group.changed.0), (41, updated_at, true));
        }
    }
}
