//! Why a measurement failed.

use std::path::PathBuf;
use std::time::Duration;

use hyper::StatusCode;

/// Why a measurement failed. A failure always ends the run: half a measurement is worthless.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The program to measure could not be started.
    #[error("{} cannot be started: {source}; build it with `cargo build --release -p kez-chat-server`", .program.display())]
    NotStarted { program: PathBuf, source: std::io::Error },
    /// The program started and then exited, or never answered.
    #[error("the {0} did not come up")]
    NotReady(&'static str),
    /// An answer with an unexpected status.
    #[error("{path} answered {status}: {body}")]
    Status { path: String, status: StatusCode, body: String },
    /// An acknowledged message was missing when the inbox was read.
    #[error("{acknowledged} messages were acknowledged, {found} were read back")]
    Lost { acknowledged: usize, found: usize },
    /// The live stream sent an unexpected frame, or ended.
    #[error("the live stream ended early: {0}")]
    Stream(String),
    /// A phase exceeded its time limit.
    #[error("the phase {phase} took longer than {} s", .limit.as_secs())]
    TooSlow { phase: &'static str, limit: Duration },
    /// More connections were requested than the open-file limit of this shell allows.
    #[error(
        "{wanted} connections need more open files than the {allowed} allowed: raise `ulimit -n`, or lower --idle"
    )]
    OpenFiles { wanted: usize, allowed: usize },
    /// The server broke one of its promises.
    #[error("{0}")]
    Broken(String),
    /// A message or a key violated the protocol.
    #[error("{0}")]
    Protocol(String),
    /// An error with files, sockets or processes.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// An HTTP error.
    #[error(transparent)]
    Http(#[from] hyper::Error),
    /// A request that cannot be constructed.
    #[error(transparent)]
    Request(#[from] hyper::http::Error),
    /// A WebSocket error.
    #[error(transparent)]
    WebSocket(#[from] tokio_tungstenite::tungstenite::Error),
    /// A JSON error.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// An error of the bare writer's database.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// A task of the generator was aborted or panicked.
    #[error(transparent)]
    Task(#[from] tokio::task::JoinError),
}

impl Failure {
    /// Wraps an error of the protocol's own types, whose message is sufficient.
    pub(crate) fn protocol(error: impl std::fmt::Display) -> Self {
        Self::Protocol(error.to_string())
    }
}
