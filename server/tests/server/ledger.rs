//! Records which messages were sent and acknowledged, for a comparison with what is stored in the end.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use kez_core::api::{MessageStored, Receipt};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::binary::Endpoint;
use crate::support::{Person, message};

pub(crate) const SENDERS: usize = 32;
pub(crate) const RECIPIENTS: usize = 8;

/// The senders' state: for each sender the number of its next message, and the acknowledged messages.
#[derive(Default)]
pub(crate) struct Ledger {
    next: [AtomicUsize; SENDERS],
    /// When each was acknowledged, since 1970.
    acknowledged: Mutex<HashMap<(usize, usize), Duration>>,
    /// Messages acknowledged as already stored, because an earlier answer had been lost.
    repeated: AtomicUsize,
    progress: Notify,
}

/// The contents of a server, compared with the acknowledged messages.
pub(crate) struct Found {
    /// Acknowledged but missing.
    pub(crate) lost: Vec<(usize, usize)>,
    /// How many more messages are stored than were acknowledged.
    pub(crate) unheard: i64,
}

impl Ledger {
    pub(crate) fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    pub(crate) fn repeated(&self) -> usize {
        self.repeated.load(Ordering::SeqCst)
    }

    /// One sender posts messages one by one, until the server is gone.
    pub(crate) async fn send(&self, server: &Endpoint, people: &[Person], sender: usize) {
        while self.post(server, people, sender).await {}
    }

    /// One sender posts messages one by one, switches to another node whenever one fails, and stops with the last
    /// message acknowledged.
    pub(crate) async fn send_through(
        &self,
        nodes: &[Endpoint],
        people: &[Person],
        sender: usize,
        stop: &CancellationToken,
    ) {
        let mut node = sender;
        while !stop.is_cancelled() {
            while !self.post(&nodes[node % nodes.len()], people, sender).await {
                node += 1;
                // Like a client, it retries after a moment.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Posts a sender's next message, or the same as before if that was not acknowledged. Returns whether it is
    /// acknowledged now.
    async fn post(&self, server: &Endpoint, people: &[Person], sender: usize) -> bool {
        let number = self.next[sender].load(Ordering::SeqCst);
        let envelope = envelope(sender, number);
        let body = message(&people[sender % RECIPIENTS].handle, &envelope);
        let Ok(reply) = server.post("/v1/messages", body).await else { return false };
        if reply.status >= 300 {
            assert!([503, 429].contains(&reply.status), "{reply:?}");
            return false;
        }
        let stored: MessageStored = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(stored.receipt, Receipt::of(envelope.as_bytes()));
        self.repeated.fetch_add(usize::from(reply.status == 200), Ordering::SeqCst);
        self.acknowledged.lock().unwrap().insert((sender, number), UNIX_EPOCH.elapsed().unwrap());
        self.next[sender].store(number + 1, Ordering::SeqCst);
        self.progress.notify_waiters();
        true
    }

    pub(crate) async fn reaches(&self, count: usize) {
        loop {
            let progress = self.progress.notified();
            if self.count() >= count {
                return;
            }
            progress.await;
        }
    }

    /// Every acknowledged message is stored once, and the messages of one sender are in the order in which they were
    /// sent.
    pub(crate) async fn audit(&self, server: &Endpoint, people: &[Person]) {
        let found = self.compare(server, people, None).await;
        assert_eq!(found.lost, [], "was acknowledged");
        // At most one message of each sender was stored without an acknowledgement reaching the sender.
        assert!(found.unheard <= SENDERS as i64, "{}", found.unheard);
    }

    /// Compares the contents of a server with the messages acknowledged until now or until a moment since 1970. Every
    /// stored message is complete, unique and in order.
    pub(crate) async fn compare(&self, server: &Endpoint, people: &[Person], at: Option<Duration>) -> Found {
        let mut stored = BTreeSet::new();
        for person in people {
            let mut last = 0;
            let mut latest = HashMap::new();
            for (seq, envelope) in server.inbox(person).await {
                assert!(seq > last, "sequence numbers increase");
                last = seq;
                let (sender, number) = parse(&envelope);
                assert!(
                    latest.insert(sender, number).is_none_or(|before| before < number),
                    "in order of sending"
                );
                assert!(stored.insert((sender, number)), "{envelope} stands twice");
            }
        }
        let acknowledged = self.acknowledged.lock().unwrap();
        let before = acknowledged.iter().filter(|(_, then)| at.is_none_or(|at| **then < at));
        let before: Vec<_> = before.map(|(message, _)| *message).collect();
        let unheard = stored.len() as i64 - before.len() as i64;
        Found { lost: before.into_iter().filter(|message| !stored.contains(message)).collect(), unheard }
    }
}

fn envelope(sender: usize, number: usize) -> String {
    format!(r#"{{"sender":{sender},"number":{number},"padding":"{}"}}"#, "x".repeat(900))
}

/// The sender and the number of an envelope, which must be complete.
pub(crate) fn parse(text: &str) -> (usize, usize) {
    let parsed: serde_json::Value = serde_json::from_str(text).unwrap();
    let number = |name: &str| usize::try_from(parsed[name].as_u64().unwrap()).unwrap();
    let (sender, number) = (number("sender"), number("number"));
    let sent: serde_json::Value = serde_json::from_str(&envelope(sender, number)).unwrap();
    assert_eq!(parsed, sent, "every byte as it was sent");
    (sender, number)
}

/// The registered recipients.
pub(crate) async fn people(server: &Endpoint) -> Vec<Person> {
    let people: Vec<Person> = (0..RECIPIENTS).map(|n| Person::new(&format!("person{n}"))).collect();
    for person in &people {
        assert_eq!(server.register(person).await, 201);
    }
    people
}
