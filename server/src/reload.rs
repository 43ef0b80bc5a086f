//! SIGHUP: reloads the settings that may change while the server runs.

use tokio::signal::unix::Signal;

use crate::log_filter;
use crate::state::AppState;

/// Reloads the files of the log filter and of reserved handles at each signal. A mistake in a file is logged and
/// changes nothing.
pub async fn on_hangup(state: AppState, mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        match log_filter::reload() {
            Ok(()) => tracing::info!("read the filter of the log again"),
            Err(error) => tracing::error!(error, "the filter of the log stays as it is"),
        }
        match state.reserved.reload() {
            Ok(()) => tracing::info!("read the reserved handles again"),
            Err(error) => tracing::error!(%error, "the reserved handles stay as they are"),
        }
    }
}
