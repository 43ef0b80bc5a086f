//! SIGHUP: reloads the settings that may change while the server runs.

use std::sync::Arc;

use tokio::signal::unix::Signal;

use crate::accounts::reserved::ReservedHandles;
use crate::operations::log_filter;

/// Reloads the files of the log filter and of reserved handles at each signal. A mistake in a file is logged and
/// changes nothing.
pub(super) async fn on_hangup(reserved: Arc<ReservedHandles>, mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        match log_filter::reload() {
            Ok(()) => tracing::info!("reloaded the log filter"),
            Err(error) => tracing::error!(error, "the log filter is unchanged"),
        }
        match reserved.reload() {
            Ok(()) => tracing::info!("reloaded the reserved handles"),
            Err(error) => tracing::error!(%error, "the reserved handles are unchanged"),
        }
    }
}
