//! What the user's own chain reports, and the work of the other parts that follows from it.

use kez_core::content::{Content, FormerKey, MessageId, What};
use kez_core::envelope;
use kez_core::identity::PublicIdentity;
use kez_core::message::plaintext;
use kez_core::sigchain::Heads;
use kez_core::time::Timestamp;

use crate::chains::{ChangedKey, OwnNews};
use crate::kernel::answer::Answer;
use crate::kernel::context::Context;
use crate::kernel::device::{OwnDevice, Standing};
use crate::kernel::me::AccountKey;
use crate::kernel::requests::Purpose;
use crate::link::Inbox;
use crate::session::Session;

impl Session {
    /// Performs the next step for the user's own chain, unless a request is in flight.
    pub(crate) fn advance_own_chain(&mut self, cx: &mut Context<'_>) {
        self.prepare_device(cx);
        let (chains, facts) = self.chains_with_facts();
        chains.own_mut().advance(facts, cx);
    }

    /// The MLS engine is loaded, or cannot be loaded.
    pub(crate) fn on_engine(&mut self, cx: &mut Context<'_>) {
        let (chains, facts) = self.chains_with_facts();
        chains.own_mut().on_engine(facts, cx);
    }

    /// This browser gets a key of its own: its first, or the successor of one whose time is over. Without the recovery words
    /// it could not certify another one.
    fn prepare_device(&mut self, cx: &mut Context<'_>) {
        let chain = self.chains.own().chain();
        let standing = self.me.device.as_ref().map(|device| device.standing(chain, cx.timestamp()));
        let has_words = self.me.key.secret().is_some();
        if has_words && matches!(standing, None | Some(Standing::Expired)) {
            let device = OwnDevice::random(cx.rng);
            cx.save(device.record());
            self.me.device = Some(device);
            self.packages.forget_all(cx);
        }
    }

    /// Whether another browser has removed this one from the account.
    pub(crate) fn was_removed(&self) -> bool {
        let chain = self.chains.own().chain();
        // The time does not matter: a device is revoked for ever.
        let standing = |device: &OwnDevice| device.standing(chain, Timestamp::from_unix(0));
        self.me.device.as_ref().is_some_and(|device| standing(device) == Standing::Removed)
    }

    /// The user signs out of this browser, so its device is removed from the account. If the server cannot be reached now,
    /// the device stays in the list.
    pub(crate) fn remove_own_device(&mut self, cx: &mut Context<'_>) {
        let (chains, facts) = self.chains_with_facts();
        chains.own().remove_own_device(facts, cx);
    }

    /// "Remove" beside a device in the settings.
    pub(crate) fn remove_device(&mut self, device: &str, cx: &mut Context<'_>) {
        let Ok(device) = device.parse() else { return };
        let (chains, facts) = self.chains_with_facts();
        chains.own_mut().remove_device(device, facts, cx);
    }

    /// Handles the answer to a request about the user's own chain.
    pub(crate) fn own_chain_answered(&mut self, purpose: &Purpose, answer: &Answer, cx: &mut Context<'_>) {
        let (chains, facts) = self.chains_with_facts();
        match chains.own_mut().on_answer(purpose, answer, facts, cx) {
            OwnNews::None => {}
            OwnNews::Links(foreign) => {
                self.judge_links(foreign, cx);
                self.follow_primary(cx);
                self.read_notes_again(cx);
            }
            OwnNews::Registration(registration) => {
                self.registration = Some(registration);
                self.save_account(cx);
            }
            OwnNews::Key(changed) => self.switch_key(*changed, cx),
        }
        self.advance_own_chain(cx);
        self.require_mls_of_all(cx);
        if *purpose == Purpose::OwnChain && answer.is_ok() {
            self.people_answered(&[self.my_root()], cx);
        }
    }

    /// Whether a restored browser still has to learn its former keys.
    pub(crate) const fn awaits_own_chain(&self) -> bool {
        self.restored && !self.chains.own().was_answered()
    }

    /// Whether another browser has changed the key, so that this browser's key can no longer be used.
    pub(crate) fn key_was_replaced(&self) -> bool {
        self.chains.own().has_replaced(&self.me.key.public().primary())
    }

    /// Another browser has changed the account's key. A browser without the recovery words goes on as its device.
    fn follow_primary(&mut self, cx: &mut Context<'_>) {
        let primary = self.chains.own().chain().primary();
        if let AccountKey::Public(key) = &mut self.me.key
            && key.primary() != primary
            && let Ok(new) = PublicIdentity::try_from(primary)
        {
            **key = new;
            self.save_account(cx);
        }
    }

    /// The server has switched to the new key. The former key is kept to open envelopes that were sealed for it.
    fn switch_key(&mut self, changed: ChangedKey, cx: &mut Context<'_>) {
        let ChangedKey { key, myself, registration } = changed;
        if let AccountKey::Secret(former) = std::mem::replace(&mut self.me.key, key.into()) {
            self.former.push(*former);
        }
        self.myself = Some(myself);
        self.registration = registration;
        self.contacts.agree_anew(&self.me.key);
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
        let (Some(former), Some(key), Some(myself)) =
            (self.former.last(), self.me.key.secret(), &self.myself)
        else {
            return;
        };
        let id = MessageId::ulid(cx.wall(), &mut &mut *cx.rng);
        let what = What::FormerKey(FormerKey { seed: former.seed().clone() });
        let chain = self.sync.own_chain.next(&self.sync.installation);
        let plaintext = plaintext(&Content { id, sent_at: None, what }, &chain, &Heads::new());
        let sealed = envelope::seal(key, myself, &plaintext, cx.timestamp(), &mut &mut *cx.rng);
        if let Ok(sealed) = sealed {
            self.sync.own_chain.advance(sealed.hash);
            cx.save(self.sync.record());
            self.chains.own_mut().keep_former_key(sealed.json, cx);
        }
    }
}
