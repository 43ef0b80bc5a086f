//! One test for each attack on registration, lookup, relay and authentication in the threat model.

use kez_core::api::{CLOSE_UNAUTHORIZED, live_target};
use kez_core::handle::Handle;
use kez_core::time::Timestamp;
use serde_json::json;

use crate::support::{NOW, Person, Reply, TestServer, server_name};

/// The eight points of small order, and two non-canonical encodings of them: a signature by such a key can be made
/// without any secret.
const SMALL_ORDER: [&str; 10] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

fn with_key(person: &Person, key: &str) -> String {
    let registration = person.registration(Timestamp::from_unix(NOW));
    registration.replace(&person.primary(), &format!("ed25519:{key}"))
}

#[tokio::test]
async fn registering_a_small_order_key() {
    let server = TestServer::start().await;
    for key in SMALL_ORDER {
        server.post("/v1/register", with_key(&Person::new("support2"), key)).await.refused(400, "malformed");
        server.get(&format!("/v1/by-primary/ed25519:{key}")).await.refused(400, "malformed");
    }
    server.get("/v1/u/support2").await.refused(404, "unknown_handle");
}

/// A key with a component of order eight: its owner could find signatures that only some verifiers accept.
#[tokio::test]
async fn registering_a_mixed_order_key() {
    let vector: serde_json::Value =
        serde_json::from_str(include_str!("../../../core/vectors/identity/refused_mixed_order.json"))
            .unwrap();
    let text = vector.to_string();
    let start = text.find("ed25519:").unwrap() + "ed25519:".len();
    let server = TestServer::start().await;
    let registration = with_key(&Person::new("alice"), &text[start..start + 64]);
    server.post("/v1/register", registration).await.refused(400, "malformed");
}

#[tokio::test]
async fn a_second_name_for_one_key_by_other_spelling() {
    let server = TestServer::start().await;
    let [alice] = server.people(["alice"]).await;
    let hex = alice.keys.public().primary().hex();
    let other_name = Person { handle: "alice2".parse().unwrap(), keys: alice.keys };
    let upper = with_key(&other_name, &hex.to_uppercase());
    server.post("/v1/register", upper).await.refused(400, "malformed");
    for spelling in [
        format!("ed25519:{}", hex.to_uppercase()),
        format!("ED25519:{hex}"),
        hex.clone(),
        format!("ed25519:{hex}%0A"),
    ] {
        server.get(&format!("/v1/by-primary/{spelling}")).await.refused(400, "malformed");
    }
}

#[tokio::test]
async fn a_header_captured_elsewhere_does_not_open_a_stream_here() {
    let server = TestServer::start().await;
    let [alice] = server.people(["alice"]).await;
    let elsewhere = "evil.example".parse().unwrap();
    let hello = alice.hello_for(&elsewhere, &live_target(&alice.handle, 0), 0, server.now());
    let mut live = server.live(&alice.handle).await;
    live.send(&hello).await;
    assert_eq!(live.closed().await, CLOSE_UNAUTHORIZED);
}

#[tokio::test]
async fn a_registration_captured_elsewhere_does_not_count_here() {
    let server = TestServer::start_with(&["--limits", "off", "--server", "other.example"]).await;
    let registration = Person::new("alice").registration(server.now());
    server.post("/v1/register", registration).await.refused(400, "wrong_server");
}

#[tokio::test]
async fn replaying_a_header_after_its_minute() {
    let server = TestServer::start().await;
    let [alice] = server.people(["alice"]).await;
    let header = alice.inbox_header(0, server.now());
    assert_eq!(server.inbox_with(&alice.handle, "", &header).await.status, 200);
    server.clock.set(NOW + 61);
    server.inbox_with(&alice.handle, "", &header).await.refused(401, "unauthorized");
}

#[tokio::test]
async fn paging_on_with_a_captured_header() {
    let server = TestServer::start().await;
    let [alice] = server.people(["alice"]).await;
    for n in 0..5 {
        server.send(&alice, &format!(r#"{{"n":{n}}}"#)).await;
    }
    let header = alice.inbox_header(0, server.now());
    for since in 1..5 {
        server
            .inbox_with(&alice.handle, &format!("?since={since}"), &header)
            .await
            .refused(401, "unauthorized");
    }
}

#[tokio::test]
async fn reading_everything_at_once_with_a_huge_limit() {
    let server = TestServer::start().await;
    let [alice] = server.people(["alice"]).await;
    let header = alice.inbox_header(0, server.now());
    for limit in ["1000000000", "1001", "18446744073709551616", "0", "-1"] {
        server.inbox_with(&alice.handle, &format!("?limit={limit}"), &header).await.refused(400, "malformed");
    }
}

#[tokio::test]
async fn a_query_with_two_meanings() {
    let server = TestServer::start().await;
    let [alice] = server.people(["alice"]).await;
    let header = alice.inbox_header(5, server.now());
    for query in
        ["?since=5&since=0", "?since=0&since=5", "?since=005", "?since=%2B5", "?Since=5", "?since=5&x=1"]
    {
        server.inbox_with(&alice.handle, query, &header).await.refused(400, "malformed");
    }
}

/// The signed text contains newlines, so a handle with newlines could inject any text into it.
#[tokio::test]
async fn a_handle_with_a_newline_or_a_slash() {
    let server = TestServer::start().await;
    let [alice] = server.people(["alice"]).await;
    let header = alice.inbox_header(0, server.now());
    for handle in ["alice%0A", "alice%0Asince=0", "alice%2F..%2Fbob", "alice%00", "alice%20", "%C3%A4lice"] {
        let url = server.url(&format!("/v1/inbox/{handle}"));
        Reply::of(server.http.get(url).header("X-KEZ-Auth", &header)).await.refused(400, "malformed");
    }
    // Percent-encoded, the handle is still Alice, and her signature is over her name.
    let url = server.url("/v1/inbox/%61lice");
    assert_eq!(Reply::of(server.http.get(url).header("X-KEZ-Auth", &header)).await.status, 200);
}

#[tokio::test]
async fn times_at_the_edge_of_their_type() {
    let server = TestServer::start().await;
    let [alice] = server.people(["alice"]).await;
    let signature = "00".repeat(64);
    for ts in [
        "0",
        "9007199254740991",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "-1",
        "1e9",
    ] {
        server.inbox_with(&alice.handle, "", &format!("{ts}:{signature}")).await.refused(401, "unauthorized");
    }
}

#[tokio::test]
async fn asking_who_exists_through_the_inbox() {
    let server = TestServer::start().await;
    let [alice] = server.people(["alice"]).await;
    let stranger = Person::new("mallory");
    let unregistered: Handle = "nobody2".parse().unwrap();
    let header = stranger.inbox_header(0, server.now());
    let existing = server.inbox_with(&alice.handle, "", &header).await;
    let missing = server.inbox_with(&unregistered, "", &header).await;
    assert_eq!(existing.refusal(), missing.refusal());
    assert_eq!(existing.body, missing.body);
}

/// A page on another origin can make its visitors send only what a form can: without a preflight, no JSON.
#[tokio::test]
async fn posting_from_another_page() {
    let server = TestServer::start().await;
    let [alice] = server.people(["alice"]).await;
    let body = r#"{"to":"alice","envelope":{}}"#;
    for form in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let request = server.http.post(server.url("/v1/messages")).header("content-type", form).body(body);
        assert_eq!(Reply::of(request).await.refusal().0, 400);
    }
    let preflight = server.http.request(reqwest::Method::OPTIONS, server.url("/v1/messages"));
    let preflight = Reply::of(preflight.header("origin", "https://evil.example")).await;
    assert_eq!(preflight.header("access-control-allow-origin"), "");
    assert!(server.inbox(&alice, 0).await.seqs().is_empty());
}

#[tokio::test]
async fn flooding_an_inbox_without_an_account() {
    let server = TestServer::start_with(&["--connections-per-network", "400"]).await;
    let [alice] = server.people(["alice"]).await;
    let floods = (0..400).map(async |n| server.send(&alice, &format!(r#"{{"n":{n}}}"#)).await);
    let replies = futures::future::join_all(floods).await;
    let refused: Vec<_> = replies.iter().filter(|reply| reply.status != 201).collect();
    assert!(refused.len() >= 50, "{}", refused.len());
    for reply in refused {
        // Because of the network's allowance, or because its part of the inbox is full.
        assert!(["rate_limited", "inbox_full"].contains(&reply.refusal().1.as_str()), "{reply:?}");
        assert!(reply.header("retry-after").parse::<u64>().unwrap() >= 1);
    }
}

#[tokio::test]
async fn doubling_a_message_by_posting_it_again() {
    let server = TestServer::start().await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    let sealed = alice.seal(&bob, "yes, transfer it");
    let first = server.send(&bob, &sealed).await;
    for _ in 0..3 {
        let again = server.send(&bob, &sealed).await;
        assert_eq!((again.status, again.json()), (200, first.json()));
    }
    assert_eq!(server.inbox(&bob, 0).await.seqs().len(), 1);
}

#[tokio::test]
async fn breaking_signatures_by_making_the_server_rewrite_json() {
    let server = TestServer::start().await;
    let [alice] = server.people(["alice"]).await;
    let envelope = r#"{ "z":1e3, "a":0.1000000000000000055511151231257827, "s":"\u0041\/", "z":2 }"#;
    server.send(&alice, envelope).await;
    let mut live = server.live_as(&alice, 0).await;
    assert_eq!(live.next().await["items"][0]["seq"], json!(1));
    assert!(server.inbox(&alice, 0).await.body.contains(envelope));
}

#[tokio::test]
async fn learning_of_others_traffic_from_sequence_numbers() {
    let server = TestServer::start().await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    for n in 0..10 {
        server.send(&bob, &format!(r#"{{"n":{n}}}"#)).await;
    }
    assert_eq!(server.place_of(&alice, "{}").await, 1);
}

#[tokio::test]
async fn swapping_a_key_in_a_lookup() {
    let server = TestServer::start().await;
    let [alice, mallory] = server.people(["alice", "mallory"]).await;
    let honest = server.get("/v1/u/alice").await;
    assert!(honest.lookup().verify(&server_name()).is_ok());
    let swapped = Reply { body: honest.body.replacen(&alice.primary(), &mallory.primary(), 1), ..honest };
    assert!(swapped.lookup().verify(&server_name()).is_err(), "the signed registration gives it away");
}

#[tokio::test]
async fn naming_another_handle_for_a_key() {
    let server = TestServer::start().await;
    let [alice] = server.people(["alice"]).await;
    let honest = server.get(&format!("/v1/by-primary/{}", alice.primary())).await;
    assert!(honest.lookup().verify(&server_name()).is_ok());
    let renamed = honest.body.replacen(r#""handle":"alice""#, r#""handle":"admin""#, 1);
    assert!(Reply { body: renamed, ..honest }.lookup().verify(&server_name()).is_err());
}

#[tokio::test]
async fn tampering_with_a_registration_on_its_way() {
    let server = TestServer::start().await;
    let alice = Person::new("alice");
    let registration = alice.registration(server.now());
    let renamed = registration.replace(r#""handle":"alice""#, r#""handle":"malice""#);
    server.post("/v1/register", renamed).await.refused(401, "bad_signature");
    let other = Person::new("mallory").primary();
    let rekeyed = registration.replace(&alice.primary(), &other);
    server.post("/v1/register", rekeyed).await.refused(401, "bad_signature");
}

#[tokio::test]
async fn replaying_a_request_after_its_account_was_deleted_and_its_key_registered_again() {
    let server = TestServer::start().await;
    let [alice, mallory] = server.people(["alice", "mallory"]).await;
    // The key is free at once, but the handle is not, so the request must not name the handle.
    let header = mallory.signs("GET", "/v1/export", b"", server.now());
    let once = server.with_header("GET", "/v1/export", String::new(), &header).await;
    assert_eq!(once.status, 200);
    let gone = server.signed(&mallory, "DELETE", "/v1/u/mallory", String::new()).await;
    assert_eq!(gone.status, 204);
    let again = Person { handle: "mallory2".parse().unwrap(), keys: mallory.keys };
    assert_eq!(server.register(&again).await.status, 201);
    let (_, rest) = header.split_once(':').unwrap();
    let replayed = format!("{}:{rest}", again.handle);
    server.with_header("GET", "/v1/export", String::new(), &replayed).await.refused(401, "unauthorized");
    let server = server.restart().await;
    server.with_header("GET", "/v1/export", String::new(), &replayed).await.refused(401, "unauthorized");
    assert_eq!(server.signed(&again, "GET", "/v1/export", String::new()).await.status, 200);
    assert_eq!(server.signed(&alice, "GET", "/v1/export", String::new()).await.status, 200);
}
