//! How the client reads the inbox: on hints from NATS where available (see `nats`), else through the live stream, and
//! by polling while the stream is down. All paths end in [`Session::receive`].

use kez_core::api::{CLOSE_UNAUTHORIZED, InboxPage, LiveFrame, LiveHello, MAX_PAGE_ITEMS, live_target};
use kez_core::caller_auth::{self, CallerRequest};
use kez_core::inbox_auth;

use crate::catch_up::CatchUp;
use crate::inbox::Received;
use crate::kernel::answer::{Answer, retry_after};
use crate::kernel::backoff::{Backoff, around};
use crate::kernel::context::Context;
use crate::kernel::effect::{Effect, HttpRequest, Method};
use crate::kernel::event::LiveEvent;
use crate::kernel::reason::Reason;
use crate::kernel::requests::Purpose;
use crate::session::Session;
use crate::view::Connection;

const POLL_INTERVAL: u64 = 5_000;
/// How often the inbox is polled while hints arrive, since hints can be lost.
const HINTED_INTERVAL: u64 = 30_000;
/// How long after the last frame of the live stream the inbox is polled. A stream may be dead for long before the
/// browser notices.
const WATCH_INTERVAL: u64 = 120_000;
const FIRST_WAIT: u64 = 1_000;
const LONGEST_WAIT: u64 = 30_000;
/// A stream that lived this long, in milliseconds, was healthy: the next attempt waits only briefly.
const GOOD_LIFE: u64 = 5_000;
/// The number of refusals in a row after which the user is told.
const REFUSALS: u32 = 3;

/// The connection to the inbox.
pub(crate) struct Link {
    live: Live,
    backoff: Backoff,
    poll_at: Option<u64>,
    /// The connection state shown on screen.
    pub(crate) state: Connection,
    /// Progress through a long backlog.
    pub(crate) catch_up: CatchUp,
    /// Whether the connection was lost, so that its return is worth a notice.
    was_lost: bool,
    /// Whether reading is paused until the server has answered with the account's own chain.
    paused: bool,
    refusals: u32,
    /// A hint arrived while a page was in flight. The page may be older than the hint.
    look_again: bool,
    /// Whether the inbox has been read to its end since start-up.
    read_to_end: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Live {
    /// Not needed while hints arrive.
    Resting,
    /// Down, to be reopened at this time.
    Down(u64),
    Opening,
    /// Up since this time.
    Up(u64),
}

impl Default for Link {
    fn default() -> Self {
        Self {
            live: Live::Down(0),
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
            poll_at: None,
            state: Connection::Connecting,
            catch_up: CatchUp::default(),
            was_lost: false,
            paused: false,
            refusals: 0,
            look_again: false,
            read_to_end: false,
        }
    }
}

impl Link {
    /// Whether the inbox has been read to its end at least once since the account was opened.
    pub(crate) const fn was_read_to_its_end(&self) -> bool {
        self.read_to_end
    }

    /// When the next action is due.
    pub(crate) fn wake(&self) -> Option<u64> {
        let reopen = match self.live {
            Live::Down(at) => Some(at),
            Live::Resting | Live::Opening | Live::Up(_) => None,
        };
        [reopen, self.poll_at].into_iter().flatten().min().filter(|_| !self.paused)
    }
}

impl Session {
    /// Opens the live stream now, and polls soon unless it connects.
    pub(crate) fn connect(&mut self, cx: &mut Context<'_>) {
        self.poll_later(cx);
        if !self.nats.is_up() {
            self.open_live(cx);
        }
    }

    /// Handles the timer.
    pub(crate) fn connection_due(&mut self, cx: &mut Context<'_>) {
        if self.link.paused {
            return;
        }
        if matches!(self.link.live, Live::Down(at) if at <= cx.now) {
            self.open_live(cx);
        }
        if self.link.poll_at.is_some_and(|at| at <= cx.now) {
            self.poll(cx);
        }
    }

    /// Handles the browser's report about the network. The report is only a hint: when the browser reports no network,
    /// the client still tries at once, and again now and then.
    pub(crate) fn network_changed(&mut self, cx: &mut Context<'_>) {
        if cx.shared.offline {
            self.lost(Connection::Offline);
            self.poll(cx);
        } else {
            self.nats_network_changed(cx);
            self.link.state = Connection::Connecting;
            self.link.backoff.reset();
            self.link.paused = false;
            self.connect(cx);
            self.poll(cx);
            self.back_again(cx);
        }
    }

    /// Handles an event on the live stream.
    pub(crate) fn live(&mut self, event: &LiveEvent, cx: &mut Context<'_>) {
        match event {
            LiveEvent::Frame(text) => match serde_json::from_slice(text.as_bytes()) {
                Ok(frame) => self.frame(&frame, cx),
                // Treats garbage on the stream as a disconnect.
                Err(_) => self.reopen_later(cx),
            },
            LiveEvent::Closed { code } => self.closed(*code, cx),
        }
    }

    /// Handles the answer to a page request.
    pub(crate) fn page_answered(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        let page: Option<InboxPage> = match answer {
            Ok(response) if response.status == 200 => serde_json::from_slice(&response.body).ok(),
            _ => None,
        };
        let Some(page) = page else { return self.poll_failed(answer, cx) };
        let received = self.receive(&page.epoch, &page.items, Some(page.last), cx);
        if received == Received::Absurd {
            return self.poll_failed(answer, cx);
        }
        self.poll_later(cx);
        self.link.refusals = 0;
        self.reached(cx);
        match received {
            Received::All { advanced: true } => {
                // Items that the stream has not delivered.
                if matches!(self.link.live, Live::Up(_)) {
                    self.reopen_later(cx);
                }
                self.poll(cx);
            }
            Received::All { .. } if self.link.look_again => self.poll(cx),
            Received::All { .. } => self.read_to_the_end(cx),
            Received::Anew => self.inbox_begins_anew(cx),
            Received::Paused => self.pause(cx),
            Received::Absurd => {}
        }
    }

    /// Resumes reading once the server has answered with the account's own chain.
    pub(crate) fn resume_reading(&mut self, cx: &mut Context<'_>) {
        if self.link.paused && !self.awaits_own_chain() {
            self.link.paused = false;
            self.connect(cx);
            self.poll(cx);
        }
    }

    /// Hints have started, so nothing else is needed. Polls once for items from before the first hint.
    pub(crate) fn hints_begin(&mut self, cx: &mut Context<'_>) {
        self.link.live = Live::Resting;
        cx.push(Effect::CloseLive);
        self.look(cx);
    }

    /// Hints have stopped. The live stream is opened after a delay, and the inbox is polled until it is up.
    pub(crate) fn hints_end(&mut self, live_after: u64, cx: &mut Context<'_>) {
        self.link.live = Live::Down(cx.now.saturating_add(live_after));
        self.connection_due(cx);
        self.look(cx);
    }

    /// Polls the inbox now, and once more if a page is already in flight.
    pub(crate) fn look(&mut self, cx: &mut Context<'_>) {
        self.link.look_again = cx.shared.requests.awaits(&Purpose::Page);
        self.poll(cx);
    }

    fn frame(&mut self, frame: &LiveFrame, cx: &mut Context<'_>) {
        if !matches!(self.link.live, Live::Opening | Live::Up(_)) {
            return;
        }
        if self.link.live == Live::Opening {
            self.link.live = Live::Up(cx.now);
        }
        self.poll_later(cx);
        self.link.refusals = 0;
        let received = match frame {
            LiveFrame::Items { epoch, items } => self.receive(epoch, items, None, cx),
            LiveFrame::CaughtUp { epoch, .. } => self.receive(epoch, &[], None, cx),
        };
        if received == Received::Absurd {
            // Treats garbage on the stream as a disconnect.
            return self.reopen_later(cx);
        }
        self.reached(cx);
        match received {
            Received::All { .. } if matches!(frame, LiveFrame::CaughtUp { .. }) => self.read_to_the_end(cx),
            Received::All { .. } | Received::Absurd => {}
            Received::Anew => self.inbox_begins_anew(cx),
            Received::Paused => self.pause(cx),
        }
    }

    fn read_to_the_end(&mut self, cx: &mut Context<'_>) {
        self.link.catch_up.ended();
        if !std::mem::replace(&mut self.link.read_to_end, true) {
            self.tend_own_chain(cx);
        }
    }

    fn closed(&mut self, code: u16, cx: &mut Context<'_>) {
        if matches!(self.link.live, Live::Resting | Live::Down(_)) {
            return;
        }
        if code == CLOSE_UNAUTHORIZED {
            self.signature_refused(cx);
        }
        let was_up = matches!(self.link.live, Live::Up(_));
        self.down(cx);
        if was_up {
            self.lost(Connection::Connecting);
        }
        if was_up || self.link.state == Connection::Connecting {
            self.poll(cx);
        }
    }

    /// The live stream is down. Reopens it after a growing delay.
    fn down(&mut self, cx: &mut Context<'_>) {
        if self.nats.is_up() {
            self.link.live = Live::Resting;
            self.link.poll_at = Some(cx.now.saturating_add(self.link.backoff.next(cx.rng)));
            return;
        }
        if matches!(self.link.live, Live::Up(since) if cx.now.saturating_sub(since) >= GOOD_LIFE) {
            self.link.backoff.reset();
        }
        let wait = self.link.backoff.next(cx.rng);
        self.link.live = Live::Down(cx.now.saturating_add(wait));
        if self.link.poll_at.is_none() {
            self.poll_later(cx);
        }
    }

    fn reopen_later(&mut self, cx: &mut Context<'_>) {
        cx.push(Effect::CloseLive);
        self.down(cx);
    }

    /// The relay's database changed under the stream. Answers in flight follow the old cursor and would leave a gap.
    pub(crate) fn inbox_begins_anew(&mut self, cx: &mut Context<'_>) {
        cx.shared.requests.forget(|purpose| *purpose == Purpose::Page);
        self.reopen_later(cx);
        if !self.nats.is_up() {
            self.poll_later(cx);
        }
    }

    fn pause(&mut self, cx: &mut Context<'_>) {
        cx.shared.requests.forget(|purpose| *purpose == Purpose::Page);
        cx.push(Effect::CloseLive);
        self.link.live = if self.nats.is_up() { Live::Resting } else { Live::Down(cx.now) };
        self.link.paused = true;
    }

    fn open_live(&mut self, cx: &mut Context<'_>) {
        let since = self.sync.cursor;
        let target = live_target(&self.handle, since);
        let request = CallerRequest { server: &self.server, method: "GET", target: &target, body: &[] };
        let auth = caller_auth::header(&self.me, &self.handle, &request, cx.server_time(), &mut &mut *cx.rng);
        let Ok(hello) = serde_json::to_string(&LiveHello { since, auth }) else { return };
        self.link.live = Live::Opening;
        cx.push(Effect::OpenLive { path: format!("/v1/inbox/{}/live", self.handle), hello });
    }

    fn poll(&mut self, cx: &mut Context<'_>) {
        // Whatever the result, the answer to the page sets the time of the next poll.
        self.link.poll_at = None;
        if self.link.paused || cx.shared.requests.awaits(&Purpose::Page) {
            return;
        }
        self.link.look_again = false;
        let since = self.sync.cursor;
        let target = format!("/v1/inbox/{}?since={since}&limit={MAX_PAGE_ITEMS}", self.handle);
        let auth = inbox_auth::header(&self.me, &self.handle, since, cx.server_time());
        let request = HttpRequest { method: Method::Get, target, auth: Some(auth), invite: None, body: None };
        cx.request(request, Purpose::Page);
    }

    fn poll_later(&mut self, cx: &mut Context<'_>) {
        let interval = match self.link.live {
            Live::Up(_) => WATCH_INTERVAL,
            _ if self.nats.is_up() => HINTED_INTERVAL,
            _ if cx.shared.offline => LONGEST_WAIT,
            _ => POLL_INTERVAL,
        };
        self.link.poll_at = Some(cx.now.saturating_add(around(interval, cx.rng)));
    }

    fn poll_failed(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        self.poll_later(cx);
        if let Some(asked) = retry_after(answer) {
            let asked = asked.saturating_mul(1000).min(300_000);
            self.link.poll_at = self.link.poll_at.map(|at| at.max(cx.now.saturating_add(asked)));
        }
        if matches!(answer, Ok(response) if response.status == 401) {
            self.signature_refused(cx);
        }
        if cx.shared.offline && answer.is_err() && matches!(self.link.live, Live::Up(_)) {
            self.reopen_later(cx);
        }
        if !matches!(self.link.live, Live::Up(_)) {
            self.lost(Connection::Offline);
        }
    }

    /// The server rejected the signature. The answer may have just corrected our clock, so the client retries once
    /// immediately.
    fn signature_refused(&mut self, cx: &mut Context<'_>) {
        self.link.refusals = self.link.refusals.saturating_add(1);
        match self.link.refusals {
            1 => self.poll(cx),
            REFUSALS.. => self.warn_about_clock(cx),
            _ => {}
        }
    }

    /// Another browser may have replaced the key. The chain shows that, and then the clock is not to blame.
    fn warn_about_clock(&mut self, cx: &mut Context<'_>) {
        if self.key_was_replaced() {
            return;
        }
        self.suspect_replaced_key(cx);
        cx.warn(Reason::SignatureRefused);
    }

    fn lost(&mut self, state: Connection) {
        self.link.catch_up.interrupted();
        self.link.state = state;
        self.link.was_lost = true;
    }

    fn reached(&mut self, cx: &mut Context<'_>) {
        self.link.state = Connection::Online;
        if std::mem::take(&mut self.link.was_lost) {
            self.back_again(cx);
        }
    }

    fn back_again(&mut self, cx: &mut Context<'_>) {
        // The live stream does not report how large the backlog is.
        self.ask_status(cx);
        self.resume_all(cx);
        self.ask_again(cx);
        self.tell_again(cx);
    }
}
