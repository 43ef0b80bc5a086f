//! What the chains of contacts report, and the work of the other parts that follows from it.

use kez_core::identity::{Primary, PublicIdentity};
use kez_core::sigchain::Heads;

use crate::chains::{ContactNews, Facts, KeyNews, Sigchains, Watched};
use crate::kernel::answer::Answer;
use crate::kernel::context::Context;
use crate::kernel::lookup::Found;
use crate::kernel::place::{Lane, PersonId, Place};
use crate::link::Connection;
use crate::messages::{StoredBody, StoredMessage};
use crate::session::Session;
use crate::session::groups::Carrier;

impl Session {
    /// The chains, and the facts that they decide by.
    pub(crate) fn chains_with_facts(&mut self) -> (&mut Sigchains, Facts<'_>) {
        let facts = Facts {
            me: &self.me,
            contacts: &self.contacts,
            registration: self.registration.as_deref(),
            restored: self.restored,
            inbox_was_read: !self.restored
                || self.link.was_read_to_its_end() && !self.quarantine.holds_own_copies(),
            is_online: self.link.state() == Connection::Online,
        };
        (&mut self.chains, facts)
    }

    /// Handles the sigchain URL from the server's configuration.
    pub(crate) fn sigchains_at(&mut self, base: Option<&str>, cx: &mut Context<'_>) {
        if self.chains.on_base(base) {
            self.resume_reading(cx);
            self.advance_own_chain(cx);
            let (chains, facts) = self.chains_with_facts();
            chains.contacts_mut().ask_all(base.is_none(), facts, cx);
        }
    }

    /// Compares the heads in a message of a contact or, if it is `mine`, of another browser of the user.
    pub(super) fn heard_heads(
        &mut self,
        (person, mine): (PersonId, bool),
        heads: &Heads,
        cx: &mut Context<'_>,
    ) {
        let (chains, facts) = self.chains_with_facts();
        match mine {
            false => chains.on_heads(person, heads, facts, cx),
            true => chains.own_mut().on_heads(heads, None, facts, cx),
        }
    }

    /// The user has dismissed the alarm about a person, who is a contact, a member of a group, or both.
    pub(crate) fn dismiss_alarm(&mut self, handle: &str, cx: &mut Context<'_>) {
        let contact = self.contact_at(handle);
        let member = self.handle_at(handle).and_then(|handle| self.chains.members().by_handle(&handle));
        let (chains, facts) = self.chains_with_facts();
        if let Some(contact) = contact {
            chains.contacts_mut().dismiss_alarm(contact, facts, cx);
        }
        if let Some(member) = member {
            chains.members_mut().dismiss_alarm(&member, cx);
        }
    }

    /// Requests the next links of this contact's chain.
    pub(crate) fn ask_about_chain(&mut self, contact: PersonId, cx: &mut Context<'_>) {
        let (chains, facts) = self.chains_with_facts();
        chains.contacts_mut().ask(contact, facts, cx);
    }

    /// Handles the server's answer with a contact's chain.
    pub(crate) fn chain_answered(&mut self, contact: PersonId, answer: &Answer, cx: &mut Context<'_>) {
        let (chains, facts) = self.chains_with_facts();
        let ContactNews { key, devices_added } = chains.contacts_mut().on_chain(contact, answer, facts, cx);
        self.act_on_key(contact, key, cx);
        self.require_mls(contact, cx);
        for _ in 0..devices_added {
            let added = StoredMessage::note(StoredBody::DeviceAdded, cx.wall() / 1000);
            self.add_message(Place::Direct(contact), added, cx);
        }
        // The first look at their chain may have held envelopes back.
        self.send_in(Place::Direct(contact), cx);
    }

    /// The registry names a new key of a contact. The contact's chain decides whether it is adopted.
    pub(crate) fn explain_new_key(&mut self, id: PersonId, key: &PublicIdentity, cx: &mut Context<'_>) {
        let (chains, facts) = self.chains_with_facts();
        let news = chains.contacts_mut().on_new_key(id, key, facts, cx);
        self.act_on_key(id, news, cx);
    }

    /// Does the work that follows from what a contact's chain says about their key.
    fn act_on_key(&mut self, id: PersonId, news: KeyNews, cx: &mut Context<'_>) {
        match news {
            KeyNews::None => {}
            KeyNews::Former(keys) => self.remember_former_keys(id, keys, cx),
            KeyNews::Replaced => self.take_over_key(id, cx),
            KeyNews::Unregistered => {
                if let Some(contact) = self.contacts.get(id) {
                    let handle = contact.stored.handle.clone();
                    self.ask_about(&handle, cx);
                }
            }
        }
    }

    /// Adopts the contact's new key, which the chain proves.
    fn take_over_key(&mut self, id: PersonId, cx: &mut Context<'_>) {
        let was_verified = self.contacts.get(id).is_some_and(|contact| contact.stored.was_verified);
        let Some((key, former)) = self.contacts.accept_new_key(id, &self.me.key) else { return };
        self.contacts.add_former(id, former);
        if let Some(contact) = self.contacts.get_mut(id) {
            // A user who had verified the old key must verify again before the next message.
            contact.stored.unconfirmed = was_verified;
        }
        self.contacts.save(id, cx);
        if self.carrier(Lane::Place(Place::Direct(id))) == Carrier::Envelopes {
            self.forget_sealed(Place::Direct(id), cx);
        }
        let at = cx.wall() / 1000;
        self.add_message(Place::Direct(id), StoredMessage::note(StoredBody::KeyReplaced, at), cx);
        self.release(&[key], cx);
        self.send_queued(cx);
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
        let proven = Watched::proven(root, answer, key, present);
        if proven.is_none() && *key != present {
            return self.ask_about_sender_later(key, answer, cx);
        }
        let id = match self.contacts.by_handle(&found.handle) {
            None => self.add_contact(found, true, cx),
            Some(id) => self.contacts.get(id).filter(|contact| contact.stored.key == found.key).map(|_| id),
        };
        let Some(id) = id else { return self.ask_about_sender_later(key, answer, cx) };
        let mut keys = vec![*key];
        if let Some(watched) = proven {
            keys.extend(watched.chain().primaries());
            let (chains, facts) = self.chains_with_facts();
            let former = chains.contacts_mut().adopt(id, watched, facts, cx);
            self.remember_former_keys(id, former, cx);
            self.require_mls(id, cx);
        }
        self.settle_senders(&keys, cx);
    }

    /// Records the contact's former keys. Mail signed with one of them is theirs, and is shown with a mark.
    fn remember_former_keys(&mut self, id: PersonId, keys: Vec<PublicIdentity>, cx: &mut Context<'_>) {
        for key in keys {
            self.contacts.add_former(id, key);
        }
        self.contacts.save(id, cx);
    }

    /// Discards the contact's chain together with their key.
    pub(crate) fn forget_chain(&mut self, id: PersonId, cx: &mut Context<'_>) {
        let Some(contact) = self.contacts.get_mut(id) else { return };
        contact.stored.root = None;
        self.chains.contacts_mut().forget(id, contact.slot, cx);
    }
}
