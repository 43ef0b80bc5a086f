//! Accepted and blocked people. The user decides here, and the client sends the lists to the server, which lets
//! accepted people send more and holds back messages from blocked ones.
//!
//! A first message from an unknown sender is a request: readable, but without a badge, until the user accepts it or
//! replies. A contact to whom the user has written is accepted.

use kez_core::api::HandleList;
use kez_core::handle::Handle;
use kez_core::identity::Primary;
use kez_core::problem::ProblemCode;

use super::contacts::{Contact, Contacts};
use super::standing::{Block, BlockedRow, Standing};
use crate::kernel::answer::{Answer, Outcome, body, no_content, outcome, retry_after};
use crate::kernel::backoff::Backoff;
use crate::kernel::context::Context;
use crate::kernel::effect::Method;
use crate::kernel::me::Me;
use crate::kernel::place::PersonId;
use crate::kernel::requests::{ListChange, Purpose};
use crate::kernel::sorted_map::SortedMap;

/// The list changes on their way to the server, and its answers.
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

impl ListSync {
    /// Marks a contact as accepted: the user pressed "Accept" or wrote to them.
    pub(crate) fn on_accepted_here(
        &mut self,
        id: PersonId,
        contacts: &mut Contacts,
        me: &Me,
        cx: &mut Context<'_>,
    ) {
        let Some(contact) = contacts.get_mut(id) else { return };
        let standing = &mut contact.stored.standing;
        if standing.accepted && !standing.request {
            return;
        }
        (standing.accepted, standing.request) = (true, false);
        contacts.save(id, cx);
        self.proceed(contacts, me, cx);
    }

    /// "Block", or "Unblock". Returns the keys of a contact who is blocked now.
    pub(crate) fn on_block(
        &mut self,
        (handle, blocked): (&Handle, bool),
        contacts: &mut Contacts,
        me: &Me,
        cx: &mut Context<'_>,
    ) -> Vec<Primary> {
        let mut keys = Vec::new();
        if let Some(id) = contacts.by_handle(handle) {
            let Some(contact) = contacts.get_mut(id) else { return keys };
            let standing = &mut contact.stored.standing;
            if standing.blocked == blocked && !standing.in_doubt {
                return keys;
            }
            // When the block is lifted, the server may still have it, whether it answered or not.
            (standing.blocked, standing.told_blocked, standing.in_doubt) = (blocked, !blocked, false);
            if blocked {
                keys = contact.stored.keys();
            }
            contacts.save(id, cx);
        } else if let Some(lifting) = self.strangers.get_mut(handle) {
            *lifting = !blocked;
        }
        self.proceed(contacts, me, cx);
        keys
    }

    /// Whether a handle is blocked that is not a contact here.
    pub(crate) fn blocks_stranger(&self, handle: &Handle) -> bool {
        self.strangers.get(handle) == Some(&false)
    }

    /// All blocked handles, including those whose unblocking the server does not know yet, in alphabetical order.
    pub(crate) fn rows(&self, contacts: &Contacts) -> Vec<BlockedRow> {
        let row =
            |handle: &Handle, lifting, in_doubt| BlockedRow { handle: handle.to_string(), lifting, in_doubt };
        let mut strangers = self.strangers.iter().peekable();
        let mut rows = Vec::new();
        for contact in contacts.by_name() {
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
        if let Some(lifting) = self.strangers.remove(handle) {
            (standing.blocked, standing.told_blocked) = (!lifting, true);
        }
        standing
    }

    /// Tells the server about pending changes, one at a time.
    pub(crate) fn proceed(&mut self, contacts: &Contacts, me: &Me, cx: &mut Context<'_>) {
        let waits = self.retry_at.is_some_and(|at| at > cx.now);
        if self.in_flight || waits {
            return;
        }
        self.retry_at = None;
        if !self.asked {
            self.in_flight = true;
            let target = format!("/v1/u/{}/blocks", me.handle);
            let request = me.signed(Method::Get, target, None, cx);
            return cx.request(request, Purpose::Blocks);
        }
        if !self.asked_accepted {
            self.in_flight = true;
            let target = format!("/v1/u/{}/contacts", me.handle);
            let request = me.signed(Method::Get, target, None, cx);
            return cx.request(request, Purpose::Accepted);
        }
        let next = contacts.iter().find_map(|(id, contact)| {
            Some((id, contact.stored.handle.clone(), contact.stored.standing.change()?))
        });
        if let Some((id, handle, change)) = next {
            self.in_flight = true;
            return Self::tell((&handle, change), Purpose::Tell(id, change), me, cx);
        }
        let next = self.strangers.iter().find(|(_, lifting)| **lifting);
        if let Some(handle) = next.map(|(handle, _)| handle.clone()) {
            self.in_flight = true;
            Self::tell((&handle, ListChange::Unblocked), Purpose::Unblock(handle.clone()), me, cx);
        }
    }

    /// Handles the server's list of blocked handles.
    pub(crate) fn on_blocks(
        &mut self,
        answer: &Answer,
        contacts: &mut Contacts,
        me: &Me,
        cx: &mut Context<'_>,
    ) {
        let list = outcome(answer, |response| body::<HandleList>(response, &[200]));
        if self.told_later(&list, answer, cx) {
            return;
        }
        self.asked = true;
        if let Outcome::Done(HandleList { handles }) = list {
            self.follow_list(handles, contacts, cx);
        }
        self.proceed(contacts, me, cx);
    }

    /// Handles the server's list of accepted handles. Repeats those that the server has lost.
    pub(crate) fn on_accepted(
        &mut self,
        answer: &Answer,
        contacts: &mut Contacts,
        me: &Me,
        cx: &mut Context<'_>,
    ) {
        let list = outcome(answer, |response| body::<HandleList>(response, &[200]));
        if self.told_later(&list, answer, cx) {
            return;
        }
        self.asked_accepted = true;
        if let Outcome::Done(HandleList { handles }) = list {
            let is_lost = |contact: &Contact| {
                contact.stored.standing.told_accepted && !handles.contains(&contact.stored.handle)
            };
            let lost: Vec<PersonId> =
                contacts.iter().filter(|(_, contact)| is_lost(contact)).map(|(id, _)| id).collect();
            for id in lost {
                if let Some(contact) = contacts.get_mut(id) {
                    contact.stored.standing.told_accepted = false;
                    contacts.save(id, cx);
                }
            }
        }
        self.proceed(contacts, me, cx);
    }

    /// The server has another database, perhaps an old backup. Sends all list changes again.
    pub(crate) fn on_new_epoch(&mut self, contacts: &mut Contacts, me: &Me, cx: &mut Context<'_>) {
        for id in contacts.ids() {
            let Some(contact) = contacts.get_mut(id) else { continue };
            let standing = &mut contact.stored.standing;
            let before = *standing;
            standing.told_accepted = false;
            if standing.blocked {
                (standing.told_blocked, standing.in_doubt) = (false, false);
            }
            if *standing != before {
                contacts.save(id, cx);
            }
        }
        (self.asked, self.asked_accepted) = (false, false);
        self.proceed(contacts, me, cx);
    }

    /// Handles the server's answer to a change.
    pub(crate) fn on_told(
        &mut self,
        (id, change): (PersonId, ListChange),
        answer: &Answer,
        contacts: &mut Contacts,
        me: &Me,
        cx: &mut Context<'_>,
    ) {
        if self.told_later(&outcome(answer, no_content), answer, cx) {
            return;
        }
        // A refusal is final, for example when the account no longer exists.
        if let Some(contact) = contacts.get_mut(id) {
            contact.stored.standing.acknowledged(change);
            contacts.save(id, cx);
        }
        self.proceed(contacts, me, cx);
    }

    /// Handles the answer to lifting a block on a handle that is not a contact here.
    pub(crate) fn on_unblocked(
        &mut self,
        handle: &Handle,
        answer: &Answer,
        contacts: &Contacts,
        me: &Me,
        cx: &mut Context<'_>,
    ) {
        if !self.told_later(&outcome(answer, no_content), answer, cx) {
            self.strangers.remove(handle);
            self.proceed(contacts, me, cx);
        }
    }

    /// The connection is back. Resumes the pending changes.
    pub(crate) fn on_reconnect(&mut self, contacts: &Contacts, me: &Me, cx: &mut Context<'_>) {
        self.retry_at = None;
        self.backoff.reset();
        self.proceed(contacts, me, cx);
    }

    /// Applies changes made by other browsers. Local changes that are still pending win. A block is never lifted only
    /// because the server does not list it: the user is asked.
    fn follow_list(&mut self, handles: Vec<Handle>, contacts: &mut Contacts, cx: &mut Context<'_>) {
        let mut listed = SortedMap::default();
        for handle in handles {
            listed.insert(handle, false);
        }
        let mut changed = Vec::new();
        for (id, contact) in contacts.iter() {
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
            if let Some(contact) = contacts.get_mut(id) {
                contact.stored.standing = standing;
                contacts.save(id, cx);
            }
        }
        self.strangers = listed;
    }

    fn tell((handle, change): (&Handle, ListChange), purpose: Purpose, me: &Me, cx: &mut Context<'_>) {
        let (method, list) = match change {
            ListChange::Accepted => (Method::Put, "contacts"),
            ListChange::Blocked => (Method::Put, "blocks"),
            ListChange::Unblocked => (Method::Delete, "blocks"),
        };
        let request = me.signed(method, format!("/v1/u/{}/{list}/{handle}", me.handle), None, cx);
        cx.request(request, purpose);
    }

    /// Whether to retry later. This includes a rejected signature, since a clock may be wrong.
    fn told_later<T>(&mut self, outcome: &Outcome<T>, answer: &Answer, cx: &mut Context<'_>) -> bool {
        self.in_flight = false;
        let later = match outcome {
            Outcome::Done(_) => false,
            Outcome::Refused(problem) => problem.code == ProblemCode::Unauthorized,
            Outcome::Unknown => true,
        };
        if later {
            let wait = self.backoff.next_after(retry_after(answer), cx.rng);
            self.retry_at = Some(cx.now.saturating_add(wait.max(1)));
        } else {
            self.backoff.reset();
        }
        later
    }
}
