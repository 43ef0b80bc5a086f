//! Publishing hints, and listening for those of other nodes.

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

/// How many hints may wait to be published. Beyond that they are dropped.
const QUEUE: usize = 4096;
/// How long the last hints may take when the server stops.
const FAREWELL: Duration = Duration::from_secs(1);

/// Carries hints between the nodes of this server, and to clients.
pub struct Bus {
    client: Client,
    /// None once the bus was closed.
    queue: Mutex<Option<mpsc::Sender<Hint>>>,
    publisher: Mutex<Option<JoinHandle<()>>>,
}

struct Hint {
    inbox: Primary,
    seq: u64,
}

impl Bus {
    /// Starts to connect. Whether and when a broker answers is seen later, by [`Bus::is_up`].
    ///
    /// # Errors
    /// When the credentials or addresses cannot be used at all.
    pub async fn start(urls: &[NatsUrl], credentials: Option<Credentials>) -> Result<Self, NatsError> {
        let client = connect(urls, credentials, "kez-chat-server").await?;
        let (queue, hints) = mpsc::channel(QUEUE);
        let publisher = tokio::spawn(publish(client.clone(), hints));
        Ok(Self { client, queue: Mutex::new(Some(queue)), publisher: Mutex::new(Some(publisher)) })
    }

    /// Tells whoever listens that the inbox has something new. Never waits; a hint that finds no room is lost.
    pub fn announce(&self, inbox: Primary, seq: u64) {
        if let Some(queue) = &*self.queue.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = queue.try_send(Hint { inbox, seq });
        }
    }

    /// What other nodes announce for the inbox from now on.
    pub fn hints(&self, inbox: &Primary) -> Hints {
        Hints::subscribe(self.client.clone(), subject(inbox))
    }

    /// Whether a broker is connected.
    pub fn is_up(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Publishes what is queued, as far as that is quick, and leaves.
    pub async fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let publisher = self.publisher.lock().unwrap_or_else(PoisonError::into_inner).take();
        let farewell = async {
            if let Some(publisher) = publisher {
                let _ = publisher.await;
            }
            let _ = self.client.flush().await;
        };
        if self.is_up() {
            let _ = timeout(FAREWELL, farewell).await;
        }
    }
}

async fn publish(client: Client, mut hints: mpsc::Receiver<Hint>) {
    while let Some(Hint { inbox, seq }) = hints.recv().await {
        // What nobody can hear now will be found by cursor; keeping it would only make the return slow.
        if client.connection_state() == State::Connected {
            let _ = client.publish(subject(&inbox), format!(r#"{{"seq":{seq}}}"#).into()).await;
        }
    }
}
