//! The chains of contacts. They are checked when a contact is created, when the user views the contact, and when a
//! message claims more links. A key change that the chain proves is adopted; otherwise the user is asked.

use kez_core::identity::{Primary, PublicIdentity};
use kez_core::sigchain::{Body, Chain, Heads};

use super::facts::{Base, Facts};
use super::watched::{Compared, Fetched, Watched};
use super::{ChainAlarm, ContactNews, KeyNews};
use crate::kernel::answer::{Answer, retry_after};
use crate::kernel::backoff::Backoff;
use crate::kernel::context::Context;
use crate::kernel::event::{NetworkFault, StorageFault};
use crate::kernel::lookup::Found;
use crate::kernel::place::{PersonId, Slot};
use crate::kernel::record::{Kind, Record};
use crate::kernel::requests::Purpose;
use crate::kernel::sorted_map::SortedMap;

/// Roughly how many contacts' chains are requested at once when the account is opened.
const AT_ONCE: u64 = 20;
/// The time between later requests, in milliseconds.
const INTERVAL: u64 = 500;

/// The chains of contacts, as verified so far.
#[derive(Default)]
pub(crate) struct ContactChains {
    base: Base,
    watched: SortedMap<PersonId, Watched>,
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

impl ContactChains {
    /// Loads a record.
    ///
    /// # Errors
    /// [`StorageFault`] when the record cannot be read.
    pub(crate) fn load(&mut self, id: PersonId, record: &Record) -> Result<(), StorageFault> {
        let watched: Watched = record.read()?;
        watched.check_format(record)?;
        self.watched.insert(id, watched);
        Ok(())
    }

    /// The longest chain of this contact seen so far.
    pub(crate) fn chain(&self, id: PersonId) -> Option<&Chain> {
        self.watched.get(&id).map(|watched| &watched.chain)
    }

    /// The chains of all contacts.
    pub(super) fn chains(&self) -> impl Iterator<Item = &Chain> {
        self.watched.values().map(|watched| &watched.chain)
    }

    /// The chain of the contact who is named by this root.
    pub(super) fn chain_of(&self, root: &Primary) -> Option<&Chain> {
        self.chain(PersonId(*root)).filter(|chain| chain.root() == *root)
    }

    /// The alarm about this contact's chain, until the user has dismissed it.
    pub(crate) fn alarm(&self, id: PersonId) -> Option<ChainAlarm> {
        self.watched.get(&id).and_then(|watched| watched.alarm)
    }

    /// Whether the server has sigchains.
    pub(crate) const fn are_reachable(&self) -> bool {
        self.base.0.is_some()
    }

    /// When the next request is due.
    pub(super) fn wake(&self) -> Option<u64> {
        self.again.values().filter_map(|again| again.at).min()
    }

    /// The sigchains are at this URL.
    pub(super) fn move_to(&mut self, base: Base) {
        self.base = base;
    }

    /// Requests the next links of all chains: of all now, or of the first [`AT_ONCE`] now and of the others one by one.
    pub(crate) fn ask_all(&mut self, all_now: bool, facts: Facts<'_>, cx: &mut Context<'_>) {
        for (place, id) in (0_u64..).zip(facts.contacts.ids()) {
            match place.checked_sub(AT_ONCE).filter(|_| !all_now) {
                Some(later) => {
                    let at = Some(cx.now + (later + 1) * INTERVAL);
                    self.again.insert(id, Again { at, ..Again::new() });
                }
                None => self.ask(id, facts, cx),
            }
        }
    }

    /// Requests the next links of this contact's chain.
    pub(crate) fn ask(&mut self, id: PersonId, facts: Facts<'_>, cx: &mut Context<'_>) {
        let Some(stored) = facts.contacts.get(id).map(|contact| &contact.stored) else { return };
        let new = Watched::new(stored.root());
        let watched = self.watched.get(&id).unwrap_or(&new);
        let purpose = Purpose::Chain(id);
        match self.base.target_since(watched) {
            Some(target) if !cx.shared.requests.awaits(&purpose) => cx.get(target, purpose),
            Some(_) => {}
            // Without a sigchain URL, the server has no answer about this chain.
            None => self.unanswered(id, &Err(NetworkFault), facts, cx),
        }
    }

    /// Handles the server's answer with a contact's chain.
    pub(crate) fn on_chain(
        &mut self,
        id: PersonId,
        answer: &Answer,
        facts: Facts<'_>,
        cx: &mut Context<'_>,
    ) -> ContactNews {
        let Some(known) = facts.contacts.get(id) else { return KeyNews::None.into() };
        let (pinned, root) = (known.stored.key.primary(), known.stored.root());
        let before = self.watched.get(&id).cloned();
        let mut watched = before.unwrap_or_else(|| Watched::new(root));
        let had_devices = !watched.chain.devices().is_empty();
        match watched.take(answer) {
            Fetched::New(links) => {
                self.again.remove(&id);
                // A chain that has never named the pinned key belongs to another person, whatever the server claims.
                let is_current = watched.chain.primary() == pinned;
                let is_behind = watched.is_behind();
                if !is_current && !watched.chain.is_former(&pinned) && !is_behind {
                    return KeyNews::None.into();
                }
                self.watched.insert(id, watched);
                if is_behind {
                    self.ask(id, facts, cx);
                }
                if !links.is_empty() {
                    self.save(id, facts, cx);
                }
                let key = match is_current {
                    true => KeyNews::Former(self.former_keys(id)),
                    false => self.follow(id, !links.is_empty(), facts, cx),
                };
                let added = links.iter().filter(|link| matches!(link.body(), Body::AddDevice(_)));
                return ContactNews { key, devices_added: if had_devices { added.count() } else { 0 } };
            }
            Fetched::Alarm(alarm) => {
                self.watched.insert(id, watched);
                self.raise(id, alarm, facts, cx);
            }
            Fetched::None => drop(self.again.remove(&id)),
            Fetched::Unavailable => self.unanswered(id, answer, facts, cx),
        }
        KeyNews::None.into()
    }

    /// Compares the head of the contact's chain, as seen by the contact.
    pub(super) fn on_heads(&mut self, id: PersonId, heads: &Heads, facts: Facts<'_>, cx: &mut Context<'_>) {
        let Some(stored) = facts.contacts.get(id).map(|contact| &contact.stored) else { return };
        let root = stored.root();
        let known = self.chain(id).map_or(root, |chain| chain.root());
        let mut keys = std::iter::once(&stored.key).chain(&stored.former).map(PublicIdentity::primary);
        let is_other_root = keys.any(|key| key != known && heads.contains_key(&key));
        if is_other_root {
            // The server named a different root than the sender does.
            self.watched.get_or_insert_with(id, || Watched::new(known));
            return self.raise(id, ChainAlarm::Contradicted, facts, cx);
        }
        let Some(seen) = heads.get(&known) else { return };
        match self.watched.get_or_insert_with(id, || Watched::new(known)).compare(seen, None) {
            Compared::Agrees => {}
            Compared::Ahead => {
                self.save(id, facts, cx);
                // An answer in flight may be older than what the sender has seen.
                cx.shared.requests.forget(|purpose| *purpose == Purpose::Chain(id));
                self.ask(id, facts, cx);
            }
            Compared::Contradicts => self.raise(id, ChainAlarm::Contradicted, facts, cx),
        }
    }

    /// Compares the head of the contact's chain with what the server shows of the same person as a member of groups.
    pub(crate) fn on_member_heads(
        &mut self,
        id: PersonId,
        heads: &Heads,
        facts: Facts<'_>,
        cx: &mut Context<'_>,
    ) {
        self.on_heads(id, heads, facts, cx);
    }

    /// The server has no answer about a chain. If its owner claims more links, the client retries. After a while, the
    /// missing answer counts as an answer.
    fn unanswered(&mut self, id: PersonId, answer: &Answer, facts: Facts<'_>, cx: &mut Context<'_>) {
        let Some(watched) = self.watched.get_mut(&id).filter(|watched| watched.is_behind()) else { return };
        if let Some(alarm) = facts.is_online.then(|| watched.unanswered(cx.wall() / 1000)).flatten() {
            self.again.remove(&id);
            return self.raise(id, alarm, facts, cx);
        }
        let again = self.again.get_or_insert_with(id, Again::new);
        let wait = again.backoff.next_after(retry_after(answer), cx.rng);
        again.at = Some(cx.now.saturating_add(wait.max(1_000)));
        self.save(id, facts, cx);
    }

    /// Handles the timer: requests again the chains for which the server had no answer.
    pub(super) fn on_tick(&mut self, facts: Facts<'_>, cx: &mut Context<'_>) {
        let mut due = Vec::new();
        for (id, again) in self.again.iter_mut() {
            if again.at.is_some_and(|at| at <= cx.now) {
                again.at = None;
                due.push(*id);
            }
        }
        for id in due {
            self.ask(id, facts, cx);
        }
    }

    /// What a chain that has replaced the pinned key means. The registration of its key is wanted only when there are
    /// new links: if it still lags behind the chain, a later lookup finds it.
    fn follow(&mut self, id: PersonId, is_news: bool, facts: Facts<'_>, cx: &mut Context<'_>) -> KeyNews {
        let (Some(chain), Some(contact)) = (self.chain(id), facts.contacts.get(id)) else {
            return KeyNews::None;
        };
        if !chain.is_former(&contact.stored.key.primary()) {
            return KeyNews::None;
        }
        match &contact.stored.new_key {
            Some(new) if new.key.primary() == chain.primary() => return KeyNews::Replaced,
            _ if is_news && chain.is_closed() => self.raise(id, ChainAlarm::Closed, facts, cx),
            _ if is_news => return KeyNews::Unregistered,
            _ => {}
        }
        KeyNews::None
    }

    /// The registry says that a sender's key was replaced, or that it replaced an earlier one. The chain lists all
    /// keys of that person.
    pub(crate) fn ask_about_former_key(&self, key: &Primary, found: Found, cx: &mut Context<'_>) {
        let root = found.root.unwrap_or(found.key.primary());
        if let Some(target) = self.base.target(&root) {
            cx.get(target, Purpose::FormerKey { key: *key, root, found: Box::new(found) });
        }
    }

    /// Keeps the verified chain of a contact who has none yet. Returns the keys that the contact's chain has replaced.
    pub(crate) fn adopt(
        &mut self,
        id: PersonId,
        watched: Watched,
        facts: Facts<'_>,
        cx: &mut Context<'_>,
    ) -> Vec<PublicIdentity> {
        self.watched.get_or_insert_with(id, || watched);
        self.save(id, facts, cx);
        self.former_keys(id)
    }

    /// The keys that a contact's chain has replaced.
    fn former_keys(&self, id: PersonId) -> Vec<PublicIdentity> {
        let Some(chain) = self.chain(id) else { return Vec::new() };
        let former = chain.primaries().iter().filter(|key| chain.is_former(key));
        former.filter_map(|key| PublicIdentity::try_from(*key).ok()).collect()
    }

    /// The registry names a new key of a contact. The chain is requested if it does not prove that key yet.
    pub(crate) fn on_new_key(
        &mut self,
        id: PersonId,
        key: &PublicIdentity,
        facts: Facts<'_>,
        cx: &mut Context<'_>,
    ) -> KeyNews {
        if self.chain(id).is_some_and(|chain| chain.primary() == key.primary()) {
            return self.follow(id, false, facts, cx);
        }
        self.ask(id, facts, cx);
        KeyNews::None
    }

    /// Discards a contact's chain together with their key.
    pub(crate) fn forget(&mut self, id: PersonId, slot: Slot, cx: &mut Context<'_>) {
        if self.watched.remove(&id).is_some() {
            cx.delete(Kind::Chain, slot.to_string());
        }
    }

    fn raise(&mut self, id: PersonId, alarm: ChainAlarm, facts: Facts<'_>, cx: &mut Context<'_>) {
        if let Some(watched) = self.watched.get_mut(&id) {
            watched.alarm = Some(alarm);
            self.save(id, facts, cx);
        }
    }

    /// The user has dismissed the alarm.
    pub(crate) fn dismiss_alarm(&mut self, id: PersonId, facts: Facts<'_>, cx: &mut Context<'_>) {
        let watched = self.watched.get_mut(&id);
        if watched.is_some_and(|watched| watched.alarm.take().is_some()) {
            self.save(id, facts, cx);
        }
    }

    fn save(&self, id: PersonId, facts: Facts<'_>, cx: &mut Context<'_>) {
        if let (Some(watched), Some(contact)) = (self.watched.get(&id), facts.contacts.get(id)) {
            cx.put(Kind::Chain, contact.slot.to_string(), watched);
        }
    }
}
