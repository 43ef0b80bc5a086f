//! A browser: the client, its storage, and the driver between the two.

use std::collections::BTreeMap;

use kez_client::effect::{Effect, HttpRequest, RequestId};
use kez_client::event::{Event, Startup, StorageFault, TabId, VaultEvent};
use kez_client::record::{Kind, Record};
use kez_client::{Client, Signer};

/// What the driver hands on to the network.
pub(crate) enum Out {
    Http(RequestId, HttpRequest),
    OpenLive {
        path: String,
        hello: String,
    },
    CloseLive,
    OpenNats {
        url: String,
        subject: String,
        signer: Signer,
    },
    CloseNats,
    /// The storage answers at once.
    Event(Event),
}

pub(crate) struct Browser {
    pub(crate) client: Client,
    /// What is on the disk. Not sealed here: that is the vault's job.
    pub(crate) disk: BTreeMap<(Kind, String), Vec<u8>>,
    /// There is a vault; with this passphrase.
    pub(crate) vault: Option<Option<String>>,
    pub(crate) remembered: Option<String>,
    /// Files that a person saved.
    pub(crate) downloads: Vec<(String, String)>,
    /// How many effects are still performed before the browser dies.
    pub(crate) dies_after: Option<usize>,
    /// Writes fail like this.
    pub(crate) full: Option<StorageFault>,
    /// Grows when the browser starts again: what belongs to an earlier life never arrives.
    pub(crate) life: u64,
    /// Grows when the live stream is opened or closed.
    pub(crate) stream: u64,
    /// Grows when NATS is opened or closed.
    pub(crate) nats: u64,
    pub(crate) tabs: BTreeMap<TabId, Event>,
    /// Nothing gets through.
    pub(crate) unplugged: bool,
    /// How far this computer's clock is ahead, in milliseconds.
    pub(crate) clock: i64,
    /// When the driver's alarm goes off, in true time.
    pub(crate) timer: Option<u64>,
}

impl Browser {
    pub(crate) fn new() -> Self {
        Self {
            client: Client::new(),
            disk: BTreeMap::new(),
            vault: None,
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

    /// The first event of a life.
    pub(crate) fn startup(&self) -> Startup {
        match &self.vault {
            None => Startup::Empty { remembered: self.remembered.clone() },
            Some(None) => Startup::Open { records: self.records(), has_passphrase: false },
            Some(Some(_)) => Startup::Locked,
        }
    }

    /// Performs effects in order, as the driver does. `None`: the browser died in between.
    pub(crate) fn perform(&mut self, effects: Vec<Effect>, out: &mut Vec<Out>) -> Option<()> {
        for effect in effects {
            if let Some(left) = &mut self.dies_after {
                *left = left.checked_sub(1)?;
            }
            match effect {
                Effect::Save(records) => {
                    if let Some(fault) = self.full {
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
                            self.vault = Some(passphrase.map(|passphrase| passphrase.expose().to_owned()));
                            self.write(records);
                            VaultEvent::Created
                        }
                    };
                    out.push(Out::Event(Event::Vault(event)));
                }
                Effect::UnlockVault { passphrase } => {
                    let right = self.vault == Some(Some(passphrase.expose().to_owned()));
                    let event =
                        if right { VaultEvent::Opened(self.records()) } else { VaultEvent::WrongPassphrase };
                    out.push(Out::Event(Event::Vault(event)));
                }
                Effect::Http(id, request) => out.push(Out::Http(id, request)),
                Effect::OpenLive { path, hello } => out.push(Out::OpenLive { path, hello }),
                Effect::CloseLive => out.push(Out::CloseLive),
                Effect::OpenNats { url, subject, signer } => {
                    out.push(Out::OpenNats { url, subject, signer });
                }
                Effect::CloseNats => out.push(Out::CloseNats),
                Effect::Remember { handle } => self.remembered = handle,
                Effect::RewrapVault { current, new } => {
                    let expected = self.vault.clone().flatten();
                    let right = expected == current.map(|passphrase| passphrase.expose().to_owned());
                    if right {
                        self.vault = Some(new.map(|passphrase| passphrase.expose().to_owned()));
                    }
                    let event = if right { VaultEvent::Rewrapped } else { VaultEvent::WrongPassphrase };
                    out.push(Out::Event(Event::Vault(event)));
                }
                Effect::LockVault => {}
                Effect::DestroyVault => {
                    self.disk.clear();
                    self.vault = None;
                }
                Effect::Download { name, bytes, .. } => {
                    self.downloads.push((name, String::from_utf8(bytes).unwrap()));
                }
                Effect::PersistStorage => {
                    out.push(Out::Event(Event::Storage { persisted: true, used: Some(1) }));
                }
            }
        }
        Some(())
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        // A storage knows kinds by their text form.
        let record = |((kind, id), value): (&(Kind, String), &Vec<u8>)| Record {
            kind: Kind::parse(kind.as_str()).expect("a kind that reads back"),
            id: id.clone(),
            value: Some(value.clone().into()),
        };
        self.disk.iter().map(record).collect()
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
