//! Follows an inbox: reads the page after the cursor whenever there may be a new one. Each message that the owner
//! sends is handled in a task of its own, so a client that reads slowly does not delay it.

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::extract::ws::{Message, WebSocket, close_code};
use kez_core::envelope;
use kez_core::inbox_auth::Unauthorized;
use kez_core::mls::GroupId;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, timeout};

use super::end::End;
use super::followed::FollowedGroups;
use super::frames::FrameMeter;
use super::send::{self, Answered, MAX_UNANSWERED, Numbered, Owner};
use crate::config::timings::Timings;
use crate::push::{Dirty, News, Waiting};
use crate::relay::logs::{frame, page_of_group};
use crate::state::AppState;
use crate::store::groups::GroupNumber;
use crate::store::{InboxId, PageLimit};

/// The limit of one frame.
const FRAME: PageLimit = PageLimit { items: 100, bytes: 2 * envelope::MAX_BYTES };

/// The next action of a waiting stream.
enum Due {
    Look(News),
    Answer(Result<Answered, JoinError>),
    Hear(Message),
    Ping,
}

/// An authenticated stream.
pub(super) struct Stream<'a> {
    state: &'a AppState,
    owner: Owner,
    /// The number of changes before this signer was looked up.
    changes: u64,
    /// When to look up the holder and read the inbox again without any notification.
    reread: Instant,
    cursor: u64,
    /// `None` when the client asked for no groups.
    groups: Option<FollowedGroups>,
    socket: &'a mut WebSocket,
    frames: FrameMeter,
    /// The messages that are not answered yet.
    unanswered: JoinSet<Answered>,
    /// Whether the client has been heard from since the last ping.
    heard: bool,
    timings: Timings,
}

impl<'a> Stream<'a> {
    /// `changes` is the number of changes before this signer was looked up.
    pub(super) fn new(
        state: &'a AppState,
        owner: Owner,
        changes: u64,
        (cursor, groups): (u64, Option<BTreeMap<GroupId, u64>>),
        socket: &'a mut WebSocket,
        frames: FrameMeter,
    ) -> Self {
        let timings = state.config.live;
        let reread = Instant::now() + timings.reread_after();
        Self {
            state,
            owner,
            changes,
            reread,
            cursor,
            groups: groups.map(FollowedGroups::new),
            socket,
            frames,
            unanswered: JoinSet::new(),
            heard: true,
            timings,
        }
    }

    /// Sends the backlog and then new items, until the stream ends. Messages that are still unanswered then are
    /// nevertheless stored and announced, or refused.
    pub(super) async fn follow(mut self, waiting: Waiting) -> Result<Infallible, End> {
        let end = self.follow_to_the_end(waiting).await;
        let mut unanswered = self.unanswered;
        if !unanswered.is_empty() {
            // Tracked with the streams, because a stopping server waits for those.
            self.state.streams.spawn(async move { while unanswered.join_next().await.is_some() {} });
        }
        end
    }

    async fn follow_to_the_end(&mut self, mut waiting: Waiting) -> Result<Infallible, End> {
        Box::pin(self.act(Due::Look(Dirty::All.into()), &mut waiting)).await?;
        Box::pin(self.send_caught_up()).await?;
        let ping_every = self.timings.ping_every;
        let mut ping = tokio::time::interval_at(Instant::now() + ping_every, ping_every);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = tokio::select! {
                // In this order, so that frames that the client sent during a write are read before a ping gives up
                // the stream.
                biased;
                () = self.state.shutdown.cancelled() => return Err(End::going_away()),
                () = tokio::time::sleep_until(self.reread) => Due::Look(Dirty::All.into()),
                // Comes before the wake-ups, which may never cease. There are never more answers than messages read.
                Some(answer) = self.unanswered.join_next() => Due::Answer(answer),
                news = waiting.woken() => Due::Look(news),
                message = receive(self.socket), if self.unanswered.len() < MAX_UNANSWERED => Due::Hear(message?),
                _ = ping.tick() => Due::Ping,
            };
            // Boxed, so that a waiting stream reserves no memory for it.
            Box::pin(self.act(due, &mut waiting)).await?;
        }
    }

    async fn act(&mut self, due: Due, waiting: &mut Waiting) -> Result<(), End> {
        match due {
            Due::Look(news) => self.look(&news, waiting).await,
            Due::Answer(answer) => self.answer(answer).await,
            Due::Hear(message) => self.hear(message).await,
            Due::Ping => self.ping().await,
        }
    }

    async fn hear(&mut self, message: Message) -> Result<(), End> {
        self.heard = true;
        match message {
            Message::Text(text) => match Numbered::parse(&text.into()) {
                Ok(message) => {
                    self.unanswered.spawn(message.answer(self.state.clone(), self.owner.clone()));
                    Ok(())
                }
                Err(refusal) => {
                    self.frames.take()?;
                    self.send(Message::text(refusal)).await
                }
            },
            Message::Binary(_) => {
                self.frames.take()?;
                self.send(Message::text(send::malformed(None, "a frame must be text".to_owned()))).await
            }
            Message::Ping(_) | Message::Pong(_) => self.frames.take(),
            Message::Close(_) => Err(End::Gone),
        }
    }

    async fn answer(&mut self, answer: Result<Answered, JoinError>) -> Result<(), End> {
        // The panic hook has logged the location.
        let Answered { frame, unauthorized } =
            answer.map_err(|_| End::Close(close_code::ERROR, "the server failed"))?;
        self.send(Message::text(frame)).await?;
        if unauthorized { Err(Unauthorized.into()) } else { Ok(()) }
    }

    /// Reads the logs that may have new items, and tells the owner that their sigchain has grown.
    async fn look(&mut self, news: &News, waiting: &mut Waiting) -> Result<(), End> {
        if news.dirty.contains(self.inbox()) {
            self.send_what_is_new(None).await?;
        }
        for group in self.groups_to_read(&news.dirty, waiting).await? {
            self.send_what_is_new(Some(group)).await?;
        }
        match news.chain {
            Some(length) => self.send(Message::text(format!(r#"{{"chain":{length}}}"#))).await,
            None => Ok(()),
        }
    }

    /// The groups whose logs may have new items. If any log may have, the groups are listed again.
    async fn groups_to_read(
        &mut self,
        dirty: &Dirty,
        waiting: &mut Waiting,
    ) -> Result<Vec<GroupNumber>, End> {
        let (account, inbox) = (self.owner.signer.holder.id, self.inbox());
        let Some(groups) = &mut self.groups else { return Ok(Vec::new()) };
        if *dirty != Dirty::All {
            return Ok(groups.numbers().into_iter().filter(|group| dirty.contains(group.log())).collect());
        }
        let to_read = groups.list(&self.state.store.groups_of(account).await?);
        waiting.follow_only(inbox, &groups.logs());
        Ok(to_read)
    }

    fn inbox(&self) -> InboxId {
        self.owner.signer.holder.id.inbox()
    }

    /// Sends the items after the cursor of the inbox, or of a group.
    async fn send_what_is_new(&mut self, group: Option<GroupNumber>) -> Result<(), End> {
        loop {
            self.check_whether_to_go_on().await?;
            let (gid, page) = match group {
                None => (None, self.state.store.page_after(self.inbox(), self.cursor, FRAME).await?),
                Some(number) => {
                    let Some(followed) = self.groups.as_ref().and_then(|groups| groups.get(number)) else {
                        return Ok(());
                    };
                    let (store, account) = (&self.state.store, self.owner.signer.holder.id);
                    (Some(followed.gid), page_of_group(store, account, number, followed.cursor, FRAME).await?)
                }
            };
            let Some(last) = page.last().map(|item| item.seq) else { return Ok(()) };
            let bytes: usize = page.iter().map(|item| item.envelope.len()).sum();
            let full = page.len() as u64 == FRAME.items || bytes + envelope::MAX_BYTES > FRAME.bytes;
            let log = group.map_or(self.inbox(), GroupNumber::log);
            let end = if full { Some(self.state.store.last_seq(log).await?) } else { None };
            let text = frame(self.state.store.epoch(), gid, &page, end)?;
            self.send(Message::text(text)).await?;
            self.state.metrics.delivered_live(page.len());
            match (group, &mut self.groups) {
                (Some(number), Some(groups)) => groups.advance(number, last),
                _ => self.cursor = last,
            }
            // A page with room left for any envelope was the last one.
            if !full {
                return Ok(());
            }
        }
    }

    async fn send_caught_up(&mut self) -> Result<(), End> {
        let epoch = self.state.store.epoch();
        self.send(Message::text(format!(r#"{{"epoch":"{epoch}","caught_up":{}}}"#, self.cursor))).await
    }

    /// Ends the stream when the server stops, when the handle is deleted or belongs to another key, and when the device
    /// that opened it is no longer live; also in the middle of a long backlog.
    async fn check_whether_to_go_on(&mut self) -> Result<(), End> {
        if self.state.shutdown.is_cancelled() {
            return Err(End::going_away());
        }
        // A change is counted first, and then wakes the streams.
        let changes = self.state.authenticator.changes();
        let changed = changes != std::mem::replace(&mut self.changes, changes);
        if changed || self.reread <= Instant::now() {
            self.reread = Instant::now() + self.timings.reread_after();
            let Owner { handle, signer, .. } = &self.owner;
            let holder = self.state.authenticator.recheck(handle, *signer).await?;
            if holder != signer.holder {
                // Hints from other nodes name the new key.
                return Err(End::Close(close_code::AWAY, "the handle has another key: connect again"));
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

/// Waits for the next frame from the client.
async fn receive(socket: &mut WebSocket) -> Result<Message, End> {
    let too_large = End::Close(close_code::SIZE, "a frame is too large, or violates the WebSocket protocol");
    socket.recv().await.ok_or(End::Gone)?.map_err(|_| too_large)
}
