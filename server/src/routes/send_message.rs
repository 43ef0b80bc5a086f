//! `POST /v1/messages`: accepts an envelope for an inbox and answers once it is durable.

use std::borrow::Cow;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use kez_core::api::{MessageStored, SendMessage};
use kez_core::canonical_json::MAX_DEPTH;
use kez_core::envelope;
use kez_core::handle::Handle;
use kez_core::identity::Primary;
use kez_core::problem::{Problem, ProblemCode};
use kez_core::work::WorkFor;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::accounts::directory::Holder;
use crate::accounts::people;
use crate::edge::error::ApiError;
use crate::edge::json::Json;
use crate::relay::admission::Read;
use crate::relay::allowances::Sender;
use crate::state::AppState;
use crate::store::NewMessage;

/// [`SendMessage`] without a copy of the envelope: its bytes are kept unchanged.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body<'a> {
    #[serde(borrow)]
    to: Cow<'a, str>,
    #[serde(borrow)]
    envelope: &'a RawValue,
}

/// Sends an envelope.
///
/// If the same bytes are sent to the same recipient again (a retry after a lost answer), they are stored once and get
/// the same answer. A sender may sign the request, and then has an allowance of its own, and a larger one for
/// recipients who have accepted it.
#[utoipa::path(post, path = "/v1/messages", tag = "Relay", request_body = SendMessage, params(
    ("X-KEZ-Auth" = Option<String>, Header, description = "`<handle>:<unix time>:<nonce>:<signature>`"),
    ("X-KEZ-Work" = Option<String>, Header, description = "`<challenge>:<counter>`, if a 429 asked for work"),
), responses(
    (status = 201, description = "Stored, durably", body = MessageStored),
    (status = 200, description = "It was already stored; repeats the first answer", body = MessageStored),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized: there is a signature, and it is invalid", body = Problem),
    (status = 404, description = "unknown_handle", body = Problem),
    (status = 408, description = "body_timeout", body = Problem),
    (status = 413, description = "envelope_too_large, body_too_large", body = Problem),
    (status = 429, description = "rate_limited; `work` offers a proof of work that pays for this message", body = Problem),
    (status = 503, description = "unavailable; retry after `Retry-After`", body = Problem),
    (status = 507, description = "storage_full, inbox_full", body = Problem),
))]
pub async fn send_message(
    State(state): State<AppState>,
    request: Request,
) -> Result<(StatusCode, Json<MessageStored>), ApiError> {
    let (read, body) = state.admission.begin(request)?.read(&state.authenticator).await?;
    let message: Body<'_> = serde_json::from_slice(&body)
        .map_err(|error| ApiError::malformed(format!("the body is malformed: {error}")))?;
    let message = Outgoing::checked(&message, &body)?;
    // Held until the answer, the body would keep the connection's buffer in use, and the next read would need a new
    // one.
    drop(body);
    let (status, stored) = message.send(&state, read).await?;
    Ok((status, Json(stored)))
}

/// A message that has passed the checks that need only the message itself.
pub(super) struct Outgoing {
    to: Handle,
    envelope: Bytes,
}

impl Outgoing {
    /// Checks a message that was parsed from `text`.
    ///
    /// # Errors
    /// `malformed`, `envelope_too_large`, `unknown_handle`.
    pub(super) fn checked(message: &Body<'_>, text: &Bytes) -> Result<Self, ApiError> {
        let envelope = message.envelope.get().as_bytes();
        check(envelope)?;
        let to = message.to.parse().map_err(|_| ApiError::unknown_handle())?;
        Ok(Self { to, envelope: text.slice_ref(envelope) })
    }

    /// Stores the message if its sender may send it. Returns 201 and the receipt once it is durable; 200 if it was
    /// already stored.
    ///
    /// # Errors
    /// As for `POST /v1/messages`.
    pub(super) async fn send(
        self,
        state: &AppState,
        read: Read<'_>,
    ) -> Result<(StatusCode, MessageStored), ApiError> {
        let Self { to, envelope } = self;
        let work_for = WorkFor { to: &to, envelope: &envelope };
        let read = read.redeem_work(work_for)?;
        let recipient = state.directory.holder(&to).await?.ok_or_else(ApiError::unknown_handle)?;
        let lists = state.people.of(recipient.id).await?;
        let (caller, from) = (read.caller(), people::claimed_sender(&envelope));
        let sender = sender_of(state, caller, from).await?;
        // A block changes nothing here, or the sender could detect it.
        let sender = sender.map(|sender| Sender { id: sender.id, known: lists.knows(sender.id) });
        let admitted = read.admit(sender, recipient.id, work_for).await?;
        let origin = admitted.origin(from, lists.blocks(caller.map(|caller| caller.id), from));
        let quota = state.admission.quota();
        let new =
            NewMessage { at: None, inbox: recipient.id.inbox(), envelope, origin, quota, now: state.now() };
        let stored = state.store.append(new).await?;
        let status = if stored.fresh { StatusCode::CREATED } else { StatusCode::OK };
        if stored.fresh && origin.is_delivered() {
            state.push.announce(recipient.id.inbox(), recipient.key, stored.seq);
        }
        Ok((status, MessageStored { receipt: stored.receipt, created_at: stored.created_at }))
    }

    /// The bytes to store.
    #[cfg(test)]
    pub(super) fn envelope(&self) -> &[u8] {
        &self.envelope
    }
}

/// The caller, if the envelope is from one of the caller's keys: a signature proves nothing about an envelope that names
/// another sender.
async fn sender_of(
    state: &AppState,
    caller: Option<Holder>,
    from: Option<Primary>,
) -> Result<Option<Holder>, ApiError> {
    let (Some(caller), Some(from)) = (caller, from) else { return Ok(None) };
    let is_theirs = state.directory.has_held(&caller, &from).await?;
    Ok(is_theirs.then_some(caller))
}

/// The relay's checks of bytes that it cannot decrypt: a JSON object, not too large, not too deep. The body parser has
/// already checked that it is valid JSON.
fn check(envelope: &[u8]) -> Result<(), ApiError> {
    if envelope.first() != Some(&b'{') {
        return Err(ApiError::malformed("the envelope must be a JSON object"));
    }
    if envelope.len() > envelope::MAX_BYTES {
        let detail = "an envelope may have at most 256 KiB (262,144 bytes)";
        return Err(ApiError::new(ProblemCode::EnvelopeTooLarge, detail));
    }
    if depth(envelope) > MAX_DEPTH {
        return Err(ApiError::malformed("the envelope is nested more than 16 levels deep"));
    }
    Ok(())
}

/// The nesting depth of well-formed JSON.
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
    while let Some(end) = memchr::memchr2(b'"', b'\\', bytes.as_slice()) {
        if bytes.nth(end) == Some(&b'"') {
            return;
        }
        bytes.next();
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
