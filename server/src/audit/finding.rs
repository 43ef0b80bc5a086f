//! The findings of an audit.

use std::fmt;

use serde::Serialize;

/// A disagreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its kind.
    pub kind: Kind,
    /// Where and how it occurs.
    pub detail: String,
    /// The signed checkpoints that contradict each other, if the finding is about two of them. They prove to third
    /// parties that the server has shown two different histories.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checkpoints: Vec<String>,
}

/// The kinds of disagreement, with the names under which they are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The server shows a different key for its log than the auditor knows.
    OtherKey,
    /// The checkpoint is malformed, or is not signed by the log's key.
    BadCheckpoint,
    /// The log is shorter than it was.
    RolledBackLog,
    /// The server has signed a different history from the one it serves: the entries have another root at the size of a
    /// checkpoint that was remembered, or that came with a lookup, WebFinger or a proof.
    ForkedLog,
    /// The entries do not add up to the signed root.
    WrongRoot,
    /// An entry cannot be read, or is missing.
    BadEntry,
    /// The hashes of a tile differ from the entries below it.
    TamperedTile,
    /// The entries of a chain are not numbered from 1 without gaps and repetitions.
    ForkedChain,
    /// According to the server, a chain in the log does not exist or is shorter.
    MissingLinks,
    /// The server gives no usable answer about a chain in its log, although it answers about its log.
    WithheldChain,
    /// A link breaks the rules of chains.
    InvalidChain,
    /// A link that the server serves differs from the one in the log, or is not in the log.
    HeadNotInLog,
    /// A lookup shows a key that the chain does not name, or no longer names.
    WrongKey,
    /// The proof in a lookup does not lead to a signed root.
    BadInclusion,
}

impl Finding {
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), checkpoints: Vec::new() }
    }

    pub(super) fn with_checkpoints(self, checkpoints: [&str; 2]) -> Self {
        Self { checkpoints: checkpoints.map(str::to_owned).into(), ..self }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.detail)
    }
}
