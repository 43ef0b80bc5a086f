//! The records of an account. It is loaded from them when it is opened.

use std::collections::HashSet;

use kez_core::identity::SecretIdentity;

use crate::account::{AccountExit, PassphraseChange, Ready, StoredAccount};
use crate::chains::{self, Sigchains};
use crate::devices::Devices;
use crate::groups::{Groups, Invites, Packages};
use crate::kernel::context::Context;
use crate::kernel::device::OwnDevice;
use crate::kernel::event::StorageFault;
use crate::kernel::me::Me;
use crate::kernel::place::{Key, Lane, Place, Slot};
use crate::kernel::record::{Kind, Record};
use crate::kernel::seed::StoredSeed;
use crate::kernel::sorted_map::SortedMap;
use crate::link::{Keeping, Link};
use crate::messages::{Conversation, Outbox, Quarantine, Tag};
use crate::people::{Contacts, ListSync};
use crate::search::Searches;
use crate::session::Session;
use crate::session::directory::Directory;
use crate::session::groups::GroupWork;
use crate::session::loading::Paging;

impl Session {
    /// Loads an account from its records. A damaged record loses only its own contents.
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
            myself: me.agree(me.public()).map_err(|_| StorageFault::Damaged)?,
            chains: Sigchains::new(me.public().primary()),
            former: account.former.iter().map(|seed| SecretIdentity::from_seed(seed.0.clone())).collect(),
            phrase_confirmed: account.phrase_confirmed,
            restored: account.restored || account.registration.is_none(),
            registration: account.registration,
            me: Me { key: me, handle: account.handle, server: account.server, device: None },
            sync: sync.read()?,
            contacts: Contacts::default(),
            conversations: SortedMap::default(),
            arrivals: 0,
            outbox: Outbox::default(),
            quarantine: Quarantine::default(),
            seen: HashSet::new(),
            searches: Searches::default(),
            paging: Paging::default(),
            directory: Directory::default(),
            groups: Groups::default(),
            invites: Invites::default(),
            group_work: GroupWork::default(),
            packages: Packages::default(),
            devices: Devices::default(),
            link: Link::default(),
            exit: AccountExit::default(),
            passphrase: PassphraseChange::new(*has_passphrase),
            lists: ListSync::default(),
            keeping: Keeping::default(),
            damaged: 0,
            has_lost_chain: false,
        };
        // Everything else belongs to a contact's conversation, and its index needs the read mark.
        let turn = |record: &&Record| match record.kind {
            Kind::Contact | Kind::Group => 0,
            Kind::Conversation => 1,
            Kind::Index => 2,
            _ => 3,
        };
        let mut records: Vec<&Record> = records.iter().collect();
        records.sort_by_key(turn);
        for record in records {
            match session.load_record(record) {
                Err(StorageFault::Damaged) if !chains::is_own(record) => {
                    session.damaged += 1;
                    session.has_lost_chain |= record.kind == Kind::Conversation;
                }
                outcome => outcome?,
            }
        }
        session.find_people_of_groups();
        for conversation in session.conversations.values_mut() {
            conversation.on_rows_loaded();
            session.seen.extend(conversation.envelopes());
            let next = conversation.last().map_or(0, |last| last.arrival + 1);
            session.arrivals = session.arrivals.max(next);
        }
        session.devices_know_all();
        if session.me.link_signer().is_none() {
            return Err(StorageFault::Damaged);
        }
        Ok(session)
    }

    /// Saves the account.
    pub(crate) fn save_account(&self, cx: &mut Context<'_>) {
        let account = StoredAccount {
            key: self.me.key.stored(),
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

    fn load_record(&mut self, record: &Record) -> Result<(), StorageFault> {
        let conversation = |this: &Self, id: &str| this.place_at(id.parse()?);
        match record.kind {
            Kind::Account | Kind::Sync | Kind::Invite | Kind::Page | Kind::Link => {}
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
            Kind::Index => {
                let (slot, block) = Slot::parse_key(&record.id)?;
                let place = self.place_at(slot)?;
                if let Some(conversation) = self.conversations.get_mut(&place) {
                    conversation.load_index(block, record)?;
                }
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
            Kind::Chain if chains::is_own(record) => self.chains.own_mut().load(record)?,
            Kind::Chain => {
                let person = conversation(self, &record.id)?.person().ok_or(StorageFault::Damaged)?;
                self.chains.contacts_mut().load(person, record)?;
            }
            Kind::Nkey => self.link.load(record)?,
            Kind::Device => self.me.device = Some(OwnDevice::load(record)?),
            Kind::Group => {
                let (gid, slot) = self.groups.load(record)?;
                self.conversations.insert(Place::Group(gid), Conversation::new(slot));
            }
            Kind::State => self.groups.load_state(record)?,
            Kind::Member => self.chains.members_mut().load(record)?,
            Kind::Package => self.packages.load(record)?,
            Kind::GroupInvites => self.invites.load(record)?,
            Kind::Devices => self.devices.load(record)?,
            Kind::Quarantine => {
                self.seen.extend(self.quarantine.load(record)?.as_ref().map(Tag::of_envelope));
            }
        }
        Ok(())
    }

    /// The conversation with this number in record ids.
    pub(super) fn place_at(&self, slot: Slot) -> Result<Place, StorageFault> {
        let group = || self.groups.at(slot).map(Place::Group);
        self.contacts.at(slot).map(Place::Direct).or_else(group).ok_or(StorageFault::Damaged)
    }
}
