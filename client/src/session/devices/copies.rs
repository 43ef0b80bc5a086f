//! Envelopes are sealed for the account's key, so a browser without the recovery words cannot open them. One that has the
//! words sends what they contain to the group of the user's devices, and the other one shows it in the same conversation.

use kez_core::content::{Change, Content, EnvelopeCopy, MessageId, What};
use kez_core::envelope::{Envelope, EnvelopeHash};
use kez_core::identity::PublicIdentity;
use kez_core::sigchain::DeviceId;
use kez_core::time::Timestamp;

use crate::kernel::context::Context;
use crate::kernel::place::{Key, Lane, Place};
use crate::messages::{Author, Held, StoredReaction, Tag};
use crate::session::Session;
use crate::session::dispatch::{Arrived, Transport};

impl Session {
    /// This browser has the recovery words, or no longer, and the other devices do not know it yet.
    pub(super) fn news_of_words(&mut self) -> Option<Change> {
        let (device, has) = (self.this_device()?, self.me.key.secret().is_some());
        self.devices.copies.on_words(device, has).then_some(Change::Words { device, has })
    }

    /// Whether a device has the recovery words, according to another one.
    pub(super) fn met_words(&mut self, device: DeviceId, has: bool) {
        let is_known = self.chains.own().chain().device(&device).is_some();
        if is_known && self.this_device() != Some(device) {
            self.devices.copies.on_words(device, has);
        }
    }

    /// Whether another device needs copies. A device that has not said that it has the words counts as one without.
    fn copies_are_needed(&self) -> bool {
        let chain = self.chains.own().chain();
        let is_live = |device: &DeviceId| chain.device(device).is_some_and(|known| !known.is_revoked());
        let needs = |device: &DeviceId| !self.devices.copies.has_words(device) && is_live(device);
        self.me.key.secret().is_some() && self.other_devices().iter().any(needs)
    }

    /// A message of the user's has been delivered in this envelope.
    pub(in crate::session) fn copy_delivered(
        &mut self,
        place: Place,
        content: Content,
        envelope: &str,
        cx: &mut Context<'_>,
    ) {
        if let Ok(envelope) = Envelope::parse(envelope.as_bytes()) {
            let at = content.sent_at.unwrap_or(cx.timestamp());
            self.copy_to_devices((place, true), &content, (envelope.hash(), at.unix()), cx);
        }
    }

    /// A content has come in an envelope. It is stored in the same transaction as its copy.
    pub(in crate::session) fn copy_arrived(
        &mut self,
        (place, mine): (Place, bool),
        content: &Content,
        (envelope, kept_at): (EnvelopeHash, u64),
        cx: &mut Context<'_>,
    ) {
        // A reaction makes no row, so it may have come before.
        if !self.has_reaction(place, mine, content) {
            self.copy_to_devices((place, mine), content, (envelope, kept_at), cx);
        }
    }

    /// Queues the copy of a content for the devices without words, after a delay.
    fn copy_to_devices(
        &mut self,
        (place, mine): (Place, bool),
        content: &Content,
        (envelope, kept_at): (EnvelopeHash, u64),
        cx: &mut Context<'_>,
    ) {
        let contact = place.person().and_then(|person| self.contacts.get(person));
        let (Some(contact), Some((gid, _))) = (contact, self.groups.own()) else { return };
        if !can_be_copied(content) || !self.copies_are_needed() {
            return;
        }
        let (with, kept_at) = (contact.stored.root(), Timestamp::from_unix(kept_at));
        let copy = EnvelopeCopy { with, mine, envelope, message: Box::new(content.clone()), kept_at };
        let own = Place::Group(gid);
        let Some(conversation) = self.conversations.get_mut(&own) else { return };
        if self.devices.copies.was_sent_elsewhere(&copy) {
            return;
        }
        let id = MessageId::ulid(cx.wall(), &mut &mut *cx.rng);
        let content = Content { id, sent_at: Some(cx.timestamp()), what: What::Copy(copy) };
        let key = Key { lane: Lane::Place(own), place: own, order: conversation.take_order() };
        self.outbox.add(key, conversation.slot(), &content, cx);
        self.outbox.hold(key);
        self.devices.copies.wait(cx);
    }

    /// Sends the copies whose delay is over, unless no device needs them any more.
    pub(in crate::session) fn advance_copies(&mut self, cx: &mut Context<'_>) {
        if !self.devices.copies.are_due(cx.now) {
            return;
        }
        let held = self.outbox.take_held();
        if !self.copies_are_needed() {
            for key in held {
                self.outbox.remove(key, cx);
            }
        }
    }

    /// Another device has sent a copy; `at` is when it reached the server, Unix seconds. A browser with the words takes nothing
    /// from it, because it has the envelope, which its author has signed.
    pub(super) fn met_copy(&mut self, copy: EnvelopeCopy, at: u64, cx: &mut Context<'_>) {
        if self.me.key.secret().is_some() {
            return match self.waiting_copy(&copy) {
                Some(key) => drop(self.outbox.remove(key, cx)),
                None => self.devices.copies.on_sent_elsewhere(copy),
            };
        }
        let kept_at = copy.kept_at.min(Timestamp::from_unix(at));
        let copy = EnvelopeCopy { kept_at, ..copy };
        let is_own_key = self.own_key(&copy.with).is_some() || self.my_root() == copy.with;
        if is_own_key || !can_be_copied(&copy.message) || PublicIdentity::try_from(copy.with).is_err() {
            return self.count_unreadable(copy.envelope, cx);
        }
        if !self.seen.insert(Tag::of_envelope(&copy.envelope)) {
            return;
        }
        match self.person(&copy.with) {
            Some(person) => self.take_copy(Place::Direct(person), copy, cx),
            // The server names the owner of the key and proves it, as for envelopes.
            None => {
                let (own_copy, quiet) = (copy.mine, copy.message.what.is_quiet());
                let (key, hash, kept_at) = (copy.with, copy.envelope, kept_at.unix());
                let id = copy.message.id.clone();
                let content = Content { id, sent_at: None, what: What::Copy(copy) }.to_json();
                let envelope = String::from_utf8(content.to_vec()).unwrap_or_default();
                let since = cx.wall() / 1000;
                self.hold(Held { key, hash, envelope, kept_at, seq: 0, own_copy, quiet, since }, cx);
                self.ask_about_senders(cx);
            }
        }
    }

    /// The person of a copy that has waited is known now, or it cannot be shown.
    pub(in crate::session) fn release_copy(&mut self, held: &Held, cx: &mut Context<'_>) {
        let copy = match Content::parse(held.envelope.as_bytes()) {
            Ok(Content { what: What::Copy(copy), .. }) => Some(copy),
            _ => None,
        };
        match copy.and_then(|copy| Some((self.person(&copy.with)?, copy))) {
            Some((person, copy)) => self.take_copy(Place::Direct(person), copy, cx),
            None => self.count_unreadable(held.hash, cx),
        }
    }

    fn take_copy(&mut self, place: Place, copy: EnvelopeCopy, cx: &mut Context<'_>) {
        if place.person().is_some_and(|person| self.contacts.is_blocked(person)) {
            return;
        }
        let EnvelopeCopy { mine, envelope, message, kept_at, .. } = copy;
        let (kept_at, transport) = (kept_at.unix(), Transport::Envelope(None));
        let (content, sealed_at, from, chain) = (*message, kept_at, None, None);
        let arrived = Arrived { place, mine, from, content, envelope, sealed_at, kept_at, chain, transport };
        self.arrived(arrived, cx);
    }

    /// The copy of the same message that waits here and was not sealed yet.
    fn waiting_copy(&self, copy: &EnvelopeCopy) -> Option<Key> {
        let own = Place::Group(self.groups.own()?.0);
        let is_it = |key: &Key| {
            let entry = self.outbox.entries.get(key).filter(|entry| entry.sealed().is_none());
            let content = entry.and_then(|entry| entry.content());
            content.is_some_and(|content| match content.what {
                What::Copy(other) => {
                    (other.with, other.mine, other.message.id)
                        == (copy.with, copy.mine, copy.message.id.clone())
                }
                _ => false,
            })
        };
        self.outbox.keys_of(own).into_iter().find(is_it)
    }

    /// Whether a content is a reaction that changes nothing.
    fn has_reaction(&self, place: Place, mine: bool, content: &Content) -> bool {
        let What::Reaction(reaction) = &content.what else { return false };
        let Some(author) = self.author_of(place, &reaction.of) else { return true };
        let (by, emoji, id) = (Author::from(mine), reaction.emoji.clone(), content.id.clone());
        let new = StoredReaction { by, emoji, former: false, id, on: reaction.on };
        let conversation = self.conversations.get(&place);
        conversation.is_none_or(|talk| talk.has_reaction(&(author, reaction.of.id.clone()), &new))
    }
}

/// The kinds that make a row or change one in a conversation of two people.
const fn can_be_copied(content: &Content) -> bool {
    matches!(content.what, What::Text(_) | What::Reaction(_) | What::Unknown { quiet: false, .. })
}
