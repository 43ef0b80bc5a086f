//! Messages that a client sends on its stream. The first frame has authenticated the client, so they need no signature
//! each; in every other respect they are signed `POST /v1/messages`.

use std::borrow::Cow;
use std::time::Instant;

use axum::body::Bytes;
use axum::http::StatusCode;
use kez_core::api::MessageStored;
use kez_core::canonical_json::MAX_INTEGER;
use kez_core::handle::Handle;
use kez_core::problem::{Problem, ProblemCode};
use kez_core::work::Work;
use serde::{Deserialize, Serialize};

use crate::accounts::caller::{Refused, Signer};
use crate::edge::client_address::ClientNetwork;
use crate::edge::error::ApiError;
use crate::edge::request_layer::{check_room, within_time};
use crate::operations::metrics::RequestCount;
use crate::routes::send_message::{Body, Outgoing};
use crate::state::AppState;

/// The number of messages of one stream that the server works on at once. It reads no more while these are unanswered.
pub(super) const MAX_UNANSWERED: usize = 16;

/// The owner of a stream, as a sender.
#[derive(Clone)]
pub(super) struct Owner {
    pub(super) handle: Handle,
    /// Who signed for the handle when the stream began.
    pub(super) signer: Signer,
    /// Where the stream comes from.
    pub(super) network: ClientNetwork,
}

/// A message from the client, with the number by which the client recognises its answer.
pub(super) struct Numbered {
    id: u64,
    work: Option<Work>,
    /// A message that was read, but that no sender may send, is answered after its sender's limits.
    message: Result<Outgoing, ApiError>,
}

/// The answer to a message.
pub(super) struct Answered {
    /// The frame.
    pub(super) frame: String,
    /// Whether the owner may no longer send.
    pub(super) unauthorized: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Frame<'a> {
    id: u64,
    #[serde(borrow)]
    send: Body<'a>,
    #[serde(default, borrow)]
    work: Option<Cow<'a, str>>,
}

/// The number of a frame of any other shape.
#[derive(Deserialize)]
struct OnlyId {
    id: u64,
}

#[derive(Serialize)]
struct Answer<B> {
    id: Option<u64>,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    body: B,
}

impl Numbered {
    /// Reads a text frame.
    ///
    /// # Errors
    /// The answer to a frame that cannot be read.
    pub(super) fn parse(text: &Bytes) -> Result<Self, String> {
        let unreadable = |detail: String| {
            let id = serde_json::from_slice::<OnlyId>(text).ok().map(|OnlyId { id }| id);
            malformed(id.filter(|id| *id <= MAX_INTEGER), detail)
        };
        let frame: Frame<'_> = serde_json::from_slice(text)
            .map_err(|error| unreadable(format!("the frame is malformed: {error}")))?;
        if frame.id > MAX_INTEGER {
            return Err(unreadable("an id must be at most 2^53 - 1".to_owned()));
        }
        let work = frame.work.map(|work| work.parse()).transpose();
        let work = work.map_err(|error: kez_core::work::MalformedWork| unreadable(error.to_string()))?;
        Ok(Self { id: frame.id, work, message: Outgoing::checked(&frame.send, text) })
    }

    /// Sends the message, and answers as a signed POST would be answered.
    pub(super) async fn answer(self, state: AppState, owner: Owner) -> Answered {
        let metrics = state.monitors().metrics;
        let count = metrics.map(|metrics| RequestCount::begin_send(metrics, super::PATH));
        let start = Instant::now();
        let Self { id, work, message } = self;
        let sent = within_time(send(&state, owner, work, message)).await;
        let (frame, status, code) = match sent.flatten() {
            Ok((status, body)) => {
                let status = status.as_u16();
                (frame(Answer { id: Some(id), status, retry_after: None, body }), status, None)
            }
            Err(refused) => {
                let (problem, retry_after) = refused.into_problem();
                let (status, code) = (problem.status, problem.code);
                (frame(Answer { id: Some(id), status, retry_after, body: problem }), status, Some(code))
            }
        };
        let ms = start.elapsed().as_secs_f64() * 1e3;
        tracing::info!(method = "send", route = super::PATH, status, ms, "message");
        if let Some(count) = count {
            count.record(status, code);
        }
        Answered { frame, unauthorized: code == Some(ProblemCode::Unauthorized) }
    }
}

/// The answer to a frame that cannot be read, with its number if that can.
pub(super) fn malformed(id: Option<u64>, detail: String) -> String {
    let problem = Problem::new(ProblemCode::Malformed, detail);
    frame(Answer { id, status: problem.status, retry_after: None, body: problem })
}

async fn send(
    state: &AppState,
    Owner { handle, signer, network }: Owner,
    work: Option<Work>,
    message: Result<Outgoing, ApiError>,
) -> Result<(StatusCode, MessageStored), ApiError> {
    check_room(&state.disk)?;
    state.admission.check_signed(network)?;
    let caller = state.authenticator.current(&handle, signer).await.map_err(|refused| match refused {
        Refused::Unauthorized(_) => ApiError::new(
            ProblemCode::Unauthorized,
            "the key of this stream may no longer sign for the handle",
        ),
        refused => refused.into(),
    })?;
    message?.send(state, state.admission.authenticated(caller, network, work)).await
}

fn frame<B: Serialize>(answer: Answer<B>) -> String {
    serde_json::to_string(&answer).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const FRAME: &str =
        r#"{"id":7,"send":{"to":"bob","envelope":{"a":[1,{"b":"\\u00e9"}]}},"work":"1.00ff:2"}"#;

    fn refused(text: &str) -> Value {
        let answer = Numbered::parse(&Bytes::copy_from_slice(text.as_bytes())).err().unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((&answer["status"], &answer["body"]["code"]), (&json!(400), &json!("malformed")));
        answer["id"].clone()
    }

    #[test]
    fn a_malformed_frame_is_answered_with_its_id_if_it_has_one() {
        for (text, id) in [
            ("", json!(null)),
            ("[]", json!(null)),
            (r#"{"id":7}"#, json!(7)),
            (r#"{"id":7,"send":{"to":"bob"}}"#, json!(7)),
            (r#"{"id":7,"send":{"to":"bob","envelope":{}},"more":1}"#, json!(7)),
            (r#"{"id":7,"send":{"to":"bob","envelope":{},"more":1}}"#, json!(7)),
            (r#"{"id":7,"send":{"to":"bob","envelope":{}},"work":"none"}"#, json!(7)),
            (r#"{"id":7,"id":8,"send":{"to":"bob","envelope":{}}}"#, json!(null)),
            (r#"{"id":-1,"send":{"to":"bob","envelope":{}}}"#, json!(null)),
            (r#"{"id":1.0,"send":{"to":"bob","envelope":{}}}"#, json!(null)),
            (r#"{"id":"7","send":{"to":"bob","envelope":{}}}"#, json!(null)),
            (r#"{"id":9007199254740992,"send":{"to":"bob","envelope":{}}}"#, json!(null)),
            (r#"{"send":{"to":"bob","envelope":{}}}"#, json!(null)),
            (r#"{"id":7,"send":{"to":"bob","envelope":{}}} x"#, json!(null)),
        ] {
            assert_eq!(refused(text), id, "{text}");
        }
    }

    proptest! {
        /// A frame in which bytes are replaced, missing or doubled.
        #[test]
        fn every_damaged_frame_is_parsed_or_answered(
            cut in 0..FRAME.len(),
            skip in 0_usize..40,
            junk in proptest::collection::vec(any::<u8>(), 0..12),
        ) {
            let rest = FRAME.as_bytes().get(cut + skip..).unwrap_or_default();
            let text = Bytes::from([&FRAME.as_bytes()[..cut], &junk, rest].concat());
            match Numbered::parse(&text) {
                Ok(Numbered { id, .. }) => prop_assert!(id <= MAX_INTEGER),
                Err(answer) => {
                    let answer: Value = serde_json::from_str(&answer).unwrap();
                    prop_assert_eq!(&answer["body"]["code"], "malformed");
                    prop_assert!(answer["id"].is_null() || answer["id"].as_u64() <= Some(MAX_INTEGER));
                }
            }
        }
    }

    #[test]
    fn an_envelope_keeps_its_bytes_and_shares_the_frame() {
        let text =
            Bytes::from_static(br#"{"send":{"envelope":{ "b":1.50},"to":"bob"},"id":9007199254740991}"#);
        let Ok(read) = Numbered::parse(&text) else { panic!("not read") };
        assert_eq!(read.id, MAX_INTEGER);
        let message = read.message.unwrap();
        assert_eq!(message.envelope(), br#"{ "b":1.50}"#.as_slice());
        assert!(text.as_ptr_range().contains(&message.envelope().as_ptr()));
    }
}
