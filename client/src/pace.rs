//! How fast the registry is asked about strangers: slowly enough that the server's allowance for look-ups is left to what
//! the person does, and not at all while the server wants to be left alone.

use crate::requests::{Answer, retry_after};

/// How many questions come at once at most.
const BURST: u64 = 20;
/// How much time there is, in milliseconds, between questions after that. The server allows one a second.
const INTERVAL: u64 = 2_000;
/// The longest, in milliseconds, that a server's `Retry-After` is believed.
const LONGEST_RETRY_AFTER: u64 = 300_000;

/// The pace of look-ups.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    /// When the last question will have been paid for.
    paid_at: u64,
    /// Nothing is asked before this.
    quiet_until: u64,
}

impl Pace {
    /// Whether a question may be asked now; it counts then.
    pub(crate) fn take(&mut self, now: u64) -> bool {
        if self.next() > now {
            return false;
        }
        self.paid_at = self.paid_at.max(now) + INTERVAL;
        true
    }

    /// When the next question may be asked.
    pub(crate) fn next(&self) -> u64 {
        self.paid_at.saturating_sub((BURST - 1) * INTERVAL).max(self.quiet_until)
    }

    /// `Retry-After` is about the server, not about one question.
    pub(crate) fn heed(&mut self, answer: &Answer, now: u64) {
        if let Some(seconds) = retry_after(answer) {
            let wait = seconds.saturating_mul(1000).min(LONGEST_RETRY_AFTER);
            self.quiet_until = self.quiet_until.max(now + wait);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::HttpResponse;

    #[test]
    fn a_burst_and_then_one_every_two_seconds() {
        let mut pace = Pace::default();
        let asked = (0..600).filter(|tenth| pace.take(1_000_000 + tenth * 100)).count();
        assert_eq!(asked, 20 + 29);
        assert!((0..20).all(|_| pace.take(2_000_000)) && !pace.take(2_000_000));
    }

    #[test]
    fn a_server_that_wants_quiet_gets_it_from_all_questions() {
        let mut pace = Pace::default();
        let busy = HttpResponse { status: 429, retry_after: Some(7), date: None, body: Vec::new() };
        pace.heed(&Ok(busy), 1_000);
        assert!(!pace.take(7_999) && pace.next() == 8_000 && pace.take(8_000));
    }
}
