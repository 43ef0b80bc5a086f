//! Pulling the plug and stopping under load: what was acknowledged is there afterwards, once and in order.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::sync::Notify;

use crate::binary::Binary;
use crate::support::{Person, message};

const SENDERS: usize = 32;
const RECIPIENTS: usize = 8;

/// What the senders know: for each sender the number of its next message, and what was acknowledged as which seq.
#[derive(Default)]
struct Ledger {
    next: [AtomicUsize; SENDERS],
    acknowledged: Mutex<HashMap<(usize, usize), u64>>,
    progress: Notify,
}

impl Ledger {
    fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// One sender posts one message after the other and keeps posting the same until it is acknowledged.
    async fn send(&self, server: &Binary, people: &[Person], sender: usize) {
        loop {
            let number = self.next[sender].load(Ordering::SeqCst);
            let body = message(&people[sender % RECIPIENTS].handle, &envelope(sender, number));
            match server.post("/v1/messages", body).await {
                Ok(reply) if reply.status < 300 => {
                    self.acknowledged.lock().unwrap().insert((sender, number), reply.seq());
                    self.next[sender].store(number + 1, Ordering::SeqCst);
                    self.progress.notify_one();
                }
                // The server has gone.
                _ => return,
            }
        }
    }

    async fn reaches(&self, count: usize) {
        while self.count() < count {
            self.progress.notified().await;
        }
    }

    /// Every acknowledged message stands where it was said to stand, none stands twice, and those of one sender stand
    /// in the order in which they were sent.
    async fn audit(&self, server: &Binary, people: &[Person]) {
        let mut stored = BTreeMap::new();
        for person in people {
            let mut last = 0;
            let mut latest = HashMap::new();
            for (seq, envelope) in server.inbox(person).await {
                assert!(seq > last, "sequence numbers rise");
                last = seq;
                let (sender, number) = parse(&envelope);
                assert!(
                    latest.insert(sender, number).is_none_or(|before| before < number),
                    "in order of sending"
                );
                assert!(stored.insert((sender, number), seq).is_none(), "{envelope} stands twice");
            }
        }
        let acknowledged = self.acknowledged.lock().unwrap();
        for (message, seq) in acknowledged.iter() {
            assert_eq!(stored.get(message), Some(seq), "{message:?} was acknowledged");
        }
        // At most one message of each sender was stored without its sender hearing of it.
        assert!(stored.len() <= acknowledged.len() + SENDERS);
    }
}

fn envelope(sender: usize, number: usize) -> String {
    format!(r#"{{"sender":{sender},"number":{number},"padding":"{}"}}"#, "x".repeat(900))
}

fn parse(envelope: &str) -> (usize, usize) {
    let envelope: serde_json::Value = serde_json::from_str(envelope).unwrap();
    let number = |name: &str| usize::try_from(envelope[name].as_u64().unwrap()).unwrap();
    (number("sender"), number("number"))
}

async fn people(server: &Binary) -> Vec<Person> {
    let people: Vec<Person> = (0..RECIPIENTS).map(|n| Person::new(&format!("person{n}"))).collect();
    for person in &people {
        assert_eq!(server.register(person).await, 201);
    }
    people
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_five_times_under_load() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("kez-chat.db");
    let (ledger, flags) = (Ledger::default(), ["--limits", "off"]);
    let mut server = Binary::start(&db, &flags).await;
    let people = people(&server).await;
    for round in 1..=5 {
        {
            let senders = join_all((0..SENDERS).map(|sender| ledger.send(&server, &people, sender)));
            tokio::select! {
                _ = senders => panic!("the server ended by itself"),
                () = ledger.reaches(round * 2000) => {}
            }
        }
        server.kill().await;
        server = Binary::start(&db, &flags).await;
        ledger.audit(&server, &people).await;
    }
    assert!(server.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_under_load() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("kez-chat.db");
    let (ledger, flags) = (Ledger::default(), ["--limits", "off"]);
    let server = Binary::start(&db, &flags).await;
    let people = people(&server).await;
    let pid = server.pid();
    let senders = join_all((0..SENDERS).map(|sender| ledger.send(&server, &people, sender)));
    let start = async {
        ledger.reaches(1000).await;
        Binary::signal(pid, "-TERM").await;
        Instant::now()
    };
    let (_, start) = tokio::join!(senders, start);
    assert!(server.ended().await.success());
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert!(!directory.path().join("kez-chat.db-wal").exists(), "everything is in the database file");

    let server = Binary::start(&db, &flags).await;
    ledger.audit(&server, &people).await;
    assert!(server.terminate().await.success());
}
