//! Profile pages as answered by the whole server: with the history of the key, wherever it is kept, and counted as
//! lookups.

use std::time::{Duration, Instant};

use kez_core::sigchain::{Body, Hash};
use tempfile::TempDir;

use crate::sig_server::{Host, Owner, SigServer};
use crate::support::{Person, Reply, TestServer, server_name};

/// The smallest site with which pages are served.
fn site() -> TempDir {
    let site = tempfile::tempdir().unwrap();
    std::fs::create_dir(site.path().join("pkg")).unwrap();
    for file in ["kez-chat.js", "kez-chat.css", "kez-chat.wasm"] {
        std::fs::write(site.path().join("pkg").join(file), "").unwrap();
    }
    site
}

/// A chat server whose sigchains are on another server, and the site that it serves.
async fn with_chains_at(url: &str) -> (TestServer, TempDir) {
    let site = site();
    let web = site.path().to_str().unwrap();
    let server =
        TestServer::start_with(&["--limits", "off", "--sig-server-url", url, "--web-dir", web]).await;
    (server, site)
}

async fn page(server: &TestServer, holds: &str) -> Reply {
    let page = server.get("/u/alice").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("alice@kez.lat") && page.body.contains(holds), "{}", page.body);
    page
}

#[tokio::test]
async fn the_history_comes_from_a_sigchain_server_and_an_outage_is_shown() {
    let sig = SigServer::start().await;
    let (server, _site) = with_chains_at(&sig.host.url).await;
    let [alice] = server.people(["alice"]).await;
    let nothing = page(&server, "Key fingerprint").await;
    assert!(!nothing.body.contains("Key history"), "there is none yet: {}", nothing.body);

    let mut owner = Owner::of(alice.keys);
    assert_eq!(sig.host.append(&owner.init()).await.status, 201);
    page(&server, "aria-label=\"Key history\"").await;
    sig.stop().await;
    page(&server, "is not responding at the moment").await;
}

#[tokio::test]
async fn a_silent_sigchain_server_delays_by_two_seconds() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (server, _site) = with_chains_at(&format!("http://{}", listener.local_addr().unwrap())).await;
    server.people(["alice"]).await;
    let asked = Instant::now();
    page(&server, "is not responding at the moment").await;
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "the page does not wait for the sigchain server: {:?}",
        asked.elapsed()
    );
}

#[tokio::test]
async fn an_invalid_history_is_not_shown() {
    let alice = Person::new("alice");
    // Another user's link, under Alice's root.
    let foreign = Owner::of(Person::new("mallory").keys).init();
    let answer = format!(
        r#"{{"primary":"{}","length":1,"head":"{}","links":[{}]}}"#,
        alice.primary(),
        foreign.hash(),
        foreign.json()
    );
    let url = crate::rotation::answering(200, answer).await;
    let (server, _site) = with_chains_at(&url).await;
    assert_eq!(server.register(&alice).await.status, 201);
    let page = page(&server, "returned an invalid one").await;
    assert!(!page.body.contains("aria-label=\"Key history\""), "{}", page.body);
}

#[tokio::test]
async fn a_profile_shows_only_confirmed_claims() {
    let site = site();
    let web = site.path().to_str().unwrap();
    let flags = ["--limits", "off", "--sig-server-url", "embedded", "--web-dir", web];
    let server = TestServer::start_with(&flags).await;
    let host = Host::of(&server);
    let [alice, _admin] = server.people(["alice", "boss"]).await;
    let mut owner = Owner::of(alice.keys);
    assert_eq!(host.append(&owner.init()).await.status, 201);
    let registration = Hash::of_json(server.get("/v1/u/alice").await.lookup().registration.get());
    for handle in ["boss", "alice"] {
        let claim =
            Body::ClaimHandle { handle: handle.parse().unwrap(), server: server_name(), registration };
        assert_eq!(host.append(&owner.say(claim)).await.status, 201);
    }
    let elsewhere =
        Body::ReleaseHandle { handle: "alice".parse().unwrap(), server: "bank.example".parse().unwrap() };
    assert_eq!(host.append(&owner.say(elsewhere)).await.status, 201);
    let page = page(&server, "Claimed the handle @alice on kez.lat.").await;
    assert!(!page.body.contains("@boss") && !page.body.contains("bank.example"), "{}", page.body);
}

#[tokio::test]
async fn profile_pages_and_lookups_share_an_allowance() {
    let site = site();
    let flags = ["--sig-server-url", "embedded", "--web-dir", site.path().to_str().unwrap()];
    let server = TestServer::start_with(&flags).await;
    server.people(["alice"]).await;
    let mut refused = None;
    for _ in 0..300 {
        let page = server.get("/u/alice").await;
        if page.status != 200 {
            refused = Some(page);
            break;
        }
    }
    let refused = refused.expect("an end to it");
    refused.refused(429, "rate_limited");
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(server.get("/v1/u/alice").await.status, 429, "the same allowance");
    assert_eq!(server.get("/messages").await.status, 200, "static pages are not rate-limited");
    assert_eq!(Host::of(&server).get("/v1/healthz").await.status, 200);
}
