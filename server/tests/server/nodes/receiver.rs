//! A receiver that follows an inbox like a client: on any node, and back after a moment when a stream ends.

use std::sync::Mutex;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use kez_chat_server::clock::{Clock, SystemClock};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::binary::Endpoint;
use crate::support::Person;

/// How long a node may take to accept a connection before another one is tried.
const CONNECT: Duration = Duration::from_secs(5);

pub(crate) struct Receiver<'a> {
    person: &'a Person,
    seen: Mutex<Vec<u64>>,
    streams: Mutex<usize>,
    arrived: Notify,
}

impl<'a> Receiver<'a> {
    pub(crate) fn new(person: &'a Person) -> Self {
        Self { person, seen: Mutex::default(), streams: Mutex::default(), arrived: Notify::new() }
    }

    /// Follows for ever, starting on this node.
    pub(crate) async fn follow(&self, nodes: &[Endpoint], first: usize) {
        for node in nodes.iter().cycle().skip(first) {
            self.follow_on(node).await;
            sleep(jitter()).await;
        }
    }

    /// Every received number, in the order of arrival.
    pub(crate) fn seen(&self) -> Vec<u64> {
        self.seen.lock().unwrap().clone()
    }

    /// How often a stream was caught up, and so opened.
    pub(crate) fn streams(&self) -> usize {
        *self.streams.lock().unwrap()
    }

    /// Returns once the item with this number, or a later one, has arrived.
    pub(crate) async fn reaches(&self, seq: u64) {
        self.until(|| self.last() >= seq).await;
    }

    /// Returns once this many streams have been opened.
    pub(crate) async fn has_opened(&self, streams: usize) {
        self.until(|| self.streams() >= streams).await;
    }

    async fn until(&self, holds: impl Fn() -> bool) {
        loop {
            let arrived = self.arrived.notified();
            if holds() {
                return;
            }
            arrived.await;
        }
    }

    fn last(&self) -> u64 {
        self.seen.lock().unwrap().last().copied().unwrap_or(0)
    }

    /// Follows until the stream ends, for any reason.
    async fn follow_on(&self, node: &Endpoint) -> Option<()> {
        let url = format!("ws://{}/v1/inbox/{}/live", node.address, self.person.handle);
        let (mut socket, _) = timeout(CONNECT, connect_async(url)).await.ok()?.ok()?;
        let hello = self.person.hello(self.last(), SystemClock.now());
        socket.send(Message::text(hello)).await.ok()?;
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Text(frame) = message {
                self.take(&serde_json::from_str(&frame).unwrap());
            }
        }
        None
    }

    fn take(&self, frame: &Value) {
        if let Some(items) = frame["items"].as_array() {
            let seqs = items.iter().map(|item| item["seq"].as_u64().unwrap());
            self.seen.lock().unwrap().extend(seqs);
        } else {
            *self.streams.lock().unwrap() += 1;
        }
        self.arrived.notify_waiters();
    }
}

/// A random time of up to half a second.
fn jitter() -> Duration {
    Duration::from_millis(u64::from(getrandom::u32().unwrap()) % 500)
}
