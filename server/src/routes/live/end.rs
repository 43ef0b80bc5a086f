//! How a stream ends, and with which close code.

use axum::extract::ws::close_code;
use kez_core::api::CLOSE_UNAUTHORIZED;
use kez_core::inbox_auth::Unauthorized;

use crate::accounts::caller;
use crate::edge::error::log_failure;
use crate::store::StoreError;

/// Why a stream ends.
pub(super) enum End {
    /// The client has disconnected, or does not read.
    Gone,
    /// The server closes with this code and reason.
    Close(u16, &'static str),
}

impl End {
    pub(super) fn going_away() -> Self {
        Self::Close(close_code::AWAY, "the server is shutting down")
    }
}

impl From<Unauthorized> for End {
    fn from(_: Unauthorized) -> Self {
        Self::Close(CLOSE_UNAUTHORIZED, "unauthorized")
    }
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        log_failure(&error);
        Self::Close(close_code::AGAIN, "the server's storage does not answer at the moment")
    }
}

impl From<caller::Refused> for End {
    fn from(refused: caller::Refused) -> Self {
        match refused {
            caller::Refused::Unauthorized(unauthorized) => unauthorized.into(),
            caller::Refused::Store(error) => error.into(),
            caller::Refused::NoChain(_) => {
                Self::Close(close_code::AGAIN, "the sigchain of this device cannot be read at the moment")
            }
        }
    }
}

impl From<axum::Error> for End {
    fn from(_: axum::Error) -> Self {
        Self::Gone
    }
}
