//! Messages that go on the live stream instead of as a POST. Each gets an answer, as a request does: the server's, or
//! [`NetworkFault`] when the stream ends first.

use kez_core::api::{MAX_LIVE_FRAME_BYTES, send_frame};

use crate::kernel::answer::Answer;
use crate::kernel::effect::RequestId;
use crate::kernel::event::{HttpResponse, NetworkFault};
use crate::kernel::sorted_map::SortedMap;

/// The largest body of a message that fits in a frame.
const LARGEST_BODY: usize = MAX_LIVE_FRAME_BYTES - r#"{"id":18446744073709551615,"send":}"#.len();
/// The number of messages of a stream that the server works on at once. It reads no further while these are unanswered.
const MOST_UNANSWERED: usize = 16;
/// The time limit for an answer, in milliseconds. The server answers within 15 s.
const TIME_OUT: u64 = 20_000;
/// How long, in milliseconds, messages go as POSTs after an answer has failed to come: the server may be an older
/// one, which ignores messages, or something on the way may swallow them.
const REST: u64 = 60 * 60 * 1_000;

/// The messages on the live stream.
#[derive(Default)]
pub(super) struct Sends {
    /// Whether there is a stream, and it has caught up.
    open: bool,
    /// When the answer to each message is overdue.
    unanswered: SortedMap<RequestId, u64>,
    /// Answers that have not been taken yet.
    answers: Vec<(RequestId, Answer)>,
    /// No messages go on the stream before this time.
    rests_until: u64,
}

impl Sends {
    /// Whether a message with this body may go on the stream now.
    pub(super) fn takes(&self, body: &str, now: u64) -> bool {
        self.open
            && self.rests_until <= now
            && self.unanswered.len() < MOST_UNANSWERED
            && body.len() <= LARGEST_BODY
    }

    /// The frame of a message. From now on its answer is awaited.
    pub(super) fn begin(&mut self, id: RequestId, body: &str, now: u64) -> String {
        self.unanswered.insert(id, now.saturating_add(TIME_OUT));
        send_frame(id.0, body)
    }

    /// The stream has caught up.
    pub(super) const fn stream_caught_up(&mut self) {
        self.open = true;
    }

    /// The stream has ended. What was not answered may or may not have reached the server.
    pub(super) fn stream_ended(&mut self) {
        self.open = false;
        let lost = std::mem::take(&mut self.unanswered);
        self.answers.extend(lost.keys().map(|id| (*id, Err(NetworkFault))));
    }

    /// An answer came on the stream. It is ignored unless a message is waiting for it.
    pub(super) fn on_answer(&mut self, id: Option<u64>, response: HttpResponse) {
        let Some(id) = id.map(RequestId) else { return };
        if self.unanswered.remove(&id).is_none() {
            return;
        }
        // The server closes the stream after this answer.
        self.open &= response.status != 401;
        self.answers.push((id, Ok(response)));
    }

    /// The next answer that was not taken yet; an error if none came.
    pub(super) fn take_answer(&mut self) -> Option<(RequestId, Answer)> {
        (!self.answers.is_empty()).then(|| self.answers.remove(0))
    }

    /// When the first answer is overdue.
    pub(super) fn wake(&self) -> Option<u64> {
        self.unanswered.values().min().copied()
    }

    /// Handles the timer. Returns whether an answer is overdue. Then the stream is of no use.
    pub(super) fn on_tick(&mut self, now: u64) -> bool {
        let overdue = self.wake().is_some_and(|at| at <= now);
        if overdue {
            self.rests_until = now.saturating_add(REST);
        }
        overdue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caught_up() -> Sends {
        let mut sends = Sends::default();
        sends.stream_caught_up();
        sends
    }

    fn response(status: u16) -> HttpResponse {
        HttpResponse { status, retry_after: None, date: None, body: Vec::new() }
    }

    #[test]
    fn messages_go_only_between_the_end_of_the_backlog_and_the_end_of_the_stream() {
        let mut sends = Sends::default();
        assert!(!sends.takes("{}", 0));
        sends.stream_caught_up();
        assert!(sends.takes("{}", 0));
        sends.stream_ended();
        assert!(!sends.takes("{}", 0));
    }

    #[test]
    fn the_largest_body_fits_in_the_largest_frame() {
        let sends = caught_up();
        let body = "x".repeat(LARGEST_BODY);
        assert!(sends.takes(&body, 0));
        assert!(!sends.takes(&(body.clone() + "x"), 0));
        assert_eq!(send_frame(u64::MAX, &body).len(), MAX_LIVE_FRAME_BYTES);
    }

    #[test]
    fn each_message_is_answered_once() {
        let mut sends = caught_up();
        assert_eq!(sends.begin(RequestId(7), "{}", 0), r#"{"id":7,"send":{}}"#);
        sends.begin(RequestId(8), "{}", 0);
        sends.on_answer(Some(8), response(201));
        for strange in [Some(8), Some(9), None] {
            sends.on_answer(strange, response(404));
        }
        sends.stream_ended();
        sends.on_answer(Some(7), response(201));
        sends.stream_ended();
        assert_eq!(sends.take_answer(), Some((RequestId(8), Ok(response(201)))));
        assert_eq!(sends.take_answer(), Some((RequestId(7), Err(NetworkFault))));
        assert_eq!(sends.take_answer(), None);
    }

    #[test]
    fn at_most_sixteen_messages_are_unanswered() {
        let mut sends = caught_up();
        for id in 0..16 {
            assert!(sends.takes("{}", 0), "{id}");
            sends.begin(RequestId(id), "{}", 0);
        }
        assert!(!sends.takes("{}", 0));
        sends.on_answer(Some(3), response(429));
        assert!(sends.takes("{}", 0));
    }

    #[test]
    fn nothing_is_sent_on_a_stream_whose_key_was_refused() {
        let mut sends = caught_up();
        sends.begin(RequestId(1), "{}", 0);
        sends.begin(RequestId(2), "{}", 0);
        sends.on_answer(Some(1), response(401));
        sends.on_answer(Some(2), response(201));
        assert!(!sends.takes("{}", 0));
    }

    #[test]
    fn after_an_overdue_answer_no_message_goes_on_a_stream_for_an_hour() {
        let mut sends = caught_up();
        sends.begin(RequestId(1), "{}", 1_000);
        sends.begin(RequestId(2), "{}", 5_000);
        assert_eq!(sends.wake(), Some(21_000));
        assert!(!sends.on_tick(20_999));
        assert!(sends.on_tick(21_000));
        sends.stream_ended();
        assert_eq!(sends.wake(), None);
        sends.stream_caught_up();
        assert!(!sends.takes("{}", 21_000 + REST - 1));
        assert!(sends.takes("{}", 21_000 + REST));
    }
}
