//! `/v1/links/{id}`: a new browser and an old one find each other, without an account (docs/SPEC.md, section 19).

use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use kez_core::api::{LinkMessage, LinkState, PutLink};
use kez_core::link::{MAX_NUMBER, MAX_OFFER_BYTES, MAX_SEALED_BYTES};
use kez_core::problem::{Problem, ProblemCode};
use kez_core::sigchain::Hash;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::path::Text;
use crate::edge::body::JsonBody;
use crate::edge::error::ApiError;
use crate::edge::json::Json;
use crate::operations::disk::Room;
use crate::state::AppState;
use crate::store::StoreError;
use crate::store::links::{Link, LinkOutcome, NewLinkMessage};

/// The id in the path.
pub struct LinkId(Hash);

impl<S: Send + Sync> FromRequestParts<S> for LinkId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Text::<String>(text) = Text::from_request_parts(parts, state).await?;
        text.parse().map(Self).map_err(|_| ApiError::malformed("the path holds no id of a link"))
    }
}

/// Publishes the offer of a new browser for ten minutes.
///
/// The same offer again is answered 201 again. The server does not read the offer, which is any JSON object; the browser that fetches it compares it
/// with the code that the user has given.
#[utoipa::path(put, path = "/v1/links/{id}", tag = "Links", params(("id" = String, Path)), request_body = PutLink,
    responses(
        (status = 201, description = "Stored, durably"),
        (status = 400, description = "malformed", body = Problem),
        (status = 408, description = "body_timeout", body = Problem),
        (status = 409, description = "conflict: another offer has this id", body = Problem),
        (status = 413, description = "body_too_large, also for an offer of more than 8 KiB", body = Problem),
        (status = 429, description = "rate_limited", body = Problem),
        (status = 503, description = "unavailable", body = Problem),
        (status = 507, description = "storage_full", body = Problem),
    )
)]
pub async fn offer(
    State(state): State<AppState>,
    LinkId(id): LinkId,
    body: JsonBody,
) -> Result<StatusCode, ApiError> {
    must_have_room(&state)?;
    let PutLink { offer } = parse(&body)?;
    if offer.get().len() > MAX_OFFER_BYTES {
        return Err(ApiError::new(ProblemCode::BodyTooLarge, "an offer has at most 8 KiB (8,192 bytes)"));
    }
    if !offer.get().starts_with('{') {
        return Err(ApiError::malformed("an offer is a JSON object"));
    }
    let outcome = state.store.put_link(id, offer.get().as_bytes().to_vec(), state.now()).await?;
    stored(outcome, StatusCode::CREATED)
}

/// Reads the offer and the messages of a link.
#[utoipa::path(get, path = "/v1/links/{id}", tag = "Links", params(("id" = String, Path)), responses(
    (status = 200, description = "The offer and the messages so far", body = LinkState),
    (status = 400, description = "malformed", body = Problem),
    (status = 404, description = "unknown_link: there is none, or it has expired", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
))]
pub async fn read(State(state): State<AppState>, LinkId(id): LinkId) -> Result<Json<LinkState>, ApiError> {
    let Link { offer, messages } = state.store.link(id, state.now()).await?.ok_or_else(unknown)?;
    let offer = String::from_utf8(offer).ok().and_then(|offer| RawValue::from_string(offer).ok());
    let messages = messages.iter().map(|message| serde_json::from_slice(message));
    Ok(Json(LinkState {
        offer: offer.ok_or(StoreError::Corrupt("offer"))?,
        messages: messages.collect::<Result<_, _>>().map_err(|_| StoreError::Corrupt("message of a link"))?,
    }))
}

/// Leaves a sealed message for the other browser.
///
/// Each side has the numbers 1 to 4, each once. The same message again is answered 204 again.
#[utoipa::path(post, path = "/v1/links/{id}/messages", tag = "Links", params(("id" = String, Path)),
    request_body = LinkMessage, responses(
        (status = 204, description = "Stored, durably"),
        (status = 400, description = "malformed", body = Problem),
        (status = 404, description = "unknown_link: there is none, or it has expired", body = Problem),
        (status = 408, description = "body_timeout", body = Problem),
        (status = 409, description = "conflict: another message of this side has this number", body = Problem),
        (status = 413, description = "body_too_large, also for a message of more than 64 KiB", body = Problem),
        (status = 429, description = "rate_limited", body = Problem),
        (status = 503, description = "unavailable", body = Problem),
        (status = 507, description = "storage_full", body = Problem),
    )
)]
pub async fn add(
    State(state): State<AppState>,
    LinkId(link): LinkId,
    body: JsonBody,
) -> Result<StatusCode, ApiError> {
    must_have_room(&state)?;
    let message: LinkMessage = parse(&body)?;
    if message.sealed.0.len() > MAX_SEALED_BYTES {
        let detail = "a message has at most 64 KiB (65,536 bytes)";
        return Err(ApiError::new(ProblemCode::BodyTooLarge, detail));
    }
    if !(1..=MAX_NUMBER).contains(&message.n) {
        return Err(ApiError::malformed("the messages of a side have the numbers 1 to 4"));
    }
    let new = NewLinkMessage {
        link,
        from: message.from,
        number: message.n,
        message: serde_json::to_vec(&message).map_err(|error| ApiError::malformed(error.to_string()))?,
    };
    stored(state.store.add_to_link(new, state.now()).await?, StatusCode::NO_CONTENT)
}

/// A disk that is filling up is left to people who know each other.
fn must_have_room(state: &AppState) -> Result<(), ApiError> {
    if state.limits.is_none() || state.disk.room() == Room::Ample {
        return Ok(());
    }
    Err(ApiError::unavailable("the server's disk is filling up: at the moment no browser can be linked", 300))
}

fn parse<T: DeserializeOwned>(JsonBody(body): &JsonBody) -> Result<T, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::malformed(format!("the body is malformed: {error}")))
}

fn stored(outcome: LinkOutcome, status: StatusCode) -> Result<StatusCode, ApiError> {
    match outcome {
        LinkOutcome::Stored | LinkOutcome::Stands => Ok(status),
        LinkOutcome::Conflict => Err(ApiError::new(ProblemCode::Conflict, "something else is stored there")),
        LinkOutcome::Unknown => Err(unknown()),
    }
}

fn unknown() -> ApiError {
    ApiError::new(ProblemCode::UnknownLink, "there is no link with this id, or it has expired")
}
