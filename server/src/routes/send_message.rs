//! `POST /v1/messages`: takes an envelope for somebody's inbox and answers once it is durable.

use std::borrow::Cow;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use kez_core::api::{MessageStored, SendMessage};
use kez_core::canonical_json::MAX_DEPTH;
use kez_core::envelope;
use kez_core::problem::{Problem, ProblemCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::body::JsonBody;
use crate::error::ApiError;
use crate::state::AppState;
use crate::store::NewMessage;

/// [`SendMessage`] without a copy of the envelope: its bytes are kept as they came.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Borrowed<'a> {
    #[serde(borrow)]
    to: Cow<'a, str>,
    #[serde(borrow)]
    envelope: &'a RawValue,
}

/// Sends an envelope.
///
/// The same bytes for the same recipient again (a retry after a lost answer) are stored once and answered alike.
#[utoipa::path(post, path = "/v1/messages", tag = "Relay", request_body = SendMessage, responses(
    (status = 201, description = "Stored, durably", body = MessageStored),
    (status = 200, description = "Stood there already; the first answer again", body = MessageStored),
    (status = 400, description = "malformed, unsupported_media_type", body = Problem),
    (status = 404, description = "unknown_handle", body = Problem),
    (status = 408, description = "body_timeout", body = Problem),
    (status = 413, description = "envelope_too_large, body_too_large", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable; come back after `Retry-After`", body = Problem),
    (status = 507, description = "storage_full", body = Problem),
))]
pub async fn send_message(
    State(state): State<AppState>,
    JsonBody(body): JsonBody,
) -> Result<(StatusCode, Json<MessageStored>), ApiError> {
    let message: Borrowed<'_> = serde_json::from_slice(&body)
        .map_err(|error| ApiError::malformed(format!("the body is not as expected: {error}")))?;
    let envelope = message.envelope.get().as_bytes();
    check(envelope)?;
    let handle = message.to.parse().map_err(|_| ApiError::unknown_handle())?;
    let recipient = state.directory.holder(&handle).await?.ok_or_else(ApiError::unknown_handle)?;
    let new = NewMessage { inbox: recipient.id, envelope: body.slice_ref(envelope), now: state.now() };
    let stored = state.store.append(new).await?;
    let status = if stored.fresh { StatusCode::CREATED } else { StatusCode::OK };
    if stored.fresh {
        state.push.announce(recipient.id, recipient.key.primary(), stored.seq);
    }
    Ok((status, Json(MessageStored { seq: stored.seq, created_at: stored.created_at })))
}

/// What the relay asks of bytes that it cannot read: a JSON object, not too large, not too deep. That they are JSON
/// at all was seen when the body was parsed.
fn check(envelope: &[u8]) -> Result<(), ApiError> {
    if envelope.first() != Some(&b'{') {
        return Err(ApiError::malformed("the envelope is a JSON object"));
    }
    if envelope.len() > envelope::MAX_BYTES {
        let detail = "an envelope has at most 256 KiB (262,144 bytes)";
        return Err(ApiError::new(ProblemCode::EnvelopeTooLarge, detail));
    }
    if depth(envelope) > MAX_DEPTH {
        return Err(ApiError::malformed("the envelope is nested more than 16 levels deep"));
    }
    Ok(())
}

/// How deeply well-formed JSON is nested.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut bytes) = (0_usize, 0, json.iter());
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    deepest
}

fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_strings() {
        assert_eq!(depth(br#"{"a":[1,{"b":[]}],"c":{}}"#), 4);
        assert_eq!(depth(br#"{"a":"[[[[{{{{","b":"\"[[[\\"}"#), 1);
        assert_eq!(depth(br#"{"[\\":["]"]}"#), 2);
    }
}
