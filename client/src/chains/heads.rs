//! `heads`: the heads of the chains that users have seen, exchanged in their messages.

use kez_core::sigchain::{Heads, SeenHead};

use super::{Facts, Sigchains};
use crate::kernel::context::Context;
use crate::kernel::place::PersonId;

impl Sigchains {
    /// The heads to put in a message to this contact: the user's own chain and the contact's, as far as seen here.
    pub(crate) fn heads_for(&self, contact: PersonId) -> Heads {
        let seen = [Some(self.own.chain()), self.contacts.chain(contact)].into_iter().flatten();
        seen.filter_map(|chain| Some((chain.root(), SeenHead::of(chain)?))).collect()
    }

    /// The heads to put in a message to a group: that of the user's own chain.
    pub(crate) fn own_head(&self) -> Heads {
        let chain = self.own.chain();
        SeenHead::of(chain).map(|seen| (chain.root(), seen)).into_iter().collect()
    }

    /// Compares the heads in a contact's message with ours. Only the chains of the two users are considered.
    pub(crate) fn on_heads(
        &mut self,
        contact: PersonId,
        heads: &Heads,
        facts: Facts<'_>,
        cx: &mut Context<'_>,
    ) {
        // A stranger could claim anything to cause alarm.
        if facts.contacts.get(contact).is_some_and(|known| known.stored.standing.accepted) {
            self.own.on_heads(heads, Some(contact), facts, cx);
        }
        self.contacts.on_heads(contact, heads, facts, cx);
    }
}
