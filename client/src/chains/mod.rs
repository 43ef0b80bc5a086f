//! Key histories: the user's own, which this client creates and extends, and those of contacts, which it verifies.
//!
//! Every chain from a server is replayed from the first link, or from the part that was verified earlier. The client
//! remembers the longest chain seen for each person. A shorter, different or unreadable one raises an alarm for the
//! user. Messages carry the heads that their sender has seen (`heads`), so friends notice what a server hides from one
//! of them.

mod alarm;
mod heads;
mod own;
mod people;
mod rotation;
mod watched;

use kez_core::identity::Primary;

use crate::kernel::backoff::Backoff;
use crate::kernel::context::Context;
use crate::kernel::place::PersonId;
use crate::kernel::record::{Kind, Record};
use crate::kernel::sorted_map::SortedMap;
use crate::session::Session;

pub use alarm::ChainAlarm;
pub(crate) use own::OwnChain;
pub(crate) use watched::Watched;

const OWN: &str = "own";
/// Roughly how many contacts' chains are requested at once when the account is opened.
const AT_ONCE: u64 = 20;
/// The time between later requests, in milliseconds.
const INTERVAL: u64 = 500;

/// All chains that this client knows.
pub(crate) struct Sigchains {
    /// The base URL of the sigchains, from the server's configuration. Nothing is requested before it is known.
    base: Option<String>,
    pub(crate) own: OwnChain,
    pub(crate) people: SortedMap<PersonId, Watched>,
    /// Contacts whose chain the server did not answer for, although a message claimed more links.
    again: SortedMap<PersonId, Again>,
}

/// When to request a chain again.
struct Again {
    backoff: Backoff,
    at: Option<u64>,
}

impl Again {
    const fn new() -> Self {
        Self { backoff: Backoff::new(5_000, 1_800_000), at: None }
    }
}

impl Sigchains {
    pub(crate) fn new(root: Primary) -> Self {
        let (people, again) = (SortedMap::default(), SortedMap::default());
        Self { base: None, own: OwnChain::new(root), people, again }
    }

    /// When the next chain request is due.
    pub(crate) fn wake(&self) -> Option<u64> {
        self.again.values().filter_map(|again| again.at).min()
    }

    /// Whether the server has sigchains.
    pub(crate) const fn are_reachable(&self) -> bool {
        self.base.is_some()
    }

    /// The request target of a chain.
    fn target(&self, root: &Primary) -> Option<String> {
        Some(format!("{}/ed25519/{}", self.base.as_ref()?, root.hex()))
    }

    fn target_since(&self, watched: &Watched) -> Option<String> {
        Some(format!("{}?since={}", self.target(&watched.chain.root())?, watched.chain.length()))
    }
}

/// Whether this is the record of the user's own chain.
pub(crate) fn is_own(record: &Record) -> bool {
    record.kind == Kind::Chain && record.id == OWN
}

impl Session {
    /// Handles the sigchain URL from the server's configuration.
    pub(crate) fn sigchains_at(&mut self, base: Option<String>, cx: &mut Context<'_>) {
        if base.is_none() {
            self.chains.own.answered = true;
            self.resume_reading(cx);
            self.advance_own_chain(cx);
            for contact in self.contacts.ids() {
                self.ask_about_chain(contact, cx);
            }
        }
        if base.is_some() && self.chains.base != base {
            self.chains.base = base;
            self.advance_own_chain(cx);
            for (place, contact) in (0_u64..).zip(self.contacts.ids()) {
                if let Some(later) = place.checked_sub(AT_ONCE) {
                    let at = Some(cx.now + (later + 1) * INTERVAL);
                    self.chains.again.insert(contact, Again { at, ..Again::new() });
                } else {
                    self.ask_about_chain(contact, cx);
                }
            }
        }
    }

    fn save_own_chain(&self, cx: &mut Context<'_>) {
        cx.put(Kind::Chain, OWN, &self.chains.own.stored);
    }

    fn save_chain(&self, person: PersonId, cx: &mut Context<'_>) {
        if let (Some(watched), Some(contact)) = (self.chains.people.get(&person), self.contacts.get(person)) {
            cx.put(Kind::Chain, contact.slot.to_string(), watched);
        }
    }
}
