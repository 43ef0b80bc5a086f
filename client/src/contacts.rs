//! Contacts: each has a pinned key, the registration that proved it, and the user's decisions about it.

use std::fmt;
use std::str::FromStr;

use kez_core::handle::Handle;
use kez_core::identity::{Peer, Primary, PublicIdentity, SecretIdentity};
use serde::{Deserialize, Serialize};

use crate::event::StorageFault;
use crate::lookup::Found;
use crate::people::Standing;
use crate::record::{Kind, Record};
use crate::sorted_map::SortedMap;
use crate::sync::ChainHead;

/// A contact's local name, `c1`, `c2`, ... It is part of record ids, so it reveals nothing about the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct ContactId(pub(crate) u64);

impl fmt::Display for ContactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

impl FromStr for ContactId {
    type Err = StorageFault;

    fn from_str(text: &str) -> Result<Self, StorageFault> {
        let number = text.strip_prefix('c').and_then(|number| number.parse().ok());
        number.map(Self).ok_or(StorageFault::Damaged)
    }
}

/// The record of kind [`Kind::Contact`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredContact {
    pub(crate) handle: Handle,
    /// The pinned key: only this key is used to open and seal.
    pub(crate) key: PublicIdentity,
    /// The signed registration that proved it.
    pub(crate) registration: String,
    /// Whether the user compared the safety number.
    pub(crate) verified: bool,
    /// A newer key of the handle, until the user accepts it.
    pub(crate) new_key: Option<NewKey>,
    /// The chain of envelopes sent to the pinned key.
    pub(crate) chain: ChainHead,
    /// The order of their newest message that was read; 0 for none.
    pub(crate) read_up_to: u64,
    /// When the contact was created, Unix seconds.
    pub(crate) since: u64,
    /// The root of their chain, if it is not the pinned key.
    pub(crate) root: Option<Primary>,
    /// Keys that their chain has replaced. Messages signed with these are shown with a mark.
    pub(crate) former: Vec<PublicIdentity>,
    /// Whether the user had verified the key that was replaced last.
    pub(crate) was_verified: bool,
    /// Whether the user must confirm before the next message, because their chain has replaced a verified key.
    pub(crate) unconfirmed: bool,
    /// Whether the contact is accepted or blocked.
    pub(crate) standing: Standing,
}

/// A key that the user has not accepted yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NewKey {
    pub(crate) key: PublicIdentity,
    pub(crate) registration: String,
}

/// A contact in memory.
pub(crate) struct Contact {
    pub(crate) stored: StoredContact,
    /// The secret shared with the pinned key.
    pub(crate) peer: Peer,
    /// When the registry was last asked about the handle, Unix milliseconds; 0 before the first time.
    pub(crate) checked_at: u64,
}

/// All contacts, by id, handle and pinned key.
#[derive(Default)]
pub(crate) struct Contacts {
    all: SortedMap<ContactId, Contact>,
    by_handle: SortedMap<Handle, ContactId>,
    by_key: SortedMap<Primary, ContactId>,
}

impl Contacts {
    /// Loads a record.
    ///
    /// # Errors
    /// [`StorageFault::Damaged`] when it is not a contact record.
    pub(crate) fn load(&mut self, record: &Record, me: &SecretIdentity) -> Result<(), StorageFault> {
        self.insert(record.id.parse()?, record.read()?, me).ok_or(StorageFault::Damaged)
    }

    /// Pins a looked-up key. `None` when no shared secret can be computed, or when the key or handle is already pinned.
    pub(crate) fn pin(
        &mut self,
        id: ContactId,
        found: Found,
        since: u64,
        standing: Standing,
        me: &SecretIdentity,
    ) -> Option<&Contact> {
        if self.by_handle.contains_key(&found.handle) || self.by_key.contains_key(&found.key.primary()) {
            return None;
        }
        let stored = StoredContact {
            handle: found.handle,
            key: found.key,
            registration: found.registration,
            verified: false,
            new_key: None,
            chain: ChainHead::default(),
            read_up_to: 0,
            since,
            root: found.root,
            former: Vec::new(),
            was_verified: false,
            unconfirmed: false,
            standing,
        };
        self.insert(id, stored, me)?;
        self.all.get(&id)
    }

    /// Switches to the key that was waiting to be accepted. The chain of messages continues where the new key is proven
    /// to belong to the same person, who has the messages so far.
    pub(crate) fn accept_new_key(
        &mut self,
        id: ContactId,
        is_proven: bool,
        me: &SecretIdentity,
    ) -> Option<(Primary, PublicIdentity)> {
        let contact = self.all.get_mut(&id)?;
        let new = contact.stored.new_key.clone()?;
        let old = contact.stored.key;
        if self.by_key.contains_key(&new.key.primary()) {
            return None;
        }
        contact.peer = Peer::new(me, new.key).ok()?;
        self.by_key.remove(&old.primary());
        self.by_key.insert(new.key.primary(), id);
        contact.stored.key = new.key;
        contact.stored.registration = new.registration;
        contact.stored.new_key = None;
        contact.stored.verified = false;
        contact.stored.was_verified = false;
        if !is_proven {
            contact.stored.chain = ChainHead::default();
        }
        Some((new.key.primary(), old))
    }

    /// Adds a key of theirs that their chain has replaced.
    pub(crate) fn add_former(&mut self, id: ContactId, key: PublicIdentity) {
        let Some(contact) = self.all.get_mut(&id) else { return };
        if contact.stored.key != key && !contact.stored.former.contains(&key) {
            contact.stored.former.push(key);
            self.by_key.get_or_insert_with(key.primary(), || id);
        }
    }

    /// Recomputes all shared secrets after the user's own key has changed.
    pub(crate) fn agree_anew(&mut self, me: &SecretIdentity) {
        for contact in self.all.values_mut() {
            if let Ok(peer) = Peer::new(me, contact.stored.key) {
                contact.peer = peer;
            }
        }
    }

    pub(crate) fn ids(&self) -> Vec<ContactId> {
        self.all.keys().copied().collect()
    }

    pub(crate) fn get(&self, id: ContactId) -> Option<&Contact> {
        self.all.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: ContactId) -> Option<&mut Contact> {
        self.all.get_mut(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ContactId, &Contact)> {
        self.all.iter().map(|(id, contact)| (*id, contact))
    }

    /// All contacts, sorted by handle.
    pub(crate) fn by_name(&self) -> impl Iterator<Item = &Contact> {
        self.by_handle.values().filter_map(|id| self.all.get(id))
    }

    pub(crate) fn by_handle(&self, handle: &Handle) -> Option<ContactId> {
        self.by_handle.get(handle).copied()
    }

    pub(crate) fn by_key(&self, key: &Primary) -> Option<ContactId> {
        self.by_key.get(key).copied()
    }

    /// Whether this key is waiting for the user to accept it.
    pub(crate) fn awaits_acceptance(&self, key: &Primary) -> bool {
        self.by_new_key(key).is_some()
    }

    /// The contact whose new key this is, waiting to be accepted.
    pub(crate) fn by_new_key(&self, key: &Primary) -> Option<ContactId> {
        let has_it =
            |stored: &StoredContact| stored.new_key.as_ref().is_some_and(|new| new.key.primary() == *key);
        self.all.iter().find(|(_, contact)| has_it(&contact.stored)).map(|(id, _)| *id)
    }

    /// Whether this contact is blocked.
    pub(crate) fn is_blocked(&self, id: ContactId) -> bool {
        self.get(id).is_some_and(|contact| contact.stored.standing.blocked)
    }

    /// Removes this contact.
    pub(crate) fn remove(&mut self, id: ContactId) -> Option<Contact> {
        let contact = self.all.remove(&id)?;
        self.by_handle.remove(&contact.stored.handle);
        self.by_key.retain(|_, other| *other != id);
        Some(contact)
    }

    fn insert(&mut self, id: ContactId, stored: StoredContact, me: &SecretIdentity) -> Option<()> {
        let peer = Peer::new(me, stored.key).ok()?;
        self.by_handle.insert(stored.handle.clone(), id);
        self.by_key.insert(stored.key.primary(), id);
        for former in &stored.former {
            self.by_key.get_or_insert_with(former.primary(), || id);
        }
        self.all.insert(id, Contact { stored, peer, checked_at: 0 });
        Some(())
    }
}

impl StoredContact {
    /// Every key that this contact has or had, including one that waits to be accepted.
    pub(crate) fn keys(&self) -> Vec<Primary> {
        let new = self.new_key.as_ref().map(|new| new.key.primary());
        let former = self.former.iter().map(PublicIdentity::primary);
        std::iter::once(self.key.primary()).chain(former).chain(new).collect()
    }

    /// The key that is on screen: the new one, if there is one.
    pub(crate) fn shown_key(&self) -> Primary {
        self.new_key.as_ref().map_or(self.key, |new| new.key).primary()
    }

    /// Whether sending is blocked until the user has decided about a key.
    pub(crate) const fn awaits_person(&self) -> bool {
        self.new_key.is_some() || self.unconfirmed
    }

    pub(crate) fn record(&self, id: ContactId) -> Record {
        Record::put(Kind::Contact, id.to_string(), self)
    }
}
