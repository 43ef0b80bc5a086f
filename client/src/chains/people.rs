//! The chains of contacts. They are checked when a contact is created, when the user views the contact, and when a
//! message claims more links. A key change that the chain proves is adopted; otherwise the user is asked.

use kez_core::identity::{Primary, PublicIdentity};

use super::Again;
use super::ChainAlarm;
use super::watched::{Fetched, Watched};
use crate::kernel::answer::{Answer, retry_after};
use crate::kernel::context::Context;
use crate::kernel::event::NetworkFault;
use crate::kernel::lookup::Found;
use crate::kernel::place::{PersonId, Place};
use crate::kernel::record::Kind;
use crate::kernel::requests::Purpose;
use crate::link::Connection;
use crate::messages::{StoredBody, StoredMessage};
use crate::people::NewKey;
use crate::session::Session;

impl Session {
    /// Requests the next links of this contact's chain.
    pub(crate) fn ask_about_chain(&mut self, contact: PersonId, cx: &mut Context<'_>) {
        let Some(stored) = self.contacts.get(contact).map(|contact| &contact.stored) else { return };
        let new = Watched::new(stored.root());
        let watched = self.chains.people.get(&contact).unwrap_or(&new);
        let purpose = Purpose::Chain(contact);
        match self.chains.target_since(watched) {
            Some(target) if !cx.shared.requests.awaits(&purpose) => cx.get(target, purpose),
            Some(_) => {}
            // A server without a sigchain URL has no answer about this chain either.
            None => self.chain_unanswered(contact, &Err(NetworkFault), cx),
        }
    }

    /// Handles the server's answer with a contact's chain.
    pub(crate) fn chain_answered(&mut self, contact: PersonId, answer: &Answer, cx: &mut Context<'_>) {
        let Some(known) = self.contacts.get(contact) else { return };
        let (pinned, root) = (known.stored.key.primary(), known.stored.root());
        let before = self.chains.people.get(&contact).cloned();
        let mut watched = before.unwrap_or_else(|| Watched::new(root));
        match watched.take(answer) {
            Fetched::New(links) => {
                self.chains.again.remove(&contact);
                // A chain that has never named the pinned key belongs to another person, whatever the server claims.
                let names_them = watched.chain.primary() == pinned || watched.chain.is_former(&pinned);
                if !names_them && !watched.is_behind() {
                    return;
                }
                let is_behind = watched.is_behind();
                self.chains.people.insert(contact, watched);
                if is_behind {
                    self.ask_about_chain(contact, cx);
                }
                if !links.is_empty() {
                    self.save_chain(contact, cx);
                }
                self.follow_chain(contact, !links.is_empty(), cx);
                if self.chains.people.get(&contact).is_some_and(|watched| watched.chain.primary() == pinned) {
                    self.remember_former_keys(contact, cx);
                }
            }
            Fetched::Alarm(alarm) => {
                self.chains.people.insert(contact, watched);
                self.alarm_about(contact, alarm, cx);
            }
            Fetched::None => drop(self.chains.again.remove(&contact)),
            Fetched::Unavailable => self.chain_unanswered(contact, answer, cx),
        }
    }

    /// The server has no answer about a chain. If its owner claims more links, the client retries. After a while, the
    /// missing answer counts as an answer.
    fn chain_unanswered(&mut self, contact: PersonId, answer: &Answer, cx: &mut Context<'_>) {
        let others_are_answered = self.link.state() == Connection::Online;
        let Some(watched) = self.chains.people.get_mut(&contact).filter(|watched| watched.is_behind()) else {
            return;
        };
        if let Some(alarm) = others_are_answered.then(|| watched.unanswered(cx.wall() / 1000)).flatten() {
            self.chains.again.remove(&contact);
            return self.alarm_about(contact, alarm, cx);
        }
        let again = self.chains.again.get_or_insert_with(contact, Again::new);
        let wait = again.backoff.next_after(retry_after(answer), cx.rng);
        again.at = Some(cx.now.saturating_add(wait.max(1_000)));
        self.save_chain(contact, cx);
    }

    /// Handles the timer: requests chains again for which the server had no answer.
    pub(crate) fn ask_chains_again(&mut self, cx: &mut Context<'_>) {
        let mut due = Vec::new();
        for (contact, again) in self.chains.again.iter_mut() {
            if again.at.is_some_and(|at| at <= cx.now) {
                again.at = None;
                due.push(*contact);
            }
        }
        for contact in due {
            self.ask_about_chain(contact, cx);
        }
    }

    /// Adopts the new key from the contact's chain, once its registration is known. Requests the registration only on
    /// news: the chain changes before the registration does, and later lookups happen anyway.
    fn follow_chain(&mut self, id: PersonId, is_news: bool, cx: &mut Context<'_>) {
        let (Some(watched), Some(contact)) = (self.chains.people.get(&id), self.contacts.get(id)) else {
            return;
        };
        if !watched.chain.is_former(&contact.stored.key.primary()) {
            return;
        }
        match &contact.stored.new_key {
            Some(new) if new.key.primary() == watched.chain.primary() => self.take_over_key(id, cx),
            _ if is_news && watched.chain.is_closed() => self.alarm_about(id, ChainAlarm::Closed, cx),
            _ if is_news => {
                let handle = contact.stored.handle.clone();
                self.ask_about(&handle, cx);
            }
            _ => {}
        }
    }

    fn take_over_key(&mut self, id: PersonId, cx: &mut Context<'_>) {
        let was_verified = self.contacts.get(id).is_some_and(|contact| contact.stored.was_verified);
        let Some((key, former)) = self.contacts.accept_new_key(id, &self.me.key) else { return };
        self.contacts.add_former(id, former);
        if let Some(contact) = self.contacts.get_mut(id) {
            // A user who had verified the old key must verify again before the next message.
            contact.stored.unconfirmed = was_verified;
        }
        self.contacts.save(id, cx);
        self.forget_sealed(Place::Direct(id), cx);
        let at = cx.wall() / 1000;
        self.add_message(Place::Direct(id), StoredMessage::note(StoredBody::KeyReplaced, at), cx);
        self.release(&[key], cx);
        self.send_queued(cx);
    }

    /// The registry says that a sender has changed their key, or that the sender's key was replaced. The chain lists
    /// all keys of that person.
    pub(crate) fn ask_about_former_key(&self, key: &Primary, found: Found, cx: &mut Context<'_>) {
        let root = found.root.unwrap_or(found.key.primary());
        if let Some(target) = self.chains.target(&root) {
            cx.get(target, Purpose::FormerKey { key: *key, root, found: Box::new(found) });
        }
    }

    /// Handles the chain that should prove a sender's former key, or name it as the current one.
    pub(crate) fn former_key_answered(
        &mut self,
        key: &Primary,
        root: Primary,
        found: Found,
        answer: &Answer,
        cx: &mut Context<'_>,
    ) {
        let present = found.key.primary();
        let mut watched = Watched::new(root);
        let proven = matches!(watched.take(answer), Fetched::New(_))
            && watched.chain.primary() == present
            && watched.chain.primaries().contains(key);
        if !proven && *key != present {
            return self.ask_about_sender_later(key, answer, cx);
        }
        let id = match self.contacts.by_handle(&found.handle) {
            None => self.add_contact(found, true, cx),
            Some(id) => self.contacts.get(id).filter(|contact| contact.stored.key == found.key).map(|_| id),
        };
        let Some(id) = id else { return self.ask_about_sender_later(key, answer, cx) };
        let mut keys = vec![*key];
        if proven {
            keys.extend(watched.chain.primaries());
            self.chains.people.get_or_insert_with(id, || watched);
            self.save_chain(id, cx);
            self.remember_former_keys(id, cx);
        }
        self.settle_senders(&keys, cx);
    }

    /// Records the contact's former keys. Mail signed with one of them is theirs, and is shown with a mark.
    fn remember_former_keys(&mut self, id: PersonId, cx: &mut Context<'_>) {
        let Some(watched) = self.chains.people.get(&id) else { return };
        let former = watched.chain.primaries().iter().filter(|key| watched.chain.is_former(key));
        let former: Vec<PublicIdentity> =
            former.filter_map(|key| PublicIdentity::try_from(*key).ok()).collect();
        for key in former {
            self.contacts.add_former(id, key);
        }
        self.contacts.save(id, cx);
    }

    /// The registry names a new key of a contact. Whether the chain proves it is decided in [`Session::chain_answered`].
    pub(crate) fn explain_new_key(&mut self, id: PersonId, new: &NewKey, cx: &mut Context<'_>) {
        let proven =
            self.chains.people.get(&id).is_some_and(|watched| watched.chain.primary() == new.key.primary());
        if proven {
            self.follow_chain(id, false, cx);
        } else {
            self.ask_about_chain(id, cx);
        }
    }

    /// Discards the contact's chain together with their key.
    pub(crate) fn forget_chain(&mut self, id: PersonId, cx: &mut Context<'_>) {
        let known = self.chains.people.remove(&id).is_some();
        let Some(contact) = self.contacts.get_mut(id) else { return };
        contact.stored.root = None;
        if known {
            cx.delete(Kind::Chain, contact.slot.to_string());
        }
    }

    pub(super) fn alarm_about(&mut self, contact: PersonId, alarm: ChainAlarm, cx: &mut Context<'_>) {
        if let Some(watched) = self.chains.people.get_mut(&contact) {
            watched.alarm = Some(alarm);
            self.save_chain(contact, cx);
        }
    }

    /// The user has dismissed the alarm.
    pub(crate) fn dismiss_alarm(&mut self, contact: PersonId, cx: &mut Context<'_>) {
        let watched = self.chains.people.get_mut(&contact);
        if watched.is_some_and(|watched| watched.alarm.take().is_some()) {
            self.save_chain(contact, cx);
        }
    }
}
