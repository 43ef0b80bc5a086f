//! Errors at the HTTP boundary: every refusal becomes problem details (RFC 9457) with a code from [`ProblemCode`].
//!
//! Inside the server, errors are typed where they arise ([`StoreError`], `kez_core`'s own); a route turns them into an
//! [`ApiError`] with `?`. Server faults are logged here, once; the caller's mistakes are not.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kez_core::canonical_json::MalformedJson;
use kez_core::inbox_auth::Unauthorized;
use kez_core::problem::{Problem, ProblemCode};
use kez_core::registration::RegistrationRefused;
use kez_core::sigchain::LinkRefused;
use kez_core::signature::BadSignature;
use kez_core::work::WorkOffer;

use crate::edge::json::Json;
use crate::store::StoreError;

/// The media type of problem details (RFC 9457, section 3).
pub const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Why a request is refused, with one sentence for the client's developer.
#[derive(Clone, Debug)]
pub struct ApiError {
    code: ProblemCode,
    detail: Cow<'static, str>,
    retry_after: Option<u64>,
    close: bool,
    work: Option<WorkOffer>,
}

impl ApiError {
    /// A refusal with a sentence.
    pub fn new(code: ProblemCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), retry_after: None, close: false, work: None }
    }

    /// The request is malformed.
    pub fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemCode::Malformed, detail)
    }

    /// The handle or key is not registered.
    pub fn unknown_handle() -> Self {
        Self::new(ProblemCode::UnknownHandle, "no account on this server has this handle or key")
    }

    /// No chain begins with the key.
    pub fn unknown_chain() -> Self {
        Self::new(ProblemCode::UnknownChain, "this server has no chain that begins with this key")
    }

    /// The server cannot do it now; the caller may retry after `seconds`.
    pub fn unavailable(detail: &'static str, seconds: u64) -> Self {
        Self::new(ProblemCode::Unavailable, detail).retry_after(seconds)
    }

    /// Sets the time after which to retry, in seconds (RFC 9110, section 10.2.3).
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// Offers the caller a proof of work as an alternative.
    #[must_use]
    pub fn with_work_offer(self, work: WorkOffer) -> Self {
        Self { work: Some(work), ..self }
    }

    /// The code of the refusal.
    pub const fn code(&self) -> ProblemCode {
        self.code
    }

    /// The problem details, and the seconds after which to retry.
    pub fn into_problem(self) -> (Problem, Option<u64>) {
        (Problem { work: self.work, ..Problem::new(self.code, self.detail) }, self.retry_after)
    }

    /// Closes the connection after the answer, because the rest of the request will not be read.
    #[must_use]
    pub fn and_close(self) -> Self {
        Self { close: true, ..self }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (code, close) = (self.code, self.close);
        let (problem, retry_after) = self.into_problem();
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        // For the code that counts refusals.
        response.extensions_mut().insert(code);
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        log_failure(&error);
        match error {
            StoreError::Busy => Self::unavailable("the server has too many writes waiting at the moment", 1),
            StoreError::Locked => Self::unavailable("the server's storage does not answer at the moment", 2),
            StoreError::Unreachable(_) => {
                Self::unavailable("the server's storage cannot be reached at the moment", 2)
            }
            StoreError::Closed => Self::unavailable("the server is shutting down", 2),
            StoreError::Full => {
                let detail = "the server's storage is full";
                Self::new(ProblemCode::StorageFull, detail).retry_after(60)
            }
            StoreError::InboxFull => {
                let detail = "the recipient's inbox has no room for this message";
                Self::new(ProblemCode::InboxFull, detail).retry_after(3600)
            }
            StoreError::NoSuchAccount => Self::unknown_handle(),
            StoreError::StaleEpoch { epoch, .. } => {
                Self::new(ProblemCode::StaleEpoch, format!("the group is in epoch {epoch}"))
            }
            StoreError::TooManyGroups => {
                let detail = "an account that would be added belongs to as many groups as it may";
                Self::new(ProblemCode::TooManyGroups, detail)
            }
            StoreError::InviteRefused => {
                Self::new(ProblemCode::InviteRefused, "this invitation is not valid, or no longer")
            }
            StoreError::Database(_) | StoreError::Corrupt(_) => {
                let detail = "the server failed; the request id names the entry in its log";
                Self::new(ProblemCode::Internal, detail)
            }
        }
    }
}

/// Logs a store failure for the operator, unless the store is only busy for a moment.
pub fn log_failure(error: &StoreError) {
    match error {
        StoreError::Busy
        | StoreError::Closed
        | StoreError::InboxFull
        | StoreError::NoSuchAccount
        | StoreError::StaleEpoch { .. }
        | StoreError::InviteRefused
        | StoreError::TooManyGroups => {}
        StoreError::Locked => tracing::warn!("the database is locked by another process"),
        StoreError::Unreachable(_) => tracing::warn!(%error, "the database does not answer"),
        StoreError::Full => tracing::error!("the disk of the database is full"),
        StoreError::Database(_) | StoreError::Corrupt(_) => tracing::error!(%error, "the database failed"),
    }
}

impl From<MalformedJson> for ApiError {
    fn from(error: MalformedJson) -> Self {
        Self::malformed(error.to_string())
    }
}

impl From<BadSignature> for ApiError {
    fn from(error: BadSignature) -> Self {
        Self::new(ProblemCode::BadSignature, error.to_string())
    }
}

impl From<LinkRefused> for ApiError {
    fn from(refused: LinkRefused) -> Self {
        Self::new(refused.code(), refused.to_string())
    }
}

impl From<RegistrationRefused> for ApiError {
    fn from(refused: RegistrationRefused) -> Self {
        Self::new(refused.code(), refused.to_string())
    }
}

impl From<Unauthorized> for ApiError {
    fn from(_: Unauthorized) -> Self {
        Self::new(ProblemCode::Unauthorized, "the X-KEZ-Auth header is missing or does not allow this")
    }
}
