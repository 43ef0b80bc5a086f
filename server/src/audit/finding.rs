//! What an audit can find.

use std::fmt;

use serde::Serialize;

/// Something that disagrees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub kind: Kind,
    /// Where, and how.
    pub detail: String,
    /// The signed checkpoints that contradict each other, where the finding is about two of them: what proves to others
    /// that the server has told two stories.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checkpoints: Vec<String>,
}

/// The kinds of disagreement, by the names under which they are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The server shows another key for its log than the auditor knows.
    OtherKey,
    /// The checkpoint is not one, or is not signed by the log's key.
    BadCheckpoint,
    /// The log is shorter than it was.
    RolledBackLog,
    /// The server has signed another history than the one that it shows: at the size of a checkpoint that was remembered, or
    /// that came with a lookup, WebFinger or a proof, the entries have another root.
    ForkedLog,
    /// The entries do not add up to the signed root.
    WrongRoot,
    /// An entry cannot be read, or is missing.
    BadEntry,
    /// A tile holds other hashes than the entries under it.
    TamperedTile,
    /// The entries of one chain do not count from 1 without gap and repetition.
    ForkedChain,
    /// A chain that is in the log does not exist or is shorter, says the server.
    MissingLinks,
    /// The server gives no usable answer about a chain that is in its log, although it answers about its log.
    WithheldChain,
    /// A link breaks the rules of chains.
    InvalidChain,
    /// A link that the server shows is not the one in the log, or is not in the log at all.
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
