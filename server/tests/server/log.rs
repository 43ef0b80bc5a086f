//! `/v1/log`: the log of chain heads.

use kez_core::identity::SecretIdentity;
use kez_core::log::entry::LogEntry;
use kez_core::log::inclusion::{Inclusion, NotIncluded};
use kez_core::log::merkle::{GrowingTree, leaf_hash};
use kez_core::sigchain::{Body, Hash};

use crate::sig_server::{Host, Owner, SigServer};
use crate::support::TestServer;

#[tokio::test]
async fn an_empty_log_has_a_signed_checkpoint() {
    let server = SigServer::start().await;
    let note = server.host.get("/v1/log/checkpoint").await;
    assert_eq!(note.header("content-type"), "text/plain; charset=utf-8");
    let key = server.host.log_key().await;
    assert_eq!(key.name(), "sig.kez.lat/v1/log");
    let checkpoint = key.verify(&note.body).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (0, Hash::of(b"")));
    server.host.get("/v1/log/tile/0/000.p/1").await.refused(404, "not_found");
    server.host.get("/v1/log/tile/entries/000.p/1").await.refused(404, "not_found");
}

/// 300 links, so that one tile is full and a second level begins.
#[tokio::test]
async fn the_tiles_contain_the_appended_links() {
    let server = SigServer::start().await;
    let (mut tree, mut entries) = (GrowingTree::default(), Vec::new());
    for _ in 0..3 {
        let mut owner = Owner::new();
        let mut link = owner.init();
        for version in 1..=100 {
            assert_eq!(server.host.append(&link).await.status, 201);
            let entry = LogEntry { head: link.hash(), root: link.root(), seqno: link.seqno() };
            tree.push(entry.leaf_hash().unwrap());
            entries.push(entry.to_bytes().unwrap());
            link = owner.say(Body::SetCapabilities { min_version: version });
        }
    }
    let checkpoint = server.host.checkpoint().await;
    assert_eq!((checkpoint.size, checkpoint.root), (300, tree.root()));

    let bundled = |entries: &[Vec<u8>]| -> Vec<u8> {
        let bundle = entries.iter().flat_map(|entry| {
            u16::try_from(entry.len()).unwrap().to_be_bytes().into_iter().chain(entry.iter().copied())
        });
        bundle.collect()
    };
    let hashed = |entries: &[Vec<u8>]| -> Vec<u8> {
        entries.iter().flat_map(|entry| *leaf_hash(entry).as_bytes()).collect()
    };
    let (full, rest) = entries.split_at(256);
    assert_eq!(server.host.bytes("/v1/log/tile/entries/000").await, bundled(full));
    assert_eq!(server.host.bytes("/v1/log/tile/entries/001.p/44").await, bundled(rest));
    assert_eq!(server.host.bytes("/v1/log/tile/0/000").await, hashed(full));
    assert_eq!(server.host.bytes("/v1/log/tile/0/001.p/44").await, hashed(rest));
    let mut subtree = GrowingTree::default();
    full.iter().for_each(|entry| subtree.push(leaf_hash(entry)));
    assert_eq!(server.host.bytes("/v1/log/tile/1/000.p/1").await, subtree.root().as_bytes());

    // Partial tiles of earlier sizes remain; tiles that do not exist, or have another spelling, are not found.
    assert_eq!(server.host.bytes("/v1/log/tile/0/001.p/7").await, hashed(&rest[..7]));
    for path in [
        "0/001",
        "0/001.p/45",
        "1/000",
        "2/000.p/1",
        "0/1",
        "00/000",
        "64/000",
        "999/000",
        "0/000.p/0",
        "x/000",
        "entries/002.p/1",
        "0/%ff",
        "%ff/000",
        "entries/%ff",
    ] {
        server.host.get(&format!("/v1/log/tile/{path}")).await.refused(404, "not_found");
    }
    let reply = server.host.get("/v1/log/tile/0/000").await;
    assert!(reply.header("cache-control").contains("immutable"), "{reply:?}");
    assert_eq!(reply.header("access-control-allow-origin"), "*");
}

#[tokio::test]
async fn lookups_and_webfinger_prove_that_the_head_is_in_the_log() {
    let server = TestServer::start_with(&["--limits", "off", "--sig-server-url", "embedded"]).await;
    let [alice] = server.people(["alice"]).await;
    assert_eq!(server.get("/v1/u/alice").await.json().get("log"), None, "no chain, no proof");

    let host = Host::of(&server);
    let mut owner = Owner::of(SecretIdentity::from_seed(alice.keys.seed().clone()));
    for link in [owner.init(), Owner::new().init(), owner.say(Body::SetCapabilities { min_version: 1 })] {
        assert_eq!(host.append(&link).await.status, 201);
    }
    let key = host.log_key().await;
    assert_eq!(key.name(), "kez.lat/v1/log");
    let webfinger = server.get("/.well-known/webfinger?resource=acct:alice@kez.lat").await.json();
    let in_webfinger =
        webfinger["properties"]["https://kez.chat/ns/log-inclusion"].as_str().unwrap().to_owned();
    let by_primary = server.get(&format!("/v1/by-primary/{}", alice.primary())).await;
    let lookups = [server.get("/v1/u/alice").await, by_primary].map(|reply| reply.json()["log"].to_string());
    for text in lookups.into_iter().chain([in_webfinger]) {
        let proof: Inclusion = serde_json::from_str(&text).unwrap();
        assert_eq!((proof.seqno, Some(proof.head), proof.index, proof.size), (2, owner.chain.head(), 2, 3));
        assert_eq!(proof.verify(&owner.chain.root(), &key).unwrap(), host.checkpoint().await);
        let other_head = Inclusion { head: Hash::of(b"x"), ..proof.clone() };
        assert_eq!(other_head.verify(&owner.chain.root(), &key), Err(NotIncluded::OtherRoot));
        let other_size = Inclusion { size: 4, ..proof };
        assert_eq!(other_size.verify(&owner.chain.root(), &key), Err(NotIncluded::OtherSize));
    }
}

#[tokio::test]
async fn the_proof_is_served_next_to_the_chain() {
    let server = SigServer::start().await;
    let mut owner = Owner::new();
    let path = format!("/v1/log/inclusion/{}", owner.hex());
    server.host.get(&path).await.refused(404, "unknown_chain");
    server.host.get("/v1/log/inclusion/00").await.refused(400, "malformed");
    server.host.append(&owner.init()).await;
    let reply = server.host.get(&path).await;
    assert_eq!(reply.header("access-control-allow-origin"), "*");
    let proof: Inclusion = serde_json::from_str(&reply.body).unwrap();
    let checkpoint = proof.verify(&owner.chain.root(), &server.host.log_key().await).unwrap();
    assert_eq!((proof.seqno, checkpoint.size), (1, 1));
}

#[tokio::test]
async fn the_key_comes_from_a_file_or_is_generated_once() {
    let (one, two) = (SigServer::start().await, SigServer::start().await);
    assert_ne!(one.host.log_key().await, two.host.log_key().await);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("seed");
    std::fs::write(&file, format!("{}\n", "07".repeat(32))).unwrap();
    let flags = ["--limits", "off", "--log-seed-file", file.to_str().unwrap()];
    let (three, four) = (SigServer::start_with(&flags).await, SigServer::start_with(&flags).await);
    assert_eq!(three.host.log_key().await, four.host.log_key().await);
}
