//! Latencies and their percentiles.

use std::time::Duration;

/// Latencies in the order of measurement.
#[derive(Debug, Default)]
pub(crate) struct Latencies(Vec<Duration>);

/// Latencies in ascending order, for percentiles.
pub(crate) struct Sorted(Vec<Duration>);

impl Latencies {
    pub(crate) fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    pub(crate) fn push(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    pub(crate) fn sorted(mut self) -> Sorted {
        self.0.sort_unstable();
        Sorted(self.0)
    }
}

impl Sorted {
    /// The number of latencies.
    pub(crate) const fn count(&self) -> usize {
        self.0.len()
    }

    /// The latency, in milliseconds, that `percent` per cent of all do not exceed (nearest rank). So 100 gives the
    /// longest; 0 if there are none.
    pub(crate) fn percentile_ms(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100);
        self.0.get(rank.saturating_sub(1)).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let mut latencies = Latencies::default();
        for ms in (1..=200).rev() {
            latencies.push(Duration::from_millis(ms));
        }
        let sorted = latencies.sorted();
        let read = [50, 99, 100].map(|percent| sorted.percentile_ms(percent).round());
        assert_eq!(read, [100.0, 198.0, 200.0]);
        assert_eq!(Latencies::default().sorted().percentile_ms(50), 0.0);
    }
}
