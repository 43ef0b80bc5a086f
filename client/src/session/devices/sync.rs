//! What the user does in one browser and the others follow: decisions about people and groups, what was read, the names of
//! devices, and links of the user's chain.

use kez_core::content::{Change, Chat, Sync, What};
use kez_core::identity::Primary;
use kez_core::mls::LeafId;
use serde_json::value::RawValue;

use crate::chains::ForeignLink;
use crate::devices::{Decisions, ReadMark};
use crate::groups::StoredFace;
use crate::kernel::context::Context;
use crate::kernel::lookup::Found;
use crate::kernel::place::{PersonId, Place};
use crate::messages::Author;
use crate::people::StoredContact;
use crate::session::Session;

/// The most changes in one message. A registration has less than 1 KiB, and an item has room for 256.
const MOST_AT_ONCE: usize = 100;
/// The most characters of the name of a device.
const MOST_NAME: usize = 60;

impl Session {
    /// The account was loaded: the other devices were told of everything before.
    pub(crate) fn devices_know_all(&mut self) {
        for (id, contact) in self.contacts.iter() {
            self.devices.people.insert(id, decisions(&contact.stored));
        }
        for (gid, _) in self.groups.iter().filter(|(_, group)| !group.stored.request) {
            self.devices.groups.insert(gid, ());
        }
    }

    /// Tells the other devices what has changed in this event.
    pub(crate) fn tell_devices(&mut self, cx: &mut Context<'_>) {
        self.advance_linking(cx);
        self.follow_read_marks();
        let unannounced = self.devices.unannounced(cx.now);
        self.chains.own_mut().warn_about(&unannounced, cx);
        let read = self.devices.take_read(cx.now);
        if self.own_group().is_none() || self.other_devices().is_empty() {
            return;
        }
        let mut changes: Vec<Change> = read.into_iter().filter_map(|place| self.read_mark(place)).collect();
        if let Some((seqno, hash)) = self.chains.own().making()
            && self.devices.announces(hash)
        {
            changes.push(Change::Link { seqno, hash });
        }
        changes.extend(self.news_of_words());
        changes.extend(self.new_decisions(false));
        self.say_changes(changes, cx);
    }

    /// Tells a device that has just joined everything that it may have to know.
    pub(super) fn introduce(&mut self, cx: &mut Context<'_>) {
        let names = self.devices.names();
        let mut changes: Vec<Change> =
            names.map(|(device, name)| Change::Name { device: *device, name: name.to_owned() }).collect();
        changes.extend(self.devices.backup().keeps_history().map(|on| Change::KeepHistory { on }));
        let with_words = self.devices.copies.with_words().iter();
        changes.extend(with_words.map(|device| Change::Words { device: *device, has: true }));
        self.devices.groups = Default::default();
        changes.extend(self.new_decisions(true));
        self.say_changes(changes, cx);
    }

    fn say_changes(&mut self, changes: Vec<Change>, cx: &mut Context<'_>) {
        for changes in changes.chunks(MOST_AT_ONCE) {
            self.say_to_devices(What::Sync(Sync { changes: changes.to_vec() }), cx);
        }
    }

    /// The user's decisions that the other devices do not know; or, for a device that knows no one, all of them.
    fn new_decisions(&mut self, all: bool) -> Vec<Change> {
        let mut changes = Vec::new();
        for (id, contact) in self.contacts.iter() {
            let (stored, root) = (&contact.stored, contact.stored.root());
            let (now, before) = (decisions(stored), self.devices.people.get(&id).copied());
            let Decisions { accepted, blocked, verified } = now;
            let before = before.filter(|_| !all).unwrap_or_default();
            if all || (accepted, blocked) != (before.accepted, before.blocked) {
                let registration = RawValue::from_string(stored.registration.clone()).ok();
                changes.push(Change::Standing { root, accepted, blocked, registration });
            }
            if verified != before.verified {
                changes.push(Change::Verified { root, key: verified });
            }
            if now != before {
                self.devices.people.insert(id, now);
            }
        }
        for (gid, group) in self.groups.iter() {
            let stored = &group.stored;
            let is_news = stored.known.is_some() && !stored.request && !stored.is_own();
            if is_news && self.devices.groups.insert(gid, ()).is_none() {
                let name = Some(stored.name().to_owned()).filter(|name| !name.is_empty());
                changes.push(Change::Group { gid, accepted: true, name });
            }
        }
        changes
    }

    /// How far a conversation was read; `None` if that message is not in memory, and no longer on screen.
    fn read_mark(&self, place: Place) -> Option<Change> {
        let conversation = self.conversations.get(&place)?;
        let message = conversation.get(conversation.read_up_to())?;
        let (chat, by) = match (place, message.from) {
            (Place::Group(gid), Some(by)) => (Chat::Group(gid), by),
            (Place::Direct(person), None) => {
                let root = self.contacts.get(person)?.stored.root();
                (Chat::Person(root), root)
            }
            _ => return None,
        };
        Some(Change::Read { chat, by, id: message.id.clone()? })
    }

    /// Another device of the user's has sent this; `at` is when it reached the server, Unix seconds.
    pub(in crate::session) fn met_from_device(
        &mut self,
        (by, at): (LeafId, u64),
        what: What,
        cx: &mut Context<'_>,
    ) {
        match what {
            What::Sync(Sync { changes }) => {
                for change in changes {
                    self.follow(by, change, cx);
                }
            }
            What::History(history) => self.met_history(history, cx),
            What::Copy(copy) => self.met_copy(copy, at, cx),
            // What a later version sends.
            _ => {}
        }
    }

    fn follow(&mut self, by: LeafId, change: Change, cx: &mut Context<'_>) {
        match change {
            Change::Read { chat, by, id } => self.devices.on_read_elsewhere(ReadMark { chat, by, id }),
            Change::Standing { root, accepted, blocked, registration } => {
                let known = self.person(&root);
                let introduced = || self.introduced((root, !accepted), registration.as_deref()?, cx);
                let Some(id) = known.or_else(introduced) else { return };
                if let Some(contact) = self.contacts.get_mut(id) {
                    contact.stored.standing.follow(accepted, blocked);
                }
                self.decided_elsewhere(id, cx);
            }
            Change::Group { gid, accepted: true, name } => match self.groups.change(gid) {
                Some(group) if group.stored.known.is_some() => {
                    group.stored.request = false;
                    if let Some(name) = name {
                        group.stored.face.get_or_insert_with(|| StoredFace::named(name));
                    }
                    self.devices.groups.insert(gid, ());
                }
                _ => self.devices.expect_group(gid, name),
            },
            Change::Group { accepted: false, .. } => {}
            Change::Verified { root, key } => {
                let Some(id) = self.person(&root) else { return };
                let Some(contact) = self.contacts.get_mut(id) else { return };
                // What was compared is another key than the one that is pinned here: that says nothing about this one.
                if key.is_none_or(|key| key == contact.stored.key.primary()) {
                    contact.stored.verified = key.is_some();
                    self.decided_elsewhere(id, cx);
                }
            }
            Change::KeepHistory { on } => drop(self.devices.backup_mut().keep_history(on)),
            Change::Words { device, has } => self.met_words(device, has),
            Change::Name { device, name } => drop(self.devices.rename(device, &limited(&name))),
            Change::Link { seqno, hash } => {
                // A device that was added by a thief of the key cannot speak for the link that added it.
                let chain = self.chains.own().chain();
                if chain.device(&by.device).is_some_and(|known| known.seqno < seqno) {
                    self.devices.on_announced(seqno, hash);
                }
            }
        }
    }

    /// Moves the read marks whose messages are here. The others wait: a message may come after the mark.
    fn follow_read_marks(&mut self) {
        for mark in self.devices.read_marks() {
            let author = match mark.chat {
                Chat::Group(_) => Author::Member(mark.by),
                Chat::Person(_) => Author::Them,
            };
            let conversation = self.place_of(mark.chat).and_then(|place| self.conversations.get_mut(&place));
            if let Some(conversation) = conversation
                && let Some(order) = conversation.order_of(author, &mark.id)
            {
                conversation.on_read_elsewhere(order);
                self.devices.on_mark_followed(&mark);
            }
        }
    }

    /// A decision about a person came from another device, so the others need not be told.
    fn decided_elsewhere(&mut self, id: PersonId, cx: &mut Context<'_>) {
        self.contacts.save(id, cx);
        if let Some(contact) = self.contacts.get(id) {
            self.devices.people.insert(id, decisions(&contact.stored));
        }
    }

    /// The conversation that the user's devices name like this, if there is one with that person here.
    pub(super) fn place_of(&self, chat: Chat) -> Option<Place> {
        match chat {
            Chat::Group(gid) => Some(Place::Group(gid)),
            Chat::Person(root) => self.person(&root).map(Place::Direct),
        }
    }

    /// The contact with this root.
    pub(super) fn person(&self, root: &Primary) -> Option<PersonId> {
        let mut contacts = self.contacts.iter();
        contacts.find(|(_, contact)| contact.stored.root() == *root).map(|(id, _)| id)
    }

    /// A contact whom another device knows: the registration proves the key.
    pub(super) fn introduced(
        &mut self,
        (root, is_request): (Primary, bool),
        registration: &RawValue,
        cx: &mut Context<'_>,
    ) -> Option<PersonId> {
        let found = Found::of_registration(registration.get(), &self.me.server, root)?;
        if found.handle == self.me.handle {
            return None;
        }
        match self.contacts.by_handle(&found.handle) {
            Some(id) => Some(id),
            None => self.meet_contact(found, is_request, cx),
        }
    }

    /// "Rename" beside a device.
    pub(in crate::session) fn rename_device(&mut self, device: &str, name: &str, cx: &mut Context<'_>) {
        let Ok(device) = device.parse() else { return };
        let name = limited(name);
        let is_known = self.chains.own().chain().device(&device).is_some();
        if is_known && self.devices.rename(device, &name) && !self.other_devices().is_empty() {
            self.say_changes(vec![Change::Name { device, name }], cx);
        }
    }

    /// The user's chain has links that this browser did not make. Those that another device announces are no alarm.
    pub(in crate::session) fn judge_links(&mut self, foreign: Vec<ForeignLink>, cx: &mut Context<'_>) {
        let alarming: Vec<ForeignLink> = foreign
            .into_iter()
            .filter(|link| {
                if self.devices.is_announced(link) {
                    return false;
                }
                let may_come = self.may_be_announced(link);
                if may_come {
                    self.devices.await_announcement(*link);
                }
                !may_come
            })
            .collect();
        self.chains.own_mut().warn_about(&alarming, cx);
    }

    /// Whether another device could have made a link: one that was certified before it, and is in the devices' group.
    fn may_be_announced(&self, link: &ForeignLink) -> bool {
        let chain = self.chains.own().chain();
        let made_before = |device: &kez_core::sigchain::DeviceId| {
            chain.device(device).is_some_and(|known| known.seqno < link.seqno)
        };
        self.own_group().is_some() && self.other_devices().iter().any(made_before)
    }
}

fn decisions(stored: &StoredContact) -> Decisions {
    let standing = &stored.standing;
    let verified = stored.verified.then(|| stored.key.primary());
    Decisions { accepted: standing.accepted, blocked: standing.blocked, verified }
}

/// A name on one line.
fn limited(name: &str) -> String {
    name.trim().chars().filter(|character| !character.is_control()).take(MOST_NAME).collect()
}
