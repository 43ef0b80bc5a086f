//! The phases of a run. Each puts one target under one kind of load and measures the result.

pub(crate) mod drain;
pub(crate) mod idle;
pub(crate) mod limits;
pub(crate) mod live;
pub(crate) mod store;

use std::time::Duration;

use crate::failure::Failure;

/// The time limit of a phase, so that a server that hangs is detected.
const PHASE_LIMIT: Duration = Duration::from_secs(180);

/// Runs a phase within the time limit.
pub(crate) async fn within<T>(
    phase: &'static str,
    run: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::time::timeout(PHASE_LIMIT, run)
        .await
        .unwrap_or(Err(Failure::TooSlow { phase, limit: PHASE_LIMIT }))
}
