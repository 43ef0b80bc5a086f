//! What reading goes on with, once a batch was processed.

use super::batch::{Batch, Inbox, Outcome, Received, Source};
use super::{Connection, Link, Live};
use crate::kernel::context::Context;
use crate::kernel::effect::Effect;
use crate::kernel::requests::Purpose;

impl Link {
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
        let silent = is_page && self.silent && matches!(self.live, Live::Up(_));
        let mut outcome =
            Outcome { reconnected: self.reached(), polled: is_page, silent, ..Outcome::default() };
        match (received, batch.source) {
            (Received::All { advanced: true }, Source::Page) => {
                self.stream_missed(cx);
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

    /// The relay has something that the stream has not delivered.
    pub(crate) fn stream_missed(&mut self, cx: &mut Context<'_>) {
        if matches!(self.live, Live::Up(_)) {
            self.reopen_later(cx);
        }
    }

    /// The relay's database changed under the stream. Answers in flight follow the old cursor and would leave a gap.
    pub(crate) fn restart(&mut self, cx: &mut Context<'_>) {
        cx.shared.requests.forget(|purpose| *purpose == Purpose::Page);
        self.reopen_later(cx);
        if !self.nats.is_up() {
            self.poll_later(cx);
        }
    }

    fn pause(&mut self, cx: &mut Context<'_>) {
        cx.shared.requests.forget(|purpose| *purpose == Purpose::Page);
        cx.push(Effect::CloseLive);
        self.leave_live(if self.nats.is_up() { Live::Resting } else { Live::Down(cx.now) });
        self.paused = true;
    }
}
