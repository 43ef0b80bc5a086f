//! Pages of the inbox: when they are requested, and their answers.

use kez_core::api::{InboxPage, MAX_PAGE_ITEMS};
use kez_core::inbox_auth;

use super::batch::{Batch, Inbox, Outcome, Source};
use super::{Connection, LONGEST_WAIT, Link, Live};
use crate::kernel::answer::{Answer, retry_after};
use crate::kernel::backoff::around;
use crate::kernel::context::Context;
use crate::kernel::effect::{HttpRequest, Method};
use crate::kernel::requests::Purpose;

const POLL_INTERVAL: u64 = 5_000;
/// How often the inbox is polled while hints arrive, since hints can be lost.
const HINTED_INTERVAL: u64 = 30_000;
/// How long after the last frame of the live stream the inbox is polled. A stream may be dead for a long time before
/// the browser notices.
const WATCH_INTERVAL: u64 = 120_000;
/// The number of refusals in a row after which the user is told.
const REFUSALS: u32 = 3;

impl Link {
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

    pub(super) fn poll(&mut self, Inbox { me, cursor: since }: Inbox<'_>, cx: &mut Context<'_>) {
        // Whatever the result, the answer to the page sets the time of the next poll.
        self.poll_at = None;
        if self.paused || cx.shared.requests.awaits(&Purpose::Page) {
            return;
        }
        self.look_again = false;
        self.polled_since = since;
        self.silent = false;
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

    pub(super) fn poll_later(&mut self, cx: &mut Context<'_>) {
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
    pub(super) fn on_signature_refused(&mut self, inbox: Inbox<'_>, cx: &mut Context<'_>) -> bool {
        self.refusals = self.refusals.saturating_add(1);
        if self.refusals == 1 {
            self.poll(inbox, cx);
        }
        self.refusals >= REFUSALS
    }
}
