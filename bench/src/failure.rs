//! Why a measurement has no result.

use std::path::PathBuf;
use std::time::Duration;

use hyper::StatusCode;

/// Why a measurement has no result. Always the end of the run: half a measurement is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The program to measure does not start.
    #[error("{} cannot be started: {source}; build it with `cargo build --release -p kez-chat-server`", .program.display())]
    NotStarted { program: PathBuf, source: std::io::Error },
    /// It started and ended, or never answered.
    #[error("the {0} did not come up")]
    NotReady(&'static str),
    /// An answer was not the one that the load is made of.
    #[error("{path} answered {status}: {body}")]
    Status { path: String, status: StatusCode, body: String },
    /// What was acknowledged was not there when it was read.
    #[error("{acknowledged} messages were acknowledged, {found} were read back")]
    Lost { acknowledged: usize, found: usize },
    /// The live stream said something unexpected, or ended.
    #[error("the live stream ended early: {0}")]
    Stream(String),
    /// A phase took longer than it may.
    #[error("the phase {phase} took longer than {} s", .limit.as_secs())]
    TooSlow { phase: &'static str, limit: Duration },
    /// More connections were asked for than this shell allows.
    #[error(
        "{wanted} connections need more open files than the {allowed} allowed: raise `ulimit -n`, or lower --idle"
    )]
    OpenFiles { wanted: usize, allowed: usize },
    /// What the server promises does not hold.
    #[error("{0}")]
    Broken(String),
    /// A message or a key did not come out as it must.
    #[error("{0}")]
    Protocol(String),
    /// Files, sockets, processes.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// HTTP.
    #[error(transparent)]
    Http(#[from] hyper::Error),
    /// A request that cannot be written down.
    #[error(transparent)]
    Request(#[from] hyper::http::Error),
    /// WebSocket.
    #[error(transparent)]
    WebSocket(#[from] tokio_tungstenite::tungstenite::Error),
    /// JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// The bare writer's database.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// A task of the generator was torn down.
    #[error(transparent)]
    Task(#[from] tokio::task::JoinError),
}

impl Failure {
    /// For errors of the protocol's own types, whose sentence says enough.
    pub(crate) fn protocol(error: impl std::fmt::Display) -> Self {
        Self::Protocol(error.to_string())
    }
}
