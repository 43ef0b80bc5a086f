//! Exponential backoff with full jitter, so that clients that lost the same server do not reconnect in step.

use rand_core::CryptoRng;

/// The longest `Retry-After` that the client respects, in milliseconds.
const LONGEST_RETRY_AFTER: u64 = 300_000;

/// The backoff for one operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    base: u64,
    cap: u64,
    attempts: u32,
}

impl Backoff {
    /// Waits of up to `base` milliseconds, doubling up to `cap`.
    pub(crate) const fn new(base: u64, cap: u64) -> Self {
        Self { base, cap, attempts: 0 }
    }

    /// The number of waits since the last success.
    pub(crate) const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Resets the backoff after a success.
    pub(crate) const fn reset(&mut self) {
        self.attempts = 0;
    }

    /// A random delay in milliseconds between 0 and the current ceiling. The ceiling then doubles.
    pub(crate) fn next(&mut self, rng: &mut (impl CryptoRng + ?Sized)) -> u64 {
        let ceiling = self.base.saturating_mul(1 << self.attempts.min(20)).min(self.cap);
        self.attempts = self.attempts.saturating_add(1);
        rng.next_u64() % (ceiling + 1)
    }

    /// As [`Backoff::next`], but not before the server's `Retry-After` (in seconds) has passed.
    pub(crate) fn next_after(
        &mut self,
        retry_after: Option<u64>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> u64 {
        let asked = retry_after.unwrap_or(0).saturating_mul(1000).min(LONGEST_RETRY_AFTER);
        asked.saturating_add(self.next(rng))
    }
}

/// A time within 20 % of `ms`, either way.
pub(crate) fn around(ms: u64, rng: &mut (impl CryptoRng + ?Sized)) -> u64 {
    ms - ms / 5 + rng.next_u64() % (2 * (ms / 5) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::chance::Chance;

    #[test]
    fn waits_double_up_to_the_cap_and_start_again() {
        let mut rng = Chance::new(1);
        for (attempts, ceiling) in [(0, 1_000), (1, 2_000), (4, 16_000), (5, 30_000), (400, 30_000)] {
            let waits: Vec<u64> =
                (0..200).map(|_| Backoff { base: 1_000, cap: 30_000, attempts }.next(&mut rng)).collect();
            assert!(waits.iter().all(|wait| *wait <= ceiling), "{attempts}");
            assert!(waits.iter().any(|wait| *wait > ceiling / 2), "{attempts}");
            assert!(waits.iter().any(|wait| *wait < ceiling / 2), "full jitter: {attempts}");
        }
        let mut backoff = Backoff::new(1_000, 30_000);
        backoff.next(&mut rng);
        assert_eq!(backoff.attempts(), 1);
        backoff.reset();
        assert_eq!(backoff.attempts(), 0);
    }

    #[test]
    fn retry_after_is_kept_but_not_for_ever() {
        let mut rng = Chance::new(1);
        let wait = Backoff::new(400, 30_000).next_after(Some(7), &mut rng);
        assert!((7_000..=7_400).contains(&wait), "{wait}");
        assert!(Backoff::new(400, 30_000).next_after(Some(u64::MAX), &mut rng) <= LONGEST_RETRY_AFTER + 400);
    }

    #[test]
    fn around_stays_within_a_fifth() {
        let mut rng = Chance::new(1);
        assert!((0..500).all(|_| (4_000..=6_000).contains(&around(5_000, &mut rng))));
    }
}
