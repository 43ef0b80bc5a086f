//! The user's own chain. It is created once there is an account, checked when the account is opened and every six
//! hours, and extended when something is missing.

mod answers;
mod capabilities;
mod devices;
mod rotation;

use kez_core::identity::{Primary, SecretIdentity, Seed};
use kez_core::sigchain::{Body, Chain, DeviceId, Hash, Heads, Link};
use serde::{Deserialize, Serialize};

use super::facts::{Base, Facts};
use super::watched::{Compared, Watched};
use super::{ChainAlarm, ForeignLink};
use crate::kernel::answer::{Answer, retry_after};
use crate::kernel::backoff::{Backoff, around};
use crate::kernel::context::Context;
use crate::kernel::event::{NetworkFault, StorageFault};
use crate::kernel::place::PersonId;
use crate::kernel::reason::Reason;
use crate::kernel::record::{Kind, Record};
use crate::kernel::requests::Purpose;
use crate::kernel::seed::StoredSeed;

/// The id of the record.
const OWN: &str = "own";

/// How often, in milliseconds, the user's own chain is checked for links that this user did not create.
const CHECK_INTERVAL: u64 = 6 * 60 * 60 * 1000;

/// How often, in milliseconds, it is checked on the word of a contact whose claim has already caused an alarm.
const HEARSAY_INTERVAL: u64 = 60 * 60 * 1000;

/// How many contacts whose claims caused an alarm are remembered at most.
const MOST_HEARD: usize = 1_000;

/// How often, in milliseconds, the client checks whether a key that the server rejects was replaced.
const SUSPICION_INTERVAL: u64 = 60 * 1000;

/// How often, in milliseconds, a device that the server rejects checks whether it was removed.
const REFUSAL_INTERVAL: u64 = 3_000;

/// The user's own chain and the state of its maintenance.
pub(crate) struct OwnChain {
    base: Base,
    stored: StoredOwn,
    /// Whether we have fetched our chain since start-up, or since a message claimed a longer one.
    checked: bool,
    /// Whether the pending link was refused. It may be in the chain nevertheless, so the chain is fetched before a retry.
    refused: bool,
    /// When the chain was last requested, Unix milliseconds.
    asked_at: u64,
    /// Whether an answer about the chain has arrived since start-up, or none will.
    answered: bool,
    /// Whether the root under which we request the chain is known. The chain of a restored browser may start with an older key.
    root_known: bool,
    try_at: Option<u64>,
    backoff: Backoff,
    /// Why the last key change failed.
    error: Option<Reason>,
    /// The device that the user removes, until the link that revokes it is made.
    removing: Option<DeviceId>,
    /// Why the last change of devices failed.
    device_error: Option<Reason>,
    /// The lowest version that the user wants the chain to name, until the link that names it is made.
    wanted_version: Option<u64>,
}

/// The record of kind [`Kind::Chain`] for the user's own chain.
#[derive(Clone, Serialize, Deserialize)]
struct StoredOwn {
    watched: Watched,
    /// Every link, as canonical JSON.
    links: Vec<String>,
    /// The seed that the chain announces, until the user has written it down. After that, it is not stored anywhere.
    next_seed: Option<StoredSeed>,
    /// The pending link. The same bytes are posted until it is in the chain.
    pending: Option<String>,
    /// A key change in progress.
    change: Option<KeyChange>,
    /// The former key, sealed for the user's own inbox and not delivered yet. A browser that is restored later needs it.
    note: Option<String>,
    /// The contacts whose claims caused an alarm that the user has dismissed. They cause no further alarm.
    heard: Vec<PersonId>,
}

/// A key change, from the moment when the user typed the announced phrase.
#[derive(Clone, Serialize, Deserialize)]
struct KeyChange {
    seed: StoredSeed,
    /// The seed after the new key; `None` where another browser has changed the key and showed the phrase there.
    next_seed: Option<StoredSeed>,
    /// The claim of the handle by the new key, as posted or to be posted.
    registration: Option<String>,
    /// When the claim was signed, Unix milliseconds.
    signed_at: u64,
}

/// The next step.
enum Step {
    Append(String),
    Fetch,
    AskForRecord,
    Register,
    KeepFormerKey(String),
    /// Wait until the inbox has been read.
    Wait,
    Nothing,
}

/// Whether this is the record of the user's own chain.
pub(crate) fn is_own(record: &Record) -> bool {
    record.kind == Kind::Chain && record.id == OWN
}

/// The record of a chain that was verified before the account was opened.
pub(crate) fn own_record(chain: Chain, links: Vec<String>) -> Record {
    let mut own = OwnChain::new(chain.root()).stored;
    own.watched.chain = chain;
    own.links = links;
    Record::put(Kind::Chain, OWN, &own)
}

/// The chain in the record of the user's own chain, with every link as canonical JSON.
///
/// # Errors
/// [`StorageFault`] when the record cannot be read.
pub(crate) fn own_links(record: &Record) -> Result<(Chain, Vec<String>), StorageFault> {
    let stored: StoredOwn = record.read()?;
    Ok((stored.watched.chain, stored.links))
}

impl OwnChain {
    pub(super) const fn new(root: Primary) -> Self {
        let stored = StoredOwn {
            watched: Watched::new(root),
            links: Vec::new(),
            next_seed: None,
            pending: None,
            change: None,
            note: None,
            heard: Vec::new(),
        };
        Self {
            base: Base(None),
            stored,
            checked: false,
            refused: false,
            asked_at: 0,
            answered: false,
            root_known: false,
            try_at: None,
            backoff: Backoff::new(1_000, 60_000),
            error: None,
            removing: None,
            device_error: None,
            wanted_version: None,
        }
    }

    /// Loads the record.
    ///
    /// # Errors
    /// [`StorageFault`] when the record cannot be read.
    pub(crate) fn load(&mut self, record: &Record) -> Result<(), StorageFault> {
        self.stored = record.read()?;
        self.stored.watched.check_format(record)
    }

    /// The longest chain seen so far.
    pub(crate) const fn chain(&self) -> &Chain {
        &self.stored.watched.chain
    }

    /// Every link, as canonical JSON.
    pub(crate) fn links(&self) -> &[String] {
        &self.stored.links
    }

    /// The alarm, until the user has dismissed it. With the contact whose claim caused it, if one did.
    pub(crate) fn alarm(&self) -> Option<(ChainAlarm, Option<PersonId>)> {
        self.stored.watched.alarm.map(|alarm| (alarm, self.stored.watched.alarm_by))
    }

    /// The seed that the chain announces, until the user has written it down.
    pub(crate) fn announced(&self) -> Option<&StoredSeed> {
        self.stored.next_seed.as_ref().filter(|_| !self.stored.links.is_empty())
    }

    /// Whether a key change is in progress.
    pub(crate) const fn is_changing(&self) -> bool {
        self.stored.change.is_some()
    }

    /// Why the last key change failed.
    pub(crate) const fn error(&self) -> Option<&Reason> {
        self.error.as_ref()
    }

    /// Whether an answer about the chain has arrived since start-up, or none will.
    pub(crate) const fn was_answered(&self) -> bool {
        self.answered
    }

    /// Whether another browser has replaced this key of the user's, so that it can no longer be used.
    pub(crate) fn has_replaced(&self, key: &Primary) -> bool {
        self.chain().is_former(key) && !self.is_changing()
    }

    /// When the next action is due.
    pub(super) const fn wake(&self) -> Option<u64> {
        self.try_at
    }

    /// The server has no sigchains. Nothing waits for its answer any longer.
    pub(super) const fn expect_no_answer(&mut self) {
        self.answered = true;
    }

    /// The sigchains are at this URL. Returns whether that is news.
    pub(super) fn move_to(&mut self, base: &Base) -> bool {
        let is_new = self.base != *base;
        self.base.clone_from(base);
        is_new
    }

    /// Whether this contact's claim causes, or has caused, an alarm.
    fn was_heard(&self, contact: PersonId) -> bool {
        let watched = &self.stored.watched;
        let stands = watched.alarm.is_some() && watched.alarm_by == Some(contact);
        stands || self.stored.heard.contains(&contact)
    }

    /// The pending link.
    fn pending(&self) -> Option<Link> {
        Link::parse(self.stored.pending.as_ref()?.as_bytes()).ok()
    }

    fn save(&self, cx: &mut Context<'_>) {
        cx.put(Kind::Chain, OWN, &self.stored);
    }

    /// Performs the next step for the user's own chain, unless a request is in flight.
    pub(crate) fn advance(&mut self, facts: Facts<'_>, cx: &mut Context<'_>) {
        let waits = self.try_at.is_some_and(|at| at > cx.now);
        if waits || cx.shared.requests.any(Purpose::is_about_own_chain) {
            return;
        }
        self.try_at = None;
        let Some(target) = self.base.target(&self.chain().root()) else {
            // A server without a sigchain URL has no answer about this chain either.
            if self.stored.watched.is_behind() {
                self.unanswered(&Err(NetworkFault), facts, cx);
            }
            return;
        };
        match self.next_step(facts, cx) {
            Step::Append(link) => cx.post(&target, link, Purpose::AppendLink),
            Step::Fetch => {
                if let Some(target) = self.base.target_since(&self.stored.watched) {
                    self.asked_at = cx.now;
                    cx.get(target, Purpose::OwnChain);
                }
            }
            Step::AskForRecord => cx.get(format!("/v1/u/{}", facts.me.handle), Purpose::OwnRecord),
            Step::Register => self.register_changed_key(facts, cx),
            Step::KeepFormerKey(envelope) => Self::send_former_key(envelope, facts, cx),
            Step::Wait => {}
            Step::Nothing => {
                self.checked = false;
                self.try_at = Some(cx.now.saturating_add(around(CHECK_INTERVAL, cx.rng)));
            }
        }
    }

    /// Fetches the user's own chain now.
    fn check(&mut self, facts: Facts<'_>, cx: &mut Context<'_>) {
        self.checked = false;
        self.try_at = None;
        self.advance(facts, cx);
    }

    /// Fetches the user's own chain, unless it was fetched recently.
    fn check_seldom(&mut self, facts: Facts<'_>, cx: &mut Context<'_>) {
        if self.asked_at.saturating_add(HEARSAY_INTERVAL) <= cx.now {
            self.check(facts, cx);
        }
    }

    /// Compares the head of the user's own chain, as seen by contacts or by the user's other browsers.
    pub(crate) fn on_heads(
        &mut self,
        heads: &Heads,
        by: Option<PersonId>,
        facts: Facts<'_>,
        cx: &mut Context<'_>,
    ) {
        let Some(seen) = heads.get(&self.chain().root()) else { return };
        if by.is_some_and(|by| self.was_heard(by)) {
            return self.check_seldom(facts, cx);
        }
        match self.stored.watched.compare(seen, by) {
            Compared::Agrees => {}
            Compared::Ahead => {
                self.save(cx);
                cx.shared.requests.forget(|purpose| *purpose == Purpose::OwnChain);
                self.check(facts, cx);
            }
            Compared::Contradicts => {
                self.stored.watched.alarm_by = by;
                self.raise(ChainAlarm::Contradicted, cx);
            }
        }
    }

    /// The server says how many links the chain has. While a link of this browser is on its way, it is that one.
    pub(crate) fn on_length(&mut self, length: u64, facts: Facts<'_>, cx: &mut Context<'_>) {
        if length > self.chain().length() && !cx.shared.requests.awaits(&Purpose::AppendLink) {
            // An answer in flight may be older.
            cx.shared.requests.forget(|purpose| *purpose == Purpose::OwnChain);
            self.check(facts, cx);
        }
    }

    /// The server rejects the user's signature, perhaps because another browser has changed the key.
    pub(crate) fn suspect_replaced_key(&mut self, facts: Facts<'_>, cx: &mut Context<'_>) {
        if self.asked_at.saturating_add(SUSPICION_INTERVAL) <= cx.now {
            self.check(facts, cx);
        }
    }

    /// The server rejects the signature of this device, which has no other key.
    pub(crate) fn suspect_removal(&mut self, facts: Facts<'_>, cx: &mut Context<'_>) {
        if self.asked_at.saturating_add(REFUSAL_INTERVAL) <= cx.now {
            self.check(facts, cx);
        }
    }

    fn next_step(&mut self, facts: Facts<'_>, cx: &mut Context<'_>) -> Step {
        let (chain, me) = (self.chain(), facts.me.key.public().primary());
        if let Some(link) = &self.stored.pending {
            return if self.refused { Step::Fetch } else { Step::Append(link.clone()) };
        }
        if chain.length() == 0 && facts.restored && !self.root_known {
            return Step::AskForRecord;
        }
        // A chain that this browser creates need not be fetched first: no other browser has the key.
        if !self.checked && (chain.length() > 0 || facts.restored) {
            return Step::Fetch;
        }
        if self.stored.change.is_some() {
            return Step::Register;
        }
        if let Some(envelope) = &self.stored.note {
            return Step::KeepFormerKey(envelope.clone());
        }
        if self.stored.watched.alarm.is_some_and(ChainAlarm::is_about_server) {
            return Step::Nothing;
        }
        if chain.length() == 0 {
            // The user's own messages from elsewhere can reveal a chain that the server hides.
            if facts.restored && !facts.inbox_was_read {
                return Step::Wait;
            }
            return self.begin(facts, cx).map_or(Step::Nothing, Step::Append);
        }
        if chain.primary() != me || chain.is_closed() {
            return Step::Nothing;
        }
        if let Some(link) = self.remove_wanted(facts, cx).or_else(|| self.version_wanted(facts, cx)) {
            return Step::Append(link);
        }
        let claim = self.chain().claim(&facts.me.handle, &facts.me.server);
        if claim.is_some_and(|claim| claim.primary == me) {
            return self.certify(facts, cx).map_or(Step::Nothing, Step::Append);
        }
        match facts.registration {
            None => Step::AskForRecord,
            // Only the primary claims a handle.
            Some(_) if facts.me.key.secret().is_none() => Step::Nothing,
            Some(registration) => {
                let registration = Hash::of_json(registration);
                let (handle, server) = (facts.me.handle.clone(), facts.me.server.clone());
                let claim = Body::ClaimHandle { handle, server, registration };
                self.draft(claim, facts, cx).map_or(Step::Nothing, Step::Append)
            }
        }
    }

    fn begin(&mut self, facts: Facts<'_>, cx: &mut Context<'_>) -> Option<String> {
        facts.me.key.secret()?;
        let next = Seed::random(&mut &mut *cx.rng);
        let next_key = SecretIdentity::from_seed(next.clone()).public();
        self.stored.next_seed = Some(StoredSeed(next));
        self.draft(Body::Init { primary: facts.me.key.public(), next: Hash::of_key(&next_key) }, facts, cx)
    }

    /// Signs the next link, and stores it until it is in the chain.
    fn draft(&mut self, body: Body, facts: Facts<'_>, cx: &mut Context<'_>) -> Option<String> {
        let draft = self.chain().draft(body, cx.timestamp());
        self.keep_pending(&draft.sign(facts.me.link_signer()?).ok()?, cx)
    }

    fn keep_pending(&mut self, link: &Link, cx: &mut Context<'_>) -> Option<String> {
        self.stored.pending = Some(link.json().to_owned());
        self.save(cx);
        self.stored.pending.clone()
    }

    fn advance_later(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        let wait = self.backoff.next_after(retry_after(answer), cx.rng);
        self.try_at = Some(cx.now.saturating_add(wait.max(500)));
    }

    /// This browser's link that is not in the chain yet: its number and hash.
    pub(crate) fn making(&self) -> Option<(u64, Hash)> {
        self.pending().map(|link| (link.seqno(), link.hash()))
    }

    /// No device of the user's has announced these links.
    pub(crate) fn warn_about(&mut self, foreign: &[ForeignLink], cx: &mut Context<'_>) {
        for link in foreign {
            self.stored.watched.warn(link.alarm);
        }
        if !foreign.is_empty() {
            self.save(cx);
        }
    }

    fn raise(&mut self, alarm: ChainAlarm, cx: &mut Context<'_>) {
        self.stored.watched.alarm = Some(alarm);
        self.save(cx);
    }

    /// The user has dismissed the alarm.
    pub(crate) fn dismiss_alarm(&mut self, facts: Facts<'_>, cx: &mut Context<'_>) {
        let own = &mut self.stored;
        if own.watched.alarm.take().is_some() {
            let by = own.watched.alarm_by.take();
            own.heard.extend(by.filter(|by| own.heard.len() < MOST_HEARD && !own.heard.contains(by)));
            self.save(cx);
            self.advance(facts, cx);
        }
    }

    /// The user has written the announced phrase down. From now on, it is not stored anywhere.
    pub(crate) fn forget_next_seed(&mut self, cx: &mut Context<'_>) {
        if self.chain().length() > 0 && self.stored.next_seed.take().is_some() {
            self.save(cx);
        }
    }
}
