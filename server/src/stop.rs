//! Being told to stop.

use tokio::signal::unix::{SignalKind, signal};

/// Returns on SIGTERM (the service manager) or SIGINT (the person at the terminal).
///
/// # Errors
/// Whatever the operating system says.
pub fn told_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
    })
}
