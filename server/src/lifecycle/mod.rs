//! The life of a server process: start, waiting for the database, background tasks, reload and stop.

pub mod chat;
mod eviction;
mod reload;
pub mod sig;
pub mod start_error;
mod waiting;

use std::time::Duration;

/// How long requests and live streams have to finish when the server stops.
const DRAIN: Duration = Duration::from_secs(8);
