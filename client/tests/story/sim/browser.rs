//! A browser: the client, its storage, and the driver between them.

use std::collections::BTreeMap;

use kez_client::effect::{Effect, HttpRequest, RequestId};
use kez_client::engine::NoEngine;
use kez_client::event::{Event, Startup, StorageFault, TabId, VaultEvent};
use kez_client::record::{Kind, Record};

use super::engine::{Seals, TestEngine};
use kez_client::{Client, Signer};

/// The outputs of the driver: network operations, and answers of the storage.
pub(crate) enum Out {
    Http(RequestId, HttpRequest),
    OpenLive {
        path: String,
        hello: String,
    },
    SendLive {
        frame: String,
    },
    CloseLive,
    OpenNats {
        url: String,
        subject: String,
        signer: Signer,
    },
    CloseNats,
    /// An answer of the storage, which arrives at once.
    Event(Event),
    /// Records that were read, which arrive before any other event.
    Loaded(Vec<Record>),
}

/// A client, with the MLS engine if everything that it seals is to be listed here.
pub(crate) fn client(most_pages: usize, seals: Option<&Seals>) -> Client {
    match seals {
        Some(seals) => Client::new(most_pages, Box::new(TestEngine { seals: seals.clone() })),
        None => Client::new(most_pages, Box::new(NoEngine)),
    }
}

pub(crate) struct Browser {
    pub(crate) client: Client,
    /// What the engine has sealed; `None` where there is no engine.
    pub(crate) seals: Option<Seals>,
    /// The records on disk. Not sealed here: that is the vault's job.
    pub(crate) disk: BTreeMap<(Kind, String), Vec<u8>>,
    /// The vault, if there is one, with its passphrase, if it has one.
    pub(crate) vault: Option<Option<String>>,
    /// The lease in the vault's header.
    pub(crate) lease: u64,
    /// The lease that the client's driver holds, if it may write.
    pub(crate) held: Option<u64>,
    pub(crate) remembered: Option<String>,
    /// Files that the user saved.
    pub(crate) downloads: Vec<(String, String)>,
    /// How many more effects are performed before the browser dies.
    pub(crate) dies_after: Option<usize>,
    /// Makes writes fail with this error.
    pub(crate) full: Option<StorageFault>,
    /// Increases when the browser restarts; events for an earlier life never arrive.
    pub(crate) life: u64,
    /// Increases when the live stream is opened or closed.
    pub(crate) stream: u64,
    /// Increases when the connection to NATS is opened or closed.
    pub(crate) nats: u64,
    pub(crate) tabs: BTreeMap<TabId, Event>,
    /// Cuts the browser off from the network.
    pub(crate) unplugged: bool,
    /// How far this computer's clock is ahead, in milliseconds.
    pub(crate) clock: i64,
    /// When the driver's timer fires, in true time.
    pub(crate) timer: Option<u64>,
}

impl Browser {
    pub(crate) fn new(most_pages: usize, seals: Option<Seals>) -> Self {
        Self {
            client: client(most_pages, seals.as_ref()),
            seals,
            disk: BTreeMap::new(),
            vault: None,
            lease: 0,
            held: None,
            remembered: None,
            downloads: Vec::new(),
            dies_after: None,
            full: None,
            life: 0,
            stream: 0,
            nats: 0,
            tabs: BTreeMap::new(),
            unplugged: false,
            clock: 0,
            timer: None,
        }
    }

    /// The storage's answer at the start of a life.
    pub(crate) fn startup(&mut self) -> Startup {
        self.held = None;
        match &self.vault {
            None => Startup::Empty { remembered: self.remembered.clone() },
            Some(None) => Startup::Open { records: self.take_over(), has_passphrase: false },
            Some(Some(_)) => Startup::Locked,
        }
    }

    /// Takes the next lease, and only then reads.
    fn take_over(&mut self) -> Vec<Record> {
        self.lease += 1;
        self.held = Some(self.lease);
        self.records()
    }

    /// Why nothing can be written now.
    fn fault(&self) -> Option<StorageFault> {
        match self.held {
            Some(held) if held == self.lease => self.full,
            Some(_) => Some(StorageFault::Superseded),
            None => Some(StorageFault::Unavailable),
        }
    }

    /// Performs effects in order, as the driver does. `None` if the browser died on the way.
    pub(crate) fn perform(&mut self, effects: Vec<Effect>, out: &mut Vec<Out>) -> Option<()> {
        for effect in effects {
            if let Some(left) = &mut self.dies_after {
                *left = left.checked_sub(1)?;
            }
            match effect {
                Effect::Save(records) => {
                    if let Some(fault) = self.fault() {
                        out.push(Out::Event(Event::SaveFailed(fault)));
                        return Some(());
                    }
                    self.write(records);
                }
                Effect::CreateVault { passphrase, records } => {
                    let event = match self.full {
                        Some(fault) => VaultEvent::Failed(fault),
                        None => {
                            assert!(self.vault.is_none(), "a vault is created once");
                            self.lease += 1;
                            self.held = Some(self.lease);
                            self.vault = Some(passphrase.map(|passphrase| passphrase.expose().to_owned()));
                            self.write(records);
                            VaultEvent::Created
                        }
                    };
                    out.push(Out::Event(Event::Vault(event)));
                }
                Effect::UnlockVault { passphrase } => {
                    let right = self.vault == Some(Some(passphrase.expose().to_owned()));
                    let event = if right {
                        VaultEvent::Opened(self.take_over())
                    } else {
                        VaultEvent::WrongPassphrase
                    };
                    out.push(Out::Event(Event::Vault(event)));
                }
                Effect::Load(keys) => {
                    let value = |key: &(Kind, String)| self.disk.get(key).cloned().map(Into::into);
                    let record =
                        |key: &(Kind, String)| Record { kind: key.0, id: key.1.clone(), value: value(key) };
                    out.push(Out::Loaded(keys.iter().map(record).collect()));
                }
                Effect::Http(id, request) => out.push(Out::Http(id, request)),
                Effect::OpenLive { path, hello } => out.push(Out::OpenLive { path, hello }),
                Effect::SendLive { frame } => out.push(Out::SendLive { frame }),
                Effect::CloseLive => out.push(Out::CloseLive),
                Effect::OpenNats { url, subject, signer } => {
                    out.push(Out::OpenNats { url, subject, signer });
                }
                Effect::CloseNats => out.push(Out::CloseNats),
                Effect::Remember { handle } => self.remembered = handle,
                Effect::RewrapVault { current, new } => {
                    let expected = self.vault.clone().flatten();
                    let right = expected == current.map(|passphrase| passphrase.expose().to_owned());
                    let event = match self.fault() {
                        _ if !right => VaultEvent::WrongPassphrase,
                        Some(fault) => VaultEvent::Failed(fault),
                        None => {
                            self.vault = Some(new.map(|passphrase| passphrase.expose().to_owned()));
                            VaultEvent::Rewrapped
                        }
                    };
                    out.push(Out::Event(Event::Vault(event)));
                }
                Effect::LockVault => self.held = None,
                Effect::DestroyVault if self.fault() == Some(StorageFault::Superseded) => {
                    out.push(Out::Event(Event::Vault(VaultEvent::Failed(StorageFault::Superseded))));
                }
                Effect::DestroyVault => {
                    self.disk.clear();
                    self.vault = None;
                    self.held = None;
                }
                Effect::Download { name, bytes, .. } => {
                    self.downloads.push((name, String::from_utf8(bytes).unwrap()));
                }
                Effect::BringEngine => out.push(Out::Event(Event::EngineReady(self.seals.is_some()))),
                Effect::PersistStorage => {
                    out.push(Out::Event(Event::Storage { persisted: true, used: Some(1) }));
                }
            }
        }
        Some(())
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        // The storage identifies kinds by their text form. Pages are read on demand.
        let record = |((kind, id), value): (&(Kind, String), &Vec<u8>)| Record {
            kind: Kind::parse(kind.as_str()).expect("a kind that reads back"),
            id: id.clone(),
            value: Some(value.clone().into()),
        };
        self.disk.iter().filter(|((kind, _), _)| *kind != Kind::Page).map(record).collect()
    }

    fn write(&mut self, records: Vec<Record>) {
        for Record { kind, id, value } in records {
            match value {
                Some(value) => self.disk.insert((kind, id), value.to_vec()),
                None => self.disk.remove(&(kind, id)),
            };
        }
    }
}
