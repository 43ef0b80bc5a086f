//! Publishes hints, and subscribes to the hints of other nodes.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use async_nats::Client;
use async_nats::connection::State;
use kez_core::identity::Primary;
use kez_core::mls::GroupId;
use kez_core::nats_binding::subject;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::credentials::Credentials;
use super::hints::Hints;
use super::{NatsError, connect};
use crate::config::nats::NatsUrl;

/// The number of hints that may wait to be published, for example until a broker is back. The oldest ones are dropped
/// first.
const QUEUE: usize = 4096;
/// The time limit for the last hints when the server stops.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Carries hints between the nodes of this server, and to clients.
pub struct Bus {
    client: Client,
    /// `None` once the bus is closed.
    queue: Mutex<Option<broadcast::Sender<Hint>>>,
    publisher: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Clone, Copy)]
struct Hint {
    inbox: Primary,
    /// The group whose log has the item; `None` for the inbox itself.
    group: Option<GroupId>,
    seq: u64,
}

impl Bus {
    /// Starts connecting. [`Bus::is_up`] says whether a broker is connected.
    ///
    /// # Errors
    /// When the credentials or addresses are invalid.
    pub async fn start(urls: &[NatsUrl], credentials: Option<Credentials>) -> Result<Self, NatsError> {
        let client = connect(urls, credentials, "kez-chat-server").await?;
        let (queue, hints) = broadcast::channel(QUEUE);
        let publisher = tokio::spawn(publish(client.clone(), hints));
        Ok(Self { client, queue: Mutex::new(Some(queue)), publisher: Mutex::new(Some(publisher)) })
    }

    /// Announces a new item in the inbox to all subscribers. Never waits.
    pub fn announce(&self, inbox: Primary, seq: u64) {
        self.publish(Hint { inbox, group: None, seq });
    }

    /// Announces a new item in the log of a group to the subscribers of a member's inbox. Never waits.
    pub fn announce_group(&self, member: Primary, group: GroupId, seq: u64) {
        self.publish(Hint { inbox: member, group: Some(group), seq });
    }

    fn publish(&self, hint: Hint) {
        if let Some(queue) = &*self.queue.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = queue.send(hint);
        }
    }

    /// The hints that other nodes publish for the inbox from now on.
    pub fn hints(&self, inbox: &Primary) -> Hints {
        Hints::subscribe(self.client.clone(), subject(inbox))
    }

    /// Whether a broker is connected.
    pub fn is_up(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Accepts no more hints, and publishes the queued ones as far as the time limit allows.
    pub async fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let publisher = self.publisher.lock().unwrap_or_else(PoisonError::into_inner).take();
        let last_hints = async {
            if let Some(publisher) = publisher {
                let _ = publisher.await;
            }
            let _ = self.client.flush().await;
        };
        if self.is_up() {
            let _ = timeout(CLOSE_TIMEOUT, last_hints).await;
        }
    }
}

/// Publishes hints until the bus is closed. During an outage they wait: a browser may reconnect to the broker before
/// this server does, and would otherwise not hear of these items for half a minute.
async fn publish(client: Client, mut hints: broadcast::Receiver<Hint>) {
    loop {
        match hints.recv().await {
            Ok(Hint { inbox, group, seq }) => {
                if client.connection_state() != State::Connected {
                    // Returns once a broker is connected.
                    let _ = client.flush().await;
                }
                let hint = match group {
                    None => format!(r#"{{"seq":{seq}}}"#),
                    Some(group) => format!(r#"{{"seq":{seq},"group":"{group}"}}"#),
                };
                let _ = client.publish(subject(&inbox), hint.into()).await;
            }
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}
