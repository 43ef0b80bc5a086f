//! `GET /v1/inbox/{handle}/live`: the inbox as a WebSocket. Every item comes from the inbox, read by cursor; a push
//! only says when to look.

use std::io::Write as _;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use kez_core::api::{CLOSE_UNAUTHORIZED, LiveFrame, LiveHello, live_target};
use kez_core::caller_auth::{CallerAuth, CallerRequest};
use kez_core::canonical_json::MAX_INTEGER;
use kez_core::handle::Handle;
use kez_core::inbox_auth::Unauthorized;
use kez_core::problem::Problem;
use tokio::time::{Instant, timeout};

use super::items;
use super::path::HandleInPath;
use crate::caller;
use crate::directory::Holder;
use crate::error::{ApiError, log_failure};
use crate::push::Waiting;
use crate::state::AppState;
use crate::store::{PageLimit, StoreError, StoredMessage};

/// How long the first frame may take to arrive.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// How often the server asks whether anybody is there. Whoever did not answer the last time is gone.
const PING_EVERY: Duration = Duration::from_secs(25);
/// How long a frame may take to leave; a reader slower than that is closed.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the inbox is read whatever was pushed, give or take a fifth.
const REREAD_EVERY: Duration = Duration::from_secs(30);
/// How much goes into one frame.
const FRAME: PageLimit = PageLimit { items: 100, bytes: 256 * 1024 };
/// A client has little to say here.
const MAX_CLIENT_FRAME: usize = 4 * 1024;
/// Buffers of a connection that is idle nearly all the time.
const BUFFER: usize = 1024;
/// How many streams one server holds.
const MAX_STREAMS: usize = 20_000;

/// Follows an inbox.
///
/// The client's first frame is a `LiveHello`. Then come frames with items from the cursor on, one that says
/// `caught_up` at the end of the backlog, and items as they arrive. Bad authentication closes with 4401, a shutdown
/// with 1001, a database that does not answer with 1013.
#[utoipa::path(get, path = "/v1/inbox/{handle}/live", tag = "Relay", params(("handle" = String, Path)), responses(
    (status = 101, description = "A WebSocket that sends these frames", body = LiveFrame),
    (status = 400, description = "malformed: no handle, or no WebSocket", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
))]
pub async fn live(
    State(state): State<AppState>,
    HandleInPath(handle): HandleInPath,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|_| ApiError::malformed("this route speaks WebSocket (RFC 6455)"))?;
    if state.streams.len() >= MAX_STREAMS || !state.is_ready() {
        return Err(ApiError::unavailable("the server takes no more live streams at the moment", 5));
    }
    let streams = state.streams.clone();
    Ok(upgrade
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_message_size(MAX_CLIENT_FRAME)
        .max_frame_size(MAX_CLIENT_FRAME)
        .on_upgrade(move |socket| streams.track_future(serve(state, handle, socket))))
}

/// Why a stream ends.
enum End {
    /// The client has gone, or does not read.
    Gone,
    /// The server says why it closes.
    Close(u16, &'static str),
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
        }
    }
}

impl From<axum::Error> for End {
    fn from(_: axum::Error) -> Self {
        Self::Gone
    }
}

async fn serve(state: AppState, handle: Handle, mut socket: WebSocket) {
    let Err(end) = greet_and_follow(&state, &handle, &mut socket).await;
    if let End::Close(code, reason) = end {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        // The client may have gone by itself meanwhile.
        let _ = timeout(SEND_TIMEOUT, socket.send(Message::Close(Some(frame)))).await;
    }
}

async fn greet_and_follow(
    state: &AppState,
    handle: &Handle,
    socket: &mut WebSocket,
) -> Result<std::convert::Infallible, End> {
    let hello = tokio::select! {
        hello = timeout(HELLO_TIMEOUT, first_frame(socket)) => hello.map_err(|_| Unauthorized)??,
        () = state.shutdown.cancelled() => return Err(going_away()),
    };
    let changes = state.directory.changes();
    let holder = authenticate(state, handle, &hello).await?;
    // Before the first page is read, so that nothing falls between page and wait.
    let waiting = state.push.wait_for(holder.id, &holder.key.primary());
    Stream { state, handle, holder, changes, cursor: hello.since, socket, heard: true }.follow(waiting).await
}

async fn first_frame(socket: &mut WebSocket) -> Result<LiveHello, End> {
    loop {
        match socket.recv().await.ok_or(End::Gone)?? {
            Message::Text(text) => return Ok(serde_json::from_str(&text).map_err(|_| Unauthorized)?),
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Binary(_) => return Err(Unauthorized.into()),
            Message::Close(_) => return Err(End::Gone),
        }
    }
}

async fn authenticate(state: &AppState, handle: &Handle, hello: &LiveHello) -> Result<Holder, End> {
    let auth = CallerAuth::parse(&hello.auth)?;
    if auth.handle() != handle || hello.since > MAX_INTEGER {
        return Err(Unauthorized.into());
    }
    let target = live_target(handle, hello.since);
    let request = CallerRequest { server: &state.config.server, method: "GET", target: &target, body: b"" };
    Ok(caller::authenticate(state, &auth, &request).await?)
}

fn going_away() -> End {
    End::Close(close_code::AWAY, "the server is shutting down")
}

/// An authenticated stream.
struct Stream<'a> {
    state: &'a AppState,
    handle: &'a Handle,
    holder: Holder,
    /// How many holders had changed before this one was looked up.
    changes: u64,
    cursor: u64,
    socket: &'a mut WebSocket,
    /// Whether the client was heard since the last ping.
    heard: bool,
}

impl Stream<'_> {
    async fn follow(mut self, mut waiting: Waiting) -> Result<std::convert::Infallible, End> {
        self.send_what_is_new().await?;
        self.send_caught_up().await?;
        let mut ping = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        let mut reread = Instant::now() + reread_after();
        loop {
            tokio::select! {
                () = waiting.woken() => {
                    // Whoever changes a holder tells the directory first, and then wakes the streams.
                    let changes = self.state.directory.changes();
                    if changes != std::mem::replace(&mut self.changes, changes) {
                        let now = self.state.directory.holder_now(self.handle).await?;
                        self.check_holder(now)?;
                    }
                    self.send_what_is_new().await?;
                }
                () = tokio::time::sleep_until(reread) => {
                    reread = Instant::now() + reread_after();
                    let now = self.state.directory.holder_now(self.handle).await?;
                    self.check_holder(now)?;
                    self.send_what_is_new().await?;
                }
                _ = ping.tick() => self.ping().await?,
                message = self.socket.recv() => match message.ok_or(End::Gone)?? {
                    Message::Close(_) => return Err(End::Gone),
                    _ => self.heard = true,
                },
                () = self.state.shutdown.cancelled() => return Err(going_away()),
            }
        }
    }

    async fn send_what_is_new(&mut self) -> Result<(), End> {
        loop {
            let page = self.state.store.page_after(self.holder.id, self.cursor, FRAME).await?;
            let Some(last) = page.last().map(|item| item.seq) else { return Ok(()) };
            let bytes: usize = page.iter().map(|item| item.envelope.len()).sum();
            let full = page.len() as u64 == FRAME.items || bytes > FRAME.bytes / 2;
            self.send_items(&page).await?;
            self.state.metrics.delivered_live(page.len());
            self.cursor = last;
            // A page that had room to spare was the last.
            if !full {
                return Ok(());
            }
        }
    }

    async fn send_items(&mut self, page: &[StoredMessage]) -> Result<(), End> {
        let mut frame = Vec::new();
        let _ = write!(frame, r#"{{"epoch":"{}","items":"#, self.state.store.epoch());
        items::write(&mut frame, page);
        frame.push(b'}');
        // The envelopes were UTF-8 when they came.
        let text = String::from_utf8(frame).map_err(|_| StoreError::Corrupt("envelope"))?;
        self.send(Message::text(text)).await
    }

    async fn send_caught_up(&mut self) -> Result<(), End> {
        let epoch = self.state.store.epoch();
        self.send(Message::text(format!(r#"{{"epoch":"{epoch}","caught_up":{}}}"#, self.cursor))).await
    }

    /// Ends the stream when the handle has gone or belongs to another key.
    fn check_holder(&self, now: Option<Holder>) -> Result<(), End> {
        if now == Some(self.holder) { Ok(()) } else { Err(Unauthorized.into()) }
    }

    async fn ping(&mut self) -> Result<(), End> {
        if !std::mem::take(&mut self.heard) {
            return Err(End::Gone);
        }
        self.send(Message::Ping(axum::body::Bytes::new())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        timeout(SEND_TIMEOUT, self.socket.send(message)).await.map_err(|_| End::Gone)??;
        Ok(())
    }
}

/// [`REREAD_EVERY`] give or take a fifth, so that streams that came together do not read together for ever.
fn reread_after() -> Duration {
    let random = f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX);
    REREAD_EVERY.mul_f64(0.8 + 0.4 * random)
}
