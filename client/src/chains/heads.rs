//! `heads`: what users tell each other in their messages about the chains they have seen.

use kez_core::identity::PublicIdentity;
use kez_core::sigchain::{Heads, SeenHead};

use super::ChainAlarm;
use super::watched::{Compared, Watched};
use crate::kernel::context::Context;
use crate::kernel::place::PersonId;
use crate::kernel::requests::Purpose;
use crate::session::Session;

impl Session {
    /// The heads to put in a message to this contact: the user's own chain and the contact's, as far as seen here.
    pub(crate) fn heads_for(&self, contact: PersonId) -> Heads {
        let own = &self.chains.own.stored.watched.chain;
        let theirs = self.chains.people.get(&contact).map(|watched| &watched.chain);
        let seen = [Some(own), theirs].into_iter().flatten();
        seen.filter_map(|chain| Some((chain.root(), SeenHead::of(chain)?))).collect()
    }

    /// Compares the heads in a message with ours. Only the chains of the two users are considered.
    pub(crate) fn compare_heads(&mut self, contact: PersonId, heads: &Heads, cx: &mut Context<'_>) {
        let Some(stored) = self.contacts.get(contact).map(|contact| &contact.stored) else { return };
        let root = stored.root();
        let known = self.chains.people.get(&contact).map_or(root, |watched| watched.chain.root());
        let mut keys = std::iter::once(&stored.key).chain(&stored.former).map(PublicIdentity::primary);
        let is_other_root = keys.any(|key| key != known && heads.contains_key(&key));
        // A stranger could claim anything to cause alarm.
        if stored.standing.accepted {
            self.compare_own_head(heads, Some(contact), cx);
        }
        if is_other_root {
            // The server named a different root than the sender does.
            self.chains.people.get_or_insert_with(contact, || Watched::new(known));
            return self.alarm_about(contact, ChainAlarm::Contradicted, cx);
        }
        let Some(seen) = heads.get(&known) else { return };
        let watched = self.chains.people.get_or_insert_with(contact, || Watched::new(known));
        match watched.compare(seen, None) {
            Compared::Agrees => {}
            Compared::Ahead => {
                self.save_chain(contact, cx);
                // An answer in flight may be older than what the sender has seen.
                cx.shared.requests.forget(|purpose| *purpose == Purpose::Chain(contact));
                self.ask_about_chain(contact, cx);
            }
            Compared::Contradicts => self.alarm_about(contact, ChainAlarm::Contradicted, cx),
        }
    }

    /// Compares the head of the user's own chain, as seen by contacts or by the user's other browsers.
    pub(crate) fn compare_own_head(&mut self, heads: &Heads, by: Option<PersonId>, cx: &mut Context<'_>) {
        let Some(seen) = heads.get(&self.chains.own.stored.watched.chain.root()) else { return };
        if by.is_some_and(|by| self.chains.own.was_heard(by)) {
            return self.check_own_chain_seldom(cx);
        }
        let own = &mut self.chains.own.stored.watched;
        match own.compare(seen, by) {
            Compared::Agrees => {}
            Compared::Ahead => {
                self.save_own_chain(cx);
                cx.shared.requests.forget(|purpose| *purpose == Purpose::OwnChain);
                self.check_own_chain(cx);
            }
            Compared::Contradicts => {
                own.alarm_by = by;
                self.alarm_about_own(ChainAlarm::Contradicted, cx);
            }
        }
    }
}
