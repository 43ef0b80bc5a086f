//! An open account: its state while unlocked, loaded from its records and dropped when it is locked.

mod chains;
mod compose;
mod devices;
pub(crate) mod directory;
pub(crate) mod dispatch;
mod export;
mod groups;
mod inbox;
mod loading;
mod outbox;
mod own_chain;
mod paging;
mod reactions;
mod records;
mod reporting;
mod screen;
mod searching;

use std::collections::HashSet;

use kez_core::identity::{Peer, SecretIdentity};

use crate::account::{AccountExit, PassphraseChange};
use crate::chains::Sigchains;
use crate::devices::Devices;
use crate::groups::{Groups, Invites, Packages};
use crate::kernel::answer::Answer;
use crate::kernel::config::Config;
use crate::kernel::context::Context;
use crate::kernel::effect::Effect;
use crate::kernel::me::Me;
use crate::kernel::place::Place;
use crate::kernel::reason::Reason;
use crate::kernel::sorted_map::SortedMap;
use crate::kernel::sync::StoredSync;
use crate::link::{self, Acknowledged, Batch, Inbox, Keeping, Link, Received, Stored};
use crate::messages::{Conversation, Outbox, Quarantine, StoredMessage, Tag};
use crate::people::{Contacts, ListSync};
use crate::search::Searches;
use crate::session::directory::Directory;
use crate::session::groups::GroupWork;
use crate::session::loading::Paging;

/// An open account: its parts. What concerns more than one of them is in one file per topic below `session`.
pub(crate) struct Session {
    pub(crate) me: Me,
    /// The user as the recipient of their own copies; `None` in a browser without the recovery words.
    pub(crate) myself: Option<Peer>,
    /// The signed claim of the handle, if it is known here.
    pub(crate) registration: Option<String>,
    /// Whether the account was restored from its words.
    pub(crate) restored: bool,
    /// Whether the user has confirmed that they have the words.
    pub(crate) phrase_confirmed: bool,
    /// The user's own replaced keys. They only open envelopes that were sealed for them.
    pub(crate) former: Vec<SecretIdentity>,
    pub(crate) chains: Sigchains,
    pub(crate) sync: StoredSync,
    pub(crate) contacts: Contacts,
    pub(crate) conversations: SortedMap<Place, Conversation>,
    /// How many messages have arrived here so far.
    arrivals: u64,
    pub(crate) outbox: Outbox,
    pub(crate) quarantine: Quarantine,
    /// Every envelope that was processed.
    pub(crate) seen: HashSet<Tag>,
    pub(crate) searches: Searches,
    paging: Paging,
    pub(crate) directory: Directory,
    pub(crate) groups: Groups,
    pub(crate) invites: Invites,
    group_work: GroupWork,
    packages: Packages,
    pub(crate) devices: Devices,
    pub(crate) link: Link,
    pub(crate) exit: AccountExit,
    pub(crate) passphrase: PassphraseChange,
    pub(crate) lists: ListSync,
    pub(crate) keeping: Keeping,
    /// How many records could not be read.
    damaged: u64,
    /// Whether the end of a chain of sent envelopes could not be read.
    has_lost_chain: bool,
}

impl Session {
    /// Starts sending and receiving.
    pub(crate) fn start(&mut self, cx: &mut Context<'_>) {
        if std::mem::take(&mut self.has_lost_chain) {
            self.begin_installation(cx);
        }
        cx.push(Effect::Remember { handle: Some(self.me.handle.to_string()) });
        cx.push(Effect::PersistStorage);
        cx.push(Effect::BringEngine);
        self.try_stopped_groups(cx);
        self.follow_groups();
        self.link.connect(Inbox { me: &self.me, cursor: self.sync.cursor }, cx);
        self.require_mls_of_all(cx);
        self.send_queued(cx);
        self.expire_waiting(cx);
        self.ask_about_senders(cx);
        self.lists.proceed(&self.contacts, &self.me, cx);
        self.keeping.ask(&self.me, cx);
        for tab in cx.shared.tabs.ids() {
            self.screen_changed(&tab, cx);
        }
        self.report_damage(0, cx);
    }

    /// Tells the user how many records could not be read, these included.
    fn report_damage(&mut self, more: u64, cx: &mut Context<'_>) {
        self.damaged += more;
        if self.damaged > 0 {
            cx.warn(Reason::Damaged(self.damaged));
        }
    }

    /// Restarts all chains of sent envelopes, as another installation: a number must not be used twice.
    fn begin_installation(&mut self, cx: &mut Context<'_>) {
        self.sync.begin_installation(cx.rng);
        cx.save(self.sync.record());
        for conversation in self.conversations.values_mut() {
            conversation.restart_sequence();
        }
    }

    /// Handles the server's configuration.
    pub(crate) fn described(&mut self, config: &Config, cx: &mut Context<'_>) {
        self.sigchains_at(config.sigchains.as_deref(), cx);
        self.link.on_broker(config.broker.as_deref(), &self.me, cx);
    }

    /// Handles the timer.
    pub(crate) fn tick(&mut self, cx: &mut Context<'_>) {
        self.retry_due(cx);
        self.ask_about_senders(cx);
        self.lists.proceed(&self.contacts, &self.me, cx);
        self.follow_groups();
        self.link.on_tick(Inbox { me: &self.me, cursor: self.sync.cursor }, cx);
        let (chains, facts) = self.chains_with_facts();
        chains.on_tick(facts, cx);
        self.keeping.on_tick(&stored(&self.sync, &self.quarantine), &self.me, cx);
        if self.searches.wake().is_some() {
            self.search(cx);
        }
    }

    /// When [`Session::tick`] is due.
    pub(crate) fn wake(&self) -> Option<u64> {
        let wakes = [
            self.outbox.wake(),
            self.next_question(),
            self.link.wake(),
            self.lists.wake(),
            self.keeping.wake(),
            self.chains.wake(),
            self.searches.wake(),
            self.wake_of_groups(),
            self.devices.wake(),
        ];
        wakes.into_iter().flatten().min()
    }

    /// Handles an event of the link, or the answer to a page.
    pub(crate) fn on_link(
        &mut self,
        event: impl FnOnce(&mut Link, Inbox<'_>, &mut Context<'_>) -> link::Outcome,
        cx: &mut Context<'_>,
    ) {
        self.follow_groups();
        let mut outcome = event(&mut self.link, Inbox { me: &self.me, cursor: self.sync.cursor }, cx);
        let batch = outcome.batch.take();
        self.after_link(outcome, cx);
        if let Some(batch) = batch {
            self.receive_batch(batch, cx);
        }
    }

    /// Processes items of the inbox, or as many as need no page that has to be loaded first.
    fn receive_batch(&mut self, batch: Batch, cx: &mut Context<'_>) {
        let received = self.receive(&batch, cx);
        if received == Received::Loading {
            return self.paging.put_off(batch);
        }
        let inbox = Inbox { me: &self.me, cursor: self.sync.cursor };
        let outcome = self.link.on_received((&batch, received), inbox, cx);
        self.after_link(outcome, cx);
    }

    /// Pages were loaded: the items that waited for them are processed.
    pub(crate) fn resume_batch(&mut self, cx: &mut Context<'_>) {
        if let Some(batch) = self.paging.take_batch() {
            self.receive_batch(batch, cx);
        }
    }

    fn after_link(&mut self, outcome: link::Outcome, cx: &mut Context<'_>) {
        if outcome.reconnected {
            self.on_reconnect(cx);
        }
        if outcome.read_to_end {
            self.advance_own_chain(cx);
            self.load_recent();
            self.look_at_groups_after_envelopes(cx);
        }
        if outcome.polled {
            self.look_at_groups(cx);
        }
        if let Some(items) = outcome.group {
            self.on_group_frame(items, cx);
        }
        if let Some(length) = outcome.own_chain {
            let (chains, facts) = self.chains_with_facts();
            chains.own_mut().on_length(length, facts, cx);
        }
        if outcome.refused && self.me.key.secret().is_none() {
            // Another browser may have removed this device. The chain shows that.
            let (chains, facts) = self.chains_with_facts();
            chains.own_mut().suspect_removal(facts, cx);
        }
        // Another browser may have replaced the key. The chain shows that, and then the clock is not to blame.
        if outcome.signature_refused && !self.key_was_replaced() {
            let (chains, facts) = self.chains_with_facts();
            chains.own_mut().suspect_replaced_key(facts, cx);
            cx.warn(Reason::SignatureRefused);
        }
    }

    /// The inbox has something new, or positions that were reported are wrong.
    pub(crate) fn look(&mut self, cx: &mut Context<'_>) {
        self.link.look(Inbox { me: &self.me, cursor: self.sync.cursor }, cx);
    }

    /// Resumes reading once the server has answered with the account's own chain.
    pub(crate) fn resume_reading(&mut self, cx: &mut Context<'_>) {
        if !self.awaits_own_chain() {
            self.follow_groups();
            self.link.resume(Inbox { me: &self.me, cursor: self.sync.cursor }, cx);
        }
    }

    /// Messages were stored: the server can free their space.
    pub(crate) fn acknowledge_soon(&mut self, cx: &mut Context<'_>) {
        if self.me.key.secret().is_none() {
            // Nothing of the inbox is stored here.
            return;
        }
        self.keeping.on_stored(&stored(&self.sync, &self.quarantine), cx);
    }

    /// Handles the inbox status.
    pub(crate) fn on_status(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        if let Some(status) = self.keeping.on_status(answer, cx)
            && self.sync.epoch.as_ref().is_none_or(|epoch| *epoch == status.epoch)
        {
            self.link.heard(status.last);
        }
    }

    /// Handles the answer to an acknowledgement.
    pub(crate) fn on_acknowledged(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        match self.keeping.on_acknowledged(answer, cx) {
            Acknowledged::UpTo(status) => {
                if self.sync.epoch.as_ref() == Some(&status.epoch) {
                    self.sync.acknowledged = status.acknowledged;
                    self.link.heard(status.last);
                    cx.save(self.sync.record());
                }
                self.acknowledge_soon(cx);
            }
            Acknowledged::UnknownPosition => self.look(cx),
            Acknowledged::Later => {}
        }
    }

    /// The connection is back.
    fn on_reconnect(&mut self, cx: &mut Context<'_>) {
        // The live stream does not report how large the backlog is.
        self.keeping.ask(&self.me, cx);
        if !cx.shared.engine.is_ready {
            cx.push(Effect::BringEngine);
        }
        self.resume_all(cx);
        self.ask_again(cx);
        self.lists.on_reconnect(&self.contacts, &self.me, cx);
    }

    /// Adds a message of the other side, or an event, at the end of its conversation.
    pub(crate) fn add_message(&mut self, place: Place, message: StoredMessage, cx: &mut Context<'_>) {
        let Some(conversation) = self.conversations.get_mut(&place) else { return };
        let order = conversation.take_order();
        self.add_row(place, order, message, cx);
    }

    /// Adds a message under its order.
    pub(crate) fn add_row(
        &mut self,
        place: Place,
        order: u64,
        mut message: StoredMessage,
        cx: &mut Context<'_>,
    ) {
        message.arrival = self.arrivals;
        if message.mine
            && let Place::Direct(person) = place
        {
            self.lists.on_accepted_here(person, &mut self.contacts, &self.me, cx);
        }
        self.arrivals += 1;
        let Some(conversation) = self.conversations.get_mut(&place) else { return };
        let all_read = conversation.unread() == 0;
        let was_read_elsewhere =
            !message.mine && place.person().is_some() && message.kept_at < self.sync.read_before;
        conversation.insert(order, message);
        if was_read_elsewhere && all_read {
            conversation.mark_read();
        }
    }
}

/// How far the inbox is stored here. The user's own copies may still have to be read again.
fn stored<'a>(sync: &'a StoredSync, quarantine: &Quarantine) -> Stored<'a> {
    let left = quarantine.first_own_copy_left().map(|from| from.saturating_sub(1));
    let up_to = left.map_or(sync.cursor, |left| left.min(sync.cursor));
    Stored { epoch: sync.epoch.as_deref(), up_to, acknowledged: sync.acknowledged }
}
