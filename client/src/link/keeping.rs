//! The server's storage for this account: how full the inbox is, which position this client has acknowledged, and how
//! long acknowledged messages stay on the server. Also the message requests that the server is to discard.

use kez_core::api::{
    AckInbox, InboxStatus, KeepDays, KeepMessages, ack_target, keep_target, requests_target, status_target,
};
use kez_core::identity::Primary;
use kez_core::problem::ProblemCode;
use serde::{Deserialize, Serialize};

use crate::kernel::answer::{Answer, Outcome, body, no_content, outcome, retry_after};
use crate::kernel::backoff::{Backoff, around};
use crate::kernel::context::Context;
use crate::kernel::effect::Method;
use crate::kernel::me::Me;
use crate::kernel::reason::Reason;
use crate::kernel::requests::Purpose;

/// The delay before an acknowledgement, in milliseconds. Messages stored within it share one request.
const ACKNOWLEDGE_AFTER: u64 = 15_000;
/// The percentage of a limit from which an inbox counts as nearly full.
const NEARLY_FULL: u64 = 90;

/// The free space in the inbox on the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Room {
    /// There is space.
    #[default]
    Enough,
    /// There is no space left for message requests.
    RequestsFull,
    /// The inbox is nearly full.
    NearlyFull,
    /// The inbox is full.
    Full,
}

/// What the server stores for this account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxView {
    /// The free space.
    pub room: Room,
    /// The number of messages on the server.
    pub messages: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// The limit in bytes; `None` on a server without limits.
    pub most_bytes: Option<u64>,
    /// For how many days the server keeps messages that are stored here too; `None` for ever.
    pub keep_days: Option<u16>,
    /// Whether a change of `keep_days` is in flight.
    pub busy: bool,
    /// Why the change failed.
    pub error: Option<Reason>,
}

/// How far the inbox is stored in this browser.
pub(crate) struct Stored<'a> {
    /// The epoch of the positions.
    pub(crate) epoch: Option<&'a str>,
    /// The position up to which everything is stored.
    pub(crate) up_to: u64,
    /// The position that was acknowledged last.
    pub(crate) acknowledged: u64,
}

/// The outcome of an acknowledgement.
pub(crate) enum Acknowledged<'a> {
    UpTo(&'a InboxStatus),
    /// The position belongs to another database, or never existed. The next page will show that too.
    UnknownPosition,
    /// It is repeated later.
    Later,
}

/// What is known, and what the server still has to be told.
pub(crate) struct Keeping {
    status: Option<InboxStatus>,
    ask_at: Option<u64>,
    acknowledge_at: Option<u64>,
    backoff: Backoff,
    /// The keys whose message requests the server has to discard.
    discarded: Vec<Primary>,
    discard_at: Option<u64>,
    error: Option<Reason>,
    /// The room of which the user was last told.
    told: Room,
}

impl Default for Keeping {
    fn default() -> Self {
        Self {
            status: None,
            ask_at: None,
            acknowledge_at: None,
            backoff: Backoff::new(2_000, 600_000),
            discarded: Vec::new(),
            discard_at: None,
            error: None,
            told: Room::Enough,
        }
    }
}

impl Keeping {
    /// When the next action is due.
    pub(crate) fn wake(&self) -> Option<u64> {
        [self.ask_at, self.acknowledge_at, self.discard_at].into_iter().flatten().min()
    }

    fn room(&self) -> Room {
        let Some(status) = &self.status else { return Room::Enough };
        let Some(limits) = &status.limits else { return Room::Enough };
        let full = room(status.waiting, limits.waiting).max(room(status.bytes, limits.bytes));
        if full != Room::Enough {
            return full;
        }
        let requests = room(status.requests.messages, limits.requests_messages);
        match requests.max(room(status.requests.bytes, limits.requests_bytes)) {
            Room::Full => Room::RequestsFull,
            _ => Room::Enough,
        }
    }

    /// The part shown in the settings.
    pub(crate) fn view(&self, saving: bool) -> Option<InboxView> {
        let status = self.status.as_ref()?;
        Some(InboxView {
            room: self.room(),
            messages: status.messages,
            bytes: status.bytes,
            most_bytes: status.limits.as_ref().map(|limits| limits.bytes),
            keep_days: status.keep_days.map(u16::from),
            busy: saving,
            error: self.error.clone(),
        })
    }
}

impl Keeping {
    /// Requests the inbox status.
    pub(crate) fn ask(&mut self, me: &Me, cx: &mut Context<'_>) {
        self.ask_at = None;
        if !cx.shared.requests.awaits(&Purpose::Status) {
            let request = me.signed(Method::Get, status_target(&me.handle), None, cx);
            cx.request(request, Purpose::Status);
        }
    }

    /// Handles the inbox status, and returns it.
    pub(crate) fn on_status(&mut self, answer: &Answer, cx: &mut Context<'_>) -> Option<&InboxStatus> {
        match outcome(answer, |response| body(response, &[200])) {
            Outcome::Done(status) => return Some(self.take_status(status, cx)),
            Outcome::Refused(problem) if problem.code != ProblemCode::Unauthorized => {}
            Outcome::Refused(_) | Outcome::Unknown => {
                let wait = self.backoff.next_after(retry_after(answer), cx.rng);
                self.ask_at = Some(cx.now + wait.max(1_000));
            }
        }
        None
    }

    /// A message was stored. Schedules an acknowledgement, so that the server can free the space.
    pub(crate) fn on_stored(&mut self, stored: &Stored<'_>, cx: &mut Context<'_>) {
        if self.acknowledge_at.is_none() && stored.up_to > stored.acknowledged {
            self.acknowledge_at = Some(cx.now + around(ACKNOWLEDGE_AFTER, cx.rng));
        }
    }

    /// Handles the answer to an acknowledgement, and returns the status in it.
    pub(crate) fn on_acknowledged(&mut self, answer: &Answer, cx: &mut Context<'_>) -> Acknowledged<'_> {
        match outcome(answer, |response| body::<InboxStatus>(response, &[200])) {
            Outcome::Done(status) => Acknowledged::UpTo(self.take_status(status, cx)),
            Outcome::Refused(problem) if problem.code != ProblemCode::Unauthorized => {
                Acknowledged::UnknownPosition
            }
            Outcome::Refused(_) | Outcome::Unknown => {
                let wait = self.backoff.next_after(retry_after(answer), cx.rng);
                self.acknowledge_at = Some(cx.now + wait.max(ACKNOWLEDGE_AFTER));
                Acknowledged::Later
            }
        }
    }

    /// "Keep on the server": for a number of days, or for ever.
    pub(crate) fn on_keep_chosen(&mut self, days: Option<u16>, me: &Me, cx: &mut Context<'_>) {
        let kept = days.map(|days| KeepDays::try_from(u64::from(days))).transpose();
        let Ok(kept) = kept else { return };
        if cx.shared.requests.any(|purpose| matches!(purpose, Purpose::Keep { .. })) {
            return;
        }
        self.error = None;
        if let Ok(body) = serde_json::to_string(&KeepMessages { days: kept }) {
            let request = me.signed(Method::Put, keep_target(&me.handle), Some(body), cx);
            cx.request(request, Purpose::Keep { days });
        }
    }

    /// Handles the answer to a change of the retention time.
    pub(crate) fn on_kept(&mut self, days: Option<u16>, answer: &Answer, me: &Me, cx: &mut Context<'_>) {
        match outcome(answer, no_content) {
            Outcome::Done(()) => {
                if let Some(status) = &mut self.status {
                    status.keep_days = days.and_then(|days| KeepDays::try_from(u64::from(days)).ok());
                }
                self.ask(me, cx);
            }
            Outcome::Refused(problem) => self.error = Some(Reason::server(&problem.detail)),
            Outcome::Unknown => {
                self.error = Some(Reason::NoAnswer);
            }
        }
    }

    /// Has the server discard everything that these keys have left in the inbox.
    pub(crate) fn discard(&mut self, keys: &[Primary], me: &Me, cx: &mut Context<'_>) {
        for key in keys {
            if !self.discarded.contains(key) {
                self.discarded.push(*key);
            }
        }
        self.discard_next(me, cx);
    }

    /// Handles the answer to a discard of a key's message requests.
    pub(crate) fn on_discarded(&mut self, key: &Primary, answer: &Answer, me: &Me, cx: &mut Context<'_>) {
        let refused = matches!(answer, Ok(response) if response.status == 401);
        if refused || matches!(outcome(answer, no_content), Outcome::Unknown) {
            let wait = self.backoff.next_after(retry_after(answer), cx.rng);
            self.discard_at = Some(cx.now + wait.max(1_000));
        } else {
            self.discarded.retain(|other| other != key);
            self.discard_next(me, cx);
        }
    }

    /// Handles the timer.
    pub(crate) fn on_tick(&mut self, stored: &Stored<'_>, me: &Me, cx: &mut Context<'_>) {
        let due = |at: Option<u64>| at.is_some_and(|at| at <= cx.now);
        let (ask, discard) = (due(self.ask_at), due(self.discard_at));
        if due(self.acknowledge_at) {
            self.acknowledge(stored, me, cx);
        }
        if ask {
            self.ask(me, cx);
        }
        if discard {
            self.discard_at = None;
            self.discard_next(me, cx);
        }
    }

    fn acknowledge(&mut self, stored: &Stored<'_>, me: &Me, cx: &mut Context<'_>) {
        self.acknowledge_at = None;
        let (seq, epoch) = (stored.up_to, stored.epoch.map(str::to_owned));
        let Some(epoch) = epoch.filter(|_| seq > stored.acknowledged) else { return };
        if cx.shared.requests.awaits(&Purpose::Acknowledge) {
            return;
        }
        if let Ok(body) = serde_json::to_string(&AckInbox { epoch, seq }) {
            let request = me.signed(Method::Post, ack_target(&me.handle), Some(body), cx);
            cx.request(request, Purpose::Acknowledge);
        }
    }

    fn discard_next(&mut self, me: &Me, cx: &mut Context<'_>) {
        let under_way = cx.shared.requests.any(|purpose| matches!(purpose, Purpose::DiscardRequests(_)));
        if under_way || self.discard_at.is_some() {
            return;
        }
        if let Some(key) = self.discarded.first().copied() {
            let request = me.signed(Method::Delete, requests_target(&me.handle, &key), None, cx);
            cx.request(request, Purpose::DiscardRequests(key));
        } else {
            self.backoff.reset();
        }
    }

    fn take_status(&mut self, status: InboxStatus, cx: &mut Context<'_>) -> &InboxStatus {
        self.backoff.reset();
        self.status = Some(status.clone());
        let room = self.room();
        if std::mem::replace(&mut self.told, room) != room
            && let Some(warning) = warning(room)
        {
            cx.warn(warning);
        }
        self.status.insert(status)
    }
}

/// What the user is told about the room.
const fn warning(room: Room) -> Option<Reason> {
    match room {
        Room::Enough => None,
        Room::NearlyFull => Some(Reason::InboxNearlyFull),
        Room::Full => Some(Reason::InboxFull),
        Room::RequestsFull => Some(Reason::RequestsFull),
    }
}

const fn room(used: u64, limit: u64) -> Room {
    if used >= limit {
        Room::Full
    } else if used.saturating_mul(100) / limit >= NEARLY_FULL {
        Room::NearlyFull
    } else {
        Room::Enough
    }
}
