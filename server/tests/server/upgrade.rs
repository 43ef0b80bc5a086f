//! A database file of release 0.1.0, as its binary left it: three users with known keys and thirty messages, listed in
//! the JSON file beside it with the plaintext of each.

use std::path::PathBuf;

use kez_core::envelope::Envelope;
use kez_core::identity::{Peer, SecretIdentity, Seed};
use serde::Deserialize;

use crate::binary::Binary;
use crate::commands::json;
use crate::support::{Person, message};

#[derive(Deserialize)]
struct Sent {
    to: String,
    seq: u64,
    text: String,
    envelope: String,
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures")).join(name)
}

fn person(handle: &str, byte: u8) -> Person {
    let keys = SecretIdentity::from_seed(Seed::from_bytes([byte; 32]));
    Person { handle: handle.parse().unwrap(), keys }
}

fn sent() -> Vec<Sent> {
    serde_json::from_slice(&std::fs::read(fixture("0.1.0.json")).unwrap()).unwrap()
}

#[tokio::test]
async fn a_database_of_the_first_release_keeps_every_message() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("kez-chat.db");
    std::fs::copy(fixture("0.1.0.db"), &db).unwrap();
    let sent = sent();
    let pending = json(&["migrate", "--dry-run", "--db", db.to_str().unwrap()]).await.1["migrations"].clone();
    assert!(!pending.to_string().contains("0.1.0"), "the first release has its schema");

    let server = Binary::start(&db, &["--limits", "off"]).await;
    let (alice, bob) = (person("alice", 1), person("bob", 2));
    for (reader, other) in [(&alice, &bob), (&bob, &alice)] {
        let expected: Vec<_> = sent.iter().filter(|sent| sent.to == reader.handle.as_str()).collect();
        let inbox = server.inbox(reader).await;
        assert_eq!(inbox.len(), expected.len());
        let peer = Peer::new(&reader.keys, other.keys.public()).unwrap();
        for ((seq, envelope), sent) in inbox.iter().zip(&expected) {
            assert_eq!((seq, envelope), (&sent.seq, &sent.envelope), "byte for byte, in the same place");
            let opened = Envelope::parse(envelope.as_bytes()).unwrap().open(&reader.keys, |_| Some(&peer));
            assert!(String::from_utf8_lossy(&opened.unwrap().plaintext).contains(&sent.text));
        }
        // A retry across the upgrade is recognised, and numbers continue.
        let last = expected.last().unwrap();
        let repeated = server.post("/v1/messages", message(&reader.handle, &last.envelope)).await.unwrap();
        assert_eq!(repeated.status, 200);
        let next = server.post("/v1/messages", message(&reader.handle, "{}")).await.unwrap();
        assert_eq!(next.status, 201);
        assert_eq!(server.inbox(reader).await.last().unwrap().0, last.seq + 1);
    }
    // Handles and keys stay taken.
    for taken in [Person::new("carol"), person("somebody-else", 3)] {
        assert_eq!(server.register(&taken).await, 409);
    }
    assert!(server.terminate().await.success());
}
