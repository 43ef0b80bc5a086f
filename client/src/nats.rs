//! Hints from NATS, if the server offers it. While hints arrive, the live stream is closed, and the inbox is polled on
//! each hint and every 30 s regardless. Until hints arrive, and after they stop, the client uses the live stream and
//! polling.

use kez_core::caller_auth::{self, CallerRequest};
use kez_core::nats_binding::{self, NatsBinding, subscription};
use kez_core::problem::ProblemCode;
use kez_core::time::Timestamp;

use crate::kernel::answer::{Answer, Outcome, no_content, outcome, retry_after};
use crate::kernel::backoff::Backoff;
use crate::kernel::config;
use crate::kernel::context::Context;
use crate::kernel::effect::{Effect, HttpRequest, Method};
use crate::kernel::event::NatsEvent;
use crate::kernel::record::Kind;
use crate::kernel::requests::Purpose;
use crate::kernel::signer::Signer;
use crate::nkey::{LIFETIME, StoredNkey};
use crate::session::Session;

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
pub(crate) struct Nats {
    stage: Stage,
    /// The broker's URL, once the server has given it.
    url: Option<String>,
    pub(crate) nkey: Option<StoredNkey>,
    backoff: Backoff,
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
    /// Whether hints arrive.
    pub(crate) const fn is_up(&self) -> bool {
        matches!(self.stage, Stage::Up(_))
    }

    /// When the next step is due.
    pub(crate) const fn wake(&self) -> Option<u64> {
        match self.stage {
            Stage::Idle(at) => Some(at),
            _ => None,
        }
    }
}

impl Session {
    /// Handles the timer: takes the next step towards hints, if it is due.
    pub(crate) fn nats_due(&mut self, cx: &mut Context<'_>) {
        if !matches!(self.nats.stage, Stage::Idle(at) if at <= cx.now) {
            return;
        }
        let Some(url) = self.nats.url.clone() else {
            self.nats.stage = Stage::Asking;
            return config::ask_now(cx);
        };
        let nkey = self.own_nkey(cx);
        let Ok(signer) = nkey.signer() else { return self.nats_rests(cx) };
        if nkey.is_bound(cx.wall() / 1000) {
            self.nats.stage = Stage::Connecting;
            cx.push(Effect::OpenNats { url, subject: subscription(&self.me.public().primary()), signer });
        } else {
            self.bind(&signer, cx);
        }
    }

    /// The browser reports that the network is back. An earlier connection may be dead.
    pub(crate) fn nats_network_changed(&mut self, cx: &mut Context<'_>) {
        self.nats.stage = Stage::Idle(cx.now);
        cx.shared.requests.forget(|purpose| matches!(purpose, Purpose::Binding { .. }));
        self.nats.backoff.reset();
        self.nats_due(cx);
    }

    /// A new key holds the account. It has another inbox subject, and the old key's binding is void.
    pub(crate) fn nats_key_changed(&mut self, cx: &mut Context<'_>) {
        if let Some(nkey) = &mut self.nats.nkey {
            nkey.bound_until = 0;
            cx.save(nkey.record());
        }
        cx.push(Effect::CloseNats);
        cx.shared.requests.forget(|purpose| matches!(purpose, Purpose::Binding { .. }));
        self.nats.stage = Stage::Idle(cx.now);
    }

    /// Handles an event on the NATS connection.
    pub(crate) fn nats(&mut self, event: NatsEvent, cx: &mut Context<'_>) {
        match (event, self.nats.stage) {
            (NatsEvent::Up, Stage::Connecting) => {
                self.nats.stage = Stage::Up(cx.now);
                self.hints_begin(cx);
            }
            (NatsEvent::Hint, Stage::Up(_)) => self.look(cx),
            (NatsEvent::Closed, Stage::Connecting) => {
                // The server may have lost the binding.
                if let Some(nkey) = &mut self.nats.nkey
                    && self.nats.backoff.attempts() == DOUBT_AFTER
                {
                    nkey.bound_until = 0;
                }
                self.nats_later(None, cx);
            }
            (NatsEvent::Closed, Stage::Up(since)) => {
                let good = cx.now.saturating_sub(since) >= GOOD_LIFE;
                if good {
                    self.nats.backoff.reset();
                }
                self.nats_later(None, cx);
                self.hints_end(if good { BACK_SOON } else { 0 }, cx);
            }
            (NatsEvent::StrangeNonce, Stage::Connecting) => {
                cx.push(Effect::CloseNats);
                self.nats_rests(cx);
            }
            _ => {}
        }
    }

    /// The server has sent its configuration, with the broker's URL if it has one.
    pub(crate) fn broker_at(&mut self, url: Option<&str>, cx: &mut Context<'_>) {
        if self.nats.url.is_some() || self.nats.stage != Stage::Asking {
            return;
        }
        match url {
            None => self.nats_rests(cx),
            Some(url) => {
                self.nats.url = Some(url.to_owned());
                self.nats_now(cx);
            }
        }
    }

    /// Handles the answer to a binding.
    pub(crate) fn binding_answered(&mut self, until: u64, answer: &Answer, cx: &mut Context<'_>) {
        match outcome(answer, no_content) {
            Outcome::Done(()) => {
                if let Some(nkey) = &mut self.nats.nkey {
                    nkey.bound_until = until;
                    cx.save(nkey.record());
                }
                self.nats_now(cx);
            }
            Outcome::Refused(problem)
                if matches!(problem.code, ProblemCode::NkeyRemoved | ProblemCode::NkeyTaken) =>
            {
                // This nkey will never be accepted; the next attempt generates another.
                self.nats.nkey = None;
                cx.delete(Kind::Nkey, "nkey");
                self.nats_later(None, cx);
            }
            Outcome::Refused(_) => self.nats_rests(cx),
            Outcome::Unknown => self.nats_later(retry_after(answer), cx),
        }
    }

    fn own_nkey(&mut self, cx: &mut Context<'_>) -> StoredNkey {
        let made = self.nats.nkey.get_or_insert_with(|| {
            let nkey = StoredNkey::random(cx.rng);
            cx.save(nkey.record());
            nkey
        });
        made.clone()
    }

    fn bind(&mut self, signer: &Signer, cx: &mut Context<'_>) {
        let now = cx.server_time();
        let until = now.unix() + LIFETIME;
        let expires_at = Timestamp::from_unix(until);
        let signed = NatsBinding::sign(&self.me, signer.public(), &self.server, now, expires_at);
        let Ok(body) = signed.and_then(|signed| signed.to_json()) else { return self.nats_rests(cx) };
        let target = nats_binding::target(&self.handle);
        let request =
            CallerRequest { server: &self.server, method: "PUT", target: &target, body: body.as_bytes() };
        let auth = caller_auth::header(&self.me, &self.handle, &request, now, &mut &mut *cx.rng);
        self.nats.stage = Stage::Asking;
        let request =
            HttpRequest { method: Method::Put, target, auth: Some(auth), invite: None, body: Some(body) };
        cx.request(request, Purpose::Binding { until });
    }

    fn nats_now(&mut self, cx: &mut Context<'_>) {
        self.nats.stage = Stage::Idle(cx.now);
        self.nats_due(cx);
    }

    fn nats_later(&mut self, retry_after: Option<u64>, cx: &mut Context<'_>) {
        let wait = self.nats.backoff.next_after(retry_after, cx.rng);
        self.nats.stage = Stage::Idle(cx.now.saturating_add(wait));
    }

    /// The server has no NATS, or refuses this client there. Tries again after an hour: the server may have changed.
    fn nats_rests(&mut self, cx: &Context<'_>) {
        self.nats.url = None;
        self.nats.stage = Stage::Idle(cx.now.saturating_add(REST));
    }
}
