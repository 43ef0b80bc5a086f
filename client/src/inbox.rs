//! What comes from the relay: one door for pages and for live frames.
//!
//! Every item ends in exactly one place: a message, a row that says why it cannot be read, the quarantine, or nowhere
//! because it is here already. The cursor is written in the same transaction, so that none is lost and none comes twice.

use kez_core::api::InboxItem;
use kez_core::envelope::{Envelope, EnvelopeHash, OpenError, OpenedMessage};
use kez_core::identity::{Peer, Primary, PublicIdentity};
use kez_core::message::{Content, Message};
use sha2::{Digest, Sha256};

use crate::contacts::ContactId;
use crate::context::Context;
use crate::conversation::StoredMessage;
use crate::quarantine::{self, Held, Quarantined};
use crate::record::{Kind, Record};
use crate::session::Session;
use crate::view::MessageBody;

/// What became of a batch of items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// All were taken in; whether the cursor moved.
    All {
        /// Whether there was anything after the cursor.
        advanced: bool,
    },
    /// The relay's database is another one: everything is to be read again, from 0.
    NewEpoch,
    /// The quarantine is full: the rest is to be asked for again once the registry has answered.
    Paused,
}

/// An envelope on its way in.
struct Incoming {
    json: String,
    hash: EnvelopeHash,
    kept_at: u64,
}

/// Where an envelope belongs.
enum Place {
    /// In the conversation with this contact, unless it is there already.
    Message(ContactId, StoredMessage),
    /// Behind the door until this key is known.
    Wait(Primary),
    /// Nowhere; it is counted.
    Unreadable,
    /// Nowhere; it says nothing new.
    Nowhere,
}

impl Session {
    /// Takes in items that follow the cursor.
    pub(crate) fn receive(&mut self, epoch: &str, items: &[InboxItem], cx: &mut Context<'_>) -> Received {
        match &self.sync.epoch {
            Some(known) if known == epoch => {}
            Some(_) => {
                self.sync.epoch = Some(epoch.to_owned());
                self.sync.cursor = 0;
                cx.save(self.sync.record());
                return Received::NewEpoch;
            }
            None => self.sync.epoch = Some(epoch.to_owned()),
        }
        let before = self.sync.cursor;
        let mut received = Received::All { advanced: false };
        for item in items.iter().filter(|item| item.seq > before) {
            if self.must_pause() {
                received = Received::Paused;
                break;
            }
            self.receive_one(item, cx);
            self.sync.cursor = self.sync.cursor.max(item.seq);
        }
        if self.sync.cursor != before {
            cx.save(self.sync.record());
            self.after_receiving(cx);
            if received != Received::Paused {
                received = Received::All { advanced: true };
            }
        }
        received
    }

    /// The key is known now, or known to be nobody's: what waited for it goes its way, in order.
    pub(crate) fn release(&mut self, key: &Primary, cx: &mut Context<'_>) {
        for (number, held) in self.quarantine.release(key) {
            cx.delete(Kind::Quarantine, quarantine::record_id(number));
            let incoming = Incoming { json: held.envelope, hash: held.hash, kept_at: held.kept_at };
            match self.place(&incoming) {
                // It can only wait for the other key of a copy; then it keeps its number and so its turn.
                Place::Wait(other) if other != *key => self.hold(number, other, incoming, cx),
                Place::Wait(_) => self.count_unreadable(incoming.hash, cx),
                place => self.put(place, &incoming, cx),
            }
        }
        self.after_receiving(cx);
    }

    fn receive_one(&mut self, item: &InboxItem, cx: &mut Context<'_>) {
        let json = item.envelope.get();
        let parsed = Envelope::parse(json.as_bytes());
        let hash = parsed.as_ref().map_or_else(|_| hash_of_bytes(json), |envelope| Some(envelope.hash()));
        let Some(hash) = hash.filter(|hash| self.seen.insert(*hash)) else { return };
        let incoming = Incoming { json: json.to_owned(), hash, kept_at: item.created_at.unix() };
        match self.place(&incoming) {
            Place::Wait(key) if self.quarantine.is_full() || PublicIdentity::try_from(key).is_err() => {
                self.count_unreadable(hash, cx);
            }
            Place::Wait(key) => {
                self.sync.last_quarantined += 1;
                self.hold(self.sync.last_quarantined, key, incoming, cx);
            }
            place => self.put(place, &incoming, cx),
        }
    }

    fn put(&mut self, place: Place, incoming: &Incoming, cx: &mut Context<'_>) {
        match place {
            Place::Message(contact, message) => self.add_message(contact, message, cx),
            Place::Unreadable => self.count_unreadable(incoming.hash, cx),
            Place::Wait(_) | Place::Nowhere => {}
        }
    }

    fn place(&self, incoming: &Incoming) -> Place {
        let Ok(envelope) = Envelope::parse(incoming.json.as_bytes()) else { return Place::Unreadable };
        let sender = envelope.claimed_sender();
        let from_myself = sender == self.me.public().primary();
        let contact = self.contacts.by_key(&sender);
        let opened = envelope.open(&self.me, |key| self.peer(key));
        match (opened, contact) {
            (Ok(opened), _) if from_myself => self.place_own(&opened, incoming),
            (Ok(opened), Some(contact)) => self.place_theirs(contact, &opened, incoming),
            (Err(OpenError::UnknownSender), None) => Place::Wait(sender),
            (Err(why), Some(contact)) => {
                let body = MessageBody::Undecryptable { why };
                Place::Message(contact, incoming.message(None, false, body, incoming.kept_at))
            }
            _ => Place::Unreadable,
        }
    }

    fn place_theirs(&self, contact: ContactId, opened: &OpenedMessage, incoming: &Incoming) -> Place {
        let sealed_at = opened.created_at.unix();
        let Ok(message) = Message::parse(&opened.plaintext) else {
            return Place::Message(contact, incoming.message(None, false, MessageBody::Malformed, sealed_at));
        };
        if self.conversations.get(&contact).is_some_and(|conversation| conversation.has_theirs(&message.id)) {
            return Place::Nowhere;
        }
        let sent_at = message.sent_at.map_or(sealed_at, |at| at.unix());
        let mut stored = incoming.message(Some(message.id), false, body(message.content), sent_at);
        stored.chain = message.chain.map(Into::into);
        Place::Message(contact, stored)
    }

    /// A copy of what one sent, from another browser or from the time before a restore.
    fn place_own(&self, opened: &OpenedMessage, incoming: &Incoming) -> Place {
        let Ok(Message { content: Content::Sent { to, message }, sent_at, .. }) =
            Message::parse(&opened.plaintext)
        else {
            return Place::Unreadable;
        };
        if matches!(message.content, Content::Sent { .. }) {
            return Place::Unreadable;
        }
        let Some(contact) = self.contacts.by_key(&to) else { return Place::Wait(to) };
        let known = self.conversations.get(&contact).and_then(|conversation| conversation.own(&message.id));
        if known.is_some() {
            return Place::Nowhere;
        }
        let sent_at = message.sent_at.or(sent_at).unwrap_or(opened.created_at).unix();
        Place::Message(contact, incoming.message(Some(message.id), true, body(message.content), sent_at))
    }

    fn peer(&self, key: &Primary) -> Option<&Peer> {
        if *key == self.me.public().primary() {
            return Some(&self.myself);
        }
        self.contacts.by_key(key).and_then(|id| self.contacts.get(id)).map(|contact| &contact.peer)
    }

    fn hold(&mut self, number: u64, key: Primary, incoming: Incoming, cx: &mut Context<'_>) {
        let Incoming { json, hash, kept_at } = incoming;
        let held = Held { key, hash, envelope: json, kept_at };
        cx.save(quarantine::waiting_record(number, &held));
        self.quarantine.hold(number, held);
    }

    fn count_unreadable(&mut self, hash: EnvelopeHash, cx: &mut Context<'_>) {
        self.sync.unreadable += 1;
        if self.quarantine.remember_unreadable() {
            self.sync.last_quarantined += 1;
            let id = quarantine::record_id(self.sync.last_quarantined);
            cx.save(Record::put(Kind::Quarantine, id, &Quarantined::Unreadable { hash }));
        }
        cx.save(self.sync.record());
    }
}

impl Incoming {
    fn message(&self, id: Option<String>, mine: bool, body: MessageBody, sent_at: u64) -> StoredMessage {
        let (kept_at, envelope) = (self.kept_at, Some(self.hash));
        StoredMessage { id, mine, body, sent_at, kept_at, arrival: 0, envelope, chain: None }
    }
}

fn body(content: Content) -> MessageBody {
    match content {
        Content::Text(text) => MessageBody::Text { text },
        Content::Sent { .. } | Content::Unsupported { .. } => MessageBody::Unsupported,
    }
}

/// The name of what is no envelope, and so has no canonical form.
fn hash_of_bytes(json: &str) -> Option<EnvelopeHash> {
    let hex: String = Sha256::digest(json.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    hex.parse().ok()
}
