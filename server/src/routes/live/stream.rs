//! Follows an inbox: reads the page after the cursor whenever there may be a new one.

use std::convert::Infallible;
use std::io::Write as _;

use axum::extract::ws::{Message, WebSocket};
use kez_core::envelope;
use kez_core::handle::Handle;
use kez_core::identity::Primary;
use kez_core::inbox_auth::Unauthorized;
use tokio::time::{Instant, MissedTickBehavior, timeout};

use super::end::End;
use super::frames::FrameMeter;
use crate::accounts::directory::Holder;
use crate::config::timings::Timings;
use crate::push::Waiting;
use crate::relay::items;
use crate::state::AppState;
use crate::store::{AccountId, PageLimit, StoreError, StoredMessage};

/// The limit of one frame.
const FRAME: PageLimit = PageLimit { items: 100, bytes: 2 * envelope::MAX_BYTES };

/// The followed inbox. A [`Holder`] also keeps the key ready for checking signatures, which is too large for an idle
/// stream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Followed {
    pub(super) account: AccountId,
    pub(super) key: Primary,
}

impl From<Holder> for Followed {
    fn from(holder: Holder) -> Self {
        Self { account: holder.id, key: holder.key.primary() }
    }
}

/// The next action of a waiting stream.
enum Due {
    Look,
    Heard,
    Ping,
}

/// An authenticated stream.
pub(super) struct Stream<'a> {
    state: &'a AppState,
    handle: &'a Handle,
    holder: Followed,
    /// The number of holder changes before this holder was looked up.
    changes: u64,
    /// When to look up the holder and read the inbox again without any notification.
    reread: Instant,
    cursor: u64,
    socket: &'a mut WebSocket,
    frames: FrameMeter,
    /// Whether the client was heard since the last ping.
    heard: bool,
    timings: Timings,
}

impl<'a> Stream<'a> {
    /// `changes` is the number of holder changes before this holder was looked up.
    pub(super) fn new(
        state: &'a AppState,
        handle: &'a Handle,
        holder: Followed,
        changes: u64,
        cursor: u64,
        socket: &'a mut WebSocket,
        frames: FrameMeter,
    ) -> Self {
        let timings = state.config.live;
        let reread = Instant::now() + timings.reread_after();
        Self { state, handle, holder, changes, reread, cursor, socket, frames, heard: true, timings }
    }

    /// Sends the backlog and then new items, until the stream ends.
    pub(super) async fn follow(mut self, mut waiting: Waiting) -> Result<Infallible, End> {
        self.send_what_is_new().await?;
        self.send_caught_up().await?;
        let ping_every = self.timings.ping_every;
        let mut ping = tokio::time::interval_at(Instant::now() + ping_every, ping_every);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // The action follows outside the `select!`: inside, each branch would take space of its own in the stream's
            // future.
            let due = tokio::select! {
                // Frames that the client sent during a write are read before the stream is given up.
                biased;
                () = self.state.shutdown.cancelled() => return Err(End::going_away()),
                () = tokio::time::sleep_until(self.reread) => Due::Look,
                () = waiting.woken() => Due::Look,
                message = self.frames.receive(self.socket) => match message? {
                    Message::Close(_) => return Err(End::Gone),
                    _ => Due::Heard,
                },
                _ = ping.tick() => Due::Ping,
            };
            match due {
                Due::Look => self.send_what_is_new().await?,
                Due::Heard => self.heard = true,
                Due::Ping => self.ping().await?,
            }
        }
    }

    async fn send_what_is_new(&mut self) -> Result<(), End> {
        loop {
            self.check_whether_to_go_on().await?;
            let page = self.state.store.page_after(self.holder.account, self.cursor, FRAME).await?;
            let Some(last) = page.last().map(|item| item.seq) else { return Ok(()) };
            let bytes: usize = page.iter().map(|item| item.envelope.len()).sum();
            let full = page.len() as u64 == FRAME.items || bytes + envelope::MAX_BYTES > FRAME.bytes;
            self.send_items(&page).await?;
            self.state.metrics.delivered_live(page.len());
            self.cursor = last;
            // A page with room left for any envelope was the last one.
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
        // The envelopes were valid UTF-8 when they arrived.
        let text = String::from_utf8(frame).map_err(|_| StoreError::Corrupt("envelope"))?;
        self.send(Message::text(text)).await
    }

    async fn send_caught_up(&mut self) -> Result<(), End> {
        let epoch = self.state.store.epoch();
        self.send(Message::text(format!(r#"{{"epoch":"{epoch}","caught_up":{}}}"#, self.cursor))).await
    }

    /// Ends the stream when the server stops, or when the handle is deleted or belongs to another key; also in the
    /// middle of a long backlog.
    async fn check_whether_to_go_on(&mut self) -> Result<(), End> {
        if self.state.shutdown.is_cancelled() {
            return Err(End::going_away());
        }
        // A change of holder is recorded in the directory first, and then wakes the streams.
        let changes = self.state.directory.changes();
        let changed = changes != std::mem::replace(&mut self.changes, changes);
        if changed || self.reread <= Instant::now() {
            self.reread = Instant::now() + self.timings.reread_after();
            let holder = self.state.directory.holder_now(self.handle).await?;
            if holder.map(Followed::from) != Some(self.holder) {
                return Err(Unauthorized.into());
            }
        }
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), End> {
        if !std::mem::take(&mut self.heard) {
            return Err(End::Gone);
        }
        self.send(Message::Ping(axum::body::Bytes::new())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        timeout(self.timings.send, self.socket.send(message)).await.map_err(|_| End::Gone)??;
        Ok(())
    }
}
