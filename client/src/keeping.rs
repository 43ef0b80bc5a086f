//! The server's storage for this account: how full the inbox is, which position this client has acknowledged, and how
//! long acknowledged messages stay on the server. Also the message requests that the server is to discard.

use kez_core::api::{
    AckInbox, InboxStatus, KeepDays, KeepMessages, ack_target, keep_target, requests_target, status_target,
};
use kez_core::identity::Primary;
use kez_core::problem::ProblemCode;

use crate::kernel::answer::{Answer, Outcome, body, no_content, outcome, retry_after};
use crate::kernel::backoff::{Backoff, around};
use crate::kernel::context::Context;
use crate::kernel::effect::Method;
use crate::kernel::reason::Reason;
use crate::kernel::requests::Purpose;
use crate::session::Session;
use serde::{Deserialize, Serialize};

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

impl Session {
    /// Requests the inbox status.
    pub(crate) fn ask_status(&mut self, cx: &mut Context<'_>) {
        self.keeping.ask_at = None;
        if !cx.shared.requests.awaits(&Purpose::Status) {
            let request = self.me.signed(Method::Get, status_target(&self.me.handle), None, cx);
            cx.request(request, Purpose::Status);
        }
    }

    /// Handles the inbox status.
    pub(crate) fn status_answered(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        match outcome(answer, |response| body(response, &[200])) {
            Outcome::Done(status) => self.take_status(status, cx),
            Outcome::Refused(problem) if problem.code != ProblemCode::Unauthorized => {}
            Outcome::Refused(_) | Outcome::Unknown => {
                let wait = self.keeping.backoff.next_after(retry_after(answer), cx.rng);
                self.keeping.ask_at = Some(cx.now + wait.max(1_000));
            }
        }
    }

    /// A message was stored. Schedules an acknowledgement, so that the server can free the space.
    pub(crate) fn acknowledge_soon(&mut self, cx: &mut Context<'_>) {
        if self.keeping.acknowledge_at.is_none() && self.stored_up_to() > self.sync.acknowledged {
            self.keeping.acknowledge_at = Some(cx.now + around(ACKNOWLEDGE_AFTER, cx.rng));
        }
    }

    /// Handles the answer to an acknowledgement.
    pub(crate) fn acknowledged(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        match outcome(answer, |response| body::<InboxStatus>(response, &[200])) {
            Outcome::Done(status) => {
                if self.sync.epoch.as_ref() == Some(&status.epoch) {
                    self.sync.acknowledged = status.acknowledged;
                    cx.save(self.sync.record());
                }
                self.take_status(status, cx);
                self.acknowledge_soon(cx);
            }
            // The positions belong to another database, or never existed. The next page will show that too.
            Outcome::Refused(problem) if problem.code != ProblemCode::Unauthorized => self.look(cx),
            Outcome::Refused(_) | Outcome::Unknown => {
                let wait = self.keeping.backoff.next_after(retry_after(answer), cx.rng);
                self.keeping.acknowledge_at = Some(cx.now + wait.max(ACKNOWLEDGE_AFTER));
            }
        }
    }

    /// "Keep on the server": for a number of days, or for ever.
    pub(crate) fn keep_on_server(&mut self, days: Option<u16>, cx: &mut Context<'_>) {
        let kept = days.map(|days| KeepDays::try_from(u64::from(days))).transpose();
        let Ok(kept) = kept else { return };
        if cx.shared.requests.any(|purpose| matches!(purpose, Purpose::Keep { .. })) {
            return;
        }
        self.keeping.error = None;
        if let Ok(body) = serde_json::to_string(&KeepMessages { days: kept }) {
            let request = self.me.signed(Method::Put, keep_target(&self.me.handle), Some(body), cx);
            cx.request(request, Purpose::Keep { days });
        }
    }

    /// Handles the answer to a change of the retention time.
    pub(crate) fn keep_answered(&mut self, days: Option<u16>, answer: &Answer, cx: &mut Context<'_>) {
        match outcome(answer, no_content) {
            Outcome::Done(()) => {
                if let Some(status) = &mut self.keeping.status {
                    status.keep_days = days.and_then(|days| KeepDays::try_from(u64::from(days)).ok());
                }
                self.ask_status(cx);
            }
            Outcome::Refused(problem) => self.keeping.error = Some(Reason::server(&problem.detail)),
            Outcome::Unknown => {
                self.keeping.error = Some(Reason::NoAnswer);
            }
        }
    }

    /// Has the server discard everything that these keys have left in the inbox.
    pub(crate) fn discard_requests(&mut self, keys: &[Primary], cx: &mut Context<'_>) {
        for key in keys {
            if !self.keeping.discarded.contains(key) {
                self.keeping.discarded.push(*key);
            }
        }
        self.discard_next(cx);
    }

    /// Handles the answer to a discard of a key's message requests.
    pub(crate) fn requests_discarded(&mut self, key: &Primary, answer: &Answer, cx: &mut Context<'_>) {
        let refused = matches!(answer, Ok(response) if response.status == 401);
        if refused || matches!(outcome(answer, no_content), Outcome::Unknown) {
            let wait = self.keeping.backoff.next_after(retry_after(answer), cx.rng);
            self.keeping.discard_at = Some(cx.now + wait.max(1_000));
        } else {
            self.keeping.discarded.retain(|other| other != key);
            self.discard_next(cx);
        }
    }

    /// Handles the timer.
    pub(crate) fn keeping_due(&mut self, cx: &mut Context<'_>) {
        let due = |at: Option<u64>| at.is_some_and(|at| at <= cx.now);
        let (ask, discard) = (due(self.keeping.ask_at), due(self.keeping.discard_at));
        if due(self.keeping.acknowledge_at) {
            self.acknowledge(cx);
        }
        if ask {
            self.ask_status(cx);
        }
        if discard {
            self.keeping.discard_at = None;
            self.discard_next(cx);
        }
    }

    /// The position up to which everything is stored here. The user's own copies may still have to be read again.
    fn stored_up_to(&self) -> u64 {
        let left = self.quarantine.first_own_copy_left().map(|from| from.saturating_sub(1));
        left.map_or(self.sync.cursor, |left| left.min(self.sync.cursor))
    }

    fn acknowledge(&mut self, cx: &mut Context<'_>) {
        self.keeping.acknowledge_at = None;
        let (seq, epoch) = (self.stored_up_to(), self.sync.epoch.clone());
        let Some(epoch) = epoch.filter(|_| seq > self.sync.acknowledged) else { return };
        if cx.shared.requests.awaits(&Purpose::Acknowledge) {
            return;
        }
        if let Ok(body) = serde_json::to_string(&AckInbox { epoch, seq }) {
            let request = self.me.signed(Method::Post, ack_target(&self.me.handle), Some(body), cx);
            cx.request(request, Purpose::Acknowledge);
        }
    }

    fn discard_next(&mut self, cx: &mut Context<'_>) {
        let under_way = cx.shared.requests.any(|purpose| matches!(purpose, Purpose::DiscardRequests(_)));
        if under_way || self.keeping.discard_at.is_some() {
            return;
        }
        if let Some(key) = self.keeping.discarded.first().copied() {
            let request = self.me.signed(Method::Delete, requests_target(&self.me.handle, &key), None, cx);
            cx.request(request, Purpose::DiscardRequests(key));
        } else {
            self.keeping.backoff.reset();
        }
    }

    fn take_status(&mut self, status: InboxStatus, cx: &mut Context<'_>) {
        self.keeping.backoff.reset();
        if self.sync.epoch.as_ref().is_none_or(|epoch| *epoch == status.epoch) {
            self.link.heard(status.last);
        }
        self.keeping.status = Some(status);
        let room = self.keeping.room();
        if std::mem::replace(&mut self.keeping.told, room) != room
            && let Some(warning) = warning(room)
        {
            cx.warn(warning);
        }
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
