//! Histograms of times, with the same buckets everywhere.

use prometheus_client::metrics::histogram::Histogram;

/// Upper bounds of the buckets, in seconds: from the latency of a fast disk up to the time-out of an answer.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0];

/// A histogram of times.
pub fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}
