//! What every decision may use: the time, chance, the state that all parts share, and the effects gathered so far.

use rand_core::CryptoRng;

use kez_core::time::Timestamp;

use crate::clock::Clock;
use crate::effect::{Effect, HttpRequest, Method};
use crate::event::{StorageFault, TabId};
use crate::record::{Kind, Record};
use crate::requests::{Purpose, Requests};
use crate::tabs::Tabs;
use crate::view::{Notice, StorageView};

/// State that belongs to no single part.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) requests: Requests,
    pub(crate) tabs: Tabs,
    pub(crate) notice: Option<Notice>,
    pub(crate) storage: StorageView,
    pub(crate) clock: Clock,
    /// The browser says that there is no network.
    pub(crate) offline: bool,
    /// A write did not take place: what is in memory is ahead of the storage, so nothing more is sent or received.
    pub(crate) halted: Option<StorageFault>,
}

/// One call of `Client::handle`.
pub(crate) struct Context<'a> {
    /// Milliseconds on a clock that is never put back: for whatever waits. It began with the computer's.
    pub(crate) now: u64,
    /// The computer's clock, Unix milliseconds.
    wall: u64,
    pub(crate) rng: &'a mut dyn CryptoRng,
    pub(crate) shared: &'a mut Shared,
    records: Vec<Record>,
    effects: Vec<Effect>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(wall: u64, rng: &'a mut dyn CryptoRng, shared: &'a mut Shared) -> Self {
        let now = shared.clock.steady(wall);
        Self { now, wall, rng, shared, records: Vec::new(), effects: Vec::new() }
    }

    /// The time of day by this computer's clock, Unix milliseconds: for whatever is written down.
    pub(crate) const fn wall(&self) -> u64 {
        self.wall
    }

    /// The time of day by this computer's clock, as the protocol writes it.
    pub(crate) const fn timestamp(&self) -> Timestamp {
        Timestamp::from_unix(self.wall / 1000)
    }

    /// The time that the server compares with its own clock: of what is signed for it.
    pub(crate) const fn server_time(&self) -> Timestamp {
        Timestamp::from_unix(self.shared.clock.at_server(self.wall) / 1000)
    }

    /// Writes a record. Everything that one event writes becomes one transaction, in front of every other effect.
    pub(crate) fn save(&mut self, record: Record) {
        self.records.retain(|other| (other.kind, &other.id) != (record.kind, &record.id));
        self.records.push(record);
    }

    /// Writes what `kind` and `id` name.
    pub(crate) fn put(&mut self, kind: Kind, id: impl Into<String>, value: &impl serde::Serialize) {
        self.save(Record::put(kind, id, value));
    }

    /// Deletes what `kind` and `id` name.
    pub(crate) fn delete(&mut self, kind: Kind, id: impl Into<String>) {
        self.save(Record::delete(kind, id));
    }

    pub(crate) fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Asks without a signature.
    pub(crate) fn get(&mut self, target: String, purpose: Purpose) {
        self.request(
            HttpRequest { method: Method::Get, target, auth: None, invite: None, body: None },
            purpose,
        );
    }

    /// Posts JSON.
    pub(crate) fn post(&mut self, target: &str, body: String, purpose: Purpose) {
        let target = target.to_owned();
        self.request(
            HttpRequest { method: Method::Post, target, auth: None, invite: None, body: Some(body) },
            purpose,
        );
    }

    pub(crate) fn request(&mut self, request: HttpRequest, purpose: Purpose) {
        let id = self.shared.requests.open(purpose, self.now);
        self.effects.push(Effect::Http(id, request));
    }

    /// Tells everybody something went wrong.
    pub(crate) fn warn(&mut self, text: impl Into<String>) {
        self.shared.notice = Some(Notice { text: text.into(), error: true });
    }

    /// The conversation's tabs are told why "Send" was refused.
    pub(crate) fn refuse(&mut self, tab: &TabId, why: impl Into<String>) {
        self.shared.tabs.entry(tab).refused = Some(why.into());
    }

    /// The effects in the order to perform them.
    pub(crate) fn into_effects(self) -> Vec<Effect> {
        let save = (!self.records.is_empty()).then_some(Effect::Save(self.records));
        save.into_iter().chain(self.effects).collect()
    }
}
