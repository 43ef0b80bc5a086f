//! Rate limit for lookups of strangers. It is slow enough to leave the server's lookup allowance to the user's own
//! actions, and pauses completely when the server asks for that.

use crate::kernel::answer::{Answer, retry_after};

/// The largest burst of lookups.
const BURST: u64 = 20;
/// The time between lookups after a burst, in milliseconds. The server allows one per second.
const INTERVAL: u64 = 2_000;
/// The longest `Retry-After` that the client respects, in milliseconds.
const LONGEST_RETRY_AFTER: u64 = 300_000;

/// The rate limiter for lookups.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    /// When all lookups so far are paid for, at one per [`INTERVAL`].
    paid_at: u64,
    /// No lookups before this time.
    quiet_until: u64,
}

impl Pace {
    /// Whether a lookup is allowed now. If so, it is counted.
    pub(crate) fn take(&mut self, now: u64) -> bool {
        if self.next() > now {
            return false;
        }
        self.paid_at = self.paid_at.max(now) + INTERVAL;
        true
    }

    /// When the next lookup is allowed.
    pub(crate) fn next(&self) -> u64 {
        self.paid_at.saturating_sub((BURST - 1) * INTERVAL).max(self.quiet_until)
    }

    /// Heeds a `Retry-After`, which applies to all lookups, not to a single one.
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
    use crate::kernel::event::HttpResponse;

    #[test]
    fn lookups_are_paced_after_a_burst() {
        let mut pace = Pace::default();
        let asked = (0..600).filter(|tenth| pace.take(1_000_000 + tenth * 100)).count();
        assert_eq!(asked, 20 + 29);
        assert!((0..20).all(|_| pace.take(2_000_000)) && !pace.take(2_000_000));
    }

    #[test]
    fn retry_after_pauses_all_lookups() {
        let mut pace = Pace::default();
        let busy = HttpResponse { status: 429, retry_after: Some(7), date: None, body: Vec::new() };
        pace.heed(&Ok(busy), 1_000);
        assert!(!pace.take(7_999) && pace.next() == 8_000 && pace.take(8_000));
    }
}
