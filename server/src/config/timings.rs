//! The timings of a live stream.

use std::time::Duration;

/// The time-outs and intervals of live streams. The defaults are the protocol's; only tests set others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timings {
    /// The time limit for the first frame.
    pub hello: Duration,
    /// The ping interval. A client that was not heard since the last ping is considered gone.
    pub ping_every: Duration,
    /// The time limit for sending a frame; a slower reader is disconnected.
    pub send: Duration,
    /// The interval of the periodic read of the inbox, plus or minus a fifth.
    pub reread_every: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            hello: Duration::from_secs(5),
            ping_every: Duration::from_secs(25),
            send: Duration::from_secs(10),
            reread_every: Duration::from_secs(30),
        }
    }
}

impl Timings {
    /// [`Self::reread_every`] plus or minus a fifth, so that streams that started together do not keep reading
    /// together.
    pub fn reread_after(&self) -> Duration {
        let random = f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX);
        self.reread_every.mul_f64(0.8 + 0.4 * random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_poll_interval_of_streams_is_spread_over_24_to_36_seconds() {
        let drawn: Vec<_> = (0..200).map(|_| Timings::default().reread_after()).collect();
        assert!(drawn.iter().all(|after| (24.0..=36.0).contains(&after.as_secs_f64())), "{drawn:?}");
        let (first, last) = (drawn.iter().min().unwrap(), drawn.iter().max().unwrap());
        assert!(*last - *first > Duration::from_secs(6), "spread: {first:?} to {last:?}");
    }
}
