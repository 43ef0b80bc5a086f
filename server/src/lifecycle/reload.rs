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
            Ok(()) => tracing::info!("read the filter of the log again"),
            Err(error) => tracing::error!(error, "the filter of the log stays as it is"),
        }
        match reserved.reload() {
            Ok(()) => tracing::info!("read the reserved handles again"),
            Err(error) => tracing::error!(%error, "the reserved handles stay as they are"),
        }
    }
}
