//! Why a link is refused, in the order of the checks.

use crate::problem::ProblemCode;

/// Why a link is not part of a chain. The order of the variants is the order of the checks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkRefused {
    /// It is not a valid link: a wrong shape, an unusable key, or the wrong key in a field.
    #[error("the link is malformed: {0}")]
    Malformed(String),
    /// The link has a kind that this version does not know. The state of such a chain is unknown from there on.
    #[error("the link is of a kind that this version does not know: {0}")]
    UnknownKind(String),
    /// It does not follow the last link: its seqno or its previous hash differs.
    #[error("the link does not follow the last one of the chain")]
    Conflict,
    /// Its signer may not say this at this point of the chain.
    #[error("the chain does not authorise the link: {0}")]
    NotAuthorised(&'static str),
    /// A signature, or the countersignature of a device, is invalid.
    #[error("the link's signature does not match its key and the signed text")]
    BadSignature,
}

impl LinkRefused {
    /// The wire code.
    pub const fn code(&self) -> ProblemCode {
        match self {
            Self::Malformed(_) | Self::UnknownKind(_) => ProblemCode::Malformed,
            Self::Conflict => ProblemCode::Conflict,
            Self::NotAuthorised(_) => ProblemCode::NotAuthorised,
            Self::BadSignature => ProblemCode::BadSignature,
        }
    }

    pub(super) fn malformed(reason: impl Into<String>) -> Self {
        Self::Malformed(reason.into())
    }
}
