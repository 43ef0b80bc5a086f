//! `GET /v1/u/{handle}` and `GET /v1/by-primary/{primary}`

use crate::support::{Person, TestServer, server_name};

#[tokio::test]
async fn lookups_by_handle_and_by_key_return_the_same_proof() {
    let server = TestServer::start().await;
    let [alice, _bob] = server.people(["alice", "bob"]).await;
    let by_handle = server.get("/v1/u/alice").await;
    let by_key = server.get(&format!("/v1/by-primary/{}", alice.primary())).await;
    assert_eq!((by_handle.status, by_key.status), (200, 200));
    assert_eq!(by_handle.json(), by_key.json());
    let (handle, key) = by_handle.lookup().verify(&server_name()).unwrap();
    assert_eq!((handle, key), (alice.handle.clone(), alice.keys.public()));
}

#[tokio::test]
async fn an_unknown_handle_or_key_is_404() {
    let server = TestServer::start().await;
    server.get("/v1/u/nobody2").await.refused(404, "unknown_handle");
    let key = Person::new("nobody2").primary();
    server.get(&format!("/v1/by-primary/{key}")).await.refused(404, "unknown_handle");
}

#[tokio::test]
async fn a_malformed_handle_or_key_is_400() {
    let server = TestServer::start().await;
    for path in [
        "/v1/u/ab",
        "/v1/u/Alice",
        "/v1/u/alice%0A",
        "/v1/u/alice%2Fbob",
        "/v1/u/alice%00",
        "/v1/u/%FF",
        "/v1/u/-alice",
        "/v1/by-primary/alice",
        "/v1/by-primary/ed25519:00",
    ] {
        server.get(path).await.refused(400, "malformed");
    }
}

#[tokio::test]
async fn a_new_registration_is_found_at_once() {
    let server = TestServer::start().await;
    server.get("/v1/u/alice").await.refused(404, "unknown_handle");
    let [alice] = server.people(["alice"]).await;
    assert_eq!(server.get("/v1/u/alice").await.status, 200);
    assert_eq!(server.send(&alice, "{}").await.status, 201);
}
