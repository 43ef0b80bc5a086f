//! An open account: its state while unlocked, loaded from its records and dropped when it is locked.

use std::collections::HashSet;

use kez_core::caller_auth::{self, CallerRequest};
use kez_core::envelope::EnvelopeHash;
use kez_core::handle::{Handle, ServerName};
use kez_core::identity::{Peer, SecretIdentity};

use crate::account::{StoredAccount, StoredSeed};
use crate::config::Config;
use crate::connection::Link;
use crate::contacts::{ContactId, Contacts};
use crate::context::Context;
use crate::conversation::{Conversation, StoredMessage, parse_message_key};
use crate::directory::Directory;
use crate::effect::{Effect, HttpRequest, Method};
use crate::event::StorageFault;
use crate::keeping::Keeping;
use crate::leaving::Leaving;
use crate::nats::Nats;
use crate::passphrase::PassphraseChange;
use crate::people::Telling;
use crate::quarantine::Quarantine;
use crate::queue::Outbox;
use crate::record::{Kind, Record};
use crate::sigchains::Sigchains;
use crate::sorted_map::SortedMap;
use crate::sync::StoredSync;

/// An open account. Its behaviour is in one file per topic: `compose`, `outbox`, `inbox`, `directory`, `connection`, `screen`.
pub(crate) struct Session {
    pub(crate) me: SecretIdentity,
    /// The user as the recipient of their own copies.
    pub(crate) myself: Peer,
    pub(crate) handle: Handle,
    pub(crate) server: ServerName,
    pub(crate) has_passphrase: bool,
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
    pub(crate) conversations: SortedMap<ContactId, Conversation>,
    /// How many messages have arrived here so far.
    arrivals: u64,
    pub(crate) outbox: Outbox,
    pub(crate) quarantine: Quarantine,
    /// The hash of every envelope that was processed.
    pub(crate) seen: HashSet<EnvelopeHash>,
    pub(crate) directory: Directory,
    pub(crate) link: Link,
    pub(crate) leaving: Leaving,
    pub(crate) passphrase: PassphraseChange,
    pub(crate) nats: Nats,
    pub(crate) telling: Telling,
    pub(crate) keeping: Keeping,
}

impl Session {
    /// Loads an account from its records.
    ///
    /// # Errors
    /// [`StorageFault::Damaged`] when a record is missing or does not match its kind.
    pub(crate) fn load(
        account: StoredAccount,
        has_passphrase: bool,
        records: &[Record],
    ) -> Result<Self, StorageFault> {
        let me = account.identity();
        let sync = records.iter().find(|record| record.kind == Kind::Sync).ok_or(StorageFault::Damaged)?;
        let mut session = Self {
            myself: Peer::new(&me, me.public()).map_err(|_| StorageFault::Damaged)?,
            chains: Sigchains::new(me.public().primary()),
            former: account.former.iter().map(|seed| SecretIdentity::from_seed(seed.0.clone())).collect(),
            phrase_confirmed: account.phrase_confirmed,
            restored: account.restored || account.registration.is_none(),
            registration: account.registration,
            me,
            handle: account.handle,
            server: account.server,
            has_passphrase,
            sync: sync.read()?,
            contacts: Contacts::default(),
            conversations: SortedMap::default(),
            arrivals: 0,
            outbox: Outbox::default(),
            quarantine: Quarantine::default(),
            seen: HashSet::new(),
            directory: Directory::default(),
            link: Link::default(),
            leaving: Leaving::default(),
            passphrase: PassphraseChange::default(),
            nats: Nats::default(),
            telling: Telling::default(),
            keeping: Keeping::default(),
        };
        // Messages need the read mark of their contact, so contacts are loaded first.
        for record in records.iter().filter(|record| record.kind == Kind::Contact) {
            session.contacts.load(record, &session.me)?;
        }
        for record in records {
            session.take_in(record)?;
        }
        Ok(session)
    }

    /// Starts sending and receiving.
    pub(crate) fn start(&mut self, cx: &mut Context<'_>) {
        cx.push(Effect::Remember { handle: Some(self.handle.to_string()) });
        cx.push(Effect::PersistStorage);
        self.connect(cx);
        self.send_queued(cx);
        self.expire_waiting(cx);
        self.ask_about_senders(cx);
        self.tell_people(cx);
        self.ask_status(cx);
        for tab in cx.shared.tabs.ids() {
            self.screen_changed(&tab, cx);
        }
    }

    /// Handles the server's configuration.
    pub(crate) fn described(&mut self, config: &Config, cx: &mut Context<'_>) {
        self.sigchains_at(config.sigchains.clone(), cx);
        self.broker_at(config.broker.as_deref(), cx);
    }

    /// Handles the timer.
    pub(crate) fn tick(&mut self, cx: &mut Context<'_>) {
        self.retry_due(cx);
        self.ask_about_senders(cx);
        self.tell_people(cx);
        self.connection_due(cx);
        if self.chains.own.wake().is_some_and(|at| at <= cx.now) {
            self.tend_own_chain(cx);
        }
        self.ask_chains_again(cx);
        self.nats_due(cx);
        self.keeping_due(cx);
    }

    /// When [`Session::tick`] is due.
    pub(crate) fn wake(&self) -> Option<u64> {
        let wakes = [
            self.outbox.wake(),
            self.next_question(),
            self.link.wake(),
            self.nats.wake(),
            self.chains.own.wake(),
            self.telling.wake(),
            self.keeping.wake(),
            self.chains.wake(),
        ];
        wakes.into_iter().flatten().min()
    }

    /// Sends a request with this account's signature.
    pub(crate) fn signed(
        &self,
        method: Method,
        target: String,
        body: Option<String>,
        cx: &mut Context<'_>,
    ) -> HttpRequest {
        let bytes = body.as_deref().unwrap_or_default().as_bytes();
        let signed =
            CallerRequest { server: &self.server, method: method.as_str(), target: &target, body: bytes };
        let auth = caller_auth::header(&self.me, &self.handle, &signed, cx.server_time(), &mut &mut *cx.rng);
        HttpRequest { method, target, auth: Some(auth), invite: None, body }
    }

    /// Saves the account.
    pub(crate) fn save_account(&self, cx: &mut Context<'_>) {
        let account = StoredAccount {
            seed: StoredSeed(self.me.seed().clone()),
            handle: self.handle.clone(),
            server: self.server.clone(),
            registration: self.registration.clone(),
            signed_at: 0,
            registered: true,
            restored: self.restored,
            phrase_confirmed: self.phrase_confirmed,
            former: self.former.iter().map(|former| StoredSeed(former.seed().clone())).collect(),
        };
        cx.save(account.record());
    }

    pub(crate) fn conversation_mut(&mut self, contact: ContactId) -> &mut Conversation {
        self.conversations.get_or_default(contact)
    }

    /// Adds a message at the end of its conversation.
    pub(crate) fn add_message(
        &mut self,
        contact: ContactId,
        mut message: StoredMessage,
        cx: &mut Context<'_>,
    ) {
        message.arrival = self.arrivals;
        if message.mine {
            self.accept_contact(contact, cx);
        }
        let conversation = self.conversation_mut(contact);
        let (order, all_read) = (conversation.next_order(), conversation.unread() == 0);
        let was_read_elsewhere = !message.mine && message.kept_at < self.sync.read_before;
        cx.save(message.record(contact, order));
        self.insert_message(contact, order, message);
        if was_read_elsewhere && all_read {
            self.mark_read(contact, cx);
        }
    }

    /// Marks all messages of this contact as read.
    pub(crate) fn mark_read(&mut self, contact: ContactId, cx: &mut Context<'_>) {
        let mark = self.conversation_mut(contact).mark_read();
        if let (Some(mark), Some(known)) = (mark, self.contacts.get_mut(contact)) {
            known.stored.read_up_to = mark;
            self.save_contact(contact, cx);
        }
    }

    fn insert_message(&mut self, contact: ContactId, order: u64, message: StoredMessage) {
        self.arrivals = self.arrivals.max(message.arrival + 1);
        let read_up_to = self.contacts.get(contact).map_or(0, |contact| contact.stored.read_up_to);
        self.conversation_mut(contact).insert(order, message, read_up_to);
    }

    fn take_in(&mut self, record: &Record) -> Result<(), StorageFault> {
        match record.kind {
            Kind::Account | Kind::Sync | Kind::Contact | Kind::Invite => {}
            Kind::Message => {
                let (contact, order) = parse_message_key(&record.id)?;
                let message: StoredMessage = record.read()?;
                self.seen.extend(message.envelope);
                self.insert_message(contact, order, message);
            }
            Kind::Outbox => self.outbox.load(record)?,
            Kind::Draft => self.conversation_mut(record.id.parse()?).draft = record.read()?,
            Kind::Chain => self.chains.load(record)?,
            Kind::Nkey => self.nats.nkey = Some(record.read()?),
            Kind::Quarantine => self.seen.extend(self.quarantine.load(record)?),
        }
        Ok(())
    }
}
