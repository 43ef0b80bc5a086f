//! `PUT /v1/u/{handle}/nats-keys`, `DELETE /v1/u/{handle}/nats-keys/{nkey}`, and every way in which a signed request is
//! refused.

use kez_core::nats_binding::{self, MAX_LIFETIME_SECONDS};
use kez_core::nkey::{Role, SecretNkey};

use crate::support::{NOW, TestServer, nkey, rng};

const DAY: u64 = 24 * 60 * 60;

#[tokio::test]
async fn an_nkey_is_bound_renewed_and_removed_for_good() {
    let server = TestServer::start().await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    let nkey = nkey().public();
    assert_eq!(server.bind(&alice, nkey, DAY).await.status, 204);
    assert_eq!(server.bind(&alice, nkey, MAX_LIFETIME_SECONDS).await.status, 204, "renewed");
    server.bind(&bob, nkey, DAY).await.refused(409, "nkey_taken");
    server.unbind(&bob, nkey).await.refused(404, "unknown_nkey");

    assert_eq!(server.unbind(&alice, nkey).await.status, 204);
    assert_eq!(server.unbind(&alice, nkey).await.status, 204, "a request with a lost answer may be repeated");
    server.bind(&alice, nkey, DAY).await.refused(409, "nkey_removed");
    server.bind(&bob, nkey, DAY).await.refused(409, "nkey_taken");
    let server = server.restart().await;
    server.bind(&alice, nkey, DAY).await.refused(409, "nkey_removed");
}

#[tokio::test]
async fn a_binding_must_be_for_this_server_this_caller_and_this_time() {
    let server = TestServer::start().await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    let (nkey, target, now) = (nkey().public(), nats_binding::target(&alice.handle), server.now());
    let good = alice.binding(nkey, now, DAY);
    let account = SecretNkey::random(Role::Account, &mut rng()).public();
    let later = kez_core::time::Timestamp::from_unix(NOW + 301);
    for (body, status, code) in [
        (String::new(), 400, "malformed"),
        (good.replace("nats_binding\"", "handle_registration\""), 400, "malformed"),
        (good.replacen("{", "{\"more\":1,", 1), 400, "malformed"),
        (good.replace(&nkey.to_string(), "UAAA"), 400, "malformed"),
        (alice.binding(account, now, DAY), 400, "malformed"),
        (alice.binding(nkey, now, MAX_LIFETIME_SECONDS + 1), 400, "malformed"),
        (bob.binding(nkey, now, DAY), 400, "malformed"),
        (good.replace("\"kez.lat\"", "\"kez.example\""), 401, "bad_signature"),
        (alice.binding(nkey, now, 0), 400, "stale"),
        (alice.binding(nkey, later, DAY), 400, "stale"),
    ] {
        server.signed(&alice, "PUT", &target, body).await.refused(status, code);
    }
    assert_eq!(server.signed(&alice, "PUT", &target, good).await.status, 204);
}

#[tokio::test]
async fn a_caller_header_authenticates_one_request_of_its_signer() {
    let server = TestServer::start().await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    let (nkey, target, now) = (nkey().public(), nats_binding::target(&alice.handle), server.now());
    let body = alice.binding(nkey, now, DAY);
    let sign = |method: &str, target: &str, body: &str| alice.signs(method, target, body.as_bytes(), now);
    let stale = kez_core::time::Timestamp::from_unix(NOW - 61);
    for header in [
        "".to_owned(),
        "alice".to_owned(),
        alice.inbox_header(0, now),
        sign("POST", &target, &body),
        sign("PUT", &format!("{target}?x=1"), &body),
        sign("PUT", &target, "{}"),
        alice.signs("PUT", &target, body.as_bytes(), stale),
        // Bob's own valid signature, for Alice's handle.
        bob.signs("PUT", &target, body.as_bytes(), now),
        bob.signs("PUT", &target, body.as_bytes(), now).replace("bob:", "alice:"),
        sign("PUT", &target, &body).replace("alice:", "nobody2:"),
    ] {
        server.with_header("PUT", &target, body.clone(), &header).await.refused(401, "unauthorized");
    }
    let header = sign("PUT", &target, &body);
    assert_eq!(server.with_header("PUT", &target, body.clone(), &header).await.status, 204);
    server.with_header("PUT", &target, body, &header).await.refused(401, "unauthorized");
}

#[tokio::test]
async fn a_malformed_path_is_refused() {
    let server = TestServer::start().await;
    let [alice] = server.people(["alice"]).await;
    for target in [
        "/v1/u/alice/nats-keys/UAAA",
        "/v1/u/Alice/nats-keys/UAAA",
        "/v1/u/alice/nats-keys/%ff",
        "/v1/u/%ff/nats-keys/UAAA",
    ] {
        server.signed(&alice, "DELETE", target, String::new()).await.refused(400, "malformed");
    }
    server
        .signed(&alice, "GET", "/v1/u/alice/nats-keys", String::new())
        .await
        .refused(405, "method_not_allowed");
}

#[tokio::test]
async fn the_websocket_address_is_in_the_config_and_the_content_security_policy() {
    let server = TestServer::start_with(&["--nats-ws-url", "wss://kez.lat:8443"]).await;
    assert_eq!(server.get("/v1/config").await.json()["nats_ws_url"], "wss://kez.lat:8443");
    let page = server.get("/").await;
    let policy = page.header("content-security-policy");
    assert!(policy.contains("connect-src 'self' wss://kez.lat:8443;"), "{policy}");
}
