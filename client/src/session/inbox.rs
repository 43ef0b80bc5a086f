//! Items from the relay: one entry point for pages and for live frames.
//!
//! Every item ends in exactly one place: a message, a row that says why it cannot be read, the quarantine, or nowhere
//! because it is a duplicate. The cursor is written in the same transaction, so no item is lost or processed twice.

use kez_core::api::InboxItem;
use kez_core::canonical_json::MAX_INTEGER;
use kez_core::content::{Archive, FormerKey as FormerKeyNote, Sent, What};
use kez_core::envelope::{Envelope, EnvelopeHash, OpenError, OpenedMessage};
use kez_core::identity::{Peer, Primary, PublicIdentity, SecretIdentity, Seed};
use kez_core::message::{MalformedMessage, Message};
use kez_core::sigchain::Heads;
use sha2::{Digest, Sha256};

use crate::kernel::context::Context;
use crate::kernel::place::{PageKey, PersonId, Place};
use crate::kernel::record::{Kind, Record};
use crate::link::{Batch, Received};
use crate::messages::{FormerKey, Held, Quarantined, StoredBody, StoredMessage, Tag, page_of, record_id};
use crate::session::Session;
use crate::session::dispatch::{Arrived, Transport};

/// What to do after an item.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Continue with the next item.
    Item,
    /// Read everything again: a former key was found, which can open more than before.
    Everything,
    /// Request this item again once the server has answered with the account's own chain.
    Wait,
    /// Process this item again once this page is loaded.
    Page(PageKey),
}

/// An envelope being processed.
struct Incoming {
    json: String,
    hash: EnvelopeHash,
    kept_at: u64,
    seq: u64,
}

/// Where an envelope belongs.
enum Class {
    /// In a conversation, unless it is a duplicate. With the chain heads that its sender has seen.
    Content(Box<Arrived>, Heads),
    /// In a conversation, as a row that says why it could not be read.
    Unread(Place, Box<StoredMessage>),
    /// In a conversation, as such a row unless it is quiet, and counted in its sender's sequence.
    Malformed(Place, Box<StoredMessage>, MalformedMessage),
    /// Among the user's own keys: it opens earlier envelopes.
    FormerKey(Seed),
    /// In a conversation, as messages that were kept for a restored browser.
    Archive(Box<Archive>, Option<FormerKey>),
    /// In the quarantine until this key is known.
    Wait { key: Primary, own_copy: bool, quiet: bool },
    /// Nowhere, but counted.
    Unreadable,
    /// Nowhere: it adds nothing.
    Nowhere,
}

impl Session {
    /// Processes items after the cursor.
    pub(crate) fn receive(&mut self, batch: &Batch, cx: &mut Context<'_>) -> Received {
        let Batch { epoch, items, last, since, .. } = batch;
        let last = *last;
        if !are_in_order(items, last) {
            return Received::Absurd;
        }
        match &self.sync.epoch {
            Some(known) if known == epoch => {}
            Some(_) => {
                self.sync.epoch = Some(epoch.to_owned());
                self.read_from_the_start(cx);
                // The server may have restored an older database, without the latest list changes.
                self.lists.on_new_epoch(&mut self.contacts, &self.me, cx);
                self.devices.backup_mut().keep_all_again();
                self.look_at_groups(cx);
                return Received::Anew;
            }
            None => self.sync.epoch = Some(epoch.to_owned()),
        }
        if last.is_some_and(|last| *since > last) {
            self.read_from_the_start(cx);
            return Received::Anew;
        }
        let before = self.sync.cursor;
        self.link.reads_from(before);
        if let Some(last) = last {
            self.link.heard(last);
        }
        let mut received = Received::All { advanced: false };
        for item in items.iter().filter(|item| item.seq > before) {
            match self.receive_one(item, cx) {
                Next::Item => {}
                Next::Everything => {
                    self.after_receiving(cx);
                    return Received::Anew;
                }
                Next::Wait => {
                    received = Received::Paused;
                    break;
                }
                Next::Page(page) => {
                    self.paging.want(page);
                    received = Received::Loading;
                    break;
                }
            }
            self.sync.cursor = self.sync.cursor.max(item.seq);
        }
        if self.sync.cursor != before {
            cx.save(self.sync.record());
            self.after_receiving(cx);
            self.acknowledge_soon(cx);
            if let Received::All { advanced } = &mut received {
                *advanced = true;
            }
        }
        received
    }

    /// These keys are now known. Processes the mail that waited for them, in order, and reads again the mail that was
    /// left on the relay.
    pub(crate) fn release(&mut self, keys: &[Primary], cx: &mut Context<'_>) {
        let released = self.quarantine.release(keys, cx);
        let has_words = self.me.key.secret().is_some();
        for (number, held) in released.held {
            if !has_words {
                // What waits here has come from a device that has the words.
                self.release_copy(&held, cx);
                continue;
            }
            let (since, own, quiet) = (held.since, held.own_copy, held.quiet);
            let incoming =
                Incoming { json: held.envelope, hash: held.hash, kept_at: held.kept_at, seq: held.seq };
            match self.classify(&incoming) {
                // It can only be waiting for the other key of a copy. It then keeps its number, and so its position.
                Class::Wait { key, .. } if !keys.contains(&key) => {
                    self.quarantine.put_back(number, incoming.held((key, own, quiet), since), cx);
                }
                Class::Wait { .. } => self.count_unreadable(incoming.hash, cx),
                class => self.apply(class, &incoming, cx),
            }
        }
        if let Some(from) = released.left_from.filter(|_| has_words) {
            self.sync.cursor = self.sync.cursor.min(from.saturating_sub(1));
            cx.save(self.sync.record());
            self.link.restart(cx);
            self.look(cx);
        }
        self.after_receiving(cx);
        // A restored browser starts no chain before it has read the user's messages from elsewhere.
        self.advance_own_chain(cx);
    }

    /// No account has these keys. Counts and drops the mail that waited for them.
    pub(crate) fn give_up(&mut self, keys: &[Primary], cx: &mut Context<'_>) {
        let released = self.quarantine.release(keys, cx);
        for (_, held) in released.held {
            self.count_unreadable(held.hash, cx);
        }
        if released.left > 0 {
            self.sync.unreadable += released.left;
            cx.save(self.sync.record());
        }
        self.after_receiving(cx);
        self.advance_own_chain(cx);
    }

    /// Discards the mail that waits for these keys, at the user's request, here and on the server.
    pub(crate) fn discard(&mut self, keys: &[Primary], cx: &mut Context<'_>) {
        for (_, held) in self.quarantine.release(keys, cx).held {
            self.remember_by_name(held.hash, cx);
        }
        cx.save(self.sync.record());
        self.keeping.discard(keys, &self.me, cx);
        self.ask_about_senders(cx);
    }

    /// "Discard" beside waiting mail: for one key, or for all.
    pub(crate) fn discard_waiting(&mut self, key: Option<&str>, cx: &mut Context<'_>) {
        let rows = self.quarantine.rows();
        let wanted = rows.iter().filter(|row| key.is_none_or(|key| key == row.key));
        let keys: Vec<Primary> = wanted.filter_map(|row| row.key.parse().ok()).collect();
        self.discard(&keys, cx);
    }

    /// Handles the timer: no mail waits for ever.
    pub(crate) fn expire_waiting(&mut self, cx: &mut Context<'_>) {
        let (on_relay_alone, given_up) = self.quarantine.expire(&mut self.sync.last_quarantined, cx);
        if on_relay_alone.is_empty() && given_up == 0 {
            return;
        }
        for hash in on_relay_alone {
            self.seen.remove(&Tag::of_envelope(&hash));
        }
        self.sync.unreadable += given_up;
        cx.save(self.sync.record());
    }

    /// Positions are no longer valid. Everything is read again, except envelopes that we already have.
    fn read_from_the_start(&mut self, cx: &mut Context<'_>) {
        self.sync.cursor = 0;
        self.sync.acknowledged = 0;
        self.link.starts_over();
        self.quarantine.forget_left(cx);
        cx.save(self.sync.record());
    }

    fn receive_one(&mut self, item: &InboxItem, cx: &mut Context<'_>) -> Next {
        if self.me.key.secret().is_none() {
            // Envelopes are sealed for the account's key. A browser without it passes over them.
            return Next::Item;
        }
        let json = item.envelope.get();
        let parsed = Envelope::parse(json.as_bytes());
        let hash = parsed.as_ref().map_or_else(|_| hash_of_bytes(json), |envelope| Some(envelope.hash()));
        let Some(hash) = hash.filter(|hash| self.seen.insert(Tag::of_envelope(hash))) else {
            return Next::Item;
        };
        let incoming =
            Incoming { json: json.to_owned(), hash, kept_at: item.created_at.unix(), seq: item.seq };
        let class = self.classify(&incoming);
        if let Some(page) = self.page_lacking_for(&class) {
            self.seen.remove(&Tag::of_envelope(&hash));
            return Next::Page(page);
        }
        match class {
            Class::Wait { key, .. } if PublicIdentity::try_from(key).is_err() => {
                self.count_unreadable(hash, cx);
            }
            Class::Wait { key, own_copy, quiet } => {
                self.hold(incoming.held((key, own_copy, quiet), cx.wall() / 1000), cx);
            }
            Class::FormerKey(seed) if self.was_mine(&seed) => {
                if self.learn_former_key(seed, hash, cx) {
                    return Next::Everything;
                }
            }
            // Later items must come after those that this key opens.
            Class::FormerKey(_) if self.awaits_own_chain() => {
                self.seen.remove(&Tag::of_envelope(&hash));
                return Next::Wait;
            }
            Class::FormerKey(_) => self.count_unreadable(hash, cx),
            class => self.apply(class, &incoming, cx),
        }
        Next::Item
    }

    fn apply(&mut self, class: Class, incoming: &Incoming, cx: &mut Context<'_>) {
        match class {
            Class::Content(arrived, heads) => {
                let (person, mine) = (arrived.place.person(), arrived.mine);
                self.arrived(*arrived, cx);
                if let Some(person) = person {
                    self.heard_heads((person, mine), &heads, cx);
                }
            }
            Class::Unread(place, message) => self.add_message(place, *message, cx),
            Class::Malformed(place, message, malformed) => self.malformed(place, *message, malformed, cx),
            Class::Archive(archive, former) => self.met_archive(*archive, incoming.kept_at, former, cx),
            Class::Unreadable => self.count_unreadable(incoming.hash, cx),
            Class::FormerKey(_) | Class::Wait { .. } | Class::Nowhere => {}
        }
    }

    /// The page that this would change or add a row to, if it has to be loaded first.
    fn page_lacking_for(&self, class: &Class) -> Option<PageKey> {
        let place = match class {
            Class::Content(arrived, _) => arrived.place,
            Class::Unread(place, _) | Class::Malformed(place, ..) => *place,
            Class::Archive(archive, _) => return self.page_lacking_for_archive(archive),
            _ => return None,
        };
        let conversation = self.conversations.get(&place)?;
        let page = match class {
            Class::Content(arrived, _) if !arrived.makes_row() => {
                let What::Reaction(reaction) = &arrived.content.what else { return None };
                let author = self.author_of(place, &reaction.of)?;
                page_of(conversation.order_of(author, &reaction.of.id)?)
            }
            _ => conversation.next_page(),
        };
        Some((place, page)).filter(|page| self.lacks(page))
    }

    fn classify(&self, incoming: &Incoming) -> Class {
        let Ok(envelope) = Envelope::parse(incoming.json.as_bytes()) else { return Class::Unreadable };
        let sender = envelope.claimed_sender();
        let from_myself = self.own_key(&sender).is_some();
        // The user's own keys write only to themselves: an attacker with a stolen former key must not write to the
        // current one.
        if from_myself && envelope.recipient() != sender {
            return Class::Unreadable;
        }
        let contact = self.contacts.by_key(&sender);
        if contact
            .or_else(|| self.contacts.by_new_key(&sender))
            .is_some_and(|id| self.contacts.is_blocked(id))
        {
            return Class::Nowhere;
        }
        let since = self.chains.own().refuses_envelopes_since().filter(|_| !from_myself);
        if since.is_some_and(|since| since < incoming.kept_at) {
            return Class::Unreadable;
        }
        let former = self.former.iter().find(|key| key.public().primary() == envelope.recipient());
        let Some(me) = self.me.key.secret() else { return Class::Nowhere };
        let known = from_myself || contact.is_some();
        let peer = if known { self.peer_of_former(&sender, former) } else { None };
        let opened = envelope.open(former.unwrap_or(me), |key| peer.as_ref().or_else(|| self.peer(key)));
        match (opened, contact) {
            (Ok(opened), _) if from_myself => self.classify_own(&opened, former.is_some(), incoming),
            (Ok(opened), Some(contact)) => {
                let replaced = self.contacts.get(contact).is_some_and(|c| c.stored.key.primary() != sender);
                let former_key = match (replaced, former) {
                    (true, _) => Some(FormerKey::Theirs),
                    (false, Some(_)) => Some(FormerKey::Mine),
                    (false, None) => None,
                };
                classify_theirs(contact, &opened, former_key, incoming)
            }
            (Err(OpenError::UnknownSender), None) => self.classify_strangers(&envelope, former),
            (Err(why), Some(contact)) => {
                incoming.unread(contact, StoredBody::Undecryptable(why), incoming.kept_at)
            }
            _ => Class::Unreadable,
        }
    }

    /// Signed by a key that belongs to no contact. It may wait only if it opens, since anyone can forge one that does
    /// not.
    fn classify_strangers(&self, envelope: &Envelope, former: Option<&SecretIdentity>) -> Class {
        let key = envelope.claimed_sender();
        let Some(me) = former.or(self.me.key.secret()) else { return Class::Nowhere };
        let peer = PublicIdentity::try_from(key).ok().and_then(|sender| Peer::new(me, sender).ok());
        match envelope.open(me, |_| peer.as_ref()) {
            Ok(opened) => Class::Wait { key, own_copy: false, quiet: is_quiet(&opened) },
            Err(_) => Class::Unreadable,
        }
    }

    /// A copy of the user's own message, from another browser or from before a restore.
    fn classify_own(&self, opened: &OpenedMessage, with_former_key: bool, incoming: &Incoming) -> Class {
        let Ok(Message { content, heads, .. }) = Message::parse(&opened.plaintext) else {
            return Class::Unreadable;
        };
        let former_key = with_former_key.then_some(FormerKey::Mine);
        let (to, mut message) = match content.what {
            What::Sent(Sent { to, message }) => (to, *message),
            What::FormerKey(FormerKeyNote { seed }) => return Class::FormerKey(seed),
            What::Archive(archive) => return Class::Archive(Box::new(archive), former_key),
            _ => return Class::Unreadable,
        };
        if matches!(message.what, What::Sent(_) | What::FormerKey(_) | What::Archive(_)) {
            return Class::Unreadable;
        }
        let Some(person) = self.contacts.by_key(&to) else {
            return Class::Wait { key: to, own_copy: true, quiet: false };
        };
        message.sent_at = message.sent_at.or(content.sent_at);
        let message = Message { content: message, chain: None, heads, generation: None, expires: None };
        incoming.content((person, true), message, former_key, opened)
    }

    /// Whether the user's own chain says that this key was replaced. Anyone who has a former key could claim that any
    /// key is one.
    fn was_mine(&self, seed: &Seed) -> bool {
        let key = SecretIdentity::from_seed(seed.clone()).public().primary();
        self.chains.own().chain().is_former(&key)
    }

    /// The user's own key with this value, former keys included.
    pub(crate) fn own_key(&self, key: &Primary) -> Option<PublicIdentity> {
        let former = self.former.iter().map(SecretIdentity::public);
        std::iter::once(self.me.key.public()).chain(former).find(|own| own.primary() == *key)
    }

    /// The secret between two keys, one of them a former key. Computed on demand, which is rare.
    fn peer_of_former(&self, sender: &Primary, former: Option<&SecretIdentity>) -> Option<Peer> {
        if former.is_none() && self.peer(sender).is_some() {
            return None;
        }
        Peer::new(former.or(self.me.key.secret())?, PublicIdentity::try_from(*sender).ok()?).ok()
    }

    /// Keeps a replaced key of the user's. Reads everything again from the start, in order, so that envelopes that
    /// needed this key now open. Returns whether there is anything to read again.
    fn learn_former_key(&mut self, seed: Seed, note: EnvelopeHash, cx: &mut Context<'_>) -> bool {
        let key = SecretIdentity::from_seed(seed);
        if self.own_key(&key.public().primary()).is_some() {
            return false;
        }
        self.former.push(key);
        self.save_account(cx);
        self.begin_reading_again(cx);
        // The note is processed.
        self.seen.insert(Tag::of_envelope(&note));
        true
    }

    /// The user's own chain is now known. It may name the keys in notes that were not trusted before.
    pub(crate) fn read_notes_again(&mut self, cx: &mut Context<'_>) {
        if self.sync.unreadable > 0 && self.chains.own().chain().primaries().len() > 1 {
            self.begin_reading_again(cx);
            self.link.restart(cx);
        }
    }

    /// Reads the inbox from its start, except envelopes that we already have.
    fn begin_reading_again(&mut self, cx: &mut Context<'_>) {
        self.seen = self.quarantine.hashes().map(|hash| Tag::of_envelope(&hash)).collect();
        for conversation in self.conversations.values_mut() {
            conversation.remove_sealed_for_another();
            self.seen.extend(conversation.envelopes());
        }
        for id in self.quarantine.forget_unreadable() {
            cx.delete(Kind::Quarantine, id);
        }
        self.sync.unreadable = 0;
        self.read_from_the_start(cx);
    }

    fn peer(&self, key: &Primary) -> Option<&Peer> {
        if *key == self.me.key.public().primary() {
            return self.myself.as_ref();
        }
        let contact = self.contacts.by_key(key).and_then(|id| self.contacts.get(id));
        contact.and_then(|contact| contact.peer.as_ref()).filter(|peer| peer.identity().primary() == *key)
    }

    pub(in crate::session) fn hold(&mut self, held: Held, cx: &mut Context<'_>) {
        for hash in self.quarantine.hold(&mut self.sync.last_quarantined, held, cx) {
            self.seen.remove(&Tag::of_envelope(&hash));
        }
    }

    pub(crate) fn count_unreadable(&mut self, hash: EnvelopeHash, cx: &mut Context<'_>) {
        self.sync.unreadable += 1;
        self.remember_by_name(hash, cx);
        cx.save(self.sync.record());
    }

    fn malformed(
        &mut self,
        place: Place,
        row: StoredMessage,
        MalformedMessage { chain, content }: MalformedMessage,
        cx: &mut Context<'_>,
    ) {
        let (Some(conversation), Some(envelope)) = (self.conversations.get_mut(&place), row.envelope) else {
            return;
        };
        let position = chain.map(|chain| conversation.receive(chain, envelope));
        if content.quiet {
            self.count_unreadable(envelope, cx);
        } else {
            self.add_message(place, StoredMessage { position, ..row }, cx);
        }
    }

    fn remember_by_name(&mut self, hash: EnvelopeHash, cx: &mut Context<'_>) {
        if self.quarantine.remember_unreadable(self.sync.last_quarantined + 1, hash) {
            self.sync.last_quarantined += 1;
            let id = record_id(self.sync.last_quarantined);
            cx.save(Record::put(Kind::Quarantine, id, &Quarantined::Unreadable { hash }));
        }
    }
}

impl Incoming {
    fn held(self, (key, own_copy, quiet): (Primary, bool, bool), since: u64) -> Held {
        let Self { json, hash, kept_at, seq } = self;
        Held { key, hash, envelope: json, kept_at, seq, own_copy, quiet, since }
    }

    fn content(
        &self,
        (person, mine): (PersonId, bool),
        Message { content, chain, heads, .. }: Message,
        former_key: Option<FormerKey>,
        opened: &OpenedMessage,
    ) -> Class {
        let (place, sealed_at) = (Place::Direct(person), opened.created_at.unix());
        let (envelope, kept_at) = (self.hash, self.kept_at);
        let (from, transport) = (None, Transport::Envelope(former_key));
        let arrived = Arrived { place, mine, from, content, envelope, sealed_at, kept_at, chain, transport };
        Class::Content(Box::new(arrived), heads)
    }

    fn unread(&self, person: PersonId, body: StoredBody, sent_at: u64) -> Class {
        Class::Unread(Place::Direct(person), Box::new(self.unread_row(body, sent_at)))
    }

    fn unread_row(&self, body: StoredBody, sent_at: u64) -> StoredMessage {
        let row = StoredMessage::note(body, self.kept_at);
        StoredMessage { sent_at, envelope: Some(self.hash), ..row }
    }
}

/// Whether a message is quiet, and so no reason to look its sender up.
fn is_quiet(opened: &OpenedMessage) -> bool {
    match Message::parse(&opened.plaintext) {
        Ok(message) => message.content.what.is_quiet(),
        Err(malformed) => malformed.content.quiet,
    }
}

fn classify_theirs(
    person: PersonId,
    opened: &OpenedMessage,
    former_key: Option<FormerKey>,
    incoming: &Incoming,
) -> Class {
    match Message::parse(&opened.plaintext) {
        Ok(message) => incoming.content((person, false), message, former_key, opened),
        Err(malformed) => {
            let row = incoming.unread_row(StoredBody::Malformed, opened.created_at.unix());
            Class::Malformed(Place::Direct(person), Box::new(row), malformed)
        }
    }
}

/// Whether the positions ascend, are valid protocol numbers, and do not exceed the highest position.
fn are_in_order(items: &[InboxItem], last: Option<u64>) -> bool {
    let highest = last.unwrap_or(MAX_INTEGER).min(MAX_INTEGER);
    items.is_sorted_by(|before, after| before.seq < after.seq)
        && items.last().is_none_or(|item| item.seq <= highest)
}

/// The hash of bytes that are not an envelope, and so have no canonical form.
fn hash_of_bytes(json: &str) -> Option<EnvelopeHash> {
    let hex: String = Sha256::digest(json.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    hex.parse().ok()
}
