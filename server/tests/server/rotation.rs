//! A handle moves to its holder's next key: every sentence about that in docs/SPEC.md, with the chains on the chat
//! server and on a separate server.

use kez_core::api::CLOSE_UNAUTHORIZED;
use kez_core::identity::SecretIdentity;
use kez_core::sigchain::{Body, Hash};
use kez_core::time::Timestamp;

use crate::postgres::cluster::Cluster;
use crate::sig_server::{Host, Owner, SigServer, fresh_keys};
use crate::support::{NOW, Person, Reply, TestServer, server_name};

/// A chat server, and the server of its sigchains.
struct World {
    chat: TestServer,
    chains: Host,
    sig: Option<SigServer>,
}

impl World {
    async fn embedded() -> Self {
        let chat = TestServer::start_with(&["--limits", "off", "--sig-server-url", "embedded"]).await;
        Self { chains: Host::of(&chat), chat, sig: None }
    }

    pub(crate) async fn with_a_sig_server() -> Self {
        let sig = SigServer::start().await;
        let chat = TestServer::start_with(&["--limits", "off", "--sig-server-url", &sig.host.url]).await;
        Self { chat, chains: Host { url: sig.host.url.clone(), http: sig.host.http.clone() }, sig: Some(sig) }
    }

    /// Alice with her handle, and with a chain that claims it.
    async fn alice(&self) -> (Person, Owner) {
        let [alice] = self.chat.people(["alice"]).await;
        let mut owner = Owner::of(same_keys(&alice.keys));
        self.append(&owner.init()).await;
        let registration = Hash::of_json(self.chat.get("/v1/u/alice").await.lookup().registration.get());
        let claim = Body::ClaimHandle { handle: alice.handle.clone(), server: server_name(), registration };
        self.append(&owner.say(claim)).await;
        (alice, owner)
    }

    async fn append(&self, link: &kez_core::sigchain::Link) {
        assert_eq!(self.chains.append(link).await.status, 201);
    }

    /// Alice after her chain rotated to the next key, which is not registered yet.
    async fn next(&self, owner: &mut Owner) -> Person {
        self.append(&owner.rotate()).await;
        Person { handle: "alice".parse().unwrap(), keys: same_keys(&owner.keys) }
    }
}

fn same_keys(keys: &SecretIdentity) -> SecretIdentity {
    SecretIdentity::from_seed(keys.seed().clone())
}

async fn by_primary(server: &TestServer, person: &Person) -> Reply {
    server.get(&format!("/v1/by-primary/{}", person.primary())).await
}

#[tokio::test]
async fn a_rotation_switches_lookup_inbox_and_authentication_at_once() {
    for world in [World::embedded().await, World::with_a_sig_server().await] {
        let (alice, mut owner) = world.alice().await;
        let [bob] = world.chat.people(["bob"]).await;
        world.chat.send(&alice, &bob.seal(&alice, "before")).await;
        let next = world.next(&mut owner).await;

        // The chain alone changes nothing here.
        assert_eq!(world.chat.get("/v1/u/alice").await.lookup().primary, alice.keys.public().primary());
        assert_eq!(world.chat.inbox(&alice, 0).await.status, 200);
        world.chat.inbox(&next, 0).await.refused(401, "unauthorized");

        let registered = world.chat.register(&next).await;
        assert_eq!(registered.status, 201, "{registered:?}");
        let lookup = world.chat.get("/v1/u/alice").await.lookup();
        let (handle, key) = lookup.verify(&server_name()).unwrap();
        assert_eq!((handle, key), (next.handle.clone(), next.keys.public()));
        assert!(lookup.sigchain_url.ends_with(&owner.hex()), "the first key names the chain for life");
        let inbox = world.chat.inbox(&next, 0).await;
        assert_eq!((inbox.status, inbox.seqs()), (200, vec![1]), "the same inbox");
        world.chat.inbox(&alice, 0).await.refused(401, "unauthorized");
        let mut live = world.chat.live_as(&alice, 0).await;
        assert_eq!(live.closed().await, CLOSE_UNAUTHORIZED);
        let mut live = world.chat.live_as(&next, 1).await;
        assert_eq!(live.next().await["caught_up"], 1);
        assert_eq!(world.chat.place_of(&next, "{}").await, 2, "numbers go on");
    }
}

#[tokio::test]
async fn a_handle_stays_with_its_key_unless_the_chain_rotates_it() {
    for world in [World::embedded().await, World::with_a_sig_server().await] {
        // No chain at all.
        let [bob] = world.chat.people(["bob"]).await;
        world
            .chat
            .register(&Person { handle: bob.handle.clone(), keys: fresh_keys() })
            .await
            .refused(409, "handle_taken");
        // A chain that was not rotated; a chain that was rotated to another key than the caller's.
        let (alice, mut owner) = world.alice().await;
        let announced = Person { handle: alice.handle.clone(), keys: same_keys(&owner.next) };
        world.chat.register(&announced).await.refused(409, "handle_taken");
        let next = world.next(&mut owner).await;
        let mallory = Person { handle: alice.handle.clone(), keys: fresh_keys() };
        world.chat.register(&mallory).await.refused(409, "handle_taken");
        // Mallory's own chain has no effect on Alice's handle.
        let mut chain = Owner::of(same_keys(&mallory.keys));
        world.append(&chain.init()).await;
        let rotated = Person { handle: alice.handle.clone(), keys: same_keys(&chain.next) };
        world.append(&chain.rotate()).await;
        world.chat.register(&rotated).await.refused(409, "handle_taken");
        // A key that holds another handle does not get a second one.
        let registered = Person { handle: "alice2".parse().unwrap(), keys: same_keys(&next.keys) };
        assert_eq!(world.chat.register(&registered).await.status, 201);
        world.chat.register(&next).await.refused(409, "primary_taken");
        assert_eq!(world.chat.inbox(&alice, 0).await.status, 200);
    }
}

#[tokio::test]
async fn a_closed_chain_cannot_transfer_the_handle() {
    let world = World::embedded().await;
    let (alice, owner) = world.alice().await;
    let close = owner.chain.draft(Body::Close { primary: owner.next.public() }, Timestamp::from_unix(NOW));
    world.append(&close.sign(&owner.next).unwrap()).await;
    let closer = Person { handle: alice.handle.clone(), keys: same_keys(&owner.next) };
    world.chat.register(&closer).await.refused(409, "handle_taken");
}

#[tokio::test]
async fn streams_of_the_former_key_close_at_once() {
    let world = World::embedded().await;
    let (alice, mut owner) = world.alice().await;
    let mut streams = [world.chat.live_as(&alice, 0).await, world.chat.live_as(&alice, 0).await];
    for live in &mut streams {
        assert_eq!(live.next().await["caught_up"], 0);
    }
    let next = world.next(&mut owner).await;
    assert_eq!(world.chat.register(&next).await.status, 201);
    for live in &mut streams {
        assert_eq!(live.closed().await, CLOSE_UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_rotation_on_one_node_is_visible_on_the_others() {
    let database = Cluster::shared().await.database().await;
    let flags = ["--limits", "off", "--sig-server-url", "embedded"];
    let chat = TestServer::start_on_with(&database, &flags).await;
    let other = TestServer::start_on_with(&database, &flags).await;
    let world = World { chains: Host::of(&other), chat, sig: None };
    let (alice, mut owner) = world.alice().await;
    let mut live = other.live_as(&alice, 0).await;
    assert_eq!(live.next().await["caught_up"], 0);
    // The chain grows on one node, and the registration arrives at the other.
    let next = world.next(&mut owner).await;
    assert_eq!(world.chat.register(&next).await.status, 201);
    assert_eq!(live.closed().await, CLOSE_UNAUTHORIZED);
    other.inbox(&alice, 0).await.refused(401, "unauthorized");
    assert_eq!(other.inbox(&next, 0).await.status, 200);
    // Both nodes sign the same log with the same key.
    let one = Host::of(&world.chat);
    assert_eq!(one.log_key().await, world.chains.log_key().await);
    assert_eq!(one.checkpoint().await, world.chains.checkpoint().await);
}

#[tokio::test]
async fn a_former_key_resolves_to_the_current_record_and_has_no_rights() {
    let world = World::embedded().await;
    let (first, mut owner) = world.alice().await;
    let second = world.next(&mut owner).await;
    let registration = second.registration(world.chat.now());
    assert_eq!(world.chat.post("/v1/register", registration.clone()).await.status, 201);
    // A request with a lost answer may be repeated.
    assert_eq!(world.chat.post("/v1/register", registration).await.status, 201);
    let third = world.next(&mut owner).await;
    assert_eq!(world.chat.register(&third).await.status, 201);

    let current = world.chat.get("/v1/u/alice").await.json();
    assert_eq!(current["primary"], third.primary());
    for key in [&first, &second, &third] {
        assert_eq!(by_primary(&world.chat, key).await.json(), current);
    }
    for former in [&first, &second] {
        world.chat.register(former).await.refused(409, "handle_taken");
        let elsewhere = Person { handle: "elsewhere".parse().unwrap(), keys: same_keys(&former.keys) };
        world.chat.register(&elsewhere).await.refused(409, "primary_taken");
    }
}

#[tokio::test]
async fn a_key_change_survives_a_restart() {
    let world = World::embedded().await;
    let (first, mut owner) = world.alice().await;
    let next = world.next(&mut owner).await;
    assert_eq!(world.chat.register(&next).await.status, 201);
    let chat = world.chat.restart().await;
    assert_eq!(chat.inbox(&next, 0).await.status, 200);
    assert_eq!(by_primary(&chat, &first).await.json()["primary"], next.primary());
}

#[tokio::test]
async fn of_two_concurrent_rotations_exactly_one_succeeds() {
    let world = World::embedded().await;
    let (_, mut owner) = world.alice().await;
    let next = world.next(&mut owner).await;
    let [one, two] = [0, 1].map(|seconds| next.registration(Timestamp::from_unix(NOW + seconds)));
    let (one, two) = tokio::join!(world.chat.post("/v1/register", one), world.chat.post("/v1/register", two));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409], "the second is another claim of a key that holds the handle now");
}

/// A sigchain server that gives the same answer to every request.
pub(crate) async fn answering(status: u16, body: String) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let status = axum::http::StatusCode::from_u16(status).unwrap();
    let router = axum::Router::new().fallback(async move || (status, body.clone()));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}")
}

#[tokio::test]
async fn an_unproven_answer_of_a_sigchain_server_is_rejected() {
    let alice = Person::new("alice");
    let next = Person::new("alice");
    let mut owner = Owner::of(same_keys(&alice.keys));
    let init = owner.init();
    // The server names a key that the chain never announced, signed by the attacker who wants the handle.
    owner.next = same_keys(&next.keys);
    let rotate = Body::RotatePrimary { primary: next.keys.public(), next: Hash::of(b"x") };
    let forged = owner.chain.draft(rotate, Timestamp::from_unix(NOW)).sign(&next.keys).unwrap();
    let chain = |links: &[&str], length: u64| {
        let head = forged.hash();
        format!(
            r#"{{"primary":"{}","length":{length},"head":"{head}","links":[{}]}}"#,
            alice.primary(),
            links.join(",")
        )
    };
    for (status, body, come_back) in [
        (200, chain(&[init.json(), forged.json()], 2), false),
        (200, chain(&[forged.json()], 1), false),
        (200, chain(&[init.json()], 2), false),
        (200, chain(&[], 2), false),
        (404, String::new(), false),
        (200, "<html>".to_owned(), true),
        (200, "x".repeat(4 * 1024 * 1024), true),
        (302, String::new(), true),
        (500, String::new(), true),
    ] {
        let url = answering(status, body).await;
        let server = TestServer::start_with(&["--limits", "off", "--sig-server-url", &url]).await;
        assert_eq!(server.register(&alice).await.status, 201);
        let reply = server.register(&next).await;
        reply.refused(409, "handle_taken");
        assert_eq!(!reply.header("retry-after").is_empty(), come_back, "{status} {reply:?}");
    }
}

#[tokio::test]
async fn an_unreachable_sigchain_server_is_reported() {
    let mut world = World::with_a_sig_server().await;
    let (alice, mut owner) = world.alice().await;
    let next = world.next(&mut owner).await;
    world.sig.take().unwrap().stop().await;
    let reply = world.chat.register(&next).await;
    reply.refused(409, "handle_taken");
    assert!(reply.json()["detail"].as_str().unwrap().contains("sigchain server"), "{reply:?}");
    assert!(!reply.header("retry-after").is_empty());
    // Everything that needs no chain still works.
    assert_eq!(world.chat.inbox(&alice, 0).await.status, 200);
    assert_eq!(world.chat.register(&Person::new("carol")).await.status, 201);
}
