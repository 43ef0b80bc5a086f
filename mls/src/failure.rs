//! What an error of mls-rs means to a client.

use kez_core::mls::reply::Why;
use mls_rs::error::MlsError;

/// An error of mls-rs.
pub(crate) struct Failure(pub(crate) MlsError);

impl From<MlsError> for Failure {
    fn from(error: MlsError) -> Self {
        Self(error)
    }
}

impl From<Failure> for Why {
    fn from(Failure(error): Failure) -> Self {
        match error {
            MlsError::InvalidSignature => Self::BadSignature,
            MlsError::InvalidMembershipTag | MlsError::InvalidConfirmationTag => Self::BadTag,
            MlsError::InvalidEpoch | MlsError::EpochNotFound => Self::WrongEpoch,
            MlsError::GroupIdMismatch => Self::WrongGroup,
            MlsError::KeyMissing(_)
            | MlsError::InvalidFutureGeneration(_)
            | MlsError::InvalidLeafConsumption => Self::KeyMissing,
            MlsError::CryptoProviderError(_) => Self::NotDecryptable,
            MlsError::InvalidLifetime { .. } => Self::Lifetime,
            MlsError::WelcomeKeyPackageNotFound => Self::NoPackage,
            MlsError::SerializationError(_) | MlsError::UnexpectedMessageType => Self::Malformed,
            _ => Self::Invalid,
        }
    }
}
