//! What the user's own chain says of the messages that the user accepts.

use kez_core::sigchain::{Body, Link};

use super::OwnChain;
use crate::chains::facts::Facts;
use crate::kernel::context::Context;

/// The lowest version of a chain whose owner accepts envelopes, and of one whose owner accepts MLS alone.
const ENVELOPES: u64 = 1;
const MLS: u64 = 2;

impl OwnChain {
    /// "Refuse old messages" is switched on or off.
    pub(crate) fn refuse_old_messages(&mut self, on: bool, facts: Facts<'_>, cx: &mut Context<'_>) {
        self.wanted_version = Some(if on { MLS } else { ENVELOPES });
        self.try_at = None;
        self.advance(facts, cx);
    }

    /// Whether the switch is on: in the chain, or in a link that is on its way there.
    pub(crate) fn refuses_old_messages(&self) -> bool {
        let pending = self.pending().and_then(|link| version_in(&link));
        self.wanted_version.or(pending).unwrap_or_else(|| self.chain().min_version()) > ENVELOPES
    }

    /// Since when the user accepts no envelope, Unix seconds; `None` if the user accepts them.
    pub(crate) fn refuses_envelopes_since(&self) -> Option<u64> {
        if self.chain().min_version() <= ENVELOPES {
            return None;
        }
        let links = self.stored.links.iter().rev().filter_map(|link| Link::parse(link.as_bytes()).ok());
        let mut since = None;
        for (version, at) in links.filter_map(|link| Some((version_in(&link)?, link.created_at().unix()))) {
            match version {
                ..=ENVELOPES => break,
                _ => since = Some(at),
            }
        }
        since
    }

    /// The link that says what the user wants, if the chain does not say it yet.
    pub(super) fn version_wanted(&mut self, facts: Facts<'_>, cx: &mut Context<'_>) -> Option<String> {
        let min_version = self.wanted_version.take()?;
        let is_new = min_version != self.chain().min_version();
        is_new.then(|| self.draft(Body::SetCapabilities { min_version }, facts, cx)).flatten()
    }
}

fn version_in(link: &Link) -> Option<u64> {
    match link.body() {
        Body::SetCapabilities { min_version } => Some(*min_version),
        _ => None,
    }
}
