//! The live stream: when it is opened, and what comes on it.

use kez_core::api::{CLOSE_UNAUTHORIZED, LiveFrame, LiveHello, live_target};

use super::batch::{Batch, Inbox, Outcome, Source};
use super::{Connection, Link, Live};
use crate::kernel::context::Context;
use crate::kernel::effect::{Effect, Method};
use crate::kernel::event::{HttpResponse, LiveEvent};

/// A stream that lived this long, in milliseconds, was healthy: the next attempt waits only briefly.
const GOOD_LIFE: u64 = 5_000;

impl Link {
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
    pub(super) fn leave_live(&mut self, live: Live) {
        self.live = live;
        self.sends.stream_ended();
    }

    pub(super) fn reopen_later(&mut self, cx: &mut Context<'_>) {
        cx.push(Effect::CloseLive);
        self.down(cx);
    }

    pub(super) fn open_live(&mut self, Inbox { me, cursor: since }: Inbox<'_>, cx: &mut Context<'_>) {
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
}
