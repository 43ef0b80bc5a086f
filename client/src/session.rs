//! An open account: its state while unlocked, loaded from its records and dropped when it is locked.

mod compose;
pub(crate) mod directory;
pub(crate) mod dispatch;
mod export;
mod inbox;
mod outbox;
mod reporting;
mod screen;

use std::collections::HashSet;

use kez_core::envelope::EnvelopeHash;
use kez_core::identity::{Peer, SecretIdentity};

use crate::account::{AccountExit, PassphraseChange, Ready, StoredAccount, StoredSeed};
use crate::chains::{self, Sigchains};
use crate::kernel::answer::Answer;
use crate::kernel::config::Config;
use crate::kernel::context::Context;
use crate::kernel::effect::Effect;
use crate::kernel::event::StorageFault;
use crate::kernel::me::Me;
use crate::kernel::place::{Key, Lane, Place, Slot};
use crate::kernel::reason::Reason;
use crate::kernel::record::{Kind, Record};
use crate::kernel::sorted_map::SortedMap;
use crate::kernel::sync::StoredSync;
use crate::link::{self, Acknowledged, Inbox, Keeping, Link, Stored};
use crate::messages::{Conversation, Outbox, Quarantine, StoredBody, StoredMessage};
use crate::people::{Contacts, ListSync};
use crate::session::directory::Directory;

/// An open account: its parts. What concerns more than one of them is in one file per topic below `session`.
pub(crate) struct Session {
    pub(crate) me: Me,
    /// The user as the recipient of their own copies.
    pub(crate) myself: Peer,
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
    /// The hash of every envelope that was processed.
    pub(crate) seen: HashSet<EnvelopeHash>,
    pub(crate) directory: Directory,
    pub(crate) link: Link,
    pub(crate) exit: AccountExit,
    pub(crate) passphrase: PassphraseChange,
    pub(crate) lists: ListSync,
    pub(crate) keeping: Keeping,
    /// How many records could not be read.
    damaged: u64,
}

impl Session {
    /// Loads an account from its records. A damaged record costs what it held, and nothing else.
    ///
    /// # Errors
    /// [`StorageFault::Damaged`] when a record that the account cannot do without is missing or damaged, and
    /// [`StorageFault::Newer`] when any record is from a newer version.
    pub(crate) fn load(ready: &Ready) -> Result<Self, StorageFault> {
        let Ready { account, has_passphrase, records } = ready;
        let account = account.clone();
        let me = account.identity();
        let sync = records.iter().find(|record| record.kind == Kind::Sync).ok_or(StorageFault::Damaged)?;
        let mut session = Self {
            myself: Peer::new(&me, me.public()).map_err(|_| StorageFault::Damaged)?,
            chains: Sigchains::new(me.public().primary()),
            former: account.former.iter().map(|seed| SecretIdentity::from_seed(seed.0.clone())).collect(),
            phrase_confirmed: account.phrase_confirmed,
            restored: account.restored || account.registration.is_none(),
            registration: account.registration,
            me: Me { key: me, handle: account.handle, server: account.server },
            sync: sync.read()?,
            contacts: Contacts::default(),
            conversations: SortedMap::default(),
            arrivals: 0,
            outbox: Outbox::default(),
            quarantine: Quarantine::default(),
            seen: HashSet::new(),
            directory: Directory::default(),
            link: Link::default(),
            exit: AccountExit::default(),
            passphrase: PassphraseChange::new(*has_passphrase),
            lists: ListSync::default(),
            keeping: Keeping::default(),
            damaged: 0,
        };
        // Everything else belongs to a contact's conversation, and messages need its read mark.
        let turn = |record: &&Record| match record.kind {
            Kind::Contact => 0,
            Kind::Conversation => 1,
            _ => 2,
        };
        let mut records: Vec<&Record> = records.iter().collect();
        records.sort_by_key(turn);
        for record in records {
            match session.load_record(record) {
                Err(StorageFault::Damaged) if !chains::is_own(record) => session.damaged += 1,
                outcome => outcome?,
            }
        }
        Ok(session)
    }

    /// Starts sending and receiving.
    pub(crate) fn start(&mut self, cx: &mut Context<'_>) {
        cx.push(Effect::Remember { handle: Some(self.me.handle.to_string()) });
        cx.push(Effect::PersistStorage);
        self.link.connect(Inbox { me: &self.me, cursor: self.sync.cursor }, cx);
        self.send_queued(cx);
        self.expire_waiting(cx);
        self.ask_about_senders(cx);
        self.lists.proceed(&self.contacts, &self.me, cx);
        self.keeping.ask(&self.me, cx);
        for tab in cx.shared.tabs.ids() {
            self.screen_changed(&tab, cx);
        }
        if self.damaged > 0 {
            cx.warn(Reason::Damaged(self.damaged));
        }
    }

    /// Handles the server's configuration.
    pub(crate) fn described(&mut self, config: &Config, cx: &mut Context<'_>) {
        self.sigchains_at(config.sigchains.clone(), cx);
        self.link.on_broker(config.broker.as_deref(), &self.me, cx);
    }

    /// Handles the timer.
    pub(crate) fn tick(&mut self, cx: &mut Context<'_>) {
        self.retry_due(cx);
        self.ask_about_senders(cx);
        self.lists.proceed(&self.contacts, &self.me, cx);
        self.link.on_tick(Inbox { me: &self.me, cursor: self.sync.cursor }, cx);
        if self.chains.own.wake().is_some_and(|at| at <= cx.now) {
            self.advance_own_chain(cx);
        }
        self.ask_chains_again(cx);
        self.keeping.on_tick(&stored(&self.sync, &self.quarantine), &self.me, cx);
    }

    /// When [`Session::tick`] is due.
    pub(crate) fn wake(&self) -> Option<u64> {
        let wakes = [
            self.outbox.wake(),
            self.next_question(),
            self.link.wake(),
            self.chains.own.wake(),
            self.lists.wake(),
            self.keeping.wake(),
            self.chains.wake(),
        ];
        wakes.into_iter().flatten().min()
    }

    /// Handles an event of the link, or the answer to a page.
    pub(crate) fn on_link(
        &mut self,
        event: impl FnOnce(&mut Link, Inbox<'_>, &mut Context<'_>) -> link::Outcome,
        cx: &mut Context<'_>,
    ) {
        let mut outcome = event(&mut self.link, Inbox { me: &self.me, cursor: self.sync.cursor }, cx);
        if let Some(batch) = outcome.batch {
            let received = self.receive(&batch.epoch, &batch.items, batch.last, cx);
            let inbox = Inbox { me: &self.me, cursor: self.sync.cursor };
            outcome = self.link.on_received((&batch, received), inbox, cx);
        }
        if outcome.reconnected {
            self.on_reconnect(cx);
        }
        if outcome.read_to_end {
            self.advance_own_chain(cx);
        }
        // Another browser may have replaced the key. The chain shows that, and then the clock is not to blame.
        if outcome.signature_refused && !self.key_was_replaced() {
            self.suspect_replaced_key(cx);
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
            self.link.resume(Inbox { me: &self.me, cursor: self.sync.cursor }, cx);
        }
    }

    /// Messages were stored: the server can free their space.
    pub(crate) fn acknowledge_soon(&mut self, cx: &mut Context<'_>) {
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
        self.resume_all(cx);
        self.ask_again(cx);
        self.lists.on_reconnect(&self.contacts, &self.me, cx);
    }

    /// Saves the account.
    pub(crate) fn save_account(&self, cx: &mut Context<'_>) {
        let account = StoredAccount {
            seed: StoredSeed(self.me.key.seed().clone()),
            handle: self.me.handle.clone(),
            server: self.me.server.clone(),
            registration: self.registration.clone(),
            signed_at: 0,
            registered: true,
            restored: self.restored,
            phrase_confirmed: self.phrase_confirmed,
            former: self.former.iter().map(|former| StoredSeed(former.seed().clone())).collect(),
        };
        cx.save(account.record());
    }

    /// The conversation with this number in record ids.
    fn place_at(&self, slot: Slot) -> Result<Place, StorageFault> {
        self.contacts.at(slot).map(Place::Direct).ok_or(StorageFault::Damaged)
    }

    /// Adds a message of the other side, or an event, at the end of its conversation.
    pub(crate) fn add_message(&mut self, place: Place, message: StoredMessage, cx: &mut Context<'_>) {
        let Some(conversation) = self.conversations.get_mut(&place) else { return };
        let order = conversation.take_order();
        cx.save(conversation.record());
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
        let Place::Direct(person) = place;
        message.arrival = self.arrivals;
        if message.mine {
            self.lists.on_accepted_here(person, &mut self.contacts, &self.me, cx);
        }
        let Some(conversation) = self.conversations.get(&place) else { return };
        let all_read = conversation.unread() == 0;
        let was_read_elsewhere = !message.mine && message.kept_at < self.sync.read_before;
        cx.save(message.record(conversation.slot(), order));
        self.insert_message(place, order, message);
        if was_read_elsewhere && all_read {
            self.mark_read(place, cx);
        }
    }

    /// Marks all messages of this conversation as read.
    pub(crate) fn mark_read(&mut self, place: Place, cx: &mut Context<'_>) {
        if let Some(conversation) = self.conversations.get_mut(&place)
            && conversation.mark_read()
        {
            cx.save(conversation.record());
        }
    }

    fn insert_message(&mut self, place: Place, order: u64, message: StoredMessage) {
        self.arrivals = self.arrivals.max(message.arrival + 1);
        if let Some(conversation) = self.conversations.get_mut(&place) {
            conversation.insert(order, message);
        }
    }

    fn load_record(&mut self, record: &Record) -> Result<(), StorageFault> {
        let conversation = |this: &Self, id: &str| this.place_at(id.parse()?);
        match record.kind {
            Kind::Account | Kind::Sync | Kind::Invite => {}
            Kind::Contact => {
                let slot = record.id.parse()?;
                let person = self.contacts.load(slot, record, &self.me.key)?;
                self.conversations.insert(Place::Direct(person), Conversation::new(slot));
            }
            Kind::Conversation => {
                let place = conversation(self, &record.id)?;
                if let Some(conversation) = self.conversations.get_mut(&place) {
                    conversation.load(record)?;
                }
            }
            Kind::Message => {
                let (slot, order) = Slot::parse_key(&record.id)?;
                let place = self.place_at(slot)?;
                let message = record.read();
                let fault = message.as_ref().err().copied();
                let message: StoredMessage = message.unwrap_or_else(|_| {
                    let before = self.conversations.get(&place).and_then(Conversation::last);
                    StoredMessage::note(StoredBody::Damaged, before.map_or(0, |before| before.kept_at))
                });
                self.seen.extend(message.envelope);
                self.insert_message(place, order, message);
                return fault.map_or(Ok(()), Err);
            }
            Kind::Outbox => {
                let (own, slot, order) = Outbox::parse_id(&record.id)?;
                let place = self.place_at(slot)?;
                if let Some(conversation) = self.conversations.get_mut(&place) {
                    conversation.uses(order);
                }
                let lane = if own { Lane::Own } else { Lane::Place(place) };
                self.outbox.load(Key { lane, place, order }, record)?;
            }
            Kind::Draft => {
                let place = conversation(self, &record.id)?;
                if let Some(conversation) = self.conversations.get_mut(&place) {
                    conversation.draft = record.read()?;
                }
            }
            Kind::Chain if chains::is_own(record) => self.chains.own.stored = record.read()?,
            Kind::Chain => {
                let Place::Direct(person) = conversation(self, &record.id)?;
                self.chains.people.insert(person, record.read()?);
            }
            Kind::Nkey => self.link.load(record)?,
            Kind::Quarantine => self.seen.extend(self.quarantine.load(record)?),
        }
        Ok(())
    }
}

/// How far the inbox is stored here. The user's own copies may still have to be read again.
fn stored<'a>(sync: &'a StoredSync, quarantine: &Quarantine) -> Stored<'a> {
    let left = quarantine.first_own_copy_left().map(|from| from.saturating_sub(1));
    let up_to = left.map_or(sync.cursor, |left| left.min(sync.cursor));
    Stored { epoch: sync.epoch.as_deref(), up_to, acknowledged: sync.acknowledged }
}
