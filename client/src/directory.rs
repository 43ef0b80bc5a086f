//! Who is who: handles that somebody looks at, and keys that have sent something.
//!
//! A key is pinned when its holder's signed registration proves it, and never replaced without the person.

use kez_core::handle::Handle;
use kez_core::identity::Primary;

use crate::backoff::Backoff;
use crate::contacts::{ContactId, NewKey};
use crate::context::Context;
use crate::lookup::{Found, Proof};
use crate::pace::Pace;
use crate::record::Record;
use crate::requests::{Answer, Purpose, retry_after};
use crate::session::Session;
use crate::sorted_map::SortedMap;

/// How many keys are asked for at a time.
const SIDE_BY_SIDE: usize = 4;
/// Lookups of one person per session, after which they wait for the next session.
const MOST_ATTEMPTS: u32 = 24;
/// How often, in milliseconds, the registry is asked again about a contact that somebody looks at.
const CHECK_INTERVAL: u64 = 60 * 60 * 1000;

/// What the registry has said about a handle that is no contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HandleState {
    Asked,
    Found(Box<Found>),
    Nobody,
    Unavailable,
}

/// Questions to the registry.
#[derive(Default)]
pub(crate) struct Directory {
    pub(crate) handles: SortedMap<Handle, HandleState>,
    senders: SortedMap<Primary, SenderQuestion>,
    pace: Pace,
}

struct SenderQuestion {
    backoff: Backoff,
    /// When to ask (again); `None` while the answer is awaited, and after so many attempts.
    ask_at: Option<u64>,
    is_asked: bool,
    attempts: u32,
}

impl Default for SenderQuestion {
    fn default() -> Self {
        Self { backoff: Backoff::new(500, 3_600_000), ask_at: Some(0), is_asked: false, attempts: 0 }
    }
}

impl Session {
    /// Somebody looks at this handle: asks about it when it is not known, or was not asked about lately.
    pub(crate) fn look_at(&mut self, handle: &Handle, cx: &mut Context<'_>) {
        match self.contacts.by_handle(handle).and_then(|id| self.contacts.get(id)) {
            Some(contact) if contact.checked_at.saturating_add(CHECK_INTERVAL) > cx.now => {}
            None if matches!(self.directory.handles.get(handle), Some(HandleState::Found(_))) => {}
            _ if *handle == self.handle => {}
            _ => self.ask_about(handle, cx),
        }
    }

    /// Asks who has this handle.
    pub(crate) fn ask_about(&mut self, handle: &Handle, cx: &mut Context<'_>) {
        let purpose = Purpose::Handle(handle.clone());
        if cx.shared.requests.awaits(&purpose) {
            return;
        }
        let found = matches!(self.directory.handles.get(handle), Some(HandleState::Found(_)));
        if self.contacts.by_handle(handle).is_none() && !found {
            self.directory.handles.insert(handle.clone(), HandleState::Asked);
        }
        cx.get(format!("/v1/u/{handle}"), purpose);
    }

    /// The registry has answered.
    pub(crate) fn handle_answered(&mut self, handle: &Handle, answer: &Answer, cx: &mut Context<'_>) {
        let proof = Proof::of_handle(answer, &self.server, handle);
        if let Some(contact) = self.contacts.by_handle(handle) {
            if let Proof::Proven(found) = proof {
                self.check_key(contact, *found, cx);
                self.ask_about_chain(contact, cx);
            }
        } else {
            let state = match proof {
                Proof::Proven(found) if self.contacts.by_key(&found.key.primary()).is_some() => {
                    HandleState::Unavailable
                }
                Proof::Proven(found) if found.key == self.me.public() => HandleState::Unavailable,
                Proof::Proven(found) => HandleState::Found(found),
                Proof::Nobody => HandleState::Nobody,
                Proof::Replaced(_) | Proof::Unavailable => HandleState::Unavailable,
            };
            self.directory.handles.insert(handle.clone(), state);
        }
        self.answer_dialogs(handle, cx);
    }

    /// The contact with this handle; makes one of what was found.
    pub(crate) fn contact_for(&mut self, handle: &Handle, cx: &mut Context<'_>) -> Option<ContactId> {
        if let Some(contact) = self.contacts.by_handle(handle) {
            return Some(contact);
        }
        let Some(HandleState::Found(found)) = self.directory.handles.get(handle) else { return None };
        self.pin(Found::clone(found), false, cx)
    }

    /// The person accepts the key on screen. `false` when the handle has another key by now.
    pub(crate) fn accept_new_key(&mut self, contact: ContactId, shown: &str, cx: &mut Context<'_>) -> bool {
        let known = self.contacts.get(contact).map(|known| known.stored.shown_key().to_string());
        if known.as_deref() != Some(shown) {
            return false;
        }
        self.accept_shown_key(contact, cx);
        true
    }

    fn accept_shown_key(&mut self, contact: ContactId, cx: &mut Context<'_>) {
        if let Some(known) = self.contacts.get_mut(contact).filter(|known| known.stored.unconfirmed) {
            known.stored.unconfirmed = false;
            self.save_contact(contact, cx);
            return self.send_queued(cx);
        }
        let Some((key, _)) = self.contacts.accept_new_key(contact, false, &self.me) else { return };
        // The chain of the former key says nothing about this one.
        self.forget_chain(contact, cx);
        self.save_contact(contact, cx);
        self.forget_sealed(contact, cx);
        self.release(&[key], cx);
        self.send_queued(cx);
    }

    /// Asks whose the keys are for which something waits.
    pub(crate) fn ask_about_senders(&mut self, cx: &mut Context<'_>) {
        let mut wanted = self.quarantine.keys();
        wanted.retain(|key| !self.contacts.awaits_acceptance(key));
        let mut questions = std::mem::take(&mut self.directory.senders);
        for key in &wanted {
            let question = questions.remove(key).unwrap_or_default();
            self.directory.senders.insert(*key, question);
        }
        // The newest come first: they do not wait behind a thousand others.
        for key in wanted {
            let asked = self.directory.senders.values().filter(|question| question.is_asked).count();
            let Some(question) = self.directory.senders.get_mut(&key) else { continue };
            let due = !question.is_asked && question.ask_at.is_some_and(|at| at <= cx.now);
            if due && asked < SIDE_BY_SIDE && self.directory.pace.take(cx.now) {
                (question.is_asked, question.ask_at) = (true, None);
                cx.get(format!("/v1/by-primary/{key}"), Purpose::Sender(key));
            }
        }
    }

    /// The registry has said whose a key is.
    pub(crate) fn sender_answered(&mut self, key: &Primary, answer: &Answer, cx: &mut Context<'_>) {
        if let Some(question) = self.directory.senders.get_mut(key) {
            question.is_asked = false;
        }
        self.directory.pace.heed(answer, cx.now);
        match Proof::of_key(answer, &self.server, *key) {
            Proof::Unavailable => self.ask_about_sender_later(key, answer, cx),
            Proof::Nobody => self.give_up(&[*key], cx),
            Proof::Replaced(found) if found.handle == self.handle => self.give_up(&[*key], cx),
            Proof::Replaced(found) => {
                self.ask_about_sender_later(key, answer, cx);
                self.ask_about_former_key(key, *found, cx);
            }
            Proof::Proven(found) => match self.contacts.by_handle(&found.handle) {
                Some(contact) if self.awaits_another_key(contact, key) => {
                    self.ask_about_sender_later(key, answer, cx);
                }
                Some(contact) => self.check_key(contact, *found, cx),
                None if found.root.is_some_and(|root| root != *key) && self.chains.are_reachable() => {
                    // They have changed the key before: what they signed earlier comes first.
                    self.ask_about_sender_later(key, answer, cx);
                    self.ask_about_former_key(key, *found, cx);
                }
                None => {
                    // One's own handle with another key, say, is nobody.
                    let acceptable = found.handle != self.handle;
                    if !acceptable || self.pin(*found, true, cx).is_none() {
                        self.give_up(&[*key], cx);
                    }
                }
            },
        }
        self.ask_about_senders(cx);
    }

    /// When to ask about a sender again.
    pub(crate) fn next_question(&self) -> Option<u64> {
        let asked = self.directory.senders.values().filter(|question| question.is_asked).count();
        let next = self.directory.senders.values().filter_map(|question| question.ask_at).min();
        next.filter(|_| asked < SIDE_BY_SIDE).map(|at| at.max(self.directory.pace.next()))
    }

    /// The connection is back: asks at once what was to be asked later.
    pub(crate) fn ask_again(&mut self, cx: &mut Context<'_>) {
        for question in self.directory.senders.values_mut() {
            question.attempts = 0;
            question.ask_at = if question.is_asked { None } else { Some(0) };
        }
        self.ask_about_senders(cx);
        let failed = |state: &HandleState| *state == HandleState::Unavailable;
        let handles: Vec<Handle> = self
            .directory
            .handles
            .iter()
            .filter(|(_, state)| failed(state))
            .map(|(h, _)| h.clone())
            .collect();
        for handle in handles {
            let shown = cx.shared.tabs.any_visible(|at| self.handle_at(at).as_ref() == Some(&handle));
            if shown {
                self.ask_about(&handle, cx);
            }
        }
    }

    /// A server that proves one new key after another for a handle gets one of them before the person's eyes, not a race.
    fn awaits_another_key(&self, contact: ContactId, key: &Primary) -> bool {
        let new_key = self.contacts.get(contact).and_then(|contact| contact.stored.new_key.as_ref());
        new_key.is_some_and(|new| new.key.primary() != *key)
    }

    pub(crate) fn ask_about_sender_later(&mut self, key: &Primary, answer: &Answer, cx: &mut Context<'_>) {
        let Some(question) = self.directory.senders.get_mut(key) else { return };
        let wait = question.backoff.next_after(retry_after(answer), cx.rng).max(1);
        question.attempts += 1;
        // After that it is asked again when the account is opened next, or the connection comes back.
        let again = question.attempts < MOST_ATTEMPTS;
        question.ask_at = again.then(|| cx.now.saturating_add(wait));
    }

    pub(crate) fn settle_senders(&mut self, keys: &[Primary], cx: &mut Context<'_>) {
        for key in keys {
            self.directory.senders.remove(key);
        }
        self.release(keys, cx);
    }

    /// Compares what the registry says about a contact with what is pinned.
    fn check_key(&mut self, id: ContactId, found: Found, cx: &mut Context<'_>) {
        let taken = self.contacts.by_key(&found.key.primary()).is_some_and(|other| other != id);
        let Some(contact) = self.contacts.get_mut(id).filter(|_| !taken && found.key != self.me.public())
        else {
            return;
        };
        contact.checked_at = cx.now;
        contact.stored.root = found.root.or(contact.stored.root);
        let new_key = (found.key != contact.stored.key)
            .then_some(NewKey { key: found.key, registration: found.registration });
        let changed = new_key.is_some();
        if new_key.as_ref().map(|new| new.key) == contact.stored.new_key.as_ref().map(|new| new.key) {
            return;
        }
        contact.stored.new_key = new_key.clone();
        contact.stored.was_verified |= changed && contact.stored.verified;
        contact.stored.verified &= !changed;
        self.save_contact(id, cx);
        self.send_queued(cx);
        if let Some(new) = new_key {
            self.explain_new_key(id, &new, cx);
        }
    }

    /// Makes a contact of what was found, because its holder wrote first or somebody looked for them, and lets in what
    /// waited for the key.
    fn pin(&mut self, found: Found, wrote_first: bool, cx: &mut Context<'_>) -> Option<ContactId> {
        let key = found.key.primary();
        let id = self.add_contact(found, wrote_first, cx)?;
        if self.quarantine.holds_for(&key) {
            self.directory.senders.remove(&key);
            self.release(&[key], cx);
        }
        self.ask_about_chain(id, cx);
        Some(id)
    }

    /// Makes a contact of what was found.
    pub(crate) fn add_contact(
        &mut self,
        found: Found,
        wrote_first: bool,
        cx: &mut Context<'_>,
    ) -> Option<ContactId> {
        let id = ContactId(self.sync.last_contact + 1);
        let handle = found.handle.clone();
        let standing = self.first_standing(&handle, wrote_first);
        self.contacts.pin(id, found, cx.wall() / 1000, standing, &self.me)?;
        self.sync.last_contact = id.0;
        self.directory.handles.remove(&handle);
        if let Some(contact) = self.contacts.get_mut(id) {
            contact.checked_at = cx.now;
        }
        self.save_contact(id, cx);
        cx.save(self.sync.record());
        Some(id)
    }

    /// Writes a contact.
    pub(crate) fn save_contact(&self, id: ContactId, cx: &mut Context<'_>) {
        let record: Option<Record> = self.contacts.get(id).map(|contact| contact.stored.record(id));
        if let Some(record) = record {
            cx.save(record);
        }
    }
}
