//! The context of one call: time, randomness, the shared state, and the effects collected so far.

use rand_core::CryptoRng;

use kez_core::time::Timestamp;

use crate::kernel::clock::Clock;
use crate::kernel::effect::{Effect, HttpRequest, Method};
use crate::kernel::engine::Engine;
use crate::kernel::event::{StorageFault, StorageView, TabId};
use crate::kernel::reason::{Notice, Reason};
use crate::kernel::record::{Kind, Record};
use crate::kernel::requests::{Purpose, Requests};
use crate::kernel::tabs::Tabs;

/// Why a client has stopped sending and receiving, for as long as the account is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// A write failed, and memory is ahead of the storage.
    Storage(StorageFault),
    /// Another browser has removed this one from the account.
    Removed,
}

/// State shared by all parts.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) requests: Requests,
    pub(crate) tabs: Tabs,
    pub(crate) notice: Option<Notice>,
    pub(crate) storage: StorageView,
    pub(crate) clock: Clock,
    /// The MLS engine.
    pub(crate) engine: Engine,
    /// How many pages of messages stay in memory, besides those on screens.
    pub(crate) most_pages: usize,
    /// Whether the browser reports that there is no network.
    pub(crate) offline: bool,
    /// Why the client has stopped sending and receiving, if it has.
    pub(crate) halted: Option<Halt>,
}

/// One call of `Client::handle`.
pub(crate) struct Context<'a> {
    /// Milliseconds on a steady clock that is never set back, for timers. It started with the computer's time.
    pub(crate) now: u64,
    /// The computer's clock, Unix milliseconds.
    wall: u64,
    pub(crate) rng: &'a mut dyn CryptoRng,
    pub(crate) shared: &'a mut Shared,
    records: Vec<Record>,
    effects: Vec<Effect>,
    /// The records to read after all other effects.
    loads: Vec<(Kind, String)>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(wall: u64, rng: &'a mut dyn CryptoRng, shared: &'a mut Shared) -> Self {
        let now = shared.clock.steady(wall);
        Self { now, wall, rng, shared, records: Vec::new(), effects: Vec::new(), loads: Vec::new() }
    }

    /// The wall-clock time of this computer, Unix milliseconds, for stored timestamps.
    pub(crate) const fn wall(&self) -> u64 {
        self.wall
    }

    /// The wall-clock time of this computer in the protocol's form.
    pub(crate) const fn timestamp(&self) -> Timestamp {
        Timestamp::from_unix(self.wall / 1000)
    }

    /// The time by the server's clock, for requests that are signed for the server.
    pub(crate) const fn server_time(&self) -> Timestamp {
        Timestamp::from_unix(self.shared.clock.at_server(self.wall) / 1000)
    }

    /// Writes a record. All writes of one event form one transaction, which precedes every other effect.
    pub(crate) fn save(&mut self, record: Record) {
        self.records.retain(|other| (other.kind, &other.id) != (record.kind, &record.id));
        self.records.push(record);
    }

    /// Writes the record with this kind and id.
    pub(crate) fn put(&mut self, kind: Kind, id: impl Into<String>, value: &impl serde::Serialize) {
        self.save(Record::put(kind, id, value));
    }

    /// Deletes the record with this kind and id.
    pub(crate) fn delete(&mut self, kind: Kind, id: impl Into<String>) {
        self.save(Record::delete(kind, id));
    }

    /// Has records read once everything else is done.
    pub(crate) fn load(&mut self, keys: Vec<(Kind, String)>) {
        self.loads.extend(keys);
    }

    pub(crate) fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Sends an unsigned GET request.
    pub(crate) fn get(&mut self, target: String, purpose: Purpose) {
        self.request(
            HttpRequest { method: Method::Get, target, auth: None, invite: None, body: None },
            purpose,
        );
    }

    /// Sends a POST request with a JSON body.
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

    /// Shows an error in all tabs.
    pub(crate) fn warn(&mut self, what: Reason) {
        self.shared.notice = Some(Notice { what, error: true });
    }

    /// Tells the conversation's tabs why "Send" was refused.
    pub(crate) fn refuse(&mut self, tab: &TabId, why: Reason) {
        self.shared.tabs.entry(tab).refused = Some(why);
    }

    /// The effects in the order to perform them.
    pub(crate) fn into_effects(self) -> Vec<Effect> {
        let save = (!self.records.is_empty()).then_some(Effect::Save(self.records));
        let load = (!self.loads.is_empty()).then_some(Effect::Load(self.loads));
        save.into_iter().chain(self.effects).chain(load).collect()
    }
}
