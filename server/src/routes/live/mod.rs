//! `GET /v1/inbox/{handle}/live`: the inbox as a WebSocket. Every item is read from the inbox by cursor; a push only
//! says when to read. The owner of the inbox may also send messages on it.

mod end;
mod followed;
mod frames;
mod send;
mod stream;

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use kez_core::api::{LiveFrame, LiveHello, MAX_LIVE_FRAME_BYTES, live_target};
use kez_core::caller_auth::{CallerAuth, CallerRequest};
use kez_core::canonical_json::MAX_INTEGER;
use kez_core::handle::Handle;
use kez_core::inbox_auth::Unauthorized;
use kez_core::mls::GroupId;
use kez_core::problem::Problem;
use tokio::time::timeout;

use super::path::HandleInPath;
use crate::accounts::caller::Signer;
use crate::edge::client_address::ClientNetwork;
use crate::edge::connection_limiter::Permit;
use crate::edge::error::ApiError;
use crate::state::AppState;
use end::End;
use frames::FrameMeter;
use send::Owner;
use stream::Stream;

/// The route.
pub const PATH: &str = "/v1/inbox/{handle}/live";

/// The buffer size of a connection that is idle nearly all the time.
const BUFFER: usize = 256;
/// The limit of unsent data for a client that does not read: one frame of items, whose envelopes have up to 512 KiB,
/// and the answers to its own frames.
const MAX_WRITE_BUFFER: usize = 1024 * 1024;
/// The number of streams on one server.
const MAX_STREAMS: usize = 20_000;

/// Follows an inbox.
///
/// The client's first frame is a `LiveHello`. Then the server sends the items after the cursor, a `caught_up` frame at
/// the end of the backlog, and new items as they arrive. From then on the client may also send messages: frames
/// `{"id":<number>,"send":<the body of POST /v1/messages>}`, each answered by `{"id","status","body"}` with what the same
/// POST, signed, would have got; docs/SPEC.md, section 9. Bad authentication closes the stream with 4401, a shutdown
/// with 1001, and a database that does not answer with 1013, like an inbox with too many streams.
#[utoipa::path(get, path = "/v1/inbox/{handle}/live", tag = "Relay", params(("handle" = String, Path)), responses(
    (status = 101, description = "A WebSocket that sends these frames", body = LiveFrame),
    (status = 400, description = "malformed: no handle, or no WebSocket", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
))]
pub async fn live(
    State(state): State<AppState>,
    HandleInPath(handle): HandleInPath,
    network: ClientNetwork,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|_| ApiError::malformed("this route speaks WebSocket (RFC 6455)"))?;
    if state.streams.len() >= MAX_STREAMS || !state.is_ready() {
        return Err(ApiError::unavailable("the server accepts no more live streams at the moment", 5));
    }
    let permit = match &state.stream_limiter {
        None => None,
        Some(limiter) => Some(limiter.admit(network).ok_or_else(|| {
            ApiError::unavailable("your network has reached its limit of live streams", 60)
        })?),
    };
    let streams = state.streams.clone();
    Ok(upgrade
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_WRITE_BUFFER)
        // The connection keeps a buffer of that size for as long as it lives, so larger messages are left to a POST.
        .max_message_size(MAX_LIVE_FRAME_BYTES)
        .max_frame_size(MAX_LIVE_FRAME_BYTES)
        // Boxed, because the task of an upgraded connection keeps room for its future twice.
        .on_upgrade(move |socket| {
            streams.track_future(Box::pin(serve(state, handle, network, socket, permit)))
        }))
}

/// Returns the stream's permit when the stream has ended.
async fn serve(
    state: AppState,
    handle: Handle,
    network: ClientNetwork,
    mut socket: WebSocket,
    _permit: Option<Permit>,
) {
    let Err(end) = greet_and_follow(&state, handle, network, &mut socket).await;
    if let End::Close(code, reason) = end {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        // The client may already have disconnected.
        let _ = timeout(state.config.live.send, socket.send(Message::Close(Some(frame)))).await;
    }
}

async fn greet_and_follow(
    state: &AppState,
    handle: Handle,
    network: ClientNetwork,
    socket: &mut WebSocket,
) -> Result<Infallible, End> {
    // Boxed, so that a waiting stream reserves no memory for it.
    let (frames, Greeted { signer, since, groups, changes }) =
        Box::pin(greet(state, &handle, socket)).await?;
    let most = state.config.abuse.streams_per_inbox as usize;
    if state.limits.is_some() && state.push.waiting(signer.holder.id.inbox()) >= most {
        return Err(End::Close(close_code::AGAIN, "this inbox has as many live streams as it may have"));
    }
    // Subscribes before the first page is read, so that no item is missed between page and wait.
    let waiting = state.push.wait_for(signer.holder.id.inbox(), &signer.holder.key);
    let owner = Owner { handle, signer, network };
    Stream::new(state, owner, changes, (since, groups), socket, frames).follow(waiting).await
}

/// The owner of a stream, proven by its first frame.
struct Greeted {
    signer: Signer,
    since: u64,
    /// The cursors of groups; `None` when the stream follows none.
    groups: Option<BTreeMap<GroupId, u64>>,
    /// The number of changes before this signer was looked up.
    changes: u64,
}

async fn greet(
    state: &AppState,
    handle: &Handle,
    socket: &mut WebSocket,
) -> Result<(FrameMeter, Greeted), End> {
    let mut frames = FrameMeter::new();
    let hello = tokio::select! {
        hello = timeout(state.config.live.hello, first_frame(socket, &mut frames)) => hello.map_err(|_| Unauthorized)??,
        () = state.shutdown.cancelled() => return Err(End::going_away()),
    };
    let changes = state.authenticator.changes();
    let signer = authenticate(state, handle, &hello).await?;
    Ok((frames, Greeted { signer, since: hello.since, groups: hello.groups, changes }))
}

async fn first_frame(socket: &mut WebSocket, frames: &mut FrameMeter) -> Result<LiveHello, End> {
    loop {
        // A violation of the WebSocket rules, such as an oversized frame, counts as malformed too.
        let message = socket.recv().await.ok_or(End::Gone)?.map_err(|_| Unauthorized)?;
        frames.take()?;
        match message {
            Message::Text(text) => return Ok(serde_json::from_str(&text).map_err(|_| Unauthorized)?),
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Binary(_) => return Err(Unauthorized.into()),
            Message::Close(_) => return Err(End::Gone),
        }
    }
}

async fn authenticate(state: &AppState, handle: &Handle, hello: &LiveHello) -> Result<Signer, End> {
    let auth = CallerAuth::parse(&hello.auth)?;
    if auth.handle() != handle || hello.since > MAX_INTEGER {
        return Err(Unauthorized.into());
    }
    let target = live_target(handle, hello.since);
    let request = CallerRequest { server: &state.config.server, method: "GET", target: &target, body: b"" };
    Ok(state.authenticator.authenticate(&auth, &request).await?)
}
