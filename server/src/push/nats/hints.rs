//! The hints for one inbox, as one live stream receives them.

use std::pin::Pin;
use std::time::Duration;

use async_nats::{Client, SubscribeError, Subscriber};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use tokio::time::{Sleep, sleep};

/// A subscription takes a moment to reach every node of a cluster. Reading the inbox once more afterwards finds the
/// items announced in the meantime.
const SETTLE: Duration = Duration::from_secs(1);

/// See [`Hints::next`].
pub struct Hints(State);

enum State {
    /// The client has not accepted the subscription yet; it may have no broker and a full queue.
    Asking(BoxFuture<'static, Result<Subscriber, SubscribeError>>),
    /// The broker may not know the subscription yet.
    Settling(Subscriber, Pin<Box<Sleep>>),
    Listening(Subscriber),
    /// No further hints will arrive.
    Deaf,
}

impl Hints {
    pub(super) fn subscribe(client: Client, subject: String) -> Self {
        Self(State::Asking(async move { client.subscribe(subject).await }.boxed()))
    }

    /// Returns when it is time to read the inbox. This method is cancel-safe.
    pub async fn next(&mut self) {
        loop {
            match &mut self.0 {
                State::Asking(asking) => match asking.await {
                    Ok(subscriber) => self.0 = State::Settling(subscriber, Box::pin(sleep(SETTLE))),
                    Err(_) => self.0 = State::Deaf,
                },
                State::Settling(subscriber, settled) => tokio::select! {
                    heard = subscriber.next() => match heard {
                        Some(_) => return,
                        None => self.0 = State::Deaf,
                    },
                    () = settled.as_mut() => {
                        if let State::Settling(subscriber, _) = std::mem::replace(&mut self.0, State::Deaf) {
                            self.0 = State::Listening(subscriber);
                        }
                        return;
                    }
                },
                State::Listening(subscriber) => match subscriber.next().await {
                    Some(_) => return skip_waiting(subscriber),
                    None => self.0 = State::Deaf,
                },
                State::Deaf => std::future::pending().await,
            }
        }
    }
}

/// Reading the inbox once covers all hints that arrived before.
fn skip_waiting(subscriber: &mut Subscriber) {
    while let Some(Some(_)) = subscriber.next().now_or_never() {}
}
