//! Accepted and blocked people. The user decides here, and the server is told: it lets accepted people send more, and
//! holds back messages from blocked ones.
//!
//! A first message from an unknown sender is a request: readable, but without a badge, until the user accepts it or
//! replies. A contact to whom the user has written is accepted.

use kez_core::api::HandleList;
use kez_core::handle::Handle;
use kez_core::problem::ProblemCode;
use serde::{Deserialize, Serialize};

use crate::contacts::Contact;
use crate::kernel::answer::{Answer, Outcome, body, no_content, outcome, retry_after};
use crate::kernel::backoff::Backoff;
use crate::kernel::context::Context;
use crate::kernel::effect::Method;
use crate::kernel::place::{PersonId, Place};
use crate::kernel::record::Kind;
use crate::kernel::requests::{ListChange, Purpose};
use crate::kernel::sorted_map::SortedMap;
use crate::session::Session;

/// The state of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// Not blocked.
    #[default]
    None,
    /// Blocked: their messages are not shown.
    Set,
    /// Unblocked here, but the server does not know yet and keeps holding back their messages.
    Lifting,
}

/// A row of the list "Blocked".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockedRow {
    /// The blocked handle.
    pub handle: String,
    /// Whether the server still has to learn that the block is lifted ([`Block::Lifting`]).
    pub lifting: bool,
    /// Whether the server denies this block. The block stays in force here until the user lifts it or blocks again.
    pub in_doubt: bool,
}

/// A contact's status with the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// They wrote first, and the user has not replied.
    pub(crate) request: bool,
    /// The user wants the conversation.
    pub(crate) accepted: bool,
    /// Their messages are not shown.
    pub(crate) blocked: bool,
    /// The value of `accepted` that the server was last told.
    told_accepted: bool,
    /// The value of `blocked` that the server was last told.
    told_blocked: bool,
    /// Whether the server denies a block that it was told about: another browser may have lifted it, or the server has lost it.
    in_doubt: bool,
}

impl Standing {
    /// The standing of a contact who wrote first.
    pub(crate) const fn request() -> Self {
        Self {
            request: true,
            accepted: false,
            blocked: false,
            told_accepted: false,
            told_blocked: false,
            in_doubt: false,
        }
    }

    const fn change(self) -> Option<ListChange> {
        match (self.blocked, self.told_blocked) {
            (true, false) => Some(ListChange::Blocked),
            (false, true) => Some(ListChange::Unblocked),
            _ if self.accepted && !self.told_accepted => Some(ListChange::Accepted),
            _ => None,
        }
    }

    /// The state of the block. Until the server knows that a block is lifted, it keeps holding back their messages.
    pub(crate) const fn block(self) -> Block {
        match (self.blocked, self.told_blocked) {
            (true, _) => Block::Set,
            (false, true) => Block::Lifting,
            (false, false) => Block::None,
        }
    }

    const fn acknowledged(&mut self, change: ListChange) {
        match change {
            ListChange::Accepted => self.told_accepted = true,
            ListChange::Blocked => self.told_blocked = true,
            ListChange::Unblocked => self.told_blocked = false,
        }
    }
}

/// What the server is being told, and its answers.
pub(crate) struct ListSync {
    /// Whether the client has fetched the block list, which other browsers of this account may change.
    asked: bool,
    /// Whether the client has fetched the server's list of accepted contacts.
    asked_accepted: bool,
    /// Blocked handles that are not contacts here, and whether the block is to be lifted.
    strangers: SortedMap<Handle, bool>,
    in_flight: bool,
    retry_at: Option<u64>,
    backoff: Backoff,
}

impl Default for ListSync {
    fn default() -> Self {
        let backoff = Backoff::new(1_000, 300_000);
        Self {
            asked: false,
            asked_accepted: false,
            strangers: SortedMap::default(),
            in_flight: false,
            retry_at: None,
            backoff,
        }
    }
}

impl ListSync {
    /// When to try again.
    pub(crate) const fn wake(&self) -> Option<u64> {
        self.retry_at
    }
}

impl Session {
    /// Marks a contact as accepted: the user pressed "Accept" or wrote to them.
    pub(crate) fn accept_contact(&mut self, id: PersonId, cx: &mut Context<'_>) {
        let Some(contact) = self.contacts.get_mut(id) else { return };
        let standing = &mut contact.stored.standing;
        if standing.accepted && !standing.request {
            return;
        }
        (standing.accepted, standing.request) = (true, false);
        self.save_contact(id, cx);
        self.tell_people(cx);
    }

    /// "Block", or "Unblock".
    pub(crate) fn set_blocked(&mut self, handle: &str, blocked: bool, cx: &mut Context<'_>) {
        let Some(handle) = self.handle_at(handle) else { return };
        let Some(id) = self.contacts.by_handle(&handle) else {
            if let Some(lifting) = self.telling.strangers.get_mut(&handle) {
                *lifting = !blocked;
                self.tell_people(cx);
            }
            return;
        };
        let Some(contact) = self.contacts.get_mut(id) else { return };
        let standing = &mut contact.stored.standing;
        if standing.blocked == blocked && !standing.in_doubt {
            return;
        }
        // When the block is lifted, the server may still have it, whether it answered or not.
        (standing.blocked, standing.told_blocked, standing.in_doubt) = (blocked, !blocked, false);
        let keys = contact.stored.keys();
        self.save_contact(id, cx);
        if blocked {
            // Their unread mail in quarantine, and the mail that uses space on the server.
            self.discard(&keys, cx);
        }
        self.tell_people(cx);
    }

    /// "Decline": deletes the request with all their messages, here and on the server. A later message is a new request.
    pub(crate) fn decline_request(&mut self, id: PersonId, cx: &mut Context<'_>) {
        let Some(contact) = self.contacts.get(id).filter(|contact| contact.stored.standing.request) else {
            return;
        };
        let keys = contact.stored.keys();
        let slot = contact.slot;
        if let Some(conversation) = self.conversations.remove(&Place::Direct(id)) {
            for order in conversation.orders() {
                cx.delete(Kind::Message, slot.key(order));
            }
        }
        for kind in [Kind::Draft, Kind::Conversation, Kind::Contact] {
            cx.delete(kind, slot.to_string());
        }
        self.forget_chain(id, cx);
        self.contacts.remove(id);
        self.discard(&keys, cx);
    }

    /// All blocked handles, including those whose unblocking the server does not know yet, in alphabetical order.
    pub(crate) fn blocked(&self) -> Vec<BlockedRow> {
        let row =
            |handle: &Handle, lifting, in_doubt| BlockedRow { handle: handle.to_string(), lifting, in_doubt };
        let mut strangers = self.telling.strangers.iter().peekable();
        let mut rows = Vec::new();
        for contact in self.contacts.by_name() {
            let (handle, standing) = (&contact.stored.handle, contact.stored.standing);
            let block = standing.block();
            if block != Block::None {
                while let Some((stranger, lifting)) = strangers.next_if(|(stranger, _)| *stranger < handle) {
                    rows.push(row(stranger, *lifting, false));
                }
                rows.push(row(handle, block == Block::Lifting, standing.in_doubt));
            }
        }
        rows.extend(strangers.map(|(stranger, lifting)| row(stranger, *lifting, false)));
        rows
    }

    /// The standing of a new contact, who either wrote first or was looked up by the user.
    pub(crate) fn first_standing(&mut self, handle: &Handle, wrote_first: bool) -> Standing {
        let mut standing = if wrote_first { Standing::request() } else { Standing::default() };
        if let Some(lifting) = self.telling.strangers.remove(handle) {
            (standing.blocked, standing.told_blocked) = (!lifting, true);
        }
        standing
    }

    /// Tells the server about pending changes, one at a time.
    pub(crate) fn tell_people(&mut self, cx: &mut Context<'_>) {
        let waits = self.telling.retry_at.is_some_and(|at| at > cx.now);
        if self.telling.in_flight || waits {
            return;
        }
        self.telling.retry_at = None;
        if !self.telling.asked {
            self.telling.in_flight = true;
            let target = format!("/v1/u/{}/blocks", self.me.handle);
            let request = self.me.signed(Method::Get, target, None, cx);
            return cx.request(request, Purpose::Blocks);
        }
        if !self.telling.asked_accepted {
            self.telling.in_flight = true;
            let target = format!("/v1/u/{}/contacts", self.me.handle);
            let request = self.me.signed(Method::Get, target, None, cx);
            return cx.request(request, Purpose::Accepted);
        }
        let next = self.contacts.iter().find_map(|(id, contact)| {
            Some((id, contact.stored.handle.clone(), contact.stored.standing.change()?))
        });
        if let Some((id, handle, change)) = next {
            self.telling.in_flight = true;
            return self.tell(&handle, change, Purpose::Tell(id, change), cx);
        }
        let next = self.telling.strangers.iter().find(|(_, lifting)| **lifting);
        if let Some(handle) = next.map(|(handle, _)| handle.clone()) {
            self.telling.in_flight = true;
            self.tell(&handle, ListChange::Unblocked, Purpose::Unblock(handle.clone()), cx);
        }
    }

    /// Handles the server's list of blocked handles.
    pub(crate) fn blocks_answered(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        let list = outcome(answer, |response| body::<HandleList>(response, &[200]));
        if self.told_later(&list, answer, cx) {
            return;
        }
        self.telling.asked = true;
        if let Outcome::Done(HandleList { handles }) = list {
            self.follow_list(handles, cx);
        }
        self.tell_people(cx);
    }

    /// Handles the server's list of accepted handles. Repeats those that the server has lost.
    pub(crate) fn accepted_answered(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        let list = outcome(answer, |response| body::<HandleList>(response, &[200]));
        if self.told_later(&list, answer, cx) {
            return;
        }
        self.telling.asked_accepted = true;
        if let Outcome::Done(HandleList { handles }) = list {
            let is_lost = |contact: &Contact| {
                contact.stored.standing.told_accepted && !handles.contains(&contact.stored.handle)
            };
            let lost: Vec<PersonId> =
                self.contacts.iter().filter(|(_, contact)| is_lost(contact)).map(|(id, _)| id).collect();
            for id in lost {
                if let Some(contact) = self.contacts.get_mut(id) {
                    contact.stored.standing.told_accepted = false;
                    self.save_contact(id, cx);
                }
            }
        }
        self.tell_people(cx);
    }

    /// The server has another database, perhaps an old backup. Repeats everything that the server was told.
    pub(crate) fn tell_everything_again(&mut self, cx: &mut Context<'_>) {
        for id in self.contacts.ids() {
            let Some(contact) = self.contacts.get_mut(id) else { continue };
            let standing = &mut contact.stored.standing;
            let before = *standing;
            standing.told_accepted = false;
            if standing.blocked {
                (standing.told_blocked, standing.in_doubt) = (false, false);
            }
            if *standing != before {
                self.save_contact(id, cx);
            }
        }
        (self.telling.asked, self.telling.asked_accepted) = (false, false);
        self.tell_people(cx);
    }

    /// Handles the server's answer to a change.
    pub(crate) fn people_told(
        &mut self,
        id: PersonId,
        change: ListChange,
        answer: &Answer,
        cx: &mut Context<'_>,
    ) {
        if self.told_later(&outcome(answer, no_content), answer, cx) {
            return;
        }
        // A refusal is final, for example when the account no longer exists.
        if let Some(contact) = self.contacts.get_mut(id) {
            contact.stored.standing.acknowledged(change);
            self.save_contact(id, cx);
        }
        self.tell_people(cx);
    }

    /// Handles the answer to lifting a block on a handle that is not a contact here.
    pub(crate) fn stranger_unblocked(&mut self, handle: &Handle, answer: &Answer, cx: &mut Context<'_>) {
        if !self.told_later(&outcome(answer, no_content), answer, cx) {
            self.telling.strangers.remove(handle);
            self.tell_people(cx);
        }
    }

    /// The connection is back. Resumes the pending changes.
    pub(crate) fn tell_again(&mut self, cx: &mut Context<'_>) {
        self.telling.retry_at = None;
        self.telling.backoff.reset();
        self.tell_people(cx);
    }

    /// Applies changes made by other browsers. Local changes that are still pending win. A block is never lifted only
    /// because the server does not list it: the user is asked.
    fn follow_list(&mut self, handles: Vec<Handle>, cx: &mut Context<'_>) {
        let mut listed = SortedMap::default();
        for handle in handles {
            listed.insert(handle, false);
        }
        let mut changed = Vec::new();
        for (id, contact) in self.contacts.iter() {
            let (before, now) = (contact.stored.standing, listed.remove(&contact.stored.handle).is_some());
            let mut standing = before;
            match (before.blocked, before.told_blocked) {
                (true, true) => standing.in_doubt = !now,
                (false, false) if now => (standing.blocked, standing.told_blocked) = (true, true),
                _ => {}
            }
            if standing != before {
                changed.push((id, standing));
            }
        }
        for (id, standing) in changed {
            if let Some(contact) = self.contacts.get_mut(id) {
                contact.stored.standing = standing;
                self.save_contact(id, cx);
            }
        }
        self.telling.strangers = listed;
    }

    fn tell(&self, handle: &Handle, change: ListChange, purpose: Purpose, cx: &mut Context<'_>) {
        let (method, list) = match change {
            ListChange::Accepted => (Method::Put, "contacts"),
            ListChange::Blocked => (Method::Put, "blocks"),
            ListChange::Unblocked => (Method::Delete, "blocks"),
        };
        let request = self.me.signed(method, format!("/v1/u/{}/{list}/{handle}", self.me.handle), None, cx);
        cx.request(request, purpose);
    }

    /// Whether to retry later. This includes a rejected signature, since a clock may be wrong.
    fn told_later<T>(&mut self, outcome: &Outcome<T>, answer: &Answer, cx: &mut Context<'_>) -> bool {
        self.telling.in_flight = false;
        let later = match outcome {
            Outcome::Done(_) => false,
            Outcome::Refused(problem) => problem.code == ProblemCode::Unauthorized,
            Outcome::Unknown => true,
        };
        if later {
            let wait = self.telling.backoff.next_after(retry_after(answer), cx.rng);
            self.telling.retry_at = Some(cx.now.saturating_add(wait.max(1)));
        } else {
            self.telling.backoff.reset();
        }
        later
    }
}
