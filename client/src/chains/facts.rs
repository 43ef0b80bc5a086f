//! What the chains have to know about the rest of the account.

use kez_core::identity::Primary;

use super::watched::Watched;
use crate::kernel::me::Me;
use crate::people::Contacts;

/// The state of the account and of the other parts, as far as it matters to the chains.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'a> {
    /// The user's account.
    pub(crate) me: &'a Me,
    /// Every contact, with the pinned key.
    pub(crate) contacts: &'a Contacts,
    /// The signed claim of the handle, if it is known here.
    pub(crate) registration: Option<&'a str>,
    /// Whether the account was restored from its words.
    pub(crate) restored: bool,
    /// Whether the inbox of a restored account has been read to its end, and no copy of the user's own messages waits for
    /// a key.
    pub(crate) inbox_was_read: bool,
    /// Whether the server answers other requests.
    pub(crate) is_online: bool,
}

/// The base URL of the sigchains, from the server's configuration. Nothing is requested before it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Base(pub(super) Option<String>);

impl Base {
    /// The request target of a chain.
    pub(super) fn target(&self, root: &Primary) -> Option<String> {
        Some(format!("{}/ed25519/{}", self.0.as_ref()?, root.hex()))
    }

    /// The request target of the links after the last one that is known.
    pub(super) fn target_since(&self, watched: &Watched) -> Option<String> {
        Some(format!("{}?since={}", self.target(&watched.chain.root())?, watched.chain.length()))
    }
}
