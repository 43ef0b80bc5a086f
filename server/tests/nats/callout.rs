//! Which clients are admitted, and what they may do then.

use kez_core::nats_binding::{subject, subscription};
use serde_json::json;

use crate::broker::{Broker, until};
use crate::client::{Client, Refused};
use crate::support::nkey;

const HOUR: u64 = 60 * 60;

#[tokio::test]
async fn an_owner_receives_hints_of_their_own_inbox_only() {
    let broker = Broker::start().await;
    let server = broker.server().await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    let nkey = nkey();
    assert_eq!(server.bind(&bob, nkey.public(), HOUR).await.status, 204);

    until(async || Client::connect(broker.address, &nkey).await.is_ok()).await;
    let mut client = Client::connect(broker.address, &nkey).await.unwrap();
    let key = bob.keys.public().primary();
    assert_eq!(client.subscribe(&subscription(&key)).await, None);
    assert_eq!(server.send(&bob, &alice.seal(&bob, "hello")).await.status, 201);
    assert_eq!(client.message().await, r#"{"seq":1}"#);

    let hers = alice.keys.public().primary();
    for elsewhere in [
        subject(&hers).as_str(),
        &subscription(&hers),
        "kez.inbox.*.new",
        "kez.inbox.>",
        "kez.>",
        "*.inbox.*.*",
        ">",
        "$SYS.>",
        "$SYS.REQ.USER.AUTH",
        "$JS.API.>",
        "_INBOX.>",
    ] {
        let objection = client.subscribe(elsewhere).await.unwrap_or_else(|| panic!("{elsewhere}"));
        assert!(objection.contains("Permissions Violation for Subscription"), "{objection}");
    }
    for own_or_other in [&subject(&key), &subject(&hers), "kez.inbox.x", "$SYS.REQ.USER.AUTH", "$JS.API.INFO"]
    {
        let objection = client.publish(own_or_other, r#"{"seq":1}"#).await.expect("an objection");
        assert!(objection.contains("Permissions Violation for Publish"), "{objection}");
    }
    // And the permitted actions still work.
    assert_eq!(server.send(&bob, &alice.seal(&bob, "again")).await.status, 201);
    assert_eq!(client.message().await, r#"{"seq":2}"#);
}

#[tokio::test]
async fn a_client_without_a_bound_nkey_is_refused() {
    let broker = Broker::start().await;
    let server = broker.server().await;
    let [bob] = server.people(["bob"]).await;
    let (bound, unbound, removed) = (nkey(), nkey(), nkey());
    assert_eq!(server.bind(&bob, bound.public(), HOUR).await.status, 204);
    assert_eq!(server.bind(&bob, removed.public(), HOUR).await.status, 204);
    assert_eq!(server.unbind(&bob, removed.public()).await.status, 204);
    let violation = Refused("-ERR 'Authorization Violation'".to_owned());

    // The service has its own connection, which may come later than the server's.
    until(async || Client::connect(broker.address, &bound).await.is_ok()).await;
    for other in [&unbound, &removed] {
        assert_eq!(Client::connect(broker.address, other).await.err().as_ref(), Some(&violation));
    }
    // The bound key is public: without its signature over this very nonce, access is refused.
    for signature in [
        bound.sign_nonce("bV8Eb-nZ_a3Qq0s").unwrap().to_vec(),
        unbound.sign_nonce(&Client::dial(broker.address).await.nonce).unwrap().to_vec(),
        vec![0; 64],
        vec![0; 63],
        Vec::new(),
    ] {
        let client = Client::dial(broker.address).await;
        assert_eq!(client.log_in(bound.public(), &signature).await.err().as_ref(), Some(&violation));
    }
    let replayed = Client::dial(broker.address).await;
    let signature = bound.sign_nonce(&replayed.nonce).unwrap();
    assert!(replayed.log_in(bound.public(), &signature).await.is_ok());
    let client = Client::dial(broker.address).await;
    assert_eq!(client.log_in(bound.public(), &signature).await.err().as_ref(), Some(&violation));
    for options in [
        json!({}),
        json!({"nkey": bound.public()}),
        json!({"user": "bob", "pass": "secret"}),
        json!({"auth_token": "token"}),
        json!({"nkey": "U", "sig": "x"}),
        json!({"jwt": "a.b.c", "sig": "x"}),
    ] {
        let client = Client::dial(broker.address).await;
        assert_eq!(client.log_in_with(options).await.err().as_ref(), Some(&violation));
    }
}

/// The lifetime of a binding in seconds: long enough to connect with it on a busy machine.
const SHORT: u64 = 8;

#[tokio::test]
async fn an_expired_binding_closes_the_connection_and_opens_no_other() {
    let broker = Broker::start().await;
    let server = broker.server().await;
    let [bob] = server.people(["bob"]).await;
    let (nkey, now) = (nkey(), server.now());
    assert_eq!(server.bind(&bob, nkey.public(), SHORT).await.status, 204);
    until(async || Client::connect(broker.address, &nkey).await.is_ok()).await;
    let client = Client::connect(broker.address, &nkey).await.unwrap();
    assert_eq!(client.ended().await, "-ERR 'User Authentication Expired'");
    server.clock.set(now.unix() + SHORT);
    assert!(Client::connect(broker.address, &nkey).await.is_err());
    // After a renewal it works again.
    server.bind(&bob, nkey.public(), HOUR).await;
    assert!(Client::connect(broker.address, &nkey).await.is_ok());
}

#[tokio::test]
async fn any_remaining_node_answers() {
    let broker = Broker::start().await;
    let (one, other) = (broker.server().await, broker.server().await);
    let nkey = nkey();
    for server in [&one, &other] {
        let [bob] = server.people(["bob"]).await;
        assert_eq!(server.bind(&bob, nkey.public(), HOUR).await.status, 204);
    }
    for _ in 0..8 {
        assert!(Client::connect(broker.address, &nkey).await.is_ok());
    }
    one.stop().await;
    until(async || Client::connect(broker.address, &nkey).await.is_ok()).await;
    for _ in 0..4 {
        assert!(Client::connect(broker.address, &nkey).await.is_ok());
    }
    drop(other);
}

#[tokio::test]
async fn browsers_come_from_allowed_origins_only() {
    let broker = Broker::start().await;
    let from = async |origin: &str| {
        let request = reqwest::Client::new()
            .get(format!("http://{}/", broker.websocket))
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("origin", origin);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(from("https://kez.lat").await, 101);
    assert_eq!(from("https://evil.example").await, 403);
    assert_eq!(from("https://kez.lat.evil.example").await, 403);
}
