//! Why a link is refused, in the order in which a link is checked.

use crate::problem::ProblemCode;

/// Why a link is not part of a chain. The order of the variants is the order of the checks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkRefused {
    /// It is no link: the shape, a key, or who must be named where.
    #[error("the link is malformed: {0}")]
    Malformed(String),
    /// It is a link of a kind that this version does not know. Nobody can say what such a chain means from there on.
    #[error("the link is of a kind that this version does not know: {0}")]
    UnknownKind(String),
    /// It does not follow the last link: another seqno, or another hash before it.
    #[error("the link does not follow the last one of the chain")]
    Conflict,
    /// Its signer may not say this at this place of the chain.
    #[error("the chain does not authorise the link: {0}")]
    NotAuthorised(&'static str),
    /// A signature, or the countersignature of a device, does not hold.
    #[error("the link's signature does not match its key and the signed text")]
    BadSignature,
}

impl LinkRefused {
    /// The code for the wire.
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
