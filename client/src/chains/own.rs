//! The user's own chain. It is created once there is an account, checked when the account is opened and every six
//! hours, and extended when something is missing.

use kez_core::identity::{Primary, Seed};
use kez_core::problem::ProblemCode;
use kez_core::sigchain::{Appended, Body, Hash, Link};
use serde::{Deserialize, Serialize};

use super::ChainAlarm;
use super::watched::{Fetched, Watched};
use crate::account::StoredSeed;
use crate::kernel::answer::{Answer, Outcome, body, outcome, retry_after};
use crate::kernel::backoff::{Backoff, around};
use crate::kernel::context::Context;
use crate::kernel::event::{HttpResponse, NetworkFault};
use crate::kernel::lookup::Proof;
use crate::kernel::place::PersonId;
use crate::kernel::reason::Reason;
use crate::kernel::requests::Purpose;
use crate::link::Connection;
use crate::session::Session;

/// How often, in milliseconds, the user's own chain is checked for links that this user did not create.
const CHECK_INTERVAL: u64 = 6 * 60 * 60 * 1000;

/// How often, in milliseconds, it is checked on the word of a contact whose claim has already caused an alarm.
const HEARSAY_INTERVAL: u64 = 60 * 60 * 1000;

/// How many contacts whose claims caused an alarm are remembered at most.
const MOST_HEARD: usize = 1_000;

/// How often, in milliseconds, the client checks whether a key that the server rejects was replaced.
const SUSPICION_INTERVAL: u64 = 60 * 1000;

/// The user's own chain and the state of its maintenance.
pub(crate) struct OwnChain {
    pub(crate) stored: StoredOwn,
    /// Whether we have fetched our chain since start-up, or since a message claimed a longer one.
    checked: bool,
    /// Whether the pending link was refused. It may be in the chain all the same, so the chain is fetched before a retry.
    refused: bool,
    /// When the chain was last requested, Unix milliseconds.
    asked_at: u64,
    /// Whether there has been any answer since start-up.
    pub(super) answered: bool,
    /// Whether the root under which we request the chain is known. The chain of a restored browser may start with an older key.
    root_known: bool,
    pub(super) try_at: Option<u64>,
    pub(super) backoff: Backoff,
    /// Why the last key change failed.
    pub(crate) error: Option<Reason>,
}

/// The record of kind [`crate::kernel::record::Kind::Chain`] for the user's own chain.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct StoredOwn {
    pub(crate) watched: Watched,
    /// Every link, as canonical JSON.
    pub(crate) links: Vec<String>,
    /// The seed that the chain announces, until the user has written it down. After that, it is not stored anywhere.
    pub(crate) next_seed: Option<StoredSeed>,
    /// The pending link. The same bytes are posted until it is in the chain.
    pub(super) pending: Option<String>,
    /// A key change in progress.
    pub(crate) change: Option<KeyChange>,
    /// The former key, sealed for the user's own inbox and not delivered yet. A browser that is restored later needs it.
    pub(super) note: Option<String>,
    /// The contacts whose claims caused an alarm that the user has dismissed. They cause no further alarm.
    heard: Vec<PersonId>,
}

/// A key change, from the moment when the user typed the announced phrase.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct KeyChange {
    pub(crate) seed: StoredSeed,
    /// The seed after the new key; `None` where another browser has changed the key and showed the phrase there.
    pub(crate) next_seed: Option<StoredSeed>,
    /// The claim of the handle by the new key, as posted or to be posted.
    pub(crate) registration: Option<String>,
    /// When the claim was signed, Unix milliseconds.
    pub(crate) signed_at: u64,
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

impl OwnChain {
    pub(super) const fn new(root: Primary) -> Self {
        let watched = Watched::new(root);
        let links = Vec::new();
        let stored = StoredOwn {
            watched,
            links,
            next_seed: None,
            pending: None,
            change: None,
            note: None,
            heard: Vec::new(),
        };
        let backoff = Backoff::new(1_000, 60_000);
        Self {
            stored,
            checked: false,
            refused: false,
            asked_at: 0,
            answered: false,
            root_known: false,
            try_at: None,
            backoff,
            error: None,
        }
    }

    /// When the next action is due.
    pub(crate) const fn wake(&self) -> Option<u64> {
        self.try_at
    }

    /// Whether this contact's claim causes, or has caused, an alarm.
    pub(super) fn was_heard(&self, contact: PersonId) -> bool {
        let watched = &self.stored.watched;
        let stands = watched.alarm.is_some() && watched.alarm_by == Some(contact);
        stands || self.stored.heard.contains(&contact)
    }

    /// The pending link.
    fn pending(&self) -> Option<Link> {
        Link::parse(self.stored.pending.as_ref()?.as_bytes()).ok()
    }
}

impl Session {
    /// Performs the next step for the user's own chain, unless a request is in flight.
    pub(crate) fn advance_own_chain(&mut self, cx: &mut Context<'_>) {
        let waits = self.chains.own.try_at.is_some_and(|at| at > cx.now);
        if waits || cx.shared.requests.any(Purpose::is_about_own_chain) {
            return;
        }
        self.chains.own.try_at = None;
        let Some(target) = self.chains.target(&self.chains.own.stored.watched.chain.root()) else {
            // A server without a sigchain URL has no answer about this chain either.
            if self.chains.own.stored.watched.is_behind() {
                self.own_chain_unanswered(&Err(NetworkFault), cx);
            }
            return;
        };
        match self.next_step(cx) {
            Step::Append(link) => cx.post(&target, link, Purpose::AppendLink),
            Step::Fetch => {
                if let Some(target) = self.chains.target_since(&self.chains.own.stored.watched) {
                    self.chains.own.asked_at = cx.now;
                    cx.get(target, Purpose::OwnChain);
                }
            }
            Step::AskForRecord => cx.get(format!("/v1/u/{}", self.me.handle), Purpose::OwnRecord),
            Step::Register => self.register_changed_key(cx),
            Step::KeepFormerKey(envelope) => self.send_former_key(envelope, cx),
            Step::Wait => {}
            Step::Nothing => {
                self.chains.own.checked = false;
                self.chains.own.try_at = Some(cx.now.saturating_add(around(CHECK_INTERVAL, cx.rng)));
            }
        }
    }

    /// Fetches the user's own chain now.
    pub(crate) fn check_own_chain(&mut self, cx: &mut Context<'_>) {
        self.chains.own.checked = false;
        self.chains.own.try_at = None;
        self.advance_own_chain(cx);
    }

    /// Fetches the user's own chain, unless it was fetched recently.
    pub(super) fn check_own_chain_seldom(&mut self, cx: &mut Context<'_>) {
        if self.chains.own.asked_at.saturating_add(HEARSAY_INTERVAL) <= cx.now {
            self.check_own_chain(cx);
        }
    }

    /// The server rejects the user's signature, perhaps because another browser has changed the key.
    pub(crate) fn suspect_replaced_key(&mut self, cx: &mut Context<'_>) {
        if self.chains.own.asked_at.saturating_add(SUSPICION_INTERVAL) <= cx.now {
            self.check_own_chain(cx);
        }
    }

    /// Whether another browser has changed the key, so that this browser's key can no longer be used.
    pub(crate) fn key_was_replaced(&self) -> bool {
        self.chains.own.stored.watched.chain.is_former(&self.me.key.public().primary())
            && self.chains.own.stored.change.is_none()
    }

    fn next_step(&mut self, cx: &mut Context<'_>) -> Step {
        let (own, me) = (&self.chains.own, self.me.key.public().primary());
        let chain = &own.stored.watched.chain;
        if let Some(link) = &own.stored.pending {
            return if own.refused { Step::Fetch } else { Step::Append(link.clone()) };
        }
        if chain.length() == 0 && self.restored && !own.root_known {
            return Step::AskForRecord;
        }
        // A chain that this browser creates need not be fetched first: no other browser has the key.
        if !own.checked && (chain.length() > 0 || self.restored) {
            return Step::Fetch;
        }
        if own.stored.change.is_some() {
            return Step::Register;
        }
        if let Some(envelope) = &own.stored.note {
            return Step::KeepFormerKey(envelope.clone());
        }
        if own.stored.watched.alarm.is_some_and(ChainAlarm::is_about_server) {
            return Step::Nothing;
        }
        if chain.length() == 0 {
            // The user's own messages from elsewhere can reveal a chain that the server hides.
            let waits = self.quarantine.holds_own_copies() || !self.link.was_read_to_its_end();
            if self.restored && waits {
                return Step::Wait;
            }
            return self.begin_own_chain(cx).map_or(Step::Nothing, Step::Append);
        }
        if chain.primary() != me || chain.is_closed() {
            return Step::Nothing;
        }
        if chain.claim(&self.me.handle, &self.me.server).is_some_and(|claim| claim.primary == me) {
            return Step::Nothing;
        }
        match &self.registration {
            None => Step::AskForRecord,
            Some(registration) => {
                let registration = Hash::of_json(registration);
                let (handle, server) = (self.me.handle.clone(), self.me.server.clone());
                let claim = Body::ClaimHandle { handle, server, registration };
                self.draft(claim, cx).map_or(Step::Nothing, Step::Append)
            }
        }
    }

    fn begin_own_chain(&mut self, cx: &mut Context<'_>) -> Option<String> {
        let next = Seed::random(&mut &mut *cx.rng);
        let next_key = kez_core::identity::SecretIdentity::from_seed(next.clone()).public();
        self.chains.own.stored.next_seed = Some(StoredSeed(next));
        self.draft(Body::Init { primary: self.me.key.public(), next: Hash::of_key(&next_key) }, cx)
    }

    /// Signs the next link with the current key, and stores it until it is in the chain.
    fn draft(&mut self, body: Body, cx: &mut Context<'_>) -> Option<String> {
        let draft = self.chains.own.stored.watched.chain.draft(body, cx.timestamp());
        let link = draft.sign(&self.me.key).ok()?.json().to_owned();
        self.chains.own.stored.pending = Some(link.clone());
        self.save_own_chain(cx);
        Some(link)
    }

    /// Handles the server's answer to a link.
    pub(crate) fn append_answered(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        let pending = self.chains.own.pending();
        let stands = |response: &HttpResponse| {
            let Appended { seqno, head } = body(response, &[200, 201])?;
            pending.filter(|link| link.seqno() == seqno && link.hash() == head)
        };
        match outcome(answer, stands) {
            Outcome::Done(_) => self.link_stands(cx),
            // Another browser was faster, an attacker is at work, or the refusal is false. The chain will show which.
            Outcome::Refused(problem) => {
                if problem.code != ProblemCode::Conflict {
                    self.chains.own.error = Some(Reason::server(&problem.detail));
                }
                self.chains.own.refused = true;
            }
            Outcome::Unknown => self.advance_later(answer, cx),
        }
        self.advance_own_chain(cx);
    }

    fn link_stands(&mut self, cx: &mut Context<'_>) {
        self.chains.own.backoff.reset();
        let Some(link) = self.chains.own.pending() else { return };
        self.chains.own.stored.pending = None;
        if self.chains.own.stored.watched.chain.append(&link).is_ok() {
            self.chains.own.stored.links.push(link.json().to_owned());
        } else {
            self.chains.own.checked = false;
        }
        self.save_own_chain(cx);
    }

    fn give_up_pending(&mut self, cx: &mut Context<'_>) {
        let own = &mut self.chains.own;
        own.stored.pending = None;
        if own.stored.change.take().is_some() {
            own.error = Some(Reason::ChainMoved);
        }
        if own.stored.watched.chain.length() == 0 {
            // Announced by a link that never got into the chain.
            own.stored.next_seed = None;
        }
        self.save_own_chain(cx);
    }

    /// Handles the server's answer with the account's own chain.
    pub(crate) fn own_chain_answered(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        self.chains.own.answered = true;
        let own = &mut self.chains.own;
        let first_sight = own.stored.watched.chain.length() == 0;
        let was_refused = own.refused;
        match own.stored.watched.take(answer) {
            Fetched::New(links) => {
                own.checked = !own.stored.watched.is_behind();
                own.backoff.reset();
                let pending = own.pending().map(|link| link.hash());
                let mine = |link: &Link| Some(link.hash()) == pending;
                let adopted = first_sight && self.restored && pending.is_none();
                if !adopted && !links.iter().all(mine) {
                    own.stored.watched.alarm.get_or_insert(ChainAlarm::NotMine);
                }
                if links.iter().any(mine) {
                    own.stored.pending = None;
                } else if !links.is_empty() && pending.is_some() {
                    self.give_up_pending(cx);
                }
                let own = &mut self.chains.own;
                own.stored.links.extend(links.iter().map(|link| link.json().to_owned()));
                if !links.is_empty() {
                    self.save_own_chain(cx);
                    self.read_notes_again(cx);
                }
            }
            Fetched::None => own.checked = true,
            Fetched::Alarm(alarm) => {
                own.checked = true;
                self.alarm_about_own(alarm, cx);
            }
            Fetched::Unavailable => self.own_chain_unanswered(answer, cx),
        }
        if was_refused && self.chains.own.checked {
            self.post_again_later(answer, cx);
        }
        self.advance_own_chain(cx);
        self.resume_reading(cx);
    }

    /// Whether a restored browser still has to learn its former keys.
    pub(crate) const fn awaits_own_chain(&self) -> bool {
        self.restored && !self.chains.own.answered
    }

    /// As far as we can see, the refused link is not in the chain. It is kept, because the server has it and might
    /// still append it. In that case, the announced seed is needed.
    fn post_again_later(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        self.chains.own.refused = false;
        if self.chains.own.stored.pending.is_none() {
            return;
        }
        if self.chains.own.stored.change.is_some() {
            return self.advance_later(answer, cx);
        }
        self.chains.own.try_at = Some(cx.now.saturating_add(around(CHECK_INTERVAL, cx.rng)));
    }

    /// Handles the server's answer with the user's own registration, which a restored browser does not have.
    pub(crate) fn own_record_answered(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        match Proof::of_handle(answer, &self.me.server, &self.me.handle) {
            Proof::Proven(found) if found.key == self.me.key.public() => {
                let own = &mut self.chains.own;
                own.root_known = true;
                if own.stored.watched.chain.length() == 0 {
                    own.stored.watched = Watched::new(found.root.unwrap_or(found.key.primary()));
                }
                self.registration = Some(found.registration);
                self.save_account(cx);
            }
            _ => {
                self.chains.own.answered = true;
                self.advance_later(answer, cx);
                self.resume_reading(cx);
            }
        }
        self.advance_own_chain(cx);
    }

    /// The server has no answer about the user's own chain. If it keeps answering everything else, that counts as an
    /// answer after a while.
    fn own_chain_unanswered(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        let others_are_answered = self.link.state() == Connection::Online;
        let own = &mut self.chains.own;
        let alarm = others_are_answered.then(|| own.stored.watched.unanswered(cx.wall() / 1000)).flatten();
        if let Some(alarm) = alarm {
            own.checked = true;
            self.alarm_about_own(alarm, cx);
        } else {
            self.save_own_chain(cx);
            self.advance_later(answer, cx);
        }
    }

    pub(super) fn advance_later(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        let wait = self.chains.own.backoff.next_after(retry_after(answer), cx.rng);
        self.chains.own.try_at = Some(cx.now.saturating_add(wait.max(500)));
    }

    pub(crate) fn alarm_about_own(&mut self, alarm: ChainAlarm, cx: &mut Context<'_>) {
        self.chains.own.stored.watched.alarm = Some(alarm);
        self.save_own_chain(cx);
    }

    /// The user has dismissed the alarm.
    pub(crate) fn dismiss_own_alarm(&mut self, cx: &mut Context<'_>) {
        let own = &mut self.chains.own.stored;
        if own.watched.alarm.take().is_some() {
            let by = own.watched.alarm_by.take();
            own.heard.extend(by.filter(|by| own.heard.len() < MOST_HEARD && !own.heard.contains(by)));
            self.save_own_chain(cx);
            self.advance_own_chain(cx);
        }
    }

    /// The user has written the announced phrase down. From now on, it is not stored anywhere.
    pub(crate) fn forget_next_seed(&mut self, cx: &mut Context<'_>) {
        if self.chains.own.stored.watched.chain.length() > 0
            && self.chains.own.stored.next_seed.take().is_some()
        {
            self.save_own_chain(cx);
        }
    }
}
