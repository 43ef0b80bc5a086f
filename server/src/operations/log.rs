//! Logging to standard error.

use std::io;
use std::path::Path;

use clap::ValueEnum;

use crate::operations::log_filter;

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Plain text for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Starts logging to standard error, with the filter in `RUST_LOG` (default `info`).
///
/// # Errors
/// A sentence when `RUST_LOG` is invalid.
pub fn start(format: LogFormat) -> Result<(), String> {
    start_with(format, None, "info")
}

/// The same for an administrative command: only warnings and errors, unless `RUST_LOG` says otherwise.
///
/// # Errors
/// A sentence when `RUST_LOG` is invalid.
pub fn start_for_command() -> Result<(), String> {
    start_with(LogFormat::Text, None, "warn")
}

/// Starts logging with the filter in a file, if there is one.
///
/// # Errors
/// A sentence when the filter is invalid.
pub fn start_with(format: LogFormat, filter_file: Option<&Path>, level: &str) -> Result<(), String> {
    let filter = log_filter::initial(filter_file, level)?;
    // A line that cannot be written, because standard error is closed or a disk is full, is lost. By default the
    // subscriber would report that to standard error too, and panic.
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false)
        .log_internal_errors(false);
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| error.to_string();
    match format {
        LogFormat::Text => {
            let ansi = io::IsTerminal::is_terminal(&io::stderr());
            let lines = lines.with_ansi(ansi).with_filter_reloading();
            let handle = lines.reload_handle();
            log_filter::keep(
                filter_file,
                Box::new(move |filter| handle.reload(filter).map_err(|error| error.to_string())),
            );
            lines.try_init().map_err(failed)
        }
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_filter_reloading();
            let handle = lines.reload_handle();
            log_filter::keep(
                filter_file,
                Box::new(move |filter| handle.reload(filter).map_err(|error| error.to_string())),
            );
            lines.try_init().map_err(failed)
        }
    }
}
