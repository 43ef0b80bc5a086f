//! What a message costs its sender: docs/SPEC.md, section 14.

use kez_core::caller_auth::{self, CallerRequest};
use kez_core::problem::Problem;
use kez_core::work::{self, WorkFor, WorkOffer};

use crate::support::{NOW, Person, Reply, TestServer, message, rng, server_name};

impl TestServer {
    /// Sends as a client of a proxy that names this address.
    pub(crate) async fn send_from(&self, address: &str, to: &Person, envelope: &str) -> Reply {
        let request = self.message(to, envelope).header("x-forwarded-for", address);
        Reply::of(request).await
    }

    async fn send_paid(&self, to: &Person, envelope: &str, work: &str) -> Reply {
        Reply::of(self.message(to, envelope).header(work::HEADER, work)).await
    }

    /// Sends with the sender's signature.
    pub(crate) async fn send_as(&self, from: &Person, to: &Person, envelope: &str) -> Reply {
        let body = message(&to.handle, envelope);
        let server = server_name();
        let request =
            CallerRequest { server: &server, method: "POST", target: "/v1/messages", body: body.as_bytes() };
        let auth =
            caller_auth::header(&from.keys, &from.handle.clone().into(), &request, self.now(), &mut rng());
        Reply::of(self.message(to, envelope).header("x-kez-auth", auth)).await
    }

    fn message(&self, to: &Person, envelope: &str) -> reqwest::RequestBuilder {
        let request = self.http.post(self.url("/v1/messages")).header("content-type", "application/json");
        request.body(message(&to.handle, envelope))
    }
}

fn n(number: usize) -> String {
    format!(r#"{{"n":{number}}}"#)
}

/// An envelope that names its sender.
fn by(sender: &Person, number: usize) -> String {
    format!(r#"{{"from":"{}","n":{number}}}"#, sender.primary())
}

fn offer(refused: &Reply) -> WorkOffer {
    let problem: Problem = serde_json::from_str(&refused.body).unwrap();
    problem.work.unwrap()
}

#[tokio::test]
async fn a_network_has_its_allowance_by_default() {
    let flags = ["--trusted-proxies", "127.0.0.1", "--requests-messages", "10000"];
    let server = TestServer::start_with(&flags).await;
    let [bob] = server.people(["bob"]).await;
    for number in 0..300 {
        assert_eq!(server.send_from("192.0.2.1", &bob, &n(number)).await.status, 201, "{number}");
    }
    let refused = server.send_from("192.0.2.1", &bob, &n(300)).await;
    refused.refused(429, "rate_limited");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(server.send_from("192.0.2.2", &bob, &n(301)).await.status, 201, "another network");
    assert_eq!(server.send_from("2001:db8::1", &bob, &n(302)).await.status, 201);
    server.clock.set(NOW + 1);
    for number in 303..308 {
        assert_eq!(server.send_from("192.0.2.1", &bob, &n(number)).await.status, 201, "five a second");
    }
    server.send_from("192.0.2.1", &bob, &n(308)).await.refused(429, "rate_limited");
}

#[tokio::test]
async fn a_signed_in_sender_has_an_allowance_of_its_own() {
    let flags = ["--network-per-minute", "1", "--stranger-per-minute", "3", "--pair-per-minute", "2"];
    let server = TestServer::start_with(&flags).await;
    let [alice, bob, carol] = server.people(["alice", "bob", "carol"]).await;
    for number in 0..2 {
        assert_eq!(server.send_as(&alice, &bob, &by(&alice, number)).await.status, 201);
    }
    assert_eq!(
        server.send_as(&alice, &bob, &by(&alice, 2)).await.status,
        201,
        "beyond the pair's: the network's"
    );
    let refused = server.send_as(&alice, &bob, &by(&alice, 3)).await;
    refused.refused(429, "rate_limited");
    assert_eq!(refused.header("retry-after"), "60");
    assert_eq!(server.send_as(&alice, &carol, &by(&alice, 4)).await.status, 201, "another pair");
    server.send_as(&alice, &carol, &by(&alice, 5)).await.refused(429, "rate_limited");
    server.send(&carol, &n(6)).await.refused(429, "rate_limited");
    assert_eq!(server.send_as(&bob, &carol, &by(&bob, 7)).await.status, 201, "another sender");
    server.clock.set(NOW + 30);
    assert_eq!(
        server.send_as(&alice, &carol, &by(&alice, 8)).await.status,
        201,
        "two a minute are one every thirty seconds"
    );
}

#[tokio::test]
async fn own_copies_do_not_count_against_the_sending_allowance() {
    let flags = ["--network-per-minute", "1", "--stranger-per-minute", "1", "--known-per-minute", "2"];
    let server = TestServer::start_with(&flags).await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    for number in 0..3 {
        assert_eq!(server.send_as(&alice, &alice, &by(&alice, number)).await.status, 201);
    }
    server.send_as(&alice, &alice, &by(&alice, 3)).await.refused(429, "rate_limited");
    assert_eq!(server.send_as(&alice, &bob, &by(&alice, 4)).await.status, 201);
}

#[tokio::test]
async fn an_invalid_signature_is_refused_rather_than_ignored() {
    let server = TestServer::start().await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    let with = |auth: String| Reply::of(server.message(&bob, "{}").header("x-kez-auth", auth));
    let (name, body) = (server_name(), message(&bob.handle, "{}"));
    let request =
        CallerRequest { server: &name, method: "POST", target: "/v1/messages", body: body.as_bytes() };
    let header = |from: &Person, request| {
        caller_auth::header(&from.keys, &from.handle.clone().into(), &request, server.now(), &mut rng())
    };
    let other_body = CallerRequest { body: b"{}", ..request };
    let stranger = Person { handle: alice.handle.clone(), keys: Person::new("mallory").keys };
    for forged in [String::new(), "x".to_owned(), header(&alice, other_body), header(&stranger, request)] {
        with(forged).await.refused(401, "unauthorized");
    }
    let once = header(&alice, request);
    assert_eq!(with(once.clone()).await.status, 201);
    with(once).await.refused(401, "unauthorized");
    assert_eq!(server.inbox(&bob, 0).await.seqs(), [1]);
}

#[tokio::test]
async fn work_buys_one_message() {
    let server = TestServer::start_with(&["--network-per-minute", "1", "--work-bits", "8"]).await;
    let [bob, carol] = server.people(["bob", "carol"]).await;
    assert_eq!(server.send(&bob, &n(0)).await.status, 201);
    let refused = server.send(&bob, &n(1)).await;
    refused.refused(429, "rate_limited");
    let offer = offer(&refused);
    assert_eq!((offer.algorithm.as_str(), offer.bits), (work::ALGORITHM, 8));

    let envelope = n(1);
    let solved = offer.solve(WorkFor { to: &bob.handle, envelope: envelope.as_bytes() }).to_string();
    server.send_paid(&carol, &envelope, &solved).await.refused(429, "rate_limited");
    server.send_paid(&bob, &n(2), &solved).await.refused(429, "rate_limited");
    server.send_paid(&bob, &envelope, "no work").await.refused(400, "malformed");
    let forged = solved.replacen("17953", "17963", 1);
    server.send_paid(&bob, &envelope, &forged).await.refused(429, "rate_limited");
    assert_eq!(server.send_paid(&bob, &envelope, &solved).await.status, 201);
    assert_eq!(server.send_paid(&bob, &envelope, &solved).await.status, 200, "stored once");
    assert_eq!(server.inbox(&bob, 0).await.seqs(), [1, 2]);
    server.clock.set(NOW + 601);
    assert_eq!(server.send(&bob, &n(3)).await.status, 201);
    server.send_paid(&bob, &envelope, &solved).await.refused(429, "rate_limited");
}

#[tokio::test]
async fn work_is_checked_before_the_recipient_is_looked_up() {
    let server = TestServer::start_with(&["--network-per-minute", "1", "--work-bits", "16"]).await;
    let [bob] = server.people(["bob"]).await;
    let unregistered = Person::new("nobody2");
    assert_eq!(server.send(&bob, &n(0)).await.status, 201);
    let envelope = n(1);
    let offer = offer(&server.send(&unregistered, &envelope).await);
    for to in [&bob, &unregistered] {
        server.send_paid(to, &envelope, "1795374600.00ff:1").await.refused(429, "rate_limited");
    }
    let work = offer.solve(WorkFor { to: &unregistered.handle, envelope: envelope.as_bytes() }).to_string();
    server.send_paid(&unregistered, &envelope, &work).await.refused(404, "unknown_handle");
    server.send_paid(&bob, &envelope, &work).await.refused(429, "rate_limited");
}

#[tokio::test]
async fn paid_messages_count_against_the_read_allowance_of_a_network() {
    let flags = ["--network-per-minute", "1", "--work-bits", "8", "--reads-per-minute", "6"];
    let server = TestServer::start_with(&flags).await;
    let [bob] = server.people(["bob"]).await;
    assert_eq!(server.send(&bob, &n(0)).await.status, 201);
    let envelope = n(1);
    let offer = offer(&server.send(&bob, &envelope).await);
    let work = offer.solve(WorkFor { to: &bob.handle, envelope: envelope.as_bytes() }).to_string();
    assert_eq!(server.send_paid(&bob, &envelope, &work).await.status, 201);
    for _ in 0..2 {
        assert_eq!(
            server.send_paid(&bob, &envelope, &work).await.status,
            200,
            "once more after a lost answer"
        );
    }
    let refused = server.send_paid(&bob, &envelope, &work).await;
    refused.refused(429, "rate_limited");
    assert!((1..=10).contains(&refused.header("retry-after").parse::<u32>().unwrap()), "{refused:?}");
    server.inbox(&bob, 0).await.refused(429, "rate_limited");
}

#[tokio::test]
async fn the_envelope_limit_for_strangers_is_configurable() {
    let server = TestServer::start_with(&["--anonymous-bytes", "100"]).await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(100));
    server.send(&bob, &large).await.refused(413, "envelope_too_large");
    assert_eq!(server.send(&bob, "{}").await.status, 201);
    assert_eq!(server.send_as(&alice, &bob, &alice.seal(&bob, &"x".repeat(100))).await.status, 201);
}

#[tokio::test]
async fn a_filling_disk_refuses_strangers_first() {
    let scarce = ["--disk-ample-bytes", "18446744073709551615", "--disk-requests-percent", "0"];
    let server = TestServer::start_with(&[&scarce[..], &["--disk-writes-percent", "100"]].concat()).await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    let refused = server.send(&bob, "{}").await;
    refused.refused(503, "unavailable");
    assert_eq!(refused.header("retry-after"), "300");
    server.send_as(&alice, &bob, &by(&alice, 0)).await.refused(503, "unavailable");
    assert_eq!(server.send_as(&alice, &alice, &by(&alice, 0)).await.status, 201);
}

#[tokio::test]
async fn a_nearly_full_disk_is_read_only() {
    let server = TestServer::start().await;
    let [alice] = server.people(["alice"]).await;
    server.send(&alice, "{}").await;
    let full = ["--disk-ample-bytes", "18446744073709551615", "--disk-writes-percent", "0"];
    let server = server.restart_with(&full).await;
    server.send_as(&alice, &alice, "{}").await.refused(507, "storage_full");
    server.register(&Person::new("bob")).await.refused(507, "storage_full");
    assert_eq!(server.inbox(&alice, 0).await.seqs(), [1]);
    assert_eq!(server.get("/v1/u/alice").await.status, 200);
}
