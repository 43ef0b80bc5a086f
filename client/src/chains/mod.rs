//! Key histories: the user's own, which this client creates and extends, and those of contacts, which it verifies.
//!
//! Every chain from a server is replayed from the first link, or from the part that was verified earlier. The client
//! remembers the longest chain seen for each person. A shorter, different or unreadable one raises an alarm for the
//! user. Messages carry the heads that their sender has seen (`heads`), so friends notice what a server hides from one
//! of them.
//!
//! The chains store and send their own requests. They return what concerns other parts too (`news`).

mod alarm;
mod facts;
mod heads;
mod members;
mod news;
mod own;
mod people;
mod watched;

use kez_core::identity::Primary;
use kez_core::mls::call::Certified;
use kez_core::sigchain::Chain;

use crate::kernel::context::Context;
use facts::Base;

pub use alarm::ChainAlarm;
pub(crate) use facts::Facts;
pub(crate) use members::{MemberChains, certified};
pub(crate) use news::{ChangedKey, ContactNews, ForeignLink, KeyNews, OwnNews};
pub(crate) use own::{OwnChain, is_own, own_links, own_record};
pub(crate) use people::ContactChains;
pub(crate) use watched::Watched;

/// All chains that this client knows.
pub(crate) struct Sigchains {
    own: OwnChain,
    contacts: ContactChains,
    members: MemberChains,
}

impl Sigchains {
    /// No links yet, for an account whose chain starts with this key.
    pub(crate) fn new(root: Primary) -> Self {
        Self {
            own: OwnChain::new(root),
            contacts: ContactChains::default(),
            members: MemberChains::default(),
        }
    }

    /// The user's own chain.
    pub(crate) const fn own(&self) -> &OwnChain {
        &self.own
    }

    /// The user's own chain, to be changed.
    pub(crate) const fn own_mut(&mut self) -> &mut OwnChain {
        &mut self.own
    }

    /// The chains of contacts.
    pub(crate) const fn contacts(&self) -> &ContactChains {
        &self.contacts
    }

    /// The chains of contacts, to be changed.
    pub(crate) const fn contacts_mut(&mut self) -> &mut ContactChains {
        &mut self.contacts
    }

    /// The chains of members of groups.
    pub(crate) const fn members(&self) -> &MemberChains {
        &self.members
    }

    /// The chains of members of groups, to be changed.
    pub(crate) const fn members_mut(&mut self) -> &mut MemberChains {
        &mut self.members
    }

    /// The longest verified chain with this root: the user's own, a member's or a contact's.
    pub(crate) fn chain(&self, root: &Primary) -> Option<&Chain> {
        let own = Some(self.own.chain()).filter(|chain| chain.root() == *root);
        own.or_else(|| longer(self.members.chain(root), self.contacts.chain_of(root)))
    }

    /// Every device that the chains with these roots certify, or certified once.
    pub(crate) fn certified_of(&self, roots: &[Primary]) -> Vec<Certified> {
        roots.iter().filter_map(|root| self.chain(root)).flat_map(certified).collect()
    }

    /// Every device that any chain certifies, or certified once.
    pub(crate) fn certified(&self) -> Vec<Certified> {
        let members =
            self.members.chains().map(|chain| longer(Some(chain), self.contacts.chain_of(&chain.root())));
        let others = self.contacts.chains().filter(|chain| self.members.chain(&chain.root()).is_none());
        let all = std::iter::once(self.own.chain()).chain(members.flatten()).chain(others);
        all.flat_map(certified).collect()
    }

    /// When the next action is due.
    pub(crate) fn wake(&self) -> Option<u64> {
        [self.own.wake(), self.contacts.wake()].into_iter().flatten().min()
    }

    /// Handles the timer.
    pub(crate) fn on_tick(&mut self, facts: Facts<'_>, cx: &mut Context<'_>) {
        if self.own.wake().is_some_and(|at| at <= cx.now) {
            self.own.advance(facts, cx);
        }
        self.contacts.on_tick(facts, cx);
    }

    /// Handles the sigchain URL from the server's configuration. Returns whether all chains are to be requested now.
    pub(crate) fn on_base(&mut self, base: Option<&str>) -> bool {
        let Some(base) = base else {
            self.own.expect_no_answer();
            return true;
        };
        let base = Base(Some(base.to_owned()));
        let is_new = self.own.move_to(&base);
        self.contacts.move_to(base);
        is_new
    }
}

/// The longer one of two chains of one person.
fn longer<'a>(one: Option<&'a Chain>, other: Option<&'a Chain>) -> Option<&'a Chain> {
    one.into_iter().chain(other).max_by_key(|chain| chain.length())
}
