//! Publishes hints, and subscribes to the hints of other nodes.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use async_nats::Client;
use async_nats::connection::State;
use kez_core::identity::Primary;
use kez_core::nats_binding::subject;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::credentials::Credentials;
use super::hints::Hints;
use super::{NatsError, connect};
use crate::config::nats::NatsUrl;

/// The number of hints that may wait to be published. Further hints are dropped.
const QUEUE: usize = 4096;
/// The time limit for the last hints when the server stops.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Carries hints between the nodes of this server, and to clients.
pub struct Bus {
    client: Client,
    /// `None` once the bus is closed.
    queue: Mutex<Option<mpsc::Sender<Hint>>>,
    publisher: Mutex<Option<JoinHandle<()>>>,
}

struct Hint {
    inbox: Primary,
    seq: u64,
}

impl Bus {
    /// Starts to connect. [`Bus::is_up`] tells later whether a broker answers.
    ///
    /// # Errors
    /// When the credentials or addresses are invalid.
    pub async fn start(urls: &[NatsUrl], credentials: Option<Credentials>) -> Result<Self, NatsError> {
        let client = connect(urls, credentials, "kez-chat-server").await?;
        let (queue, hints) = mpsc::channel(QUEUE);
        let publisher = tokio::spawn(publish(client.clone(), hints));
        Ok(Self { client, queue: Mutex::new(Some(queue)), publisher: Mutex::new(Some(publisher)) })
    }

    /// Announces a new item in the inbox to all subscribers. Never waits; a hint is dropped when the queue is full.
    pub fn announce(&self, inbox: Primary, seq: u64) {
        if let Some(queue) = &*self.queue.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = queue.try_send(Hint { inbox, seq });
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

    /// Publishes the queued hints, as far as that is quick, and disconnects.
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

async fn publish(client: Client, mut hints: mpsc::Receiver<Hint>) {
    while let Some(Hint { inbox, seq }) = hints.recv().await {
        // Hints that cannot be delivered now would only slow down the shutdown; the items are found by cursor.
        if client.connection_state() == State::Connected {
            let _ = client.publish(subject(&inbox), format!(r#"{{"seq":{seq}}}"#).into()).await;
        }
    }
}
