//! `heads`: what people tell each other about chains inside their messages.

use kez_core::sigchain::{Heads, SeenHead};

use super::watched::Compared;
use crate::contacts::ContactId;
use crate::context::Context;
use crate::session::Session;
use crate::view::ChainAlarm;

impl Session {
    /// What a message to this contact says: how far one has seen one's own chain and theirs.
    pub(crate) fn heads_for(&self, contact: ContactId) -> Heads {
        let own = &self.chains.own.stored.watched.chain;
        let theirs = self.chains.people.get(&contact).map(|watched| &watched.chain);
        let seen = [Some(own), theirs].into_iter().flatten();
        seen.filter_map(|chain| Some((chain.root(), SeenHead::of(chain)?))).collect()
    }

    /// A message says what its sender has seen. Chains of others than the two are none of its business.
    pub(crate) fn compare_heads(&mut self, contact: ContactId, heads: &Heads, cx: &mut Context<'_>) {
        self.compare_own_head(heads, cx);
        let Some(watched) = self.chains.people.get_mut(&contact) else { return };
        match heads.get(&watched.chain.root()).map(|seen| watched.compare(seen)) {
            None | Some(Compared::Agrees) => {}
            Some(Compared::Ahead) => {
                self.save_chain(contact, cx);
                self.ask_about_chain(contact, cx);
            }
            Some(Compared::Contradicts) => self.alarm_about(contact, ChainAlarm::Contradicted, cx),
        }
    }

    /// The same for one's own chain, of which one's other browsers tell too.
    pub(crate) fn compare_own_head(&mut self, heads: &Heads, cx: &mut Context<'_>) {
        let own = &mut self.chains.own.stored.watched;
        match heads.get(&own.chain.root()).map(|seen| own.compare(seen)) {
            None | Some(Compared::Agrees) => {}
            Some(Compared::Ahead) => {
                self.save_own_chain(cx);
                self.check_own_chain(cx);
            }
            Some(Compared::Contradicts) => self.alarm_about_own(ChainAlarm::Contradicted, cx),
        }
    }
}
