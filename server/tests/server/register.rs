//! `POST /v1/register`

use include_dir::{Dir, include_dir};
use kez_chat_server::store::Store;
use kez_chat_server::store::invites::NewInvite;
use kez_chat_server::store::moderation::Ban;
use kez_core::invite::{self, InviteCode};
use kez_core::registration::HandleRegistration;
use kez_core::time::Timestamp;
use serde_json::Value;

use crate::support::{NOW, Person, Reply, TestServer, rng, server_name};

static VECTORS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../core/vectors/registration");

#[tokio::test]
async fn every_vector_gets_the_expected_answer() {
    let server = TestServer::start().await;
    assert!(VECTORS.files().count() >= 20);
    for file in VECTORS.files() {
        let vector: Value = serde_json::from_slice(file.contents()).unwrap();
        let now: Timestamp = vector["now"].as_str().unwrap().parse().unwrap();
        // The accepted ones share a key, so each gets a server of its own.
        let fresh = TestServer::start().await;
        let expect = vector["expect"].as_str().unwrap();
        let server = if expect == "ok" { &fresh } else { &server };
        server.clock.set(now.unix());
        let reply = server.post("/v1/register", vector["request"].to_string()).await;
        match expect {
            "ok" => assert_eq!(reply.status, 201, "{file:?} {reply:?}"),
            code => assert_eq!(reply.refusal().1, code, "{file:?}"),
        }
    }
}

#[tokio::test]
async fn registering_returns_the_record_with_its_proof() {
    let server = TestServer::start().await;
    let alice = Person::new("alice");
    let reply = server.register(&alice).await;
    assert_eq!(reply.status, 201);
    let lookup = reply.lookup();
    let (handle, key) = lookup.verify(&server_name()).unwrap();
    assert_eq!((handle, key), (alice.handle.clone(), alice.keys.public()));
    assert_eq!(lookup.fqhn, "alice@kez.lat");
    assert_eq!(lookup.registered_at, Timestamp::from_unix(NOW));
    let hex = alice.keys.public().primary().hex();
    assert_eq!(lookup.sigchain_url, format!("https://kez.lat/v1/sigchains/ed25519/{hex}"));
}

#[tokio::test]
async fn a_repeated_registration_is_accepted_even_when_stale() {
    let server = TestServer::start().await;
    let alice = Person::new("alice");
    let registration = alice.registration(Timestamp::from_unix(NOW));
    let first = server.post("/v1/register", registration.clone()).await;
    server.clock.set(NOW + 10_000);
    let again = server.post("/v1/register", registration).await;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.json(), again.json());
    // The same claim with a new signature is another claim.
    server.register(&alice).await.refused(409, "handle_taken");
}

#[tokio::test]
async fn a_handle_and_a_key_can_each_be_registered_once() {
    let server = TestServer::start().await;
    let [alice] = server.people(["alice"]).await;
    server.register(&Person::new("alice")).await.refused(409, "handle_taken");
    let other_name = Person { handle: "alice2".parse().unwrap(), keys: alice.keys };
    server.register(&other_name).await.refused(409, "primary_taken");
    let [bob] = server.people(["bob"]).await;
    let both = Person { handle: "alice".parse().unwrap(), keys: bob.keys };
    server.register(&both).await.refused(409, "handle_taken");
}

#[tokio::test]
async fn concurrent_registrations_give_the_handle_to_one() {
    let server = TestServer::start().await;
    let claims = (0..20).map(|_| async { server.register(&Person::new("alice")).await.status });
    let mut statuses = futures::future::join_all(claims).await;
    statuses.sort_unstable();
    assert_eq!(statuses[0], 201);
    assert_eq!(statuses[1..], [409; 19]);
}

/// Each registration breaks one rule and all later ones; the answer names the first.
#[tokio::test]
async fn the_checks_follow_the_order_of_the_protocol() {
    let server = TestServer::start().await;
    let [alice] = server.people(["alice"]).await;
    let sign = |handle: &str, name: &str, at: u64| {
        let mut person = Person::new("placeholder");
        person.keys = Person::new("other").keys;
        let text = HandleRegistration::sign(
            &person.keys,
            &handle.parse().unwrap(),
            &name.parse().unwrap(),
            Timestamp::from_unix(at),
        );
        text.unwrap().to_json().unwrap()
    };
    let stale = NOW - 301;
    // The shape is checked before the signature, and the signature before the server.
    let broken = sign("admin", "other.example", stale).replace("other.example", "third.example");
    server
        .post("/v1/register", broken.replace("\"version\":1", "\"version\":2"))
        .await
        .refused(400, "malformed");
    server.post("/v1/register", broken).await.refused(401, "bad_signature");
    server.post("/v1/register", sign("admin", "other.example", stale)).await.refused(400, "wrong_server");
    server.post("/v1/register", sign("admin", "kez.lat", stale)).await.refused(400, "reserved_handle");
    server.post("/v1/register", sign("alice", "kez.lat", stale)).await.refused(400, "stale");
    server.post("/v1/register", sign("alice", "kez.lat", NOW)).await.refused(409, "handle_taken");
    assert_eq!(server.register(&Person::new("carol")).await.status, 201);
    drop(alice);
}

#[tokio::test]
async fn the_clock_tolerance_is_five_minutes() {
    let server = TestServer::start().await;
    for (handle, at, status) in [
        ("early", NOW + 300, 201),
        ("late", NOW - 300, 201),
        ("too-early", NOW + 301, 400),
        ("too-late", NOW - 301, 400),
    ] {
        let registration = Person::new(handle).registration(Timestamp::from_unix(at));
        assert_eq!(server.post("/v1/register", registration).await.status, status, "{handle}");
    }
}

#[tokio::test]
async fn an_invalid_registration_is_malformed() {
    let server = TestServer::start().await;
    let good = Person::new("alice").registration(server.now());
    for body in [
        String::new(),
        "{}".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        "\u{feff}{}".to_owned(),
        format!("{good}{good}"),
        good.replacen('{', r#"{"extra":1,"#, 1),
        good.replacen('{', r#"{"kez":"handle_registration","#, 1),
        "[".repeat(100_000),
    ] {
        server.post("/v1/register", body).await.refused(400, "malformed");
    }
}

#[tokio::test]
async fn a_closed_server_refuses_every_registration() {
    let server = TestServer::start_with(&["--limits", "off", "--registration", "closed"]).await;
    server.register(&Person::new("alice")).await.refused(403, "registration_closed");
    assert_eq!(server.get("/v1/config").await.json()["registration"], "closed");
}

#[tokio::test]
async fn an_invitation_only_server_accepts_valid_invitations() {
    let flags = ["--limits", "off", "--registration", "invite"];
    let server = TestServer::start_with(&flags).await;
    assert_eq!(server.get("/v1/config").await.json()["registration"], "invite");
    let code = InviteCode::random(&mut rng());
    let store = Store::sqlite(&server.db()).await.unwrap();
    let now = server.now();
    let expires_at = Timestamp::from_unix(now.unix() + 60);
    let invite = |code: &InviteCode, expires_at| {
        let label = "friends".to_owned();
        NewInvite { hash: code.hash(), label, uses: 1, now, expires_at }
    };
    store.create_invite(invite(&code, expires_at)).await.unwrap();

    let alice = Person::new("alice");
    let register = async |person: &Person, code: &str| {
        let request = server.http.post(server.url("/v1/register")).header("content-type", "application/json");
        let request = request.header(invite::HEADER, code).body(person.registration(server.now()));
        Reply::of(request).await
    };
    let refused = async |person: &Person, code: &str, why: &str| {
        let reply = register(person, code).await;
        assert!(reply.json()["detail"].as_str().unwrap().contains(why), "{code}: {}", reply.json());
        reply.refused(403, "invite_refused");
    };
    server.register(&alice).await.refused(403, "invite_refused");
    for bad in ["", "nonsense"] {
        refused(&alice, bad, "by invitation only").await;
    }
    let [unknown, expired, revoked] = [(); 3].map(|()| InviteCode::random(&mut rng()));
    store.create_invite(invite(&expired, now)).await.unwrap();
    let id = store.create_invite(invite(&revoked, expires_at)).await.unwrap().id;
    assert!(store.revoke_invite(id).await.unwrap());
    for (code, why) in [(unknown, "no such"), (expired, "expired"), (revoked, "withdrawn")] {
        refused(&alice, &code.to_string(), why).await;
    }
    assert_eq!(register(&alice, &code.to_string().to_lowercase()).await.status, 201);
    assert_eq!(server.register(&alice).await.status, 201, "a repeat needs no invitation");
    refused(&Person::new("bob"), &code.to_string(), "used up").await;
    store.close().await;
}

#[tokio::test]
async fn reserved_handles_are_reported_before_a_missing_invitation() {
    let mut server = TestServer::start().await;
    let [alice, bob, carol] = server.people(["alice", "bob", "carol"]).await;
    assert_eq!(server.signed(&alice, "DELETE", "/v1/u/alice", String::new()).await.status, 204);
    let (store, now) = (Store::sqlite(&server.db()).await.unwrap(), server.now());
    assert!(store.reserve("ceo".parse().unwrap(), None, now).await.unwrap());
    let released = Timestamp::from_unix(NOW - 1);
    assert!(store.reserve("cto".parse().unwrap(), Some(released), now).await.unwrap());
    assert!(store.ban(bob.handle.clone(), Ban { at: now, reason: "spam".to_owned() }).await.unwrap());
    store.close().await;
    for (mode, code) in [("closed", "registration_closed"), ("invite", "invite_refused")] {
        server = server.restart_with(&["--limits", "off", "--registration", mode]).await;
        for (handle, status, code) in [
            ("alice", 400, "reserved_handle"),
            ("ceo", 400, "reserved_handle"),
            ("bob", 409, "handle_taken"),
            ("carol", 409, "handle_taken"),
            ("cto", 403, code),
            ("dave", 403, code),
        ] {
            let reply = server.register(&Person::new(handle)).await;
            assert_eq!(reply.refusal(), (status, code.to_owned()), "{mode} {handle}");
        }
    }
    drop((bob, carol));
}
