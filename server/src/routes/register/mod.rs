//! `POST /v1/register`: claims a handle for a key.

mod rotation;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use kez_core::api::Lookup;
use kez_core::handle::Handle;
use kez_core::invite::{self, InviteCode, InviteHash};
use kez_core::problem::{Problem, ProblemCode};
use kez_core::registration::{HandleRegistration, RegistrationRefused};
use kez_core::signed::{Signed, Verified};
use kez_core::time::Timestamp;

use crate::accounts::directory::Holder;
use crate::config::Registration;
use crate::edge::body::JsonBody;
use crate::edge::error::ApiError;
use crate::edge::json::Json;
use crate::state::AppState;
use crate::store::moderation::HandleState;
use crate::store::{Account, Claim, ClaimOutcome, StoreError};
use rotation::{NextKey, hand_over};

/// Claims a handle.
///
/// The checks are made in this order: shape and key, signature, a repeat of the current registration (accepted again,
/// because its first answer may have been lost), server, handle, reserved names, age, the server's mode of registration
/// (if the handle is free), and whether handle and key are free, or the holder's sigchain names this key as the next
/// one. An invitation is used up by the account that it creates.
#[utoipa::path(post, path = "/v1/register", tag = "Registry", request_body = Object, params(
    ("X-KEZ-Invite" = Option<String>, Header, description = "The code of an invitation, if one is required"),
), responses(
    (status = 201, description = "The handle belongs to the key", body = Lookup),
    (status = 400, description = "malformed, wrong_server, invalid_handle, reserved_handle, stale", body = Problem),
    (status = 401, description = "bad_signature", body = Problem),
    (status = 403, description = "registration_closed, invite_refused", body = Problem),
    (status = 409, description = "handle_taken, primary_taken", body = Problem),
    (status = 413, description = "body_too_large", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
    (status = 507, description = "storage_full", body = Problem),
))]
pub async fn register(
    State(state): State<AppState>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<(StatusCode, Json<Lookup>), ApiError> {
    let signed: Signed<HandleRegistration> = Signed::parse(&body)?;
    let text = signed.to_json().map_err(|error| ApiError::malformed(error.to_string()))?;
    let registration = signed.verify()?;
    let account = match standing(&state, &registration, &text).await? {
        Some(account) => account,
        None => claim(&state, &registration, text, &headers).await?,
    };
    Ok((StatusCode::CREATED, Json(state.describe(account).await?)))
}

/// The account that exactly this registration created earlier.
async fn standing(
    state: &AppState,
    registration: &Verified<HandleRegistration>,
    text: &str,
) -> Result<Option<Account>, StoreError> {
    let Ok(handle) = registration.handle().parse::<Handle>() else { return Ok(None) };
    let holder = state.store.lookup(&handle).await?;
    Ok(holder.filter(|holder| holder.registration == text))
}

async fn claim(
    state: &AppState,
    registration: &Verified<HandleRegistration>,
    text: String,
    headers: &HeaderMap,
) -> Result<Account, ApiError> {
    let now = state.now();
    let taken = |code: ProblemCode| Err(ApiError::new(code, code.title()));
    let handle = match registration.check(&state.config.server, now) {
        // A handle reserved on this server is refused as reserved, whatever the age of the claim.
        Err(RegistrationRefused::Stale) if is_kept_back(state, registration, now).await? => {
            return taken(ProblemCode::ReservedHandle);
        }
        checked => checked?,
    };
    if state.reserved.contains(&handle) {
        return taken(ProblemCode::ReservedHandle);
    }
    let invite = match invite(state, headers) {
        Ok(invite) => invite,
        Err(refused) => match state.store.handle_state(handle.clone()).await? {
            // The handle can only go to its holder's next key, which needs no invitation.
            HandleState::Held(_) => None,
            reserved if reserved.is_reserved(now) => return taken(ProblemCode::ReservedHandle),
            _ => return Err(refused),
        },
    };
    let primary = registration.primary().primary();
    let claim = Claim { handle: handle.clone(), primary, registration: text.clone(), invite, now };
    let changes = state.directory.changes();
    match state.store.claim_handle(claim).await? {
        ClaimOutcome::Stands(account) => {
            // A client that has just registered sends its next request at once.
            let holder = Holder { id: account.id, key: primary };
            state.directory.cache(&handle, holder, changes);
            Ok(account)
        }
        ClaimOutcome::HandleTaken => hand_over(state, NextKey { handle, primary, registration: text }).await,
        ClaimOutcome::PrimaryTaken => taken(ProblemCode::PrimaryTaken),
        ClaimOutcome::HandleReserved => taken(ProblemCode::ReservedHandle),
        ClaimOutcome::InviteRefused => Err(why_not_invited(state, invite, now).await?),
    }
}

/// Whether the operator or a deletion has reserved the handle.
async fn is_kept_back(
    state: &AppState,
    registration: &Verified<HandleRegistration>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Ok(handle) = registration.handle().parse::<Handle>() else { return Ok(false) };
    Ok(state.reserved.contains(&handle) || state.store.handle_state(handle).await?.is_reserved(now))
}

/// The invitation to use up, if this server requires one.
fn invite(state: &AppState, headers: &HeaderMap) -> Result<Option<InviteHash>, ApiError> {
    match state.config.abuse.registration {
        Registration::Open => Ok(None),
        Registration::Closed => {
            Err(ApiError::new(ProblemCode::RegistrationClosed, "this server accepts no new accounts"))
        }
        Registration::Invite => {
            let code = headers.get(invite::HEADER).and_then(|code| code.to_str().ok()?.parse().ok());
            code.map(|code: InviteCode| Some(code.hash())).ok_or_else(|| {
                ApiError::new(
                    ProblemCode::InviteRefused,
                    "this server accepts new accounts by invitation only",
                )
            })
        }
    }
}

/// Why an invitation is refused. A caller who knows its code may learn that: codes are too long to be guessed.
async fn why_not_invited(
    state: &AppState,
    invite: Option<InviteHash>,
    now: Timestamp,
) -> Result<ApiError, StoreError> {
    let known = match invite {
        Some(hash) => state.store.invite(hash).await?,
        None => None,
    };
    let detail = match known.map(|invite| invite.over(now)) {
        Some(Some(over)) => over.to_string(),
        Some(None) => "this invitation could not be used: try again".to_owned(),
        None => "there is no such invitation: check the code letter by letter".to_owned(),
    };
    Ok(ApiError::new(ProblemCode::InviteRefused, detail))
}
