//! The open requests and the purpose of each.

use kez_core::handle::Handle;
use kez_core::identity::Primary;
use kez_core::invite::InviteHash;
use kez_core::mls::GroupId;

use crate::kernel::effect::RequestId;
use crate::kernel::event::TabId;
use crate::kernel::lookup::Found;
use crate::kernel::place::{Key, PersonId};
use crate::kernel::sorted_map::SortedMap;

/// An answer that took longer than this, in milliseconds, is too late to set the clock by.
const PROMPT: u64 = 10_000;

/// The purpose of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Fetch the server's configuration.
    Config,
    /// Check whether a handle is available.
    Availability(Handle),
    /// Claim a handle.
    Register,
    /// Check whether the server already knows the user's own key.
    OwnAccount,
    /// Find the account for a recovery phrase.
    Restore,
    /// Look up the key of a handle.
    Handle(Handle),
    /// Look up the handle of a sender's key.
    Sender(Primary),
    /// Fetch the user's own registration.
    OwnRecord,
    /// Fetch the user's own chain.
    OwnChain,
    /// Append a link to the user's own chain.
    AppendLink,
    /// Claim the user's handle for the new key.
    RegisterChangedKey,
    /// Check whether the server already knows the new key.
    ChangedRecord,
    /// Send the former key to the user's own inbox.
    KeepFormerKey,
    /// Fetch the chain of a contact.
    Chain(PersonId),
    /// Fetch the chain that proves that a sender's key was replaced.
    FormerKey {
        /// The sender's key.
        key: Primary,
        /// The root of the chain.
        root: Primary,
        /// The alleged owner.
        found: Box<Found>,
    },
    /// Send a message.
    Send(Key),
    /// Fetch the block list of this account.
    Blocks,
    /// Tell the server about a change to a contact.
    Tell(PersonId, ListChange),
    /// Lift a block on a handle that is not a contact here.
    Unblock(Handle),
    /// Fetch a page of the inbox.
    Page,
    /// Fetch the inbox status and its limits.
    Status,
    /// Acknowledge the position up to which everything is stored here.
    Acknowledge,
    /// Set how long the server keeps messages that are stored here.
    Keep {
        /// The number of days; `None` for ever.
        days: Option<u16>,
    },
    /// Discard the message requests of a key on the server.
    DiscardRequests(Primary),
    /// Fetch the server's list of accepted contacts.
    Accepted,
    /// Bind this browser's nkey.
    Binding {
        /// The expiry, in Unix seconds.
        until: u64,
    },
    /// Send a report to the operator, from this tab.
    Report(TabId),
    /// Export everything that the server stores, for the tab that requested it.
    Export(TabId),
    /// Delete the account.
    DeleteAccount,
    /// Check whether the account is already deleted.
    DeletionCheck,
    /// Look up members of groups and fetch their chains.
    People(Vec<Primary>),
    /// Look up the handle of someone to be added to a group.
    Invitee(Handle),
    /// Publish key packages of this device.
    KeepPackages,
    /// Claim key packages for a group.
    Claim(GroupId),
    /// Create a group.
    CreateGroup(GroupId),
    /// Fetch the present state of a group, to join it.
    ShowGroup(GroupId),
    /// The state of a group, offered to a restored server.
    OfferState(GroupId),
    /// Post a commit that changes a group.
    Commit(GroupId),
    /// Post a commit with which this device joins a group by itself.
    Rejoin(GroupId),
    /// Tell a group that the user leaves.
    LeaveGroup(GroupId),
    /// Tell the server about a link to a group.
    PutInvite(GroupId, InviteHash),
    /// Revoke a link to a group.
    RevokeInvite(GroupId, InviteHash),
    /// Ask to join a group.
    AskToJoin(GroupId),
    /// Fetch what is new in the groups.
    News,
    /// Find the group of the user's own devices.
    OwnGroups,
    /// Link another browser, or this one.
    Link(LinkRequest),
}

/// A request about a link between two browsers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkRequest {
    /// Put the offer.
    Put,
    /// Fetch the offer and the messages.
    Look,
    /// Post a message.
    Say,
    /// Fetch the sigchain of the account.
    Chain,
}

/// A change to a contact that the server has to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListChange {
    /// The contact was accepted.
    Accepted,
    /// The contact was blocked.
    Blocked,
    /// The contact was unblocked.
    Unblocked,
}

impl Purpose {
    /// Whether this concerns the user's own chain, where only one step may be in flight.
    pub(crate) const fn is_about_own_chain(&self) -> bool {
        matches!(
            self,
            Self::OwnRecord
                | Self::OwnChain
                | Self::AppendLink
                | Self::RegisterChangedKey
                | Self::ChangedRecord
                | Self::KeepFormerKey
        )
    }
}

/// The table of open requests. An id is never reused, so a late or duplicate answer matches none.
#[derive(Default)]
pub(crate) struct Requests {
    last: u64,
    /// With the time at which each was sent.
    open: SortedMap<RequestId, (Purpose, u64)>,
}

impl Requests {
    pub(crate) fn open(&mut self, purpose: Purpose, now: u64) -> RequestId {
        self.last += 1;
        let id = RequestId(self.last);
        self.open.insert(id, (purpose, now));
        id
    }

    /// The purpose of an open request.
    pub(crate) fn purpose(&self, id: RequestId) -> Option<&Purpose> {
        self.open.get(&id).map(|(purpose, _)| purpose)
    }

    /// Removes and returns the request for this answer, if it is still open.
    pub(crate) fn close(&mut self, id: RequestId) -> Option<Purpose> {
        self.open.remove(&id).map(|(purpose, _)| purpose)
    }

    /// Whether an answer that arrives now is prompt enough.
    pub(crate) fn is_prompt(&self, id: RequestId, now: u64) -> bool {
        self.open.get(&id).is_some_and(|(_, made)| now.saturating_sub(*made) <= PROMPT)
    }

    /// Whether a request with this purpose is open.
    pub(crate) fn awaits(&self, purpose: &Purpose) -> bool {
        self.any(|other| other == purpose)
    }

    /// Whether a request with a matching purpose is open.
    pub(crate) fn any(&self, of: impl Fn(&Purpose) -> bool) -> bool {
        self.open.values().any(|(purpose, _)| of(purpose))
    }

    /// Drops open requests for which `unwanted` is true. Their answers will be ignored.
    pub(crate) fn forget(&mut self, unwanted: impl Fn(&Purpose) -> bool) {
        self.open.retain(|_, (purpose, _)| !unwanted(purpose));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_answered_once() {
        let mut requests = Requests::default();
        let id = requests.open(Purpose::Register, 0);
        assert!(requests.awaits(&Purpose::Register));
        assert_eq!(requests.close(id), Some(Purpose::Register));
        assert_eq!(requests.close(id), None);
        assert_ne!(requests.open(Purpose::Register, 0), id);
    }
}
