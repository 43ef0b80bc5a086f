//! Lookups: handles that the user views, and keys that have sent messages.
//!
//! A key is pinned when its owner's signed registration proves it. It is never replaced without the user's consent.

use kez_core::handle::Handle;
use kez_core::identity::Primary;

use crate::kernel::answer::{Answer, retry_after};
use crate::kernel::backoff::Backoff;
use crate::kernel::context::Context;
use crate::kernel::lookup::{Found, Proof};
use crate::kernel::place::{PersonId, Place, Slot};
use crate::kernel::requests::Purpose;
use crate::kernel::sorted_map::SortedMap;
use crate::people::NewKey;
use crate::people::Pace;
use crate::session::Session;

/// The number of key lookups in flight.
const SIDE_BY_SIDE: usize = 4;
/// The most lookups of one key per session. After that, the key waits for the next session.
const MOST_ATTEMPTS: u32 = 24;
/// How often, in milliseconds, the lookup of a contact on screen is repeated.
const CHECK_INTERVAL: u64 = 60 * 60 * 1000;

/// The registry's answer for a handle that is not a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HandleState {
    Asked,
    Found(Box<Found>),
    NotFound,
    Unavailable,
}

/// The state of the lookups.
#[derive(Default)]
pub(crate) struct Directory {
    pub(crate) handles: SortedMap<Handle, HandleState>,
    senders: SortedMap<Primary, SenderQuestion>,
    pace: Pace,
}

struct SenderQuestion {
    backoff: Backoff,
    /// When to ask (again); `None` while a request is in flight, and after the last attempt.
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
    /// The user is viewing this handle. Looks it up when it is unknown or was not looked up recently.
    pub(crate) fn look_at(&mut self, handle: &Handle, cx: &mut Context<'_>) {
        match self.contacts.by_handle(handle).and_then(|id| self.contacts.get(id)) {
            Some(contact) if contact.checked_at.saturating_add(CHECK_INTERVAL) > cx.now => {}
            None if matches!(self.directory.handles.get(handle), Some(HandleState::Found(_))) => {}
            _ if *handle == self.me.handle => {}
            _ => self.ask_about(handle, cx),
        }
    }

    /// Looks up the owner of this handle.
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

    /// Handles the answer to a lookup by handle.
    pub(crate) fn handle_answered(&mut self, handle: &Handle, answer: &Answer, cx: &mut Context<'_>) {
        let proof = Proof::of_handle(answer, &self.me.server, handle);
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
                Proof::Proven(found) if found.key == self.me.key.public() => HandleState::Unavailable,
                Proof::Proven(found) => HandleState::Found(found),
                Proof::NotFound => HandleState::NotFound,
                Proof::Replaced(_) | Proof::Unavailable => HandleState::Unavailable,
            };
            self.directory.handles.insert(handle.clone(), state);
        }
        self.answer_dialogs(handle, cx);
        self.look_at_groups_of_strangers(cx);
    }

    /// The contact with this handle. Creates it from the lookup result if necessary.
    pub(crate) fn contact_for(&mut self, handle: &Handle, cx: &mut Context<'_>) -> Option<PersonId> {
        if let Some(contact) = self.contacts.by_handle(handle) {
            return Some(contact);
        }
        let Some(HandleState::Found(found)) = self.directory.handles.get(handle) else { return None };
        self.pin(Found::clone(found), false, cx)
    }

    /// The user accepts the key on screen. `false` when the handle has a different key by now.
    pub(crate) fn accept_new_key(&mut self, contact: PersonId, shown: &str, cx: &mut Context<'_>) -> bool {
        let known = self.contacts.get(contact).map(|known| known.stored.shown_key().to_string());
        if known.as_deref() != Some(shown) {
            return false;
        }
        self.accept_shown_key(contact, cx);
        true
    }

    fn accept_shown_key(&mut self, contact: PersonId, cx: &mut Context<'_>) {
        if let Some(known) = self.contacts.get_mut(contact).filter(|known| known.stored.unconfirmed) {
            known.stored.unconfirmed = false;
            self.contacts.save(contact, cx);
            return self.send_queued(cx);
        }
        let Some((key, _)) = self.contacts.accept_new_key(contact, &self.me.key) else { return };
        if let Some(conversation) = self.conversations.get_mut(&Place::Direct(contact)) {
            conversation.restart_sequence();
        }
        // The chain of the former key says nothing about this one, and the group was that of its owner.
        self.part_from(contact, cx);
        self.forget_chain(contact, cx);
        self.contacts.save(contact, cx);
        self.forget_sealed(Place::Direct(contact), cx);
        self.ask_about_chain(contact, cx);
        self.look_at_groups_of_strangers(cx);
        self.release(&[key], cx);
        self.send_queued(cx);
    }

    /// Looks up the owners of keys with waiting mail.
    pub(crate) fn ask_about_senders(&mut self, cx: &mut Context<'_>) {
        let mut wanted = self.quarantine.keys();
        wanted.retain(|key| !self.contacts.awaits_acceptance(key));
        let mut questions = std::mem::take(&mut self.directory.senders);
        for key in &wanted {
            let question = questions.remove(key).unwrap_or_default();
            self.directory.senders.insert(*key, question);
        }
        // Newest first, so that they do not wait behind a thousand others.
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

    /// Handles the answer to a lookup by key.
    pub(crate) fn sender_answered(&mut self, key: &Primary, answer: &Answer, cx: &mut Context<'_>) {
        if let Some(question) = self.directory.senders.get_mut(key) {
            question.is_asked = false;
        }
        self.directory.pace.heed(answer, cx.now);
        match Proof::of_key(answer, &self.me.server, *key) {
            Proof::Unavailable => self.ask_about_sender_later(key, answer, cx),
            Proof::NotFound => self.give_up(&[*key], cx),
            Proof::Replaced(found) if found.handle == self.me.handle => self.give_up(&[*key], cx),
            Proof::Replaced(found) => {
                self.ask_about_sender_later(key, answer, cx);
                self.chains.contacts().ask_about_former_key(key, *found, cx);
            }
            Proof::Proven(found) => match self.contacts.by_handle(&found.handle) {
                Some(contact) if self.awaits_another_key(contact, key) => {
                    self.ask_about_sender_later(key, answer, cx);
                }
                Some(contact) => self.check_key(contact, *found, cx),
                None if found.root.is_some_and(|root| root != *key)
                    && self.chains.contacts().are_reachable() =>
                {
                    // They have changed the key before: fetch the former keys first.
                    self.ask_about_sender_later(key, answer, cx);
                    self.chains.contacts().ask_about_former_key(key, *found, cx);
                }
                None => {
                    // For example, the user's own handle with another key is not acceptable.
                    let acceptable = found.handle != self.me.handle;
                    if !acceptable || self.pin(*found, true, cx).is_none() {
                        self.give_up(&[*key], cx);
                    }
                }
            },
        }
        self.ask_about_senders(cx);
    }

    /// When to send the next key lookup.
    pub(crate) fn next_question(&self) -> Option<u64> {
        let asked = self.directory.senders.values().filter(|question| question.is_asked).count();
        let next = self.directory.senders.values().filter_map(|question| question.ask_at).min();
        next.filter(|_| asked < SIDE_BY_SIDE).map(|at| at.max(self.directory.pace.next()))
    }

    /// The connection is back. Sends postponed lookups at once.
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

    /// If a server proves one new key after another for a handle, the user sees the first, not a race.
    fn awaits_another_key(&self, contact: PersonId, key: &Primary) -> bool {
        let new_key = self.contacts.get(contact).and_then(|contact| contact.stored.new_key.as_ref());
        new_key.is_some_and(|new| new.key.primary() != *key)
    }

    pub(crate) fn ask_about_sender_later(&mut self, key: &Primary, answer: &Answer, cx: &mut Context<'_>) {
        let Some(question) = self.directory.senders.get_mut(key) else { return };
        let wait = question.backoff.next_after(retry_after(answer), cx.rng).max(1);
        question.attempts += 1;
        // After that, the client asks again when the account is next opened or the connection returns.
        let again = question.attempts < MOST_ATTEMPTS;
        question.ask_at = again.then(|| cx.now.saturating_add(wait));
    }

    pub(crate) fn settle_senders(&mut self, keys: &[Primary], cx: &mut Context<'_>) {
        for key in keys {
            self.directory.senders.remove(key);
        }
        self.release(keys, cx);
    }

    /// Compares the registry's answer about a contact with the pinned key.
    fn check_key(&mut self, id: PersonId, found: Found, cx: &mut Context<'_>) {
        let taken = self.contacts.by_key(&found.key.primary()).is_some_and(|other| other != id);
        let Some(contact) = self.contacts.get_mut(id).filter(|_| !taken && found.key != self.me.key.public())
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
        self.contacts.save(id, cx);
        self.send_queued(cx);
        if let Some(new) = new_key {
            self.explain_new_key(id, &new.key, cx);
        }
    }

    /// Creates a contact from a lookup, because its owner wrote first or the user looked them up. Releases the mail
    /// that waited for the key.
    fn pin(&mut self, found: Found, wrote_first: bool, cx: &mut Context<'_>) -> Option<PersonId> {
        let key = found.key.primary();
        let id = self.add_contact(found, wrote_first, cx)?;
        if self.quarantine.holds_for(&key) {
            self.directory.senders.remove(&key);
            self.release(&[key], cx);
        }
        self.ask_about_chain(id, cx);
        Some(id)
    }

    /// Makes a contact of someone who was met elsewhere than in the inbox. Their mail may wait there.
    pub(crate) fn meet_contact(
        &mut self,
        found: Found,
        wrote_first: bool,
        cx: &mut Context<'_>,
    ) -> Option<PersonId> {
        let key = found.key.primary();
        let id = self.add_contact(found, wrote_first, cx)?;
        self.ask_about_chain(id, cx);
        self.settle_senders(&[key], cx);
        Some(id)
    }

    /// Creates a contact from a lookup.
    pub(crate) fn add_contact(
        &mut self,
        found: Found,
        wrote_first: bool,
        cx: &mut Context<'_>,
    ) -> Option<PersonId> {
        let slot = Slot(self.sync.last_contact + 1);
        let handle = found.handle.clone();
        let standing = self.lists.first_standing(&handle, wrote_first);
        let id = self.contacts.pin(slot, found, cx.wall() / 1000, standing, &self.me.key)?;
        self.conversations.insert(Place::Direct(id), self.new_conversation(slot));
        self.sync.last_contact = slot.0;
        self.directory.handles.remove(&handle);
        if let Some(contact) = self.contacts.get_mut(id) {
            contact.checked_at = cx.now;
        }
        self.contacts.save(id, cx);
        cx.save(self.sync.record());
        Some(id)
    }
}
