//! How the client reads the inbox: on hints from NATS where available (see [`nats`]), else through the live stream, and
//! by polling while the stream is down. All paths end in a [`Batch`]. Messages are sent on the stream too: see
//! [`sends`].

mod batch;
mod catch_up;
mod keeping;
mod nats;
mod nkey;
mod polling;
mod received;
mod sends;
mod stream;

use std::collections::BTreeMap;

use kez_core::mls::GroupId;

use crate::kernel::answer::Answer;
use crate::kernel::backoff::Backoff;
use crate::kernel::context::Context;
use crate::kernel::effect::{Effect, RequestId};
use crate::kernel::event::{NatsEvent, StorageFault};
use crate::kernel::me::Me;
use crate::kernel::record::Record;
use crate::kernel::requests::Purpose;
pub(crate) use batch::{Batch, Inbox, Outcome, Received};
use catch_up::CatchUp;
pub use catch_up::CatchingUp;
pub(crate) use keeping::{Acknowledged, Keeping, Stored};
pub use keeping::{InboxView, Room};
use nats::{Hints, Nats};
use sends::Sends;

const FIRST_WAIT: u64 = 1_000;
const LONGEST_WAIT: u64 = 30_000;
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
    /// Whether the last page was requested because the live stream was silent for long.
    silent: bool,
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
            silent: false,
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

    fn reading_due(&mut self, inbox: Inbox<'_>, cx: &mut Context<'_>) {
        if self.paused {
            return;
        }
        if matches!(self.live, Live::Down(at) if at <= cx.now) {
            self.open_live(inbox, cx);
        }
        if self.poll_at.is_some_and(|at| at <= cx.now) {
            self.poll(inbox, cx);
            self.silent = matches!(self.live, Live::Up(_));
        }
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
