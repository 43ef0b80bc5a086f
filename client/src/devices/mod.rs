//! The user's own devices: what they are called, which links of the user's chain they have announced, what they know of the
//! user's decisions, and which of them are getting earlier messages.

mod announced;
mod backup;
mod copies;
mod linking;
mod outgoing;

use kez_core::content::{Chat, MessageId};
use kez_core::identity::Primary;
use kez_core::mls::GroupId;
use kez_core::sigchain::DeviceId;
use serde::{Deserialize, Serialize};

use crate::kernel::backoff::Backoff;
use crate::kernel::context::Context;
use crate::kernel::event::StorageFault;
use crate::kernel::place::{PersonId, Place};
use crate::kernel::record::{Kind, Record};
use crate::kernel::sorted_map::SortedMap;
use announced::Announced;
use backup::Backup;
use copies::Copies;
use linking::Linking;
pub use linking::LinkingStep;
pub(crate) use linking::{Offered, Stage as LinkStage, Talk};
pub(crate) use outgoing::Outgoing;

/// The id of the record of kind [`Kind::Devices`].
const DEVICES: &str = "devices";

/// The format of the record that does not say which devices have the recovery words.
const WITHOUT_WORDS: u8 = 1;

/// The most read marks that wait for their messages.
const MOST_MARKS: usize = 100;

/// The delay, in milliseconds, before the other devices are told what was read. Marks within it share one message.
const TELL_READ_AFTER: u64 = 2_000;

/// The record of kind [`Kind::Devices`]. Behind it, since format 2, are the devices that have the recovery words.
#[derive(Default, Serialize, Deserialize)]
struct Stored {
    /// What the user calls them.
    names: Vec<(DeviceId, String)>,
    announced: Announced,
    /// Groups that another device has accepted, and that are not here yet, with their names.
    accepted: Vec<(GroupId, Option<String>)>,
    outgoing: Vec<Outgoing>,
    /// Read marks whose messages are not here yet, one of each chat.
    read_marks: Vec<ReadMark>,
    /// How many parts of the history have come, and how many there will be.
    incoming: Option<(u64, u64)>,
    backup: Backup,
}

/// How far another device of the user's has read a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReadMark {
    pub(crate) chat: Chat,
    /// The root of the author of the last message that was read.
    pub(crate) by: Primary,
    pub(crate) id: MessageId,
}

/// What the user has decided about a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decisions {
    pub(crate) accepted: bool,
    pub(crate) blocked: bool,
    /// The key whose safety number was compared.
    pub(crate) verified: Option<Primary>,
}

/// The user's own devices.
pub(crate) struct Devices {
    stored: Stored,
    changed: bool,
    /// Copies of envelopes for devices without words.
    pub(crate) copies: Copies,
    /// What the other devices know of the user's decisions about people.
    pub(crate) people: SortedMap<PersonId, Decisions>,
    /// The groups of which the other devices know that they are accepted.
    pub(crate) groups: SortedMap<GroupId, ()>,
    /// The conversations that were read here since the others were told.
    read: Vec<Place>,
    tell_at: Option<u64>,
    /// When the server is asked for the group of the user's devices.
    pub(crate) list_at: Option<u64>,
    pub(crate) backoff: Backoff,
    /// "Link a device".
    pub(crate) linking: Linking,
}

impl Default for Devices {
    fn default() -> Self {
        Self {
            stored: Stored::default(),
            changed: false,
            copies: Copies::default(),
            people: SortedMap::default(),
            groups: SortedMap::default(),
            read: Vec::new(),
            tell_at: None,
            list_at: Some(0),
            backoff: Backoff::new(1_000, 60_000),
            linking: Linking::default(),
        }
    }
}

impl Devices {
    /// Loads the record.
    ///
    /// # Errors
    /// [`StorageFault`] when the record cannot be read.
    pub(crate) fn load(&mut self, record: &Record) -> Result<(), StorageFault> {
        (self.stored, self.copies.with_words) = match record.has_format(WITHOUT_WORDS) {
            true => (record.read()?, Vec::new()),
            false => record.read()?,
        };
        Ok(())
    }

    /// Stores what has changed.
    pub(crate) fn save(&mut self, cx: &mut Context<'_>) {
        let changed = std::mem::take(&mut self.changed) | self.stored.backup.take_changed();
        if changed | self.copies.take_changed() {
            cx.put(Kind::Devices, DEVICES, &(&self.stored, &self.copies.with_words));
        }
    }

    /// "Keep history for my recovery words".
    pub(crate) const fn backup(&self) -> &Backup {
        &self.stored.backup
    }

    /// The same, to be changed.
    pub(crate) const fn backup_mut(&mut self) -> &mut Backup {
        &mut self.stored.backup
    }

    /// When the next action is due.
    pub(crate) fn wake(&self) -> Option<u64> {
        let wakes = [
            self.tell_at,
            self.stored.announced.alarm_at(),
            self.linking.due,
            self.stored.backup.wake(),
            self.copies.wake(),
        ];
        wakes.into_iter().flatten().min()
    }

    /// What the user calls a device, if it has a name.
    pub(crate) fn name(&self, device: &DeviceId) -> Option<&str> {
        self.names().find(|(other, _)| *other == device).map(|(_, name)| name)
    }

    /// The names.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&DeviceId, &str)> {
        self.stored.names.iter().map(|(device, name)| (device, name.as_str()))
    }

    /// Names a device; an empty name takes the name back. Returns whether that is news.
    pub(crate) fn rename(&mut self, device: DeviceId, name: &str) -> bool {
        if self.name(&device).unwrap_or_default() == name {
            return false;
        }
        self.stored.names.retain(|(other, _)| *other != device);
        if !name.is_empty() {
            self.stored.names.push((device, name.to_owned()));
        }
        self.changed = true;
        true
    }

    /// Another device has accepted a group that is not here yet.
    pub(crate) fn expect_group(&mut self, gid: GroupId, name: Option<String>) {
        self.stored.accepted.retain(|(other, _)| *other != gid);
        self.stored.accepted.push((gid, name));
        self.changed = true;
    }

    /// Whether another device has accepted a group that is now here, and what it is called.
    pub(crate) fn take_expected(&mut self, gid: GroupId) -> Option<Option<String>> {
        let at = self.stored.accepted.iter().position(|(other, _)| *other == gid)?;
        self.changed = true;
        Some(self.stored.accepted.remove(at).1)
    }

    /// Another device has read up to a message.
    pub(crate) fn on_read_elsewhere(&mut self, mark: ReadMark) {
        let marks = &mut self.stored.read_marks;
        marks.retain(|other| other.chat != mark.chat);
        marks.push(mark);
        let excess = marks.len().saturating_sub(MOST_MARKS);
        marks.drain(..excess);
        self.changed = true;
    }

    /// The read marks whose messages were not here yet.
    pub(crate) fn read_marks(&self) -> Vec<ReadMark> {
        self.stored.read_marks.clone()
    }

    /// A read mark has been moved.
    pub(crate) fn on_mark_followed(&mut self, mark: &ReadMark) {
        self.stored.read_marks.retain(|other| other != mark);
        self.changed = true;
    }

    /// A conversation was read here.
    pub(crate) fn on_read(&mut self, place: Place, now: u64) {
        if !self.read.contains(&place) {
            self.read.push(place);
        }
        self.tell_at.get_or_insert(now.saturating_add(TELL_READ_AFTER));
    }

    /// The conversations whose read marks are due.
    pub(crate) fn take_read(&mut self, now: u64) -> Vec<Place> {
        if self.tell_at.take_if(|at| *at <= now).is_none() {
            return Vec::new();
        }
        std::mem::take(&mut self.read)
    }
}
