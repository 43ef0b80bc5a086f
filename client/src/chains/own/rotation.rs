//! Changing the key: the announced phrase takes over.
//!
//! The steps, each stored before the next: `rotate_primary` is appended to the chain; the server accepts the handle's
//! new registration, which switches lookup, inbox and authentication at once; this client switches. After a crash, the
//! change resumes where it stopped, and the old key works until the server has switched.

use kez_core::api::{MessageStored, Receipt, SendMessage};
use kez_core::identity::{Peer, SecretIdentity, Seed};
use kez_core::recovery_phrase;
use kez_core::registration::HandleRegistration;
use kez_core::sigchain::{Body, Hash};
use serde_json::value::RawValue;

use super::{KeyChange, OwnChain};
use crate::account::LONGEST_CLAIM_AGE;
use crate::chains::facts::Facts;
use crate::chains::{ChangedKey, OwnNews};
use crate::kernel::answer::{Answer, Outcome, body, outcome};
use crate::kernel::context::Context;
use crate::kernel::effect::Method;
use crate::kernel::event::HttpResponse;
use crate::kernel::lookup::{self, Proof};
use crate::kernel::reason::Reason;
use crate::kernel::requests::Purpose;
use crate::kernel::secret::Secret;
use crate::kernel::seed::StoredSeed;

impl OwnChain {
    /// "Change key" with the announced phrase; or, after another browser has changed the key, with the phrase of the
    /// current key.
    pub(crate) fn change_key(&mut self, phrase: &Secret, facts: Facts<'_>, cx: &mut Context<'_>) {
        if self.is_changing() {
            self.try_at = None;
            return self.advance(facts, cx);
        }
        let outcome = self.begin_change(phrase, facts, cx);
        self.error = outcome.err();
    }

    fn begin_change(
        &mut self,
        phrase: &Secret,
        facts: Facts<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Reason> {
        let seed = recovery_phrase::parse(phrase.expose()).map_err(Reason::InvalidPhrase)?;
        let new = SecretIdentity::from_seed(seed);
        let (chain, replaced) = (self.chain(), self.has_replaced(&facts.me.key.public().primary()));
        if self.stored.pending.is_some() || chain.length() == 0 {
            return Err(Reason::ChainPending);
        }
        let (seed, now) = (StoredSeed(new.seed().clone()), cx.timestamp());
        let change = |next_seed| KeyChange { seed, next_seed, registration: None, signed_at: 0 };
        if replaced && chain.primary() == new.public().primary() {
            self.stored.change = Some(change(None));
        } else if chain.next() == Some(Hash::of_key(&new.public())) && !replaced {
            let next = Seed::random(&mut &mut *cx.rng);
            let next_key = SecretIdentity::from_seed(next.clone()).public();
            let rotate = Body::RotatePrimary { primary: new.public(), next: Hash::of_key(&next_key) };
            let link = chain.draft(rotate, now).sign(&new).map_err(|_| Reason::ChainMoved)?;
            self.stored.pending = Some(link.json().to_owned());
            self.stored.change = Some(change(Some(StoredSeed(next))));
        } else {
            return Err(Reason::NotRotationPhrase);
        }
        self.try_at = None;
        self.save(cx);
        self.advance(facts, cx);
        Ok(())
    }

    /// The link that changes the key, after another link took its place. `None` if no key is being changed, or if the chain
    /// no longer announces the new one.
    pub(super) fn rotate_again(&self, cx: &Context<'_>) -> Option<String> {
        let change = self.stored.change.as_ref()?;
        let (new, next) = (&change.seed.0, &change.next_seed.as_ref()?.0);
        let [new, next] = [new, next].map(|seed| SecretIdentity::from_seed(seed.clone()));
        if self.chain().next() != Some(Hash::of_key(&new.public())) {
            return None;
        }
        let rotate = Body::RotatePrimary { primary: new.public(), next: Hash::of_key(&next.public()) };
        let link = self.chain().draft(rotate, cx.timestamp()).sign(&new).ok()?;
        Some(link.json().to_owned())
    }

    /// Claims the handle for the new key. The claim's bytes stay the same until the server answers or they are too old.
    pub(super) fn register_changed_key(&mut self, facts: Facts<'_>, cx: &mut Context<'_>) {
        let (now, wall) = (cx.server_time(), cx.wall());
        let Some(change) = &mut self.stored.change else { return };
        if change.registration.is_none() || wall.abs_diff(change.signed_at) > LONGEST_CLAIM_AGE {
            let new = SecretIdentity::from_seed(change.seed.0.clone());
            let signed = HandleRegistration::sign(&new, &facts.me.handle, &facts.me.server, now);
            change.registration = signed.and_then(|signed| signed.to_json()).ok();
            change.signed_at = wall;
            self.save(cx);
        }
        let change = self.stored.change.as_ref();
        if let Some(body) = change.and_then(|change| change.registration.clone()) {
            cx.post("/v1/register", body, Purpose::RegisterChangedKey);
        }
    }

    /// Handles the server's answer to the new key.
    pub(super) fn on_changed_key(
        &mut self,
        answer: &Answer,
        facts: Facts<'_>,
        cx: &mut Context<'_>,
    ) -> OwnNews {
        let change = self.stored.change.as_ref();
        let key = change.map(|change| SecretIdentity::from_seed(change.seed.0.clone()).public());
        match outcome(answer, |response| {
            lookup::registered(response, &facts.me.server, &facts.me.handle, key)
        }) {
            Outcome::Done(()) => return self.finish_change(None, cx),
            // An earlier answer may have been lost, and the server may hold an earlier claim than this one.
            Outcome::Refused(problem) if problem.status == 409 => {
                self.error = Some(Reason::server(&problem.detail));
                if let Some(key) = key {
                    cx.get(format!("/v1/by-primary/{key}"), Purpose::ChangedRecord);
                }
            }
            Outcome::Refused(problem) => {
                self.error = Some(Reason::server(&problem.detail));
                self.sign_anew_later(answer, cx);
            }
            Outcome::Unknown => self.advance_later(answer, cx),
        }
        OwnNews::None
    }

    /// Handles the server's answer about the owner of the new key.
    pub(super) fn on_changed_record(
        &mut self,
        answer: &Answer,
        facts: Facts<'_>,
        cx: &mut Context<'_>,
    ) -> OwnNews {
        let Some(change) = &self.stored.change else { return OwnNews::None };
        let key = SecretIdentity::from_seed(change.seed.0.clone()).public().primary();
        match Proof::of_key(answer, &facts.me.server, key) {
            Proof::Proven(found) if found.handle == facts.me.handle => {
                return self.finish_change(Some(found.registration), cx);
            }
            _ => self.sign_anew_later(answer, cx),
        }
        OwnNews::None
    }

    fn sign_anew_later(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        if let Some(change) = &mut self.stored.change {
            change.registration = None;
        }
        self.advance_later(answer, cx);
    }

    /// The server has switched, and now this client does too. From here on only the account has the new key's seed, which is
    /// saved in the same event.
    fn finish_change(&mut self, registration: Option<String>, cx: &mut Context<'_>) -> OwnNews {
        let Some(change) = self.stored.change.take() else { return OwnNews::None };
        let key = SecretIdentity::from_seed(change.seed.0);
        let Ok(myself) = Peer::new(&key, key.public()) else { return OwnNews::None };
        self.stored.next_seed = change.next_seed;
        self.stored.watched.alarm = None;
        self.error = None;
        self.backoff.reset();
        self.save(cx);
        let registration = registration.or(change.registration);
        OwnNews::Key(Box::new(ChangedKey { key, myself, registration }))
    }

    /// Keeps the former key, sealed for the user's own inbox, until it is delivered there.
    pub(crate) fn keep_former_key(&mut self, envelope: String, cx: &mut Context<'_>) {
        self.stored.note = Some(envelope);
        self.save(cx);
    }

    pub(super) fn send_former_key(envelope: String, facts: Facts<'_>, cx: &mut Context<'_>) {
        let to = facts.me.handle.to_string();
        let body = RawValue::from_string(envelope)
            .and_then(|envelope| serde_json::to_string(&SendMessage { to, envelope }));
        if let Ok(body) = body {
            let request = facts.me.signed(Method::Post, "/v1/messages".to_owned(), Some(body), cx);
            cx.request(request, Purpose::KeepFormerKey);
        }
    }

    /// Handles the relay's answer to the former key.
    pub(super) fn on_former_key_kept(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        let note = self.stored.note.as_ref();
        let receipt = note.map(|note| Receipt::of(note.as_bytes()));
        let stored = |response: &HttpResponse| {
            let stored: MessageStored = body(response, &[200, 201])?;
            (Some(stored.receipt) == receipt).then_some(())
        };
        if outcome(answer, stored) == Outcome::Done(()) {
            self.stored.note = None;
            self.save(cx);
        } else {
            self.advance_later(answer, cx);
        }
    }
}
