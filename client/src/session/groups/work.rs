//! What is under way for groups, in memory only.

use kez_core::handle::Handle;
use kez_core::identity::Primary;
use kez_core::mls::{GroupId, LeafId};

use crate::kernel::backoff::Backoff;
use crate::kernel::event::TabId;

/// The lookups and requests for groups.
pub(in crate::session) struct GroupWork {
    /// People who are looked up to be added.
    pub(super) invitations: Vec<Invitation>,
    /// News may have come since the last request for them.
    pub(super) look_again: bool,
    /// Whether news would be a sign that the live stream is dead.
    pub(super) checks_stream: bool,
    /// When the next request for news goes out.
    pub(super) news_at: Option<u64>,
    pub(super) backoff: Backoff,
    /// Devices that no chain knows yet, whose people are being asked for.
    pub(super) unknown: Vec<LeafId>,
    /// When the server is asked about people again.
    pub(super) people_at: Option<u64>,
    pub(super) people_backoff: Backoff,
    /// Whether this device could take part in groups after the last event.
    pub(super) is_ready: bool,
}

impl Default for GroupWork {
    fn default() -> Self {
        Self {
            invitations: Vec::new(),
            look_again: false,
            checks_stream: false,
            news_at: Some(0),
            backoff: Backoff::new(1_000, 60_000),
            unknown: Vec::new(),
            people_at: Some(0),
            people_backoff: Backoff::new(1_000, 60_000),
            is_ready: false,
        }
    }
}

/// People who are looked up to be added to a group.
pub(super) struct Invitation {
    pub(super) to: To,
    /// The handles, with the root of each whose owner was found.
    pub(super) people: Vec<(Handle, Option<Primary>)>,
}

/// Which group they are to be added to.
#[derive(Clone)]
pub(super) enum To {
    /// A new one with this name, created in this tab.
    New(TabId, String),
    /// One that exists.
    Group(GroupId),
}
