//! SIGHUP: what may change while the server runs is read again.

use tokio::signal::unix::Signal;

use crate::log_filter;
use crate::state::AppState;

/// Reads the files of the log's filter and of reserved handles again at each signal. A mistake in one is logged and
/// changes nothing.
pub async fn on_hangup(state: AppState, mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        if let Err(error) = log_filter::reload() {
            tracing::error!(error, "the filter of the log stays as it is");
        }
        if let Err(error) = state.reserved.reload() {
            tracing::error!(%error, "the reserved handles stay as they are");
        }
        tracing::info!("read the log filter and the reserved handles again");
    }
}
