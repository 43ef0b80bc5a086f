//! `POST /v1/messages`

use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use futures::stream;

use kez_core::api::Receipt;
use serde_json::json;

use crate::support::{Person, Reply, TestServer, message};

#[tokio::test]
async fn an_envelope_is_delivered_byte_for_byte() {
    let server = TestServer::start().await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    let sealed = alice.seal(&bob, "hello");
    let sent = server.send(&bob, &sealed).await;
    assert_eq!(sent.status, 201);
    let page = server.inbox(&bob, 0).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains(&sealed), "the envelope's bytes are in the page as they were sent");
    assert_eq!(page.seqs(), [1]);
    assert_eq!((&page.json()["next"], &page.json()["last"]), (&json!(1), &json!(1)));
    let receipt = Receipt::of(sealed.as_bytes());
    assert_eq!(
        sent.json(),
        json!({ "receipt": receipt, "created_at": "2026-11-22T19:00:00Z" }),
        "the sender does not learn how much mail Bob gets"
    );
    assert_eq!(page.json()["items"][0]["created_at"], sent.json()["created_at"]);
    assert!(server.inbox(&alice, 0).await.seqs().is_empty());
}

#[tokio::test]
async fn envelope_bytes_are_returned_unchanged() {
    let server = TestServer::start().await;
    let [bob] = server.people(["bob"]).await;
    let odd = [
        r#"{ "b" :1,"a":1.50e+2, "a":"twice"}"#,
        r#"{"x":"\u00e9é\/\ud800","deep":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}"#,
        "{\n}",
        r#"{"n":123456789012345678901234567890}"#,
    ];
    for envelope in odd {
        assert_eq!(server.send(&bob, envelope).await.status, 201, "{envelope}");
    }
    let page = server.inbox(&bob, 0).await.body;
    assert!(
        odd.iter().all(|envelope| page.contains(&format!(r#""envelope":{envelope},"created_at""#))),
        "{page}"
    );
}

#[tokio::test]
async fn a_malformed_message_is_refused() {
    let server = TestServer::start().await;
    let [bob] = server.people(["bob"]).await;
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(16), "]".repeat(16));
    for body in [
        String::new(),
        "{".to_owned(),
        "[]".to_owned(),
        r#"{"to":"bob"}"#.to_owned(),
        r#"{"envelope":{}}"#.to_owned(),
        r#"{"to":"bob","envelope":{},"more":1}"#.to_owned(),
        r#"{"to":"bob","to":"bob","envelope":{}}"#.to_owned(),
        r#"{"to":"bob","envelope":{},"envelope":{}}"#.to_owned(),
        r#"{"to":"bob","envelope":{}} x"#.to_owned(),
        r#"{"to":7,"envelope":{}}"#.to_owned(),
        message(&bob.handle, "[]"),
        message(&bob.handle, "\"text\""),
        message(&bob.handle, "null"),
        message(&bob.handle, "{\"a\":}"),
        message(&bob.handle, &deep),
        message(&bob.handle, &format!("{}1{}", r#"{"a":"#.repeat(20_000), "}".repeat(20_000))),
    ] {
        server.post("/v1/messages", body).await.refused(400, "malformed");
    }
    let latin1 = b"{\"to\":\"bob\",\"envelope\":{\"a\":\"\xe9\"}}".to_vec();
    server.post("/v1/messages", latin1).await.refused(400, "malformed");
    assert!(server.inbox(&bob, 0).await.seqs().is_empty());
}

#[tokio::test]
async fn only_json_by_its_content_type() {
    let server = TestServer::start().await;
    let [bob] = server.people(["bob"]).await;
    let post = |content_type: Option<&'static str>| {
        let request = server.http.post(server.url("/v1/messages")).body(message(&bob.handle, "{}"));
        Reply::of(match content_type {
            Some(content_type) => request.header("content-type", content_type),
            None => request,
        })
    };
    for other in
        [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonp")]
    {
        assert_eq!(post(other).await.refusal(), (400, "malformed".to_owned()), "{other:?}");
    }
    for json in ["application/json; charset=utf-8", "Application/JSON"] {
        assert!(post(Some(json)).await.status < 300, "{json}");
    }
}

#[tokio::test]
async fn an_unknown_recipient_is_404() {
    let server = TestServer::start().await;
    for to in ["nobody2", "No Handle", "", "bob\\n"] {
        let body = format!(r#"{{"to":"{to}","envelope":{{}}}}"#);
        server.post("/v1/messages", body).await.refused(404, "unknown_handle");
    }
}

#[tokio::test]
async fn an_envelope_can_have_exactly_256_kib() {
    let server = TestServer::start().await;
    let [bob] = server.people(["bob"]).await;
    let envelope = |length: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(length - 8));
    assert_eq!(server.send(&bob, &envelope(262_144)).await.status, 201);
    server.send(&bob, &envelope(262_145)).await.refused(413, "envelope_too_large");
    assert_eq!(server.inbox(&bob, 0).await.seqs().len(), 1);
}

#[tokio::test]
async fn a_body_over_512_kib_is_not_parsed() {
    let server = TestServer::start().await;
    server.people(["bob"]).await;
    for length in [524_289, 700_000, 1_900_000] {
        server.post("/v1/messages", vec![b'['; length]).await.refused(413, "body_too_large");
        server.post("/v1/register", vec![b'['; length]).await.refused(413, "body_too_large");
    }
    server.post("/v1/messages", vec![b'['; 524_288]).await.refused(400, "malformed");
}

#[tokio::test]
async fn a_retry_is_answered_as_the_first_time() {
    let server = TestServer::start().await;
    let [bob, carol] = server.people(["bob", "carol"]).await;
    let first = server.send(&bob, r#"{"n":1}"#).await;
    server.send(&bob, r#"{"n":2}"#).await;
    server.clock.set(crate::support::NOW + 3600);
    let again = server.send(&bob, r#"{"n":1}"#).await;
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(first.json(), again.json());
    // Other bytes, or the same bytes for another recipient, are not a retry.
    assert_eq!(server.send(&bob, r#"{"n": 1}"#).await.status, 201);
    assert_eq!(server.send(&carol, r#"{"n":1}"#).await.status, 201);
    let server = server.restart().await;
    let later = server.send(&bob, r#"{"n":1}"#).await;
    assert_eq!((later.status, later.json()), (200, first.json()));
    assert_eq!(server.inbox(&bob, 0).await.seqs(), [1, 2, 3]);
}

/// Every message is posted up to five times at once, and some callers disconnect before the answer.
#[tokio::test]
async fn repeated_posts_are_stored_once() {
    let server = TestServer::start().await;
    let [bob] = server.people(["bob"]).await;
    let post = async |n: u32| {
        let envelope = format!(r#"{{"n":{n}}}"#);
        let copies = (0..=n % 5).map(|copy| {
            let patience = Duration::from_millis(if copy % 2 == 1 { 3 } else { 60_000 });
            tokio::time::timeout(patience, server.send(&bob, &envelope))
        });
        let answers: Vec<Reply> = join_all(copies).await.into_iter().flatten().collect();
        assert!(answers.iter().all(|reply| matches!(reply.status, 200 | 201)), "{answers:?}");
        assert!(answers.iter().filter(|reply| reply.status == 201).count() <= 1, "{answers:?}");
        assert!(answers.iter().all(|reply| reply.json() == answers[0].json()), "{answers:?}");
        envelope
    };
    let mut answered: Vec<_> = stream::iter(0..400).map(post).buffer_unordered(32).collect().await;
    answered.sort_unstable();

    let mut stored = Vec::new();
    while let items = server.inbox(&bob, stored.len() as u64).await.json()["items"].take()
        && items[0].is_object()
    {
        let items = items.as_array().unwrap().iter();
        stored.extend(items.map(|item| item["envelope"].to_string()));
    }
    stored.sort_unstable();
    assert_eq!(stored, answered);
}

#[tokio::test]
async fn a_stranger_learns_nothing_by_reading() {
    let server = TestServer::start().await;
    let [bob, mallory] = server.people(["bob", "mallory"]).await;
    server.send(&bob, "{}").await;
    let as_bob = Person { handle: bob.handle.clone(), keys: mallory.keys };
    server.inbox(&as_bob, 0).await.refused(401, "unauthorized");
}
