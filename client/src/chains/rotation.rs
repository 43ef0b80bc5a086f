//! Changing the key: the announced phrase takes over.
//!
//! The steps, each stored before the next: `rotate_primary` is appended to the chain; the server accepts the handle's
//! new registration, which switches lookup, inbox and authentication at once; this client switches. After a crash, the
//! change resumes where it stopped, and the old key works until the server has switched.

use kez_core::api::{MessageStored, Receipt, SendMessage};
use kez_core::content::{Content, FormerKey, MessageId, What};
use kez_core::envelope;
use kez_core::identity::{Peer, SecretIdentity, Seed};
use kez_core::message::plaintext;
use kez_core::recovery_phrase;
use kez_core::registration::HandleRegistration;
use kez_core::sigchain::{Body, Hash, Heads};
use serde_json::value::RawValue;

use super::own::KeyChange;
use crate::account::{LONGEST_CLAIM_AGE, StoredSeed};
use crate::kernel::answer::{Answer, Outcome, body, outcome};
use crate::kernel::context::Context;
use crate::kernel::effect::Method;
use crate::kernel::event::HttpResponse;
use crate::kernel::lookup::{self, Proof};
use crate::kernel::reason::Reason;
use crate::kernel::requests::Purpose;
use crate::kernel::secret::Secret;
use crate::link::Inbox;
use crate::session::Session;

impl Session {
    /// "Change key" with the announced phrase; or, after another browser has changed the key, with the phrase of the
    /// current key.
    pub(crate) fn change_key(&mut self, phrase: &Secret, cx: &mut Context<'_>) {
        if self.chains.own.stored.change.is_some() {
            self.chains.own.try_at = None;
            return self.advance_own_chain(cx);
        }
        let outcome = self.begin_change(phrase, cx);
        self.chains.own.error = outcome.err();
    }

    fn begin_change(&mut self, phrase: &Secret, cx: &mut Context<'_>) -> Result<(), Reason> {
        let seed = recovery_phrase::parse(phrase.expose()).map_err(Reason::InvalidPhrase)?;
        let new = SecretIdentity::from_seed(seed);
        let chain = &self.chains.own.stored.watched.chain;
        if self.chains.own.stored.pending.is_some() || chain.length() == 0 {
            return Err(Reason::ChainPending);
        }
        let (seed, now) = (StoredSeed(new.seed().clone()), cx.timestamp());
        let change = |next_seed| KeyChange { seed, next_seed, registration: None, signed_at: 0 };
        if self.key_was_replaced() && chain.primary() == new.public().primary() {
            self.chains.own.stored.change = Some(change(None));
        } else if chain.next() == Some(Hash::of_key(&new.public())) && !self.key_was_replaced() {
            let next = Seed::random(&mut &mut *cx.rng);
            let next_key = SecretIdentity::from_seed(next.clone()).public();
            let rotate = Body::RotatePrimary { primary: new.public(), next: Hash::of_key(&next_key) };
            let link = chain.draft(rotate, now).sign(&new).map_err(|_| Reason::ChainMoved)?;
            self.chains.own.stored.pending = Some(link.json().to_owned());
            self.chains.own.stored.change = Some(change(Some(StoredSeed(next))));
        } else {
            return Err(Reason::NotRotationPhrase);
        }
        self.chains.own.try_at = None;
        self.save_own_chain(cx);
        self.advance_own_chain(cx);
        Ok(())
    }

    /// Claims the handle for the new key. The claim's bytes stay the same until the server answers or they are too old.
    pub(super) fn register_changed_key(&mut self, cx: &mut Context<'_>) {
        let (now, wall) = (cx.server_time(), cx.wall());
        let (handle, server) = (self.me.handle.clone(), self.me.server.clone());
        let Some(change) = &mut self.chains.own.stored.change else { return };
        if change.registration.is_none() || wall.abs_diff(change.signed_at) > LONGEST_CLAIM_AGE {
            let new = SecretIdentity::from_seed(change.seed.0.clone());
            let signed = HandleRegistration::sign(&new, &handle, &server, now);
            change.registration = signed.and_then(|signed| signed.to_json()).ok();
            change.signed_at = wall;
            self.save_own_chain(cx);
        }
        let change = self.chains.own.stored.change.as_ref();
        if let Some(body) = change.and_then(|change| change.registration.clone()) {
            cx.post("/v1/register", body, Purpose::RegisterChangedKey);
        }
    }

    /// Handles the server's answer to the new key.
    pub(crate) fn changed_key_answered(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        let change = self.chains.own.stored.change.as_ref();
        let key = change.map(|change| SecretIdentity::from_seed(change.seed.0.clone()).public());
        match outcome(answer, |response| lookup::registered(response, &self.me.server, &self.me.handle, key))
        {
            Outcome::Done(()) => self.finish_change(None, cx),
            // An earlier answer may have been lost, and the server may hold an earlier claim than this one.
            Outcome::Refused(problem) if problem.status == 409 => {
                self.chains.own.error = Some(Reason::server(&problem.detail));
                if let Some(key) = key {
                    cx.get(format!("/v1/by-primary/{key}"), Purpose::ChangedRecord);
                }
            }
            Outcome::Refused(problem) => {
                self.chains.own.error = Some(Reason::server(&problem.detail));
                self.sign_anew_later(answer, cx);
            }
            Outcome::Unknown => self.advance_later(answer, cx),
        }
        self.advance_own_chain(cx);
    }

    /// Handles the server's answer about the owner of the new key.
    pub(crate) fn changed_record_answered(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        let Some(change) = &self.chains.own.stored.change else { return };
        let key = SecretIdentity::from_seed(change.seed.0.clone()).public().primary();
        match Proof::of_key(answer, &self.me.server, key) {
            Proof::Proven(found) if found.handle == self.me.handle => {
                self.finish_change(Some(found.registration), cx);
            }
            _ => self.sign_anew_later(answer, cx),
        }
        self.advance_own_chain(cx);
    }

    fn sign_anew_later(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        if let Some(change) = &mut self.chains.own.stored.change {
            change.registration = None;
        }
        self.advance_later(answer, cx);
    }

    /// The server has switched, and now this client does too. The former key is kept to open envelopes that were sealed for it.
    fn finish_change(&mut self, registration: Option<String>, cx: &mut Context<'_>) {
        let Some(change) = self.chains.own.stored.change.take() else { return };
        let me = SecretIdentity::from_seed(change.seed.0);
        let Ok(myself) = Peer::new(&me, me.public()) else { return };
        self.former.push(std::mem::replace(&mut self.me.key, me));
        self.myself = myself;
        self.registration = registration.or(change.registration);
        self.contacts.agree_anew(&self.me.key);
        self.chains.own.stored.next_seed = change.next_seed;
        self.chains.own.stored.watched.alarm = None;
        self.chains.own.error = None;
        self.chains.own.backoff.reset();
        // The words of the new key are those that the user has just typed.
        self.phrase_confirmed = true;
        self.save_account(cx);
        self.seal_former_key(cx);
        self.forget_all_sealed(cx);
        self.link.on_key_change(Inbox { me: &self.me, cursor: self.sync.cursor }, cx);
        self.send_queued(cx);
    }

    /// Seals the replaced key for the user's own inbox, so that a browser restored with the new phrase finds it there.
    fn seal_former_key(&mut self, cx: &mut Context<'_>) {
        let Some(former) = self.former.last() else { return };
        let id = MessageId::ulid(cx.wall(), &mut &mut *cx.rng);
        let what = What::FormerKey(FormerKey { seed: former.seed().clone() });
        let chain = self.sync.own_chain.next(&self.sync.installation);
        let plaintext = plaintext(&Content { id, sent_at: None, what }, &chain, &Heads::new());
        let sealed =
            envelope::seal(&self.me.key, &self.myself, &plaintext, cx.timestamp(), &mut &mut *cx.rng);
        if let Ok(sealed) = sealed {
            self.sync.own_chain.advance(sealed.hash);
            cx.save(self.sync.record());
            self.chains.own.stored.note = Some(sealed.json);
        }
        self.save_own_chain(cx);
    }

    pub(super) fn send_former_key(&self, envelope: String, cx: &mut Context<'_>) {
        let to = self.me.handle.to_string();
        let body = RawValue::from_string(envelope)
            .and_then(|envelope| serde_json::to_string(&SendMessage { to, envelope }));
        if let Ok(body) = body {
            let request = self.me.signed(Method::Post, "/v1/messages".to_owned(), Some(body), cx);
            cx.request(request, Purpose::KeepFormerKey);
        }
    }

    /// Handles the relay's answer to the former key.
    pub(crate) fn former_key_kept(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        let note = self.chains.own.stored.note.as_ref();
        let receipt = note.map(|note| Receipt::of(note.as_bytes()));
        let stored = |response: &HttpResponse| {
            let stored: MessageStored = body(response, &[200, 201])?;
            (Some(stored.receipt) == receipt).then_some(())
        };
        if outcome(answer, stored) == Outcome::Done(()) {
            self.chains.own.stored.note = None;
            self.save_own_chain(cx);
        } else {
            self.advance_later(answer, cx);
        }
        self.advance_own_chain(cx);
    }
}
