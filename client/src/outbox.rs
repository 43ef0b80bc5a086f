//! Outgoing messages that have not reached the relay: in order for each recipient, one request at a time. Each is
//! sealed once, and the same bytes are sent until the relay accepts or refuses them.
//!
//! A message's copy for the user's other browsers is queued only when the relay has the message, so those browsers
//! never show an unsent message as sent.

use kez_core::api::{MessageStored, Receipt, SendMessage};
use kez_core::envelope;
use kez_core::message::TextMessage;
use kez_core::problem::ProblemCode;
use kez_core::time::Timestamp;
use serde_json::value::RawValue;

use crate::contacts::ContactId;
use crate::context::Context;
use crate::conversation::message_key;
use crate::effect::Method;
use crate::event::HttpResponse;
use crate::queue::{Entry, Key, Lane};
use crate::record::Kind;
use crate::requests::{Answer, Outcome, Purpose, body, outcome, problem, refusal, retry_after, sentence};
use crate::session::Session;
use crate::sorted_map::SortedMap;
use crate::view::MessageBody;

/// The number of attempts after which the user is told that a message does not get through. The attempts continue.
const ATTEMPTS: u32 = 4;
/// The number of signature refusals after which a message is sent without one.
const SIGNATURES_REFUSED: u32 = 2;
/// The pause before the next attempt at a full inbox, in seconds.
const FULL_INBOX: u64 = 60;
/// The shortest delay between attempts, in milliseconds, while the browser reports that there is no network.
const WITHOUT_NETWORK: u64 = 10_000;

impl Session {
    /// Queues a message that is already stored.
    pub(crate) fn enqueue(&mut self, contact: ContactId, order: u64, cx: &mut Context<'_>) {
        self.add_to_outbox(Key { lane: Lane::Contact(contact), contact, order }, cx);
    }

    /// Starts every lane that is ready.
    pub(crate) fn send_queued(&mut self, cx: &mut Context<'_>) {
        for lane in self.outbox.lanes() {
            self.send_next(lane, cx);
        }
    }

    /// Handles the answer to a message, or its absence.
    pub(crate) fn send_answered(&mut self, key: Key, answer: &Answer, cx: &mut Context<'_>) {
        let sealed = self.outbox.entries.get(&key).and_then(|entry| entry.sealed.as_ref());
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
            Outcome::Refused(problem) => self.refused(key, sentence(&problem.detail), cx),
            Outcome::Unknown => self.attempt_failed(key.lane, answer, cx),
        }
        self.send_next(key.lane, cx);
    }

    /// "Retry": resumes all waiting messages of this conversation, in order.
    pub(crate) fn retry(&mut self, contact: ContactId, cx: &mut Context<'_>) {
        let lane = Lane::Contact(contact);
        for (key, entry) in self.outbox.entries.iter_mut() {
            if key.lane == lane && entry.refused.take().is_some() {
                cx.save(entry.record(*key));
            }
        }
        self.resume(|other| other == lane, cx);
    }

    /// Resumes the messages for this recipient at once.
    pub(crate) fn resume_contact(&mut self, contact: ContactId, cx: &mut Context<'_>) {
        self.resume(|lane| lane == Lane::Contact(contact), cx);
    }

    /// The connection is back. Resumes all waiting messages at once.
    pub(crate) fn resume_all(&mut self, cx: &mut Context<'_>) {
        self.resume(|_| true, cx);
    }

    /// "Delete": drops a message, unless it is in flight.
    pub(crate) fn delete(&mut self, contact: ContactId, order: u64, cx: &mut Context<'_>) {
        let key = Key { lane: Lane::Contact(contact), contact, order };
        let refused = self.outbox.entries.get(&key).is_some_and(|entry| entry.refused.is_some());
        let failed = refused || self.outbox.trouble(key.lane).is_some();
        if !failed || self.outbox.in_flight(key) {
            return;
        }
        self.outbox.entries.remove(&key);
        self.conversation_mut(contact).remove_own(order);
        cx.delete(Kind::Outbox, key.record_id());
        cx.delete(Kind::Message, message_key(contact, order));
    }

    /// Handles the timer: resumes lanes whose delay is over, and reports long delays to the user.
    pub(crate) fn retry_due(&mut self, cx: &mut Context<'_>) {
        for attempts in self.outbox.attempts.values_mut() {
            attempts.retry_at = attempts.retry_at.filter(|at| *at > cx.now);
            if attempts.trouble_at().is_some_and(|at| at <= cx.now) {
                attempts.trouble = Some("The server has not answered yet. Trying again.".to_owned());
            }
        }
        self.send_queued(cx);
    }

    /// Reseals unacknowledged messages for a new key of the contact.
    pub(crate) fn forget_sealed(&mut self, contact: ContactId, cx: &mut Context<'_>) {
        let lane = Lane::Contact(contact);
        self.outbox.attempts.remove(&lane);
        cx.shared.requests.forget(|purpose| matches!(purpose, Purpose::Send(key) if key.lane == lane));
        for (key, entry) in self.outbox.entries.iter_mut() {
            if key.lane == lane && entry.sealed.take().is_some() {
                cx.save(entry.record(*key));
            }
        }
    }

    /// Reseals unacknowledged messages with a new key of the user's.
    pub(crate) fn forget_all_sealed(&mut self, cx: &mut Context<'_>) {
        self.outbox.attempts = SortedMap::default();
        cx.shared.requests.forget(|purpose| matches!(purpose, Purpose::Send(_)));
        for (key, entry) in self.outbox.entries.iter_mut() {
            if entry.sealed.take().is_some() {
                cx.save(entry.record(*key));
            }
        }
    }

    fn add_to_outbox(&mut self, key: Key, cx: &mut Context<'_>) {
        let entry = Entry::default();
        cx.save(entry.record(key));
        self.outbox.entries.insert(key, entry);
    }

    fn send_next(&mut self, lane: Lane, cx: &mut Context<'_>) {
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
                } else {
                    let request = self.signed(Method::Post, "/v1/messages".to_owned(), Some(body), cx);
                    cx.request(request, Purpose::Send(key));
                }
            } else {
                // The message is gone or cannot be sealed. Waiting would not change that.
                self.refused(key, "This message cannot be sent.".to_owned(), cx);
            }
        }
    }

    /// The next entry to send in this lane, if the lane is ready.
    fn next_in(&self, lane: Lane, cx: &Context<'_>) -> Option<Key> {
        let blocked = match lane {
            Lane::Contact(contact) => self.contacts.get(contact)?.stored.awaits_person(),
            Lane::Own => false,
        };
        if blocked || !self.outbox.is_free(lane, cx.now) {
            return None;
        }
        self.outbox.in_lane(lane).find(|(_, entry)| entry.refused.is_none()).map(|(key, _)| *key)
    }

    fn recipient(&self, key: Key) -> Option<String> {
        match key.lane {
            Lane::Contact(contact) => Some(self.contacts.get(contact)?.stored.handle.to_string()),
            Lane::Own => Some(self.handle.to_string()),
        }
    }

    /// The envelope of an entry. It is sealed on the first attempt, and stored before it is posted.
    fn sealed(&mut self, key: Key, cx: &mut Context<'_>) -> Option<String> {
        if let Some(sealed) = &self.outbox.entries.get(&key)?.sealed {
            return Some(sealed.clone());
        }
        let message = self.text_message(key)?;
        let (now, heads) = (cx.timestamp(), self.heads_for(key.contact));
        let contact = self.contacts.get_mut(key.contact)?;
        let sealed = match key.lane {
            Lane::Contact(_) => {
                let plaintext =
                    message.to_plaintext(&contact.stored.chain.next(&self.sync.installation), &heads);
                let sealed =
                    envelope::seal(&self.me, &contact.peer, &plaintext, now, &mut &mut *cx.rng).ok()?;
                contact.stored.chain.advance(sealed.hash);
                cx.save(contact.stored.record(key.contact));
                sealed
            }
            Lane::Own => {
                let chain = self.sync.own_chain.next(&self.sync.installation);
                let plaintext = message.to_own_copy(contact.stored.key.primary(), &chain, &heads);
                let sealed =
                    envelope::seal(&self.me, &self.myself, &plaintext, now, &mut &mut *cx.rng).ok()?;
                self.sync.own_chain.advance(sealed.hash);
                cx.save(self.sync.record());
                sealed
            }
        };
        let entry = self.outbox.entries.get_mut(&key)?;
        entry.sealed = Some(sealed.json.clone());
        cx.save(entry.record(key));
        Some(sealed.json)
    }

    fn text_message(&self, key: Key) -> Option<TextMessage> {
        let message = self.conversations.get(&key.contact)?.get(key.order)?;
        let MessageBody::Text { text } = &message.body else { return None };
        let sent_at = Timestamp::from_unix(message.sent_at);
        Some(TextMessage { id: message.id.clone()?, text: text.clone(), sent_at })
    }

    fn delivered(&mut self, key: Key, cx: &mut Context<'_>) {
        self.outbox.attempts.remove(&key.lane);
        if self.outbox.entries.remove(&key).is_none() {
            return;
        }
        cx.delete(Kind::Outbox, key.record_id());
        if key.lane != Lane::Own {
            self.add_to_outbox(Key { lane: Lane::Own, ..key }, cx);
            self.send_next(Lane::Own, cx);
        }
    }

    fn refused(&mut self, key: Key, reason: String, cx: &mut Context<'_>) {
        self.outbox.attempts.remove(&key.lane);
        if key.lane == Lane::Own {
            self.outbox.entries.remove(&key);
            cx.delete(Kind::Outbox, key.record_id());
        } else {
            self.outbox.refuse(key, reason, cx);
        }
    }

    fn attempt_failed(&mut self, lane: Lane, answer: &Answer, cx: &mut Context<'_>) {
        let code = answer.as_ref().ok().and_then(problem).map(|problem| problem.code);
        let is_full = code == Some(ProblemCode::InboxFull);
        let attempts = self.outbox.attempts.get_or_default(lane);
        let asked = retry_after(answer).or(is_full.then_some(FULL_INBOX));
        let wait = attempts.backoff.next_after(asked, cx.rng);
        if is_full && lane == Lane::Own {
            // It is the user's own inbox.
            attempts.retry_at = Some(cx.now.saturating_add(wait));
            return self.ask_status(cx);
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
                (_, true) => "Their inbox is full. It is tried again now and then.".to_owned(),
                (Err(_), _) => "The server could not be reached. Trying again.".to_owned(),
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
