//! Contacts: each has a pinned key, the registration that proved it, and the user's decisions about it.

use kez_core::handle::Handle;
use kez_core::identity::{Peer, Primary, PublicIdentity};

use super::standing::Standing;
use super::stored::{Mls, StoredContact};
use crate::kernel::context::Context;
use crate::kernel::event::StorageFault;
use crate::kernel::lookup::Found;
use crate::kernel::me::AccountKey;
use crate::kernel::place::{PersonId, Slot};
use crate::kernel::record::{Kind, Record};
use crate::kernel::sorted_map::SortedMap;

/// A contact in memory.
pub(crate) struct Contact {
    /// The number of the contact's records.
    pub(crate) slot: Slot,
    pub(crate) stored: StoredContact,
    /// The secret shared with the pinned key; `None` in a browser without the recovery words.
    pub(crate) peer: Option<Peer>,
    /// When the registry was last asked about the handle, Unix milliseconds; 0 before the first time.
    pub(crate) checked_at: u64,
}

/// All contacts, by person, handle, key and slot.
#[derive(Default)]
pub(crate) struct Contacts {
    all: SortedMap<PersonId, Contact>,
    by_handle: SortedMap<Handle, PersonId>,
    by_key: SortedMap<Primary, PersonId>,
    by_slot: SortedMap<Slot, PersonId>,
}

impl Contacts {
    /// Loads a record.
    ///
    /// # Errors
    /// [`StorageFault`] when the record cannot be read.
    pub(crate) fn load(
        &mut self,
        slot: Slot,
        record: &Record,
        me: &AccountKey,
    ) -> Result<PersonId, StorageFault> {
        self.insert(slot, StoredContact::read(record)?, me).ok_or(StorageFault::Damaged)
    }

    /// Pins a looked-up key. `None` when no shared secret can be computed, or when the key or handle is already pinned.
    ///
    /// The registry's word for the root of the chain names the person. It is not proven yet, so it cannot take the name
    /// of another contact: their own key names them then.
    pub(crate) fn pin(
        &mut self,
        slot: Slot,
        found: Found,
        since: u64,
        standing: Standing,
        me: &AccountKey,
    ) -> Option<PersonId> {
        let key = found.key.primary();
        if self.by_handle.contains_key(&found.handle) || self.by_key.contains_key(&key) {
            return None;
        }
        let mut names = [found.root.unwrap_or(key), key].map(PersonId).into_iter();
        let stored = StoredContact {
            person: names.find(|name| !self.all.contains_key(name))?,
            handle: found.handle,
            key: found.key,
            registration: found.registration,
            verified: false,
            new_key: None,
            since,
            root: found.root,
            former: Vec::new(),
            was_verified: false,
            unconfirmed: false,
            standing,
            mls: Mls::default(),
        };
        self.insert(slot, stored, me)
    }

    /// Switches to the key that was waiting to be accepted. Returns the new key and the one before.
    pub(crate) fn accept_new_key(
        &mut self,
        id: PersonId,
        me: &AccountKey,
    ) -> Option<(Primary, PublicIdentity)> {
        let contact = self.all.get_mut(&id)?;
        let new = contact.stored.new_key.clone()?;
        let old = contact.stored.key;
        if self.by_key.contains_key(&new.key.primary()) {
            return None;
        }
        contact.peer = me.agree(new.key).ok()?;
        self.by_key.remove(&old.primary());
        self.by_key.insert(new.key.primary(), id);
        contact.stored.key = new.key;
        contact.stored.registration = new.registration;
        contact.stored.new_key = None;
        contact.stored.verified = false;
        contact.stored.was_verified = false;
        Some((new.key.primary(), old))
    }

    /// Adds a key of theirs that their chain has replaced.
    pub(crate) fn add_former(&mut self, id: PersonId, key: PublicIdentity) {
        let Some(contact) = self.all.get_mut(&id) else { return };
        if contact.stored.key != key && !contact.stored.former.contains(&key) {
            contact.stored.former.push(key);
            self.by_key.get_or_insert_with(key.primary(), || id);
        }
    }

    /// Recomputes all shared secrets after the user's own key has changed.
    pub(crate) fn agree_anew(&mut self, me: &AccountKey) {
        for contact in self.all.values_mut() {
            if let Ok(peer) = me.agree(contact.stored.key) {
                contact.peer = peer;
            }
        }
    }

    /// Stores a contact.
    pub(crate) fn save(&self, id: PersonId, cx: &mut Context<'_>) {
        if let Some(contact) = self.get(id) {
            cx.save(contact.record());
        }
    }

    pub(crate) fn ids(&self) -> Vec<PersonId> {
        self.all.keys().copied().collect()
    }

    pub(crate) fn get(&self, id: PersonId) -> Option<&Contact> {
        self.all.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: PersonId) -> Option<&mut Contact> {
        self.all.get_mut(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (PersonId, &Contact)> {
        self.all.iter().map(|(id, contact)| (*id, contact))
    }

    /// All contacts, sorted by handle.
    pub(crate) fn by_name(&self) -> impl Iterator<Item = &Contact> {
        self.by_handle.values().filter_map(|id| self.all.get(id))
    }

    pub(crate) fn by_handle(&self, handle: &Handle) -> Option<PersonId> {
        self.by_handle.get(handle).copied()
    }

    pub(crate) fn by_key(&self, key: &Primary) -> Option<PersonId> {
        self.by_key.get(key).copied()
    }

    /// The contact whose records have this number.
    pub(crate) fn at(&self, slot: Slot) -> Option<PersonId> {
        self.by_slot.get(&slot).copied()
    }

    /// Whether this key is waiting for the user to accept it.
    pub(crate) fn awaits_acceptance(&self, key: &Primary) -> bool {
        self.by_new_key(key).is_some()
    }

    /// The contact whose new key this is, waiting to be accepted.
    pub(crate) fn by_new_key(&self, key: &Primary) -> Option<PersonId> {
        let has_it =
            |stored: &StoredContact| stored.new_key.as_ref().is_some_and(|new| new.key.primary() == *key);
        self.all.iter().find(|(_, contact)| has_it(&contact.stored)).map(|(id, _)| *id)
    }

    /// Whether this contact is blocked.
    pub(crate) fn is_blocked(&self, id: PersonId) -> bool {
        self.get(id).is_some_and(|contact| contact.stored.standing.blocked)
    }

    /// Removes this contact.
    pub(crate) fn remove(&mut self, id: PersonId) -> Option<Contact> {
        let contact = self.all.remove(&id)?;
        self.by_handle.remove(&contact.stored.handle);
        self.by_key.retain(|_, other| *other != id);
        self.by_slot.remove(&contact.slot);
        Some(contact)
    }

    fn insert(&mut self, slot: Slot, stored: StoredContact, me: &AccountKey) -> Option<PersonId> {
        let peer = me.agree(stored.key).ok()?;
        let id = stored.person;
        self.by_slot.insert(slot, id);
        self.by_handle.insert(stored.handle.clone(), id);
        self.by_key.insert(stored.key.primary(), id);
        for former in &stored.former {
            self.by_key.get_or_insert_with(former.primary(), || id);
        }
        self.all.insert(id, Contact { slot, stored, peer, checked_at: 0 });
        Some(id)
    }
}

impl Contact {
    pub(crate) fn record(&self) -> Record {
        Record::put(Kind::Contact, self.slot.to_string(), &self.stored)
    }
}

#[cfg(test)]
mod tests {
    use kez_core::identity::{SecretIdentity, Seed};

    use super::*;

    fn key(byte: u8) -> PublicIdentity {
        SecretIdentity::from_seed(Seed::from_bytes([byte; 32])).public()
    }

    fn found(handle: &str, byte: u8, root: Option<u8>) -> Found {
        let root = root.map(|byte| key(byte).primary());
        Found { handle: handle.parse().unwrap(), key: key(byte), registration: String::new(), root }
    }

    #[test]
    fn a_person_is_identified_by_their_own_chain_root() {
        let me = SecretIdentity::from_seed(Seed::from_bytes([9; 32])).into();
        let mut contacts = Contacts::default();
        let mut pin = |slot, found| contacts.pin(Slot(slot), found, 0, Standing::default(), &me);
        let named = |byte| Some(PersonId(key(byte).primary()));
        assert_eq!(pin(1, found("bob", 1, Some(2))), named(2), "the key has changed before");
        assert_eq!(pin(2, found("carol", 3, None)), named(3));
        assert_eq!(pin(3, found("dave", 4, Some(2))), named(4), "what the server claims is taken");
        assert_eq!(pin(4, found("erin", 1, None)), None, "the key is pinned");
        assert_eq!(pin(5, found("bob", 5, None)), None, "the handle is pinned");
        assert_eq!((contacts.at(Slot(3)), contacts.at(Slot(4))), (named(4), None));
    }
}
