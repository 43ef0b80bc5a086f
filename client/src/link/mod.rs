//! How the client reads the inbox: on hints from NATS where available (see [`nats`]), else through the live stream, and
//! by polling while the stream is down. All paths end in a [`Batch`]. Messages are sent on the stream too: see
//! [`sends`].

mod catch_up;
mod keeping;
mod nats;
mod nkey;
mod sends;

use std::collections::BTreeMap;

use kez_core::api::{
    CLOSE_UNAUTHORIZED, InboxItem, InboxPage, LiveFrame, LiveHello, MAX_PAGE_ITEMS, live_target,
};
use kez_core::inbox_auth;
use kez_core::mls::GroupId;

use crate::kernel::answer::{Answer, retry_after};
use crate::kernel::backoff::{Backoff, around};
use crate::kernel::context::Context;
use crate::kernel::effect::{Effect, HttpRequest, Method, RequestId};
use crate::kernel::event::{HttpResponse, LiveEvent, NatsEvent, StorageFault};
use crate::kernel::me::Me;
use crate::kernel::record::Record;
use crate::kernel::requests::Purpose;
use catch_up::CatchUp;
pub use catch_up::CatchingUp;
pub(crate) use keeping::{Acknowledged, Keeping, Stored};
pub use keeping::{InboxView, Room};
use nats::{Hints, Nats};
use sends::Sends;

const POLL_INTERVAL: u64 = 5_000;
/// How often the inbox is polled while hints arrive, since hints can be lost.
const HINTED_INTERVAL: u64 = 30_000;
/// How long after the last frame of the live stream the inbox is polled. A stream may be dead for a long time before
/// the browser notices.
const WATCH_INTERVAL: u64 = 120_000;
const FIRST_WAIT: u64 = 1_000;
const LONGEST_WAIT: u64 = 30_000;
/// A stream that lived this long, in milliseconds, was healthy: the next attempt waits only briefly.
const GOOD_LIFE: u64 = 5_000;
/// The number of refusals in a row after which the user is told.
const REFUSALS: u32 = 3;

/// The "Connection" indicator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Connection {
    /// Connecting or reconnecting.
    #[default]
    Connecting,
    /// Connected.
    Online,
    /// No network, or the server does not respond.
    Offline,
}

/// Whose inbox is read, and from which position.
#[derive(Clone, Copy)]
pub(crate) struct Inbox<'a> {
    pub(crate) me: &'a Me,
    pub(crate) cursor: u64,
}

/// Items of the inbox that have arrived, to be processed and answered with [`Link::on_received`].
pub(crate) struct Batch {
    pub(crate) epoch: String,
    pub(crate) items: Vec<InboxItem>,
    /// The highest position that the relay had assigned when it sent them, if it reports one.
    pub(crate) last: Option<u64>,
    /// The cursor of the request that they answer. Other requests may have moved the account's cursor since.
    pub(crate) since: u64,
    source: Source,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Page,
    Items,
    /// The stream has sent everything that was there when it was opened.
    CaughtUp,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// All items were processed.
    All {
        /// Whether the cursor moved.
        advanced: bool,
    },
    /// Reading restarts from another position: the relay has a new database, or its inbox never reached our cursor.
    Anew,
    /// The rest is requested again once the server has answered with the account's own chain.
    Paused,
    /// The next item needs a page of messages that is being loaded. Then the batch is processed again.
    Loading,
    /// The relay's positions are impossible. None of the batch was processed.
    Absurd,
}

/// What the other parts have to do.
#[derive(Default)]
#[must_use]
pub(crate) struct Outcome {
    /// Items to process.
    pub(crate) batch: Option<Batch>,
    /// The connection is back.
    pub(crate) reconnected: bool,
    /// The inbox was read to its end for the first time.
    pub(crate) read_to_end: bool,
    /// The server has rejected the signature.
    pub(crate) refused: bool,
    /// The server keeps rejecting the signature.
    pub(crate) signature_refused: bool,
    /// The account's own chain has this many links.
    pub(crate) own_chain: Option<u64>,
    /// Items of a group's log, with the epoch of the server's database.
    pub(crate) group: Option<(GroupId, String, Vec<InboxItem>)>,
    /// The inbox was polled: the groups are to be polled too.
    pub(crate) polled: bool,
}

/// The connection to the inbox.
pub(crate) struct Link {
    live: Live,
    sends: Sends,
    nats: Nats,
    backoff: Backoff,
    poll_at: Option<u64>,
    state: Connection,
    /// The cursor of the last page request.
    polled_since: u64,
    /// The cursor of the live stream.
    streamed_since: u64,
    /// Progress through a long backlog.
    catch_up: CatchUp,
    /// Whether the connection was lost, so that its return is worth a notice.
    was_lost: bool,
    /// Whether reading is paused until the server has answered with the account's own chain.
    paused: bool,
    refusals: u32,
    /// A hint arrived while a page was in flight. The page may be older than the hint.
    look_again: bool,
    /// Whether the inbox has been read to its end since start-up.
    read_to_end: bool,
    /// Whether the inbox is to be read to its end once more.
    once_more: bool,
    /// The groups, each with the position that its log was read to.
    groups: BTreeMap<GroupId, u64>,
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
            sends: Sends::default(),
            nats: Nats::default(),
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
            poll_at: None,
            state: Connection::Connecting,
            polled_since: 0,
            streamed_since: 0,
            catch_up: CatchUp::default(),
            was_lost: false,
            paused: false,
            refusals: 0,
            look_again: false,
            read_to_end: false,
            once_more: false,
            groups: BTreeMap::new(),
        }
    }
}

impl Link {
    /// Loads a record of kind [`Kind::Nkey`](crate::kernel::record::Kind::Nkey).
    ///
    /// # Errors
    /// [`StorageFault`] when the record cannot be read.
    pub(crate) fn load(&mut self, record: &Record) -> Result<(), StorageFault> {
        self.nats.load(record)
    }

    /// The stream is to follow these groups, each from this position on, when it is opened the next time.
    pub(crate) fn follow(&mut self, groups: impl Iterator<Item = (GroupId, u64)>) {
        self.groups = groups.collect();
    }

    /// The connection state shown on screen.
    pub(crate) const fn state(&self) -> Connection {
        self.state
    }

    /// Progress through a long backlog, if there is one.
    pub(crate) fn catching_up(&self, cursor: u64) -> Option<CatchingUp> {
        self.catch_up.view(cursor)
    }

    /// Whether the inbox has been read to its end at least once since the account was opened.
    pub(crate) const fn was_read_to_its_end(&self) -> bool {
        self.read_to_end && !self.once_more
    }

    /// When the next action is due.
    pub(crate) fn wake(&self) -> Option<u64> {
        let reopen = match self.live {
            Live::Down(at) => Some(at),
            Live::Resting | Live::Opening | Live::Up(_) => None,
        };
        let reading = [reopen, self.poll_at].into_iter().flatten().min().filter(|_| !self.paused);
        [reading, self.nats.wake(), self.sends.wake()].into_iter().flatten().min()
    }

    /// Items after this cursor have arrived.
    pub(crate) fn reads_from(&mut self, cursor: u64) {
        self.catch_up.reads_from(cursor);
    }

    /// The relay has assigned positions up to `last`.
    pub(crate) fn heard(&mut self, last: u64) {
        self.catch_up.heard(last);
    }

    /// Reading starts over, at the beginning of this inbox or of another.
    pub(crate) fn starts_over(&mut self) {
        self.catch_up.begins_anew();
    }

    /// Opens the live stream now, and polls soon unless it connects.
    pub(crate) fn connect(&mut self, inbox: Inbox<'_>, cx: &mut Context<'_>) {
        self.poll_later(cx);
        if !self.nats.is_up() {
            self.open_live(inbox, cx);
        }
    }

    /// Sends a message on the live stream if the stream takes one now. Otherwise returns `false`, and the message has
    /// to go as a POST. `body` is the body of such a POST.
    pub(crate) fn send(&mut self, body: &str, purpose: Purpose, cx: &mut Context<'_>) -> bool {
        // Without a network, a POST fails at once, but a message on the stream only when its answer is overdue.
        if cx.shared.offline || !self.sends.takes(body, cx.now) {
            return false;
        }
        let id = cx.shared.requests.open(purpose, cx.now);
        let frame = self.sends.begin(id, body, cx.now);
        cx.push(Effect::SendLive { frame });
        true
    }

    /// The next answer to a message on the live stream that was not taken yet; an error if none came.
    pub(crate) fn take_answer(&mut self) -> Option<(RequestId, Answer)> {
        self.sends.take_answer()
    }

    /// Handles the timer.
    pub(crate) fn on_tick(&mut self, inbox: Inbox<'_>, cx: &mut Context<'_>) {
        if self.sends.on_tick(cx.now) {
            // The stream may be dead.
            self.reopen_later(cx);
            self.poll(inbox, cx);
        }
        self.reading_due(inbox, cx);
        self.nats.on_tick(inbox.me, cx);
    }

    /// Handles the browser's report about the network. The report is only a hint: when the browser reports no network,
    /// the client still tries at once, and again now and then.
    pub(crate) fn on_network(&mut self, inbox: Inbox<'_>, cx: &mut Context<'_>) -> Outcome {
        if cx.shared.offline {
            self.lost(Connection::Offline);
            self.poll(inbox, cx);
            return Outcome::default();
        }
        self.nats.on_network(inbox.me, cx);
        self.state = Connection::Connecting;
        self.backoff.reset();
        self.paused = false;
        self.connect(inbox, cx);
        self.poll(inbox, cx);
        Outcome { reconnected: true, ..Outcome::default() }
    }

    /// Handles an event on the live stream.
    pub(crate) fn on_live(&mut self, event: LiveEvent, inbox: Inbox<'_>, cx: &mut Context<'_>) -> Outcome {
        match event {
            LiveEvent::Frame(text) => match serde_json::from_slice(text.as_bytes()) {
                Ok(frame) => self.frame(frame, cx),
                // Treats garbage on the stream as a disconnect.
                Err(_) => {
                    self.reopen_later(cx);
                    Outcome::default()
                }
            },
            LiveEvent::Closed { code } => self.closed(code, inbox, cx),
        }
    }

    /// Handles the answer to a page request.
    pub(crate) fn on_page(&mut self, answer: &Answer, inbox: Inbox<'_>, cx: &mut Context<'_>) -> Outcome {
        let page: Option<InboxPage> = match answer {
            Ok(response) if response.status == 200 => serde_json::from_slice(&response.body).ok(),
            _ => None,
        };
        let Some(InboxPage { epoch, items, last, .. }) = page else {
            return self.poll_failed(answer, inbox, cx);
        };
        let batch = Batch { epoch, items, last: Some(last), since: self.polled_since, source: Source::Page };
        Outcome { batch: Some(batch), ..Outcome::default() }
    }

    /// The items of a batch were processed.
    pub(crate) fn on_received(
        &mut self,
        (batch, received): (&Batch, Received),
        inbox: Inbox<'_>,
        cx: &mut Context<'_>,
    ) -> Outcome {
        let is_page = batch.source == Source::Page;
        match received {
            Received::Absurd if is_page => {
                self.poll_later(cx);
                if !matches!(self.live, Live::Up(_)) {
                    self.lost(Connection::Offline);
                }
                return Outcome::default();
            }
            // Treats garbage on the stream as a disconnect.
            Received::Absurd => {
                self.reopen_later(cx);
                return Outcome::default();
            }
            Received::All { .. } | Received::Anew | Received::Paused | Received::Loading => {}
        }
        if is_page {
            self.poll_later(cx);
            self.refusals = 0;
        }
        let mut outcome = Outcome { reconnected: self.reached(), polled: is_page, ..Outcome::default() };
        match (received, batch.source) {
            (Received::All { advanced: true }, Source::Page) => {
                // Items that the stream has not delivered.
                if matches!(self.live, Live::Up(_)) {
                    self.reopen_later(cx);
                }
                self.poll(inbox, cx);
            }
            (Received::All { .. }, Source::Page) if self.look_again => self.poll(inbox, cx),
            (Received::All { .. }, Source::Page | Source::CaughtUp) => {
                self.catch_up.ended();
                let is_first = !std::mem::replace(&mut self.read_to_end, true);
                let is_once_more = is_page && std::mem::take(&mut self.once_more);
                outcome.read_to_end = is_first || is_once_more;
            }
            (Received::All { .. }, Source::Items) | (Received::Absurd | Received::Loading, _) => {}
            (Received::Anew, _) => self.restart(cx),
            (Received::Paused, _) => self.pause(cx),
        }
        outcome
    }

    /// Resumes reading, if it was paused until the server has answered with the account's own chain.
    pub(crate) fn resume(&mut self, inbox: Inbox<'_>, cx: &mut Context<'_>) {
        if std::mem::take(&mut self.paused) {
            self.connect(inbox, cx);
            self.poll(inbox, cx);
        }
    }

    /// Handles an event on the NATS connection.
    pub(crate) fn on_nats(&mut self, event: NatsEvent, inbox: Inbox<'_>, cx: &mut Context<'_>) {
        match self.nats.on_event(event, cx) {
            Hints::Nothing => {}
            // Nothing else is needed while hints arrive. Polls once for items from before the first hint.
            Hints::Begin => {
                self.leave_live(Live::Resting);
                cx.push(Effect::CloseLive);
                self.look(inbox, cx);
            }
            Hints::Hint => self.look(inbox, cx),
            // The live stream is opened after a delay, and the inbox is polled until it is up.
            Hints::End { live_after } => {
                self.leave_live(Live::Down(cx.now.saturating_add(live_after)));
                self.reading_due(inbox, cx);
                self.look(inbox, cx);
            }
        }
    }

    /// The server has sent its configuration, with the broker's URL if it has one.
    pub(crate) fn on_broker(&mut self, url: Option<&str>, me: &Me, cx: &mut Context<'_>) {
        self.nats.on_broker(url, me, cx);
    }

    /// Handles the answer to the binding of this browser's nkey.
    pub(crate) fn on_binding(&mut self, until: u64, answer: &Answer, me: &Me, cx: &mut Context<'_>) {
        self.nats.on_binding(until, answer, me, cx);
    }

    /// A new key holds the account. Reconnects with it.
    pub(crate) fn on_key_change(&mut self, inbox: Inbox<'_>, cx: &mut Context<'_>) {
        cx.shared.requests.forget(|purpose| *purpose == Purpose::Page);
        cx.push(Effect::CloseLive);
        self.nats.on_key_change(cx);
        self.sends.stream_ended();
        let (nats, sends) = (std::mem::take(&mut self.nats), std::mem::take(&mut self.sends));
        *self = Self { nats, sends, ..Self::default() };
        self.connect(inbox, cx);
    }

    /// Polls the inbox now or, if a page is in flight, once more after that page.
    pub(crate) fn look(&mut self, inbox: Inbox<'_>, cx: &mut Context<'_>) {
        self.look_again = cx.shared.requests.awaits(&Purpose::Page);
        self.poll(inbox, cx);
    }

    /// Reads the inbox to its present end once more.
    pub(crate) fn read_once_more(&mut self, inbox: Inbox<'_>, cx: &mut Context<'_>) {
        self.once_more = true;
        self.look(inbox, cx);
    }

    /// The relay's database changed under the stream. Answers in flight follow the old cursor and would leave a gap.
    pub(crate) fn restart(&mut self, cx: &mut Context<'_>) {
        cx.shared.requests.forget(|purpose| *purpose == Purpose::Page);
        self.reopen_later(cx);
        if !self.nats.is_up() {
            self.poll_later(cx);
        }
    }

    fn reading_due(&mut self, inbox: Inbox<'_>, cx: &mut Context<'_>) {
        if self.paused {
            return;
        }
        if matches!(self.live, Live::Down(at) if at <= cx.now) {
            self.open_live(inbox, cx);
        }
        if self.poll_at.is_some_and(|at| at <= cx.now) {
            self.poll(inbox, cx);
        }
    }

    fn frame(&mut self, frame: LiveFrame, cx: &mut Context<'_>) -> Outcome {
        if !matches!(self.live, Live::Opening | Live::Up(_)) {
            return Outcome::default();
        }
        if self.live == Live::Opening {
            self.live = Live::Up(cx.now);
        }
        self.poll_later(cx);
        let batch = match frame {
            LiveFrame::Chain { chain } => {
                return Outcome { own_chain: Some(chain), ..Outcome::default() };
            }
            LiveFrame::Group { epoch, group, items, .. } => {
                return Outcome { group: Some((group, epoch, items)), ..Outcome::default() };
            }
            LiveFrame::Items { epoch, items, last } => {
                Batch { epoch, items, last, since: self.streamed_since, source: Source::Items }
            }
            LiveFrame::CaughtUp { epoch, .. } => {
                self.sends.stream_caught_up();
                let (items, since) = (Vec::new(), self.streamed_since);
                Batch { epoch, items, last: None, since, source: Source::CaughtUp }
            }
            LiveFrame::Answer { id, status, retry_after, body } => {
                let body = body.get().as_bytes().to_vec();
                self.sends.on_answer(id, HttpResponse { status, retry_after, date: None, body });
                return Outcome::default();
            }
        };
        self.refusals = 0;
        Outcome { batch: Some(batch), ..Outcome::default() }
    }

    fn closed(&mut self, code: u16, inbox: Inbox<'_>, cx: &mut Context<'_>) -> Outcome {
        if matches!(self.live, Live::Resting | Live::Down(_)) {
            return Outcome::default();
        }
        let refused = code == CLOSE_UNAUTHORIZED;
        let signature_refused = refused && self.on_signature_refused(inbox, cx);
        let was_up = matches!(self.live, Live::Up(_));
        self.down(cx);
        if was_up {
            self.lost(Connection::Connecting);
        }
        if was_up || self.state == Connection::Connecting {
            self.poll(inbox, cx);
        }
        Outcome { refused, signature_refused, ..Outcome::default() }
    }

    /// The live stream is down. Reopens it after a growing delay.
    fn down(&mut self, cx: &mut Context<'_>) {
        if self.nats.is_up() {
            self.leave_live(Live::Resting);
            self.poll_at = Some(cx.now.saturating_add(self.backoff.next(cx.rng)));
            return;
        }
        if matches!(self.live, Live::Up(since) if cx.now.saturating_sub(since) >= GOOD_LIFE) {
            self.backoff.reset();
        }
        let wait = self.backoff.next(cx.rng);
        self.leave_live(Live::Down(cx.now.saturating_add(wait)));
        if self.poll_at.is_none() {
            self.poll_later(cx);
        }
    }

    /// The stream has ended, or is being replaced.
    fn leave_live(&mut self, live: Live) {
        self.live = live;
        self.sends.stream_ended();
    }

    fn reopen_later(&mut self, cx: &mut Context<'_>) {
        cx.push(Effect::CloseLive);
        self.down(cx);
    }

    fn pause(&mut self, cx: &mut Context<'_>) {
        cx.shared.requests.forget(|purpose| *purpose == Purpose::Page);
        cx.push(Effect::CloseLive);
        self.leave_live(if self.nats.is_up() { Live::Resting } else { Live::Down(cx.now) });
        self.paused = true;
    }

    fn open_live(&mut self, Inbox { me, cursor: since }: Inbox<'_>, cx: &mut Context<'_>) {
        let target = live_target(&me.handle, since);
        let auth = me.header(Method::Get, &target, &[], cx);
        let Ok(hello) = serde_json::to_string(&LiveHello { since, auth, groups: Some(self.groups.clone()) })
        else {
            return;
        };
        self.leave_live(Live::Opening);
        self.streamed_since = since;
        cx.push(Effect::OpenLive { path: format!("/v1/inbox/{}/live", me.handle), hello });
    }

    fn poll(&mut self, Inbox { me, cursor: since }: Inbox<'_>, cx: &mut Context<'_>) {
        // Whatever the result, the answer to the page sets the time of the next poll.
        self.poll_at = None;
        if self.paused || cx.shared.requests.awaits(&Purpose::Page) {
            return;
        }
        self.look_again = false;
        self.polled_since = since;
        let target = format!("/v1/inbox/{}?since={since}&limit={MAX_PAGE_ITEMS}", me.handle);
        let request = match me.key.secret() {
            Some(key) => {
                let auth = Some(inbox_auth::header(key, &me.handle, since, cx.server_time()));
                HttpRequest { method: Method::Get, target, auth, invite: None, body: None }
            }
            None => me.signed(Method::Get, target, None, cx),
        };
        cx.request(request, Purpose::Page);
    }

    fn poll_later(&mut self, cx: &mut Context<'_>) {
        let interval = match self.live {
            Live::Up(_) if !self.once_more => WATCH_INTERVAL,
            _ if self.nats.is_up() && !self.once_more => HINTED_INTERVAL,
            _ if cx.shared.offline => LONGEST_WAIT,
            _ => POLL_INTERVAL,
        };
        self.poll_at = Some(cx.now.saturating_add(around(interval, cx.rng)));
    }

    fn poll_failed(&mut self, answer: &Answer, inbox: Inbox<'_>, cx: &mut Context<'_>) -> Outcome {
        self.poll_later(cx);
        if let Some(asked) = retry_after(answer) {
            let asked = asked.saturating_mul(1000).min(300_000);
            self.poll_at = self.poll_at.map(|at| at.max(cx.now.saturating_add(asked)));
        }
        let refused = matches!(answer, Ok(response) if response.status == 401);
        let signature_refused = refused && self.on_signature_refused(inbox, cx);
        if cx.shared.offline && answer.is_err() && matches!(self.live, Live::Up(_)) {
            self.reopen_later(cx);
        }
        if !matches!(self.live, Live::Up(_)) {
            self.lost(Connection::Offline);
        }
        Outcome { refused, signature_refused, ..Outcome::default() }
    }

    /// The server rejected the signature. The answer may have just corrected our clock, so the client retries once
    /// immediately. Returns whether it has been rejected too often.
    fn on_signature_refused(&mut self, inbox: Inbox<'_>, cx: &mut Context<'_>) -> bool {
        self.refusals = self.refusals.saturating_add(1);
        if self.refusals == 1 {
            self.poll(inbox, cx);
        }
        self.refusals >= REFUSALS
    }

    fn lost(&mut self, state: Connection) {
        self.catch_up.interrupted();
        self.state = state;
        self.was_lost = true;
    }

    /// The server has answered. Returns whether the connection was lost before.
    fn reached(&mut self) -> bool {
        self.state = Connection::Online;
        std::mem::take(&mut self.was_lost)
    }
}
