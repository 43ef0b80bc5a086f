//! Stop signals.

use tokio::signal::unix::{SignalKind, signal};

/// Returns on SIGTERM (from the service manager) or SIGINT (from the terminal).
///
/// # Errors
/// The operating system's error.
pub fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
    })
}
