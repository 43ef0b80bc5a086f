//! Frees the memory of idle clients' allowances.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::interval;

use crate::edge::limits::Limits;
use crate::state::AppState;

/// The interval between two evictions.
const EVICT_EVERY: Duration = Duration::from_secs(60);

/// Evicts client networks from the rate limits. Returns at once if there are none.
pub(super) async fn evict_idle_clients(limits: Option<Arc<Limits>>) {
    let Some(limits) = limits else { return };
    let mut every = interval(EVICT_EVERY);
    loop {
        every.tick().await;
        limits.evict_idle();
    }
}

/// Evicts senders from the allowances for messages.
pub(super) async fn evict_idle_senders(state: AppState) {
    let mut every = interval(EVICT_EVERY);
    loop {
        every.tick().await;
        state.admission.evict_idle();
        if let Some(claims) = &state.claims {
            claims.evict_idle();
        }
    }
}
