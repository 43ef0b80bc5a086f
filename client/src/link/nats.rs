//! Hints from NATS, if the server offers it. While hints arrive, the live stream is closed, and the inbox is polled on
//! each hint and every 30 s regardless. Until hints arrive, and after they stop, the client uses the live stream and
//! polling.

use kez_core::identity::SecretIdentity;
use kez_core::nats_binding::{self, NatsBinding, subscription};
use kez_core::problem::ProblemCode;
use kez_core::time::Timestamp;

use super::nkey::{LIFETIME, StoredNkey};
use crate::kernel::answer::{Answer, Outcome, no_content, outcome, retry_after};
use crate::kernel::backoff::Backoff;
use crate::kernel::config;
use crate::kernel::context::Context;
use crate::kernel::effect::{Effect, Method};
use crate::kernel::event::NatsEvent;
use crate::kernel::event::StorageFault;
use crate::kernel::me::Me;
use crate::kernel::record::{Kind, Record};
use crate::kernel::requests::Purpose;
use crate::kernel::signer::Signer;

const FIRST_WAIT: u64 = 1_000;
const LONGEST_WAIT: u64 = 60_000;
/// The pause, in milliseconds, before asking a server again that has refused, or that has no NATS.
const REST: u64 = 60 * 60 * 1_000;
/// The number of failures in a row after which the nkey is bound again.
const DOUBT_AFTER: u32 = 3;
/// A connection that lived this long, in milliseconds, was healthy.
const GOOD_LIFE: u64 = 5_000;
/// How long, in milliseconds, the live stream waits for a healthy connection to return. Brokers close each connection
/// after 15 minutes.
const BACK_SOON: u64 = 3_000;

/// The connection to NATS.
pub(super) struct Nats {
    stage: Stage,
    /// The broker's URL, once the server has given it.
    url: Option<String>,
    nkey: Option<StoredNkey>,
    backoff: Backoff,
}

/// What an event means for reading the inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hints {
    Nothing,
    /// Hints arrive from now on.
    Begin,
    /// The inbox has something new.
    Hint,
    /// No more hints arrive. They may return within this time, in milliseconds.
    End {
        live_after: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Idle; the next step is due at this time.
    Idle(u64),
    /// Waiting for an answer of the server: its configuration, or the result of a binding.
    Asking,
    Connecting,
    /// Connected since this time; hints arrive.
    Up(u64),
}

impl Default for Nats {
    fn default() -> Self {
        Self { stage: Stage::Asking, url: None, nkey: None, backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT) }
    }
}

impl Nats {
    /// Loads this browser's nkey.
    ///
    /// # Errors
    /// [`StorageFault`] when the record cannot be read.
    pub(super) fn load(&mut self, record: &Record) -> Result<(), StorageFault> {
        self.nkey = Some(record.read()?);
        Ok(())
    }

    /// Whether hints arrive.
    pub(super) const fn is_up(&self) -> bool {
        matches!(self.stage, Stage::Up(_))
    }

    /// When the next step is due.
    pub(super) const fn wake(&self) -> Option<u64> {
        match self.stage {
            Stage::Idle(at) => Some(at),
            _ => None,
        }
    }
}

impl Nats {
    /// Handles the timer: takes the next step towards hints, if it is due.
    pub(super) fn on_tick(&mut self, me: &Me, cx: &mut Context<'_>) {
        if !matches!(self.stage, Stage::Idle(at) if at <= cx.now) {
            return;
        }
        let Some(key) = me.key.secret() else {
            // Only the account's key binds an nkey.
            self.stage = Stage::Asking;
            return;
        };
        let Some(url) = self.url.clone() else {
            self.stage = Stage::Asking;
            return config::ask_now(cx);
        };
        let nkey = self.own_nkey(cx);
        let Ok(signer) = nkey.signer() else { return self.suspend(cx) };
        if nkey.is_bound(cx.wall() / 1000) {
            self.stage = Stage::Connecting;
            cx.push(Effect::OpenNats { url, subject: subscription(&key.public().primary()), signer });
        } else {
            self.bind(&signer, key, me, cx);
        }
    }

    /// The browser reports that the network is back. An earlier connection may be dead.
    pub(super) fn on_network(&mut self, me: &Me, cx: &mut Context<'_>) {
        self.stage = Stage::Idle(cx.now);
        cx.shared.requests.forget(|purpose| matches!(purpose, Purpose::Binding { .. }));
        self.backoff.reset();
        self.on_tick(me, cx);
    }

    /// A new key holds the account. It has another inbox subject, and the old key's binding is void.
    pub(super) fn on_key_change(&mut self, cx: &mut Context<'_>) {
        if let Some(nkey) = &mut self.nkey {
            nkey.bound_until = 0;
            cx.save(nkey.record());
        }
        cx.push(Effect::CloseNats);
        cx.shared.requests.forget(|purpose| matches!(purpose, Purpose::Binding { .. }));
        self.stage = Stage::Idle(cx.now);
    }

    /// Handles an event on the NATS connection.
    pub(super) fn on_event(&mut self, event: NatsEvent, cx: &mut Context<'_>) -> Hints {
        match (event, self.stage) {
            (NatsEvent::Up, Stage::Connecting) => {
                self.stage = Stage::Up(cx.now);
                return Hints::Begin;
            }
            (NatsEvent::Hint, Stage::Up(_)) => return Hints::Hint,
            (NatsEvent::Closed, Stage::Connecting) => {
                // The server may have lost the binding.
                if let Some(nkey) = &mut self.nkey
                    && self.backoff.attempts() == DOUBT_AFTER
                {
                    nkey.bound_until = 0;
                }
                self.retry_later(None, cx);
            }
            (NatsEvent::Closed, Stage::Up(since)) => {
                let good = cx.now.saturating_sub(since) >= GOOD_LIFE;
                if good {
                    self.backoff.reset();
                }
                self.retry_later(None, cx);
                return Hints::End { live_after: if good { BACK_SOON } else { 0 } };
            }
            (NatsEvent::StrangeNonce, Stage::Connecting) => {
                cx.push(Effect::CloseNats);
                self.suspend(cx);
            }
            _ => {}
        }
        Hints::Nothing
    }

    /// The server has sent its configuration, with the broker's URL if it has one.
    pub(super) fn on_broker(&mut self, url: Option<&str>, me: &Me, cx: &mut Context<'_>) {
        if self.url.is_some() || self.stage != Stage::Asking {
            return;
        }
        match url {
            None => self.suspend(cx),
            Some(url) => {
                self.url = Some(url.to_owned());
                self.proceed(me, cx);
            }
        }
    }

    /// Handles the answer to a binding.
    pub(super) fn on_binding(&mut self, until: u64, answer: &Answer, me: &Me, cx: &mut Context<'_>) {
        match outcome(answer, no_content) {
            Outcome::Done(()) => {
                if let Some(nkey) = &mut self.nkey {
                    nkey.bound_until = until;
                    cx.save(nkey.record());
                }
                self.proceed(me, cx);
            }
            Outcome::Refused(problem)
                if matches!(problem.code, ProblemCode::NkeyRemoved | ProblemCode::NkeyTaken) =>
            {
                // This nkey will never be accepted; the next attempt generates another.
                self.nkey = None;
                cx.delete(Kind::Nkey, "nkey");
                self.retry_later(None, cx);
            }
            Outcome::Refused(_) => self.suspend(cx),
            Outcome::Unknown => self.retry_later(retry_after(answer), cx),
        }
    }

    fn own_nkey(&mut self, cx: &mut Context<'_>) -> StoredNkey {
        let made = self.nkey.get_or_insert_with(|| {
            let nkey = StoredNkey::random(cx.rng);
            cx.save(nkey.record());
            nkey
        });
        made.clone()
    }

    fn bind(&mut self, signer: &Signer, key: &SecretIdentity, me: &Me, cx: &mut Context<'_>) {
        let now = cx.server_time();
        let until = now.unix() + LIFETIME;
        let expires_at = Timestamp::from_unix(until);
        let signed = NatsBinding::sign(key, signer.public(), &me.server, now, expires_at);
        let Ok(body) = signed.and_then(|signed| signed.to_json()) else { return self.suspend(cx) };
        self.stage = Stage::Asking;
        let request = me.signed(Method::Put, nats_binding::target(&me.handle), Some(body), cx);
        cx.request(request, Purpose::Binding { until });
    }

    fn proceed(&mut self, me: &Me, cx: &mut Context<'_>) {
        self.stage = Stage::Idle(cx.now);
        self.on_tick(me, cx);
    }

    fn retry_later(&mut self, retry_after: Option<u64>, cx: &mut Context<'_>) {
        let wait = self.backoff.next_after(retry_after, cx.rng);
        self.stage = Stage::Idle(cx.now.saturating_add(wait));
    }

    /// The server has no NATS, or refuses this client there. Tries again after an hour: the server may have changed.
    fn suspend(&mut self, cx: &Context<'_>) {
        self.url = None;
        self.stage = Stage::Idle(cx.now.saturating_add(REST));
    }
}
