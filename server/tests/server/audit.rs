//! `kez-chat-server audit`: a server that contradicts itself is detected, with the name of the disagreement.

use std::path::Path;

use axum::response::IntoResponse as _;
use kez_chat_server::audit::{Audit, Kind, Memory, Source, audit};
use kez_core::sigchain::{Body, Hash};
use sqlx::{Connection, Executor};

use crate::commands::json;
use crate::sig_server::{Host, Owner, SigServer};
use crate::support::{Person, TestServer, second_connection, server_name};

/// The seed of a log key that several servers can share, so that they contradict each other.
struct Seed(tempfile::TempDir);

impl Seed {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("seed"), "07".repeat(32)).unwrap();
        Self(directory)
    }

    async fn server(&self) -> SigServer {
        let file = self.0.path().join("seed");
        SigServer::start_with(&["--limits", "off", "--log-seed-file", file.to_str().unwrap()]).await
    }
}

/// Appends chains of one link each.
async fn append_chains(host: &Host, count: usize) {
    for _ in 0..count {
        assert_eq!(host.append(&Owner::new().init()).await.status, 201);
    }
}

async fn look(host: &Host, remembered: Option<&Memory>) -> Audit {
    audit(&Source::new(&host.url).unwrap(), None, remembered).await.unwrap()
}

fn kinds(audit: &Audit) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = audit.findings.iter().map(|finding| finding.kind).collect();
    kinds.dedup();
    kinds
}

async fn tamper(db: &Path, sql: &'static str) {
    let mut connection = second_connection(db).await;
    assert!(connection.execute(sql).await.unwrap().rows_affected() > 0, "{sql}");
    connection.close().await.unwrap();
}

#[tokio::test]
async fn an_audit_of_a_growing_honest_server_passes() {
    let server = SigServer::start().await;
    let empty = look(&server.host, None).await;
    assert_eq!((kinds(&empty), empty.size, empty.chains), (vec![], 0, 0));
    let mut memory = empty.memory;
    let mut alice = Owner::new();
    server.host.append(&alice.init()).await;
    for count in [1, 3, 260] {
        append_chains(&server.host, count).await;
        server.host.append(&alice.say(Body::SetCapabilities { min_version: count as u64 })).await;
        let grown = look(&server.host, memory.as_ref()).await;
        assert_eq!(kinds(&grown), [], "{:?}", grown.findings);
        memory = grown.memory;
    }
    let memory = memory.unwrap();
    assert_eq!((memory.size, memory.root), (268, server.host.checkpoint().await.root));
}

#[tokio::test]
async fn an_audit_of_honest_lookups_passes() {
    let server = TestServer::start_with(&["--limits", "off", "--sig-server-url", "embedded"]).await;
    let host = Host::of(&server);
    let [alice] = server.people(["alice"]).await;
    let mut owner = Owner::of(kez_core::identity::SecretIdentity::from_seed(alice.keys.seed().clone()));
    let registration = Hash::of_json(server.get("/v1/u/alice").await.lookup().registration.get());
    let claim = |registration| Body::ClaimHandle {
        handle: alice.handle.clone(),
        server: server_name(),
        registration,
    };
    host.append(&owner.init()).await;
    host.append(&owner.say(claim(registration))).await;
    // Anyone may claim any handle; the server is not at fault.
    let mut mallory = Owner::new();
    host.append(&mallory.init()).await;
    host.append(&mallory.say(claim(Hash::of(b"x")))).await;
    assert_eq!(kinds(&look(&host, None).await), []);

    // The chain rotates to another key, and the server still shows the old one.
    host.append(&owner.rotate()).await;
    assert_eq!(kinds(&look(&host, None).await), [Kind::WrongKey]);
    let next = Person { handle: alice.handle.clone(), keys: owner.keys };
    assert_eq!(server.register(&next).await.status, 201);
    assert_eq!(kinds(&look(&host, None).await), []);
}

#[tokio::test]
async fn a_tampered_tile_is_detected() {
    let server = SigServer::start().await;
    append_chains(&server.host, 3).await;
    // The root of three leaves is computed from the hash of the first two, and of the third.
    tamper(&server.db(), "UPDATE log_nodes SET hash = zeroblob(32) WHERE position = 0").await;
    let found = look(&server.host, None).await;
    assert_eq!(kinds(&found), [Kind::TamperedTile]);
    assert!(found.memory.is_none(), "no state is saved");
}

#[tokio::test]
async fn a_root_that_does_not_match_the_entries_is_detected() {
    let server = SigServer::start().await;
    append_chains(&server.host, 3).await;
    tamper(&server.db(), "UPDATE log_nodes SET hash = zeroblob(32) WHERE position = 2").await;
    assert_eq!(kinds(&look(&server.host, None).await), [Kind::WrongRoot]);
}

#[tokio::test]
async fn a_forked_log_is_detected() {
    let seed = Seed::new();
    let (shown_to_one, shown_to_another) = (seed.server().await, seed.server().await);
    append_chains(&shown_to_one.host, 2).await;
    append_chains(&shown_to_another.host, 3).await;
    let memory = look(&shown_to_one.host, None).await.memory.unwrap();
    assert_eq!(kinds(&look(&shown_to_another.host, Some(&memory)).await), [Kind::ForkedLog]);
    let other_key = SigServer::start().await;
    append_chains(&other_key.host, 3).await;
    assert_eq!(kinds(&look(&other_key.host, Some(&memory)).await), [Kind::OtherKey, Kind::BadCheckpoint]);
}

/// A proxy between an auditor and several servers: it selects the server by path, and can fail on one path.
async fn proxy(of_lookups: String, of_all_else: String, broken: Option<String>) -> String {
    let answer = move |request: axum::extract::Request| {
        let target = request.uri().path_and_query().unwrap().to_string();
        let is_lookup = target.starts_with("/v1/u/") || target.starts_with("/.well-known/");
        let base = if is_lookup { of_lookups.clone() } else { of_all_else.clone() };
        let is_broken = broken.as_ref().is_some_and(|path| target.starts_with(path));
        async move {
            if is_broken {
                return (axum::http::StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "0")]).into_response();
            }
            let answer = reqwest::get(format!("{base}{target}")).await.unwrap();
            (answer.status(), answer.bytes().await.unwrap()).into_response()
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = axum::Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test]
async fn a_log_that_contradicts_lookups_is_detected_with_evidence() {
    let seed = Seed::new();
    let file = seed.0.path().join("seed");
    let flags =
        ["--limits", "off", "--sig-server-url", "embedded", "--log-seed-file", file.to_str().unwrap()];
    let servers = [TestServer::start_with(&flags).await, TestServer::start_with(&flags).await];
    let hosts = servers.each_ref().map(Host::of);
    let alice = Person::new("alice");
    let registration = alice.registration(servers[0].now());
    let mut owner = Owner::of(kez_core::identity::SecretIdentity::from_seed(alice.keys.seed().clone()));
    let handle = alice.handle.clone();
    for server in &servers {
        assert_eq!(server.post("/v1/register", registration.clone()).await.status, 201);
    }
    let registration = Hash::of_json(servers[0].get("/v1/u/alice").await.lookup().registration.get());
    let links = [owner.init(), owner.say(Body::ClaimHandle { handle, server: server_name(), registration })];
    for host in &hosts {
        for link in &links {
            assert_eq!(host.append(link).await.status, 201);
        }
        append_chains(host, 1).await;
    }
    for host in &hosts {
        assert_eq!(kinds(&look(host, None).await), [], "each is consistent by itself");
    }
    let [one, other] = hosts.each_ref().map(|host| host.url.clone());
    let url = proxy(other, one.clone(), None).await;
    let state = seed.0.path().join("state");
    let mut files = Vec::new();
    for _ in 0..2 {
        let (code, report) = json(&["audit", &url, "--state", state.to_str().unwrap()]).await;
        assert_eq!((code, report["findings"][0]["kind"].as_str()), (3, Some("forked_log")), "{report}");
        files.push(report["evidence"].as_str().unwrap().to_owned());
    }
    assert_ne!(files[0], files[1], "the first evidence stays");
    assert!(!state.exists(), "a log that contradicts itself is not trusted");
    let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(&files[0]).unwrap()).unwrap();
    let key = hosts[0].log_key().await;
    let notes = kept[0]["checkpoints"].as_array().unwrap().iter();
    let checkpoints: Vec<_> = notes.map(|note| key.verify(note.as_str().unwrap()).unwrap()).collect();
    let [shown, contradicted] = &checkpoints[..] else { panic!("{kept}") };
    assert_eq!((shown.size, contradicted.size), (3, 3));
    assert_ne!(shown.root, contradicted.root);
    let (code, report) = json(&["audit", &url]).await;
    assert_eq!((code, report["findings"][0]["checkpoints"].as_array().map(Vec::len)), (3, Some(2)));

    // A chain that the server withholds, although it is in the log.
    let withheld = format!("/v1/sigchains/ed25519/{}", owner.hex());
    let url = proxy(one.clone(), one, Some(withheld)).await;
    let (code, report) = json(&["audit", &url]).await;
    assert_eq!((code, report["findings"][0]["kind"].as_str()), (3, Some("withheld_chain")), "{report}");
    assert_eq!(report["findings"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_rolled_back_log_is_detected() {
    let seed = Seed::new();
    let (before, restored) = (seed.server().await, seed.server().await);
    append_chains(&before.host, 3).await;
    append_chains(&restored.host, 2).await;
    let memory = look(&before.host, None).await.memory.unwrap();
    assert_eq!(kinds(&look(&restored.host, Some(&memory)).await), [Kind::RolledBackLog]);
}

#[tokio::test]
async fn a_head_that_is_not_in_the_log_is_detected() {
    let server = SigServer::start().await;
    let mut alice = Owner::new();
    server.host.append(&alice.init()).await;
    let link = alice.say(Body::SetCapabilities { min_version: 1 });
    server.host.append(&link).await;
    // As if a link had been inserted into the chain without the log.
    let mut connection = second_connection(&server.db()).await;
    let hidden = alice.say(Body::SetCapabilities { min_version: 2 });
    sqlx::query("INSERT INTO sigchain_links (root, seqno, hash, log_index, stored_at, link) VALUES (?1, 3, ?2, 99, 0, ?3)")
        .bind(hidden.root().to_string())
        .bind(hidden.hash().as_bytes().as_slice())
        .bind(hidden.json())
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let found = look(&server.host, None).await;
    assert_eq!(kinds(&found), [Kind::HeadNotInLog]);
    assert!(found.findings[0].detail.contains(&link.root().to_string()), "{:?}", found.findings);
}

#[tokio::test]
async fn changed_and_missing_links_are_detected() {
    let server = SigServer::start().await;
    let mut alice = Owner::new();
    server.host.append(&alice.init()).await;
    server.host.append(&alice.say(Body::SetCapabilities { min_version: 1 })).await;
    // The log's entries are made from the links' own hashes: this changes what is served, not what was logged.
    tamper(&server.db(), "UPDATE sigchain_links SET link = replace(link, '\"min_version\":1', '\"min_version\":2') WHERE seqno = 2").await;
    assert_eq!(kinds(&look(&server.host, None).await), [Kind::InvalidChain, Kind::MissingLinks]);
}

#[tokio::test]
async fn the_exit_code_reports_the_result() {
    let seed = Seed::new();
    let (honest, forked) = (seed.server().await, seed.server().await);
    append_chains(&honest.host, 2).await;
    append_chains(&forked.host, 2).await;
    let file = seed.0.path().join("state");
    let state = file.to_str().unwrap();
    for _ in 0..2 {
        let (code, report) = json(&["audit", &honest.host.url, "--state", state]).await;
        assert_eq!((code, &report["size"], &report["chains"]), (0, &2.into(), &2.into()), "{report}");
    }
    let kept = std::fs::read_to_string(&file).unwrap();
    let (code, report) = json(&["audit", &forked.host.url, "--state", state]).await;
    assert_eq!((code, report["findings"][0]["kind"].as_str()), (3, Some("forked_log")), "{report}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), kept, "a log that contradicts itself is not trusted");
    let key = honest.host.log_key().await.to_string();
    let other = SigServer::start().await;
    let (code, report) = json(&["audit", &other.host.url, "--log-key", &key]).await;
    assert_eq!((code, report["findings"][0]["kind"].as_str()), (3, Some("other_key")), "{report}");
    let (code, _) = json(&["audit", "http://127.0.0.1:1"]).await;
    assert_eq!(code, 1);
}
