//! Outgoing messages that have not reached the relay: in order for each recipient, one request at a time. Each is
//! sealed once, and the same bytes are sent, on the live stream or as a POST, until the relay accepts or refuses them.
//!
//! A message's copy for the user's other browsers is queued only when the relay has the message, so those browsers
//! never show an unsent message as sent.

use kez_core::api::{MessageStored, Receipt, SendMessage};
use kez_core::content::{Content, What};
use kez_core::envelope;
use kez_core::message::plaintext;
use kez_core::problem::ProblemCode;
use serde_json::value::RawValue;

use crate::kernel::answer::{Answer, Outcome, body, outcome, problem, refusal, retry_after};
use crate::kernel::context::Context;
use crate::kernel::effect::Method;
use crate::kernel::event::HttpResponse;
use crate::kernel::place::Place;
use crate::kernel::place::{Key, Lane};
use crate::kernel::reason::Reason;
use crate::kernel::requests::Purpose;
use crate::session::Session;
use crate::session::groups::Carrier;

/// The number of attempts after which the user is told that a message does not get through. The attempts continue.
const ATTEMPTS: u32 = 4;
/// The number of signature refusals after which a message is sent without one.
const SIGNATURES_REFUSED: u32 = 2;
/// The pause before the next attempt at a full inbox, in seconds.
const FULL_INBOX: u64 = 60;
/// The shortest delay between attempts, in milliseconds, while the browser reports that there is no network.
const WITHOUT_NETWORK: u64 = 10_000;

impl Session {
    /// Queues a content that is stored in the same transaction, and sends it when its turn comes.
    pub(crate) fn enqueue(&mut self, place: Place, order: u64, content: &Content, cx: &mut Context<'_>) {
        let Some(conversation) = self.conversations.get(&place) else { return };
        self.outbox.add(Key { lane: Lane::Place(place), place, order }, conversation.slot(), content, cx);
        self.resume_place(place, cx);
    }

    /// Starts every lane that is ready.
    pub(crate) fn send_queued(&mut self, cx: &mut Context<'_>) {
        for lane in self.outbox.lanes() {
            self.send_next(lane, cx);
        }
    }

    /// Handles what became of the messages on the live stream.
    pub(crate) fn on_live_answers(&mut self, cx: &mut Context<'_>) {
        while let Some((id, answer)) = self.link.take_answer() {
            if let Some(purpose) = cx.shared.requests.close(id) {
                self.answered(purpose, &answer, cx);
            }
        }
    }

    /// Handles the answer to a message, or its absence.
    pub(crate) fn send_answered(&mut self, key: Key, answer: &Answer, cx: &mut Context<'_>) {
        if let Carrier::Group(gid) = self.carrier(key.lane) {
            return self.item_answered(gid, key, answer, cx);
        }
        let sealed = self.outbox.entries.get(&key).and_then(|entry| entry.sealed());
        let receipt = sealed.map(|sealed| Receipt::of(sealed.as_bytes()));
        let attempts = self.outbox.attempts.get_or_default(key.lane);
        attempts.in_flight = None;
        let stored = |response: &HttpResponse| {
            let stored: MessageStored = body(response, &[200, 201])?;
            (Some(stored.receipt) == receipt).then_some(())
        };
        match outcome(answer, stored) {
            Outcome::Done(()) => self.delivered(key, cx),
            // This computer's clock may be wrong, and the answer has just corrected it. If that does not help, the
            // message is sent without a signature, and arrives as a stranger's.
            Outcome::Refused(problem)
                if problem.code == ProblemCode::Unauthorized
                    && attempts.signatures_refused < SIGNATURES_REFUSED =>
            {
                attempts.signatures_refused += 1;
            }
            Outcome::Refused(problem) => self.refused(key, Reason::server(&problem.detail), cx),
            Outcome::Unknown => self.attempt_failed(key.lane, answer, cx),
        }
        self.send_next(key.lane, cx);
    }

    /// "Retry": resumes all waiting messages of this conversation, in order.
    pub(crate) fn retry(&mut self, place: Place, cx: &mut Context<'_>) {
        self.outbox.forgive(Lane::Place(place), cx);
        self.resume_place(place, cx);
    }

    /// Resumes the messages of this conversation at once.
    fn resume_place(&mut self, place: Place, cx: &mut Context<'_>) {
        self.resume(|lane| lane == Lane::Place(place), cx);
    }

    /// The connection is back. Resumes all waiting messages at once.
    pub(crate) fn resume_all(&mut self, cx: &mut Context<'_>) {
        self.resume(|_| true, cx);
    }

    /// "Delete": drops a message that has failed or is delayed, unless it is in flight.
    pub(crate) fn delete(&mut self, place: Place, order: u64, cx: &mut Context<'_>) {
        let key = Key { lane: Lane::Place(place), place, order };
        let Some(entry) = self.outbox.entry(place, order) else { return };
        let failed = entry.refused().is_some() || self.trouble(place).is_some();
        if !failed || self.outbox.in_flight(key) {
            return;
        }
        self.outbox.remove(key, cx);
        if let Some(conversation) = self.conversations.get_mut(&place) {
            conversation.remove_own(order);
        }
    }

    /// Why the messages of a conversation are delayed for long, or are not sent.
    pub(crate) fn trouble(&self, place: Place) -> Option<Reason> {
        let why = place.person().and_then(|person| self.why_not_sent(person));
        why.or_else(|| self.outbox.trouble(Lane::Place(place)).cloned())
    }

    /// Handles the timer: resumes lanes whose delay is over, and reports long delays to the user.
    pub(crate) fn retry_due(&mut self, cx: &mut Context<'_>) {
        for attempts in self.outbox.attempts.values_mut() {
            attempts.retry_at = attempts.retry_at.filter(|at| *at > cx.now);
            if attempts.trouble_at().is_some_and(|at| at <= cx.now) {
                attempts.trouble = Some(Reason::StillTrying);
            }
        }
        self.send_queued(cx);
    }

    /// Has unacknowledged messages sealed anew, for a new key of the contact.
    pub(crate) fn forget_sealed(&mut self, place: Place, cx: &mut Context<'_>) {
        let lane = Lane::Place(place);
        // They have waited since then all the same.
        if let Some(since) = self.outbox.attempts.remove(&lane).and_then(|attempts| attempts.since) {
            self.outbox.attempts.get_or_default(lane).since = Some(since);
        }
        cx.shared.requests.forget(|purpose| matches!(purpose, Purpose::Send(key) if key.lane == lane));
        self.outbox.forget_sealed(|other| other == lane, cx);
    }

    /// Has unacknowledged envelopes sealed anew, with a new key of the user's.
    pub(crate) fn forget_all_sealed(&mut self, cx: &mut Context<'_>) {
        let lanes = self.outbox.lanes().into_iter();
        // Items of groups are sealed with the key of the device.
        let lanes: Vec<Lane> = lanes.filter(|lane| self.carrier(*lane) == Carrier::Envelopes).collect();
        for lane in &lanes {
            self.outbox.attempts.remove(lane);
        }
        let is_theirs =
            |purpose: &Purpose| matches!(purpose, Purpose::Send(key) if lanes.contains(&key.lane));
        cx.shared.requests.forget(is_theirs);
        self.outbox.forget_sealed(|lane| lanes.contains(&lane), cx);
    }

    /// Sends the next message of a conversation, if it is its turn.
    pub(super) fn send_in(&mut self, place: Place, cx: &mut Context<'_>) {
        self.send_next(Lane::Place(place), cx);
    }

    fn send_next(&mut self, lane: Lane, cx: &mut Context<'_>) {
        match self.carrier(lane) {
            Carrier::Envelopes => {}
            Carrier::Group(gid) => return self.send_next_in_group(gid, cx),
            // It is created at the end of the event.
            Carrier::NoGroup => return,
        }
        while let Some(key) = self.next_in(lane, cx) {
            let body = self.recipient(key).zip(self.sealed(key, cx)).and_then(|(to, sealed)| {
                let envelope = RawValue::from_string(sealed).ok()?;
                serde_json::to_string(&SendMessage { to, envelope }).ok()
            });
            if let Some(body) = body {
                let attempts = self.outbox.attempts.get_or_default(lane);
                attempts.in_flight = Some(key);
                attempts.since.get_or_insert(cx.now);
                if attempts.signatures_refused >= SIGNATURES_REFUSED {
                    cx.post("/v1/messages", body, Purpose::Send(key));
                } else if !self.link.send(&body, Purpose::Send(key), cx) {
                    let request = self.me.signed(Method::Post, "/v1/messages".to_owned(), Some(body), cx);
                    cx.request(request, Purpose::Send(key));
                }
            } else {
                // The message is gone or cannot be sealed. Waiting would not change that.
                let has_words = self.me.key.secret().is_some();
                let why = if has_words { Reason::CannotBeSent } else { Reason::NoWords };
                self.refused(key, why, cx);
            }
        }
    }

    /// The next entry to send in this lane, if the lane is ready.
    fn next_in(&self, lane: Lane, cx: &Context<'_>) -> Option<Key> {
        let blocked = match lane {
            Lane::Place(Place::Direct(person)) => {
                let chains = self.chains.contacts();
                // Their chain may name a device: then no envelope is sent.
                let is_first_look =
                    chains.chain(person).is_none() && cx.shared.requests.awaits(&Purpose::Chain(person));
                is_first_look
                    || self.contacts.get(person)?.stored.awaits_person()
                    || self.why_not_sent(person).is_some()
            }
            Lane::Place(Place::Group(_)) => true,
            Lane::Own => false,
        };
        if blocked || !self.outbox.is_free(lane, cx.now) {
            return None;
        }
        self.outbox.next_in(lane)
    }

    fn recipient(&self, key: Key) -> Option<String> {
        match key.lane {
            Lane::Place(Place::Direct(person)) => Some(self.contacts.get(person)?.stored.handle.to_string()),
            Lane::Place(Place::Group(_)) => None,
            Lane::Own => Some(self.me.handle.to_string()),
        }
    }

    /// The envelope of an entry. It is sealed on the first attempt, and stored before it is posted.
    fn sealed(&mut self, key: Key, cx: &mut Context<'_>) -> Option<String> {
        let entry = self.outbox.entries.get(&key)?;
        if let Some(sealed) = entry.sealed() {
            return Some(sealed.to_owned());
        }
        let content = entry.content()?;
        let (now, person) = (cx.timestamp(), key.place.person());
        let heads = person.map_or_else(|| self.chains.own_head(), |person| self.chains.heads_for(person));
        let sealed = match key.lane {
            Lane::Place(_) => {
                let conversation = self.conversations.get_mut(&key.place)?;
                let chain = conversation.next_position(&self.sync.installation);
                let plaintext = plaintext(&content, &chain, &heads);
                let peer = self.contacts.get(person?)?.peer.as_ref()?;
                let key = self.me.key.secret()?;
                let sealed = envelope::seal(key, peer, &plaintext, now, &mut &mut *cx.rng).ok()?;
                conversation.sent(sealed.hash);
                sealed
            }
            Lane::Own => {
                let chain = self.sync.own_chain.next(&self.sync.installation);
                let plaintext = plaintext(&content, &chain, &heads);
                let (key, myself) = (self.me.key.secret()?, self.myself.as_ref()?);
                let sealed = envelope::seal(key, myself, &plaintext, now, &mut &mut *cx.rng).ok()?;
                self.sync.own_chain.advance(sealed.hash);
                cx.save(self.sync.record());
                sealed
            }
        };
        self.outbox.seal(key, &sealed.json, cx);
        Some(sealed.json)
    }

    fn delivered(&mut self, key: Key, cx: &mut Context<'_>) {
        self.outbox.attempts.remove(&key.lane);
        let Some(entry) = self.outbox.remove(key, cx) else { return };
        let Some(person) = key.place.person() else { return };
        if let (Lane::Place(_), Some(content)) = (key.lane, entry.content())
            && let Some(contact) = self.contacts.get(person)
        {
            let copy = content.own_copy(contact.stored.key.primary());
            self.outbox.add(Key { lane: Lane::Own, ..key }, contact.slot, &copy, cx);
            self.send_next(Lane::Own, cx);
            self.copy_delivered(key.place, content, entry.sealed().unwrap_or_default(), cx);
        }
    }

    /// A refused message waits for the user. Whatever has no row in the thread is dropped: a copy, or a reaction, which
    /// is undone in this client.
    pub(super) fn refused(&mut self, key: Key, reason: Reason, cx: &mut Context<'_>) {
        self.outbox.attempts.remove(&key.lane);
        let conversation = self.conversations.get(&key.place);
        let row = conversation.is_some_and(|conversation| conversation.has_row(key.order));
        if key.lane != Lane::Own && row {
            return self.outbox.refuse(key, reason, cx);
        }
        let content = self.outbox.remove(key, cx).and_then(|entry| entry.content());
        if key.lane != Lane::Own
            && let Some(Content { id, what: What::Reaction(reaction), .. }) = content
        {
            self.take_back(key.place, &id, reaction, cx);
            cx.warn(reason);
        }
    }

    pub(super) fn attempt_failed(&mut self, lane: Lane, answer: &Answer, cx: &mut Context<'_>) {
        let code = answer.as_ref().ok().and_then(problem).map(|problem| problem.code);
        let is_full = code == Some(ProblemCode::InboxFull);
        let is_log = matches!(self.carrier(lane), Carrier::Group(_));
        let attempts = self.outbox.attempts.get_or_default(lane);
        let asked = retry_after(answer).or(is_full.then_some(FULL_INBOX));
        let wait = attempts.backoff.next_after(asked, cx.rng);
        if is_full && lane == Lane::Own {
            // It is the user's own inbox.
            attempts.retry_at = Some(cx.now.saturating_add(wait));
            return self.keeping.ask(&self.me, cx);
        }
        if cx.shared.offline && answer.is_err() {
            // The screen already shows that there is no network. The browser reports when it is back.
            attempts.since = None;
            attempts.retry_at = Some(cx.now.saturating_add(wait.max(WITHOUT_NETWORK)));
            return;
        }
        attempts.retry_at = Some(cx.now.saturating_add(wait));
        if is_full || attempts.backoff.attempts() >= ATTEMPTS {
            attempts.trouble = Some(match (answer, is_full) {
                (_, true) if is_log => Reason::GroupFull,
                (_, true) => Reason::TheirInboxFull,
                (Err(_), _) => Reason::StillTrying,
                (Ok(response), _) => refusal(response),
            });
        }
    }

    fn resume(&mut self, which: impl Fn(Lane) -> bool, cx: &mut Context<'_>) {
        for (lane, attempts) in self.outbox.attempts.iter_mut() {
            if which(*lane) {
                (attempts.retry_at, attempts.trouble) = (None, None);
                attempts.since = attempts.in_flight.map(|_| cx.now);
                attempts.backoff.reset();
            }
        }
        self.send_queued(cx);
    }
}
