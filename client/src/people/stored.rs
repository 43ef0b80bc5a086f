//! A contact as it is stored.

use kez_core::handle::Handle;
use kez_core::identity::{Primary, PublicIdentity};
use kez_core::mls::GroupId;
use serde::{Deserialize, Serialize};

use super::standing::Standing;
use crate::kernel::event::StorageFault;
use crate::kernel::place::PersonId;
use crate::kernel::record::Record;

/// The format of records in which every contact was written to in envelopes.
const WITHOUT_MLS: u8 = 3;

/// The record of kind [`Kind::Contact`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredContact {
    /// The person's name here, which never changes.
    pub(crate) person: PersonId,
    pub(crate) handle: Handle,
    /// The pinned key: only this key is used to open and seal.
    pub(crate) key: PublicIdentity,
    /// The signed registration that proved it.
    pub(crate) registration: String,
    /// Whether the user compared the safety number.
    pub(crate) verified: bool,
    /// A newer key of the handle, until the user accepts it.
    pub(crate) new_key: Option<NewKey>,
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
    /// What carries the messages to them.
    pub(crate) mls: Mls,
}

/// A key that the user has not accepted yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NewKey {
    pub(crate) key: PublicIdentity,
    pub(crate) registration: String,
}

/// Whether the messages to a contact are sent over MLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mls {
    /// Whether their chain has named a device. It is never unset: from then on no envelope is sent to them.
    pub(crate) required: bool,
    /// The group that carries the conversation.
    pub(crate) group: Option<GroupId>,
    /// When the conversation moved to MLS in this browser, Unix seconds.
    pub(crate) since: Option<u64>,
}

/// The record of format 3.
#[derive(Deserialize)]
struct WithoutMls {
    person: PersonId,
    handle: Handle,
    key: PublicIdentity,
    registration: String,
    verified: bool,
    new_key: Option<NewKey>,
    since: u64,
    root: Option<Primary>,
    former: Vec<PublicIdentity>,
    was_verified: bool,
    unconfirmed: bool,
    standing: Standing,
}

impl From<WithoutMls> for StoredContact {
    fn from(old: WithoutMls) -> Self {
        Self {
            person: old.person,
            handle: old.handle,
            key: old.key,
            registration: old.registration,
            verified: old.verified,
            new_key: old.new_key,
            since: old.since,
            root: old.root,
            former: old.former,
            was_verified: old.was_verified,
            unconfirmed: old.unconfirmed,
            standing: old.standing,
            mls: Mls::default(),
        }
    }
}

impl StoredContact {
    /// Reads a record.
    ///
    /// # Errors
    /// [`StorageFault`] when the record cannot be read.
    pub(super) fn read(record: &Record) -> Result<Self, StorageFault> {
        if record.has_format(WITHOUT_MLS) {
            record.read::<WithoutMls>().map(Self::from)
        } else {
            record.read()
        }
    }

    /// Every key that this contact has or had, including one that waits to be accepted.
    pub(crate) fn keys(&self) -> Vec<Primary> {
        let new = self.new_key.as_ref().map(|new| new.key.primary());
        let former = self.former.iter().map(PublicIdentity::primary);
        std::iter::once(self.key.primary()).chain(former).chain(new).collect()
    }

    /// The root of their chain, as far as it is known.
    pub(crate) fn root(&self) -> Primary {
        self.root.unwrap_or(self.key.primary())
    }

    /// The key that is on screen: the new one, if there is one.
    pub(crate) fn shown_key(&self) -> Primary {
        self.new_key.as_ref().map_or(self.key, |new| new.key).primary()
    }

    /// Whether sending is blocked until the user has decided about a key.
    pub(crate) const fn awaits_person(&self) -> bool {
        self.new_key.is_some() || self.unconfirmed
    }
}
