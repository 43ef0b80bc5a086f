//! What still has to reach the relay: in order for each recipient, one request at a time, sealed once, and sent byte for
//! byte until the relay has it or refuses it.
//!
//! A message's copy to oneself is queued when the relay has the message, so that one's other browsers never show as sent
//! what was not.

use kez_core::api::SendMessage;
use kez_core::envelope;
use kez_core::message::TextMessage;
use kez_core::time::Timestamp;
use serde_json::value::RawValue;

use crate::contacts::ContactId;
use crate::context::Context;
use crate::conversation::message_key;
use crate::effect::Method;
use crate::queue::{Entry, Failure, Key, Lane};
use crate::record::Kind;
use crate::requests::{Answer, Purpose, may_succeed_later, refusal, retry_after};
use crate::session::Session;
use crate::sorted_map::SortedMap;
use crate::view::MessageBody;

/// How many attempts there are before a recipient's queue waits for the person or for the connection.
const ATTEMPTS: u32 = 4;

impl Session {
    /// Queues a message that is stored already.
    pub(crate) fn enqueue(&mut self, contact: ContactId, order: u64, cx: &mut Context<'_>) {
        self.add_to_outbox(Key { lane: Lane::Contact(contact), contact, order }, cx);
    }

    /// Starts what can be started in every lane.
    pub(crate) fn send_queued(&mut self, cx: &mut Context<'_>) {
        for lane in self.outbox.lanes() {
            self.send_next(lane, cx);
        }
    }

    /// The relay has answered, or not.
    pub(crate) fn send_answered(&mut self, key: Key, answer: &Answer, cx: &mut Context<'_>) {
        let attempts = self.outbox.attempts.get_or_default(key.lane);
        attempts.in_flight = None;
        match answer {
            Ok(response) if matches!(response.status, 200 | 201) => self.delivered(key, cx),
            // This computer's clock may be wrong. Without a signature the message is a stranger's, and arrives.
            Ok(response) if response.status == 401 && !attempts.unsigned => attempts.unsigned = true,
            answer if may_succeed_later(answer) => self.attempt_failed(key.lane, answer, cx),
            Ok(response) => self.refused(key, refusal(response), cx),
            Err(_) => self.attempt_failed(key.lane, answer, cx),
        }
        self.send_next(key.lane, cx);
    }

    /// "Retry": everything that waits in this conversation goes on, in order.
    pub(crate) fn retry(&mut self, contact: ContactId, cx: &mut Context<'_>) {
        self.resume(|lane, _| lane == Lane::Contact(contact), cx);
    }

    /// Goes on with what this recipient's relay could not be reached for.
    pub(crate) fn resume_contact(&mut self, contact: ContactId, cx: &mut Context<'_>) {
        self.resume(|lane, failure| lane == Lane::Contact(contact) && !failure.refused, cx);
    }

    /// The connection is back: everything that failed for the lack of it goes on.
    pub(crate) fn resume_all(&mut self, cx: &mut Context<'_>) {
        for attempts in self.outbox.attempts.values_mut() {
            attempts.retry_at = None;
            attempts.backoff.reset();
        }
        self.resume(|_, failure| !failure.refused, cx);
    }

    /// "Delete": gives up a message, unless it is on its way at this moment.
    pub(crate) fn delete(&mut self, contact: ContactId, order: u64, cx: &mut Context<'_>) {
        let key = Key { lane: Lane::Contact(contact), contact, order };
        let failed = self.outbox.entries.get(&key).is_some_and(|entry| entry.failure.is_some());
        if !failed || self.outbox.in_flight(key) {
            return;
        }
        self.outbox.entries.remove(&key);
        self.conversation_mut(contact).remove_own(order);
        cx.delete(Kind::Outbox, key.record_id());
        cx.delete(Kind::Message, message_key(contact, order));
    }

    /// Time has passed: lanes whose waiting time is over go on.
    pub(crate) fn retry_due(&mut self, cx: &mut Context<'_>) {
        for attempts in self.outbox.attempts.values_mut() {
            attempts.retry_at = attempts.retry_at.filter(|at| *at > cx.now);
        }
        self.send_queued(cx);
    }

    /// Seals anew, for a new key, what has not been acknowledged.
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

    /// Seals anew, with a new key of one's own, what has not been acknowledged.
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
                if attempts.unsigned {
                    cx.post("/v1/messages", body, Purpose::Send(key));
                } else {
                    let request = self.signed(Method::Post, "/v1/messages".to_owned(), Some(body), cx);
                    cx.request(request, Purpose::Send(key));
                }
            } else {
                // The message is gone or cannot be sealed: nothing that time would change.
                self.refused(key, "This message cannot be sent.".to_owned(), cx);
            }
        }
    }

    /// The entry to send now in this lane, if it is free and allowed to go on.
    fn next_in(&self, lane: Lane, cx: &Context<'_>) -> Option<Key> {
        let blocked = match lane {
            Lane::Contact(contact) => self.contacts.get(contact)?.stored.awaits_person(),
            Lane::Own => false,
        };
        if blocked || cx.shared.offline || !self.outbox.is_free(lane, cx.now) {
            return None;
        }
        self.outbox.in_lane(lane).find(|(_, entry)| entry.failure.is_none()).map(|(key, _)| *key)
    }

    fn recipient(&self, key: Key) -> Option<String> {
        match key.lane {
            Lane::Contact(contact) => Some(self.contacts.get(contact)?.stored.handle.to_string()),
            Lane::Own => Some(self.handle.to_string()),
        }
    }

    /// The envelope of an entry; sealed now when this is the first attempt, and written before it is posted.
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
            self.outbox.fail(key, Failure { reason, refused: true }, cx);
        }
    }

    fn attempt_failed(&mut self, lane: Lane, answer: &Answer, cx: &mut Context<'_>) {
        let attempts = self.outbox.attempts.get_or_default(lane);
        if cx.shared.offline {
            return;
        }
        let wait = attempts.backoff.next_after(retry_after(answer), cx.rng);
        attempts.retry_at = Some(cx.now.saturating_add(wait));
        if lane == Lane::Own || attempts.backoff.attempts() < ATTEMPTS {
            return;
        }
        self.outbox.attempts.remove(&lane);
        let reason = match answer {
            Err(_) => "The server could not be reached.".to_owned(),
            Ok(response) => refusal(response),
        };
        let waiting: Vec<Key> = self.outbox.in_lane(lane).map(|(key, _)| *key).collect();
        for key in waiting {
            self.outbox.fail(key, Failure { reason: reason.clone(), refused: false }, cx);
        }
    }

    fn resume(&mut self, which: impl Fn(Lane, &Failure) -> bool, cx: &mut Context<'_>) {
        for (key, entry) in self.outbox.entries.iter_mut() {
            if entry.failure.as_ref().is_some_and(|failure| which(key.lane, failure)) {
                entry.failure = None;
                cx.save(entry.record(*key));
            }
        }
        self.send_queued(cx);
    }
}
