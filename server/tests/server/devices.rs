//! Requests and live streams of devices: docs/SPEC.md, sections 8 and 9.

use kez_core::api::{CLOSE_UNAUTHORIZED, LiveHello, ack_target, live_target, status_target};
use kez_core::caller_auth::{self, CallerName, CallerRequest};
use kez_core::handle::Handle;
use kez_core::identity::SecretIdentity;
use kez_core::nats_binding;
use kez_core::sigchain::{self, Body, DeviceId, Link};
use kez_core::time::Timestamp;
use serde_json::json;

use crate::postgres::cluster::Cluster;
use crate::sig_server::{Host, Owner, SigServer, fresh_keys};
use crate::support::{Live, NOW, Person, Reply, TestServer, message, nkey, rng, server_name};

const EMBEDDED: &[&str] = &["--limits", "off", "--sig-server-url", "embedded"];
/// Five years after the time of the tests.
const LATER: u64 = NOW + 5 * 365 * 24 * 60 * 60;

/// A device with a key of its own.
pub(crate) struct Device {
    pub(crate) handle: Handle,
    pub(crate) id: DeviceId,
    pub(crate) keys: SecretIdentity,
}

impl Device {
    pub(crate) fn new(person: &Person, id: u8) -> Self {
        Self { handle: person.handle.clone(), id: DeviceId::from_bytes([id; 16]), keys: fresh_keys() }
    }

    /// The header of section 8 for one request.
    pub(crate) fn signs(&self, method: &str, target: &str, body: &[u8], now: Timestamp) -> String {
        let caller = CallerName { handle: self.handle.clone(), device: Some(self.id) };
        let request = CallerRequest { server: &server_name(), method, target, body };
        caller_auth::header(&self.keys, &caller, &request, now, &mut rng())
    }
}

impl Owner {
    /// The link that adds a device.
    pub(crate) fn add(&mut self, device: &Device, expires_at: u64) -> Link {
        let (name, expires_at) = ("browser".parse().unwrap(), Timestamp::from_unix(expires_at));
        let body = sigchain::Device { device: device.id, key: device.keys.public(), name, expires_at };
        let draft = self.chain.draft(Body::AddDevice(body), Timestamp::from_unix(NOW));
        let link = draft.sign_with_device(&self.keys, &device.keys).unwrap();
        self.chain.append(&link).unwrap();
        link
    }

    /// The link that revokes a device.
    pub(crate) fn revoke(&mut self, device: &Device) -> Link {
        self.say(Body::RevokeDevice { device: device.id, since: Timestamp::from_unix(NOW) })
    }
}

impl TestServer {
    /// A request that a device signs.
    pub(crate) async fn signed_by(
        &self,
        device: &Device,
        method: &str,
        target: &str,
        body: impl Into<String>,
    ) -> Reply {
        let body = body.into();
        let header = device.signs(method, target, body.as_bytes(), self.now());
        self.with_header(method, target, body, &header).await
    }

    /// The status of an inbox, asked for by a device.
    async fn status_for(&self, device: &Device) -> Reply {
        self.signed_by(device, "GET", &status_target(&device.handle), "").await
    }

    /// A live stream that a device opens.
    pub(crate) async fn live_of(&self, device: &Device, since: u64) -> Live {
        let auth = device.signs("GET", &live_target(&device.handle, since), b"", self.now());
        let mut live = self.live(&device.handle).await;
        live.send(&serde_json::to_string(&LiveHello { since, auth, groups: None }).unwrap()).await;
        live
    }
}

/// Alice with a chain and a device on a chat server, and the server of the chain.
struct World {
    chat: TestServer,
    chains: Host,
    sig: Option<SigServer>,
    alice: Person,
    owner: Owner,
    device: Device,
}

impl World {
    async fn embedded() -> Self {
        let chat = TestServer::start_with(EMBEDDED).await;
        let chains = Host::of(&chat);
        Self::new(chat, chains, None).await
    }

    async fn separate() -> Self {
        let sig = SigServer::start().await;
        let chat = TestServer::start_with(&["--limits", "off", "--sig-server-url", &sig.host.url]).await;
        let chains = Host { url: sig.host.url.clone(), http: sig.host.http.clone() };
        Self::new(chat, chains, Some(sig)).await
    }

    async fn new(chat: TestServer, chains: Host, sig: Option<SigServer>) -> Self {
        let [alice] = chat.people(["alice"]).await;
        let mut owner = Owner::of(SecretIdentity::from_seed(alice.keys.seed().clone()));
        let device = Device::new(&alice, 1);
        for link in [owner.init(), owner.add(&device, LATER)] {
            assert_eq!(chains.append(&link).await.status, 201);
        }
        Self { chat, chains, sig, alice, owner, device }
    }

    async fn append(&self, link: &Link) {
        assert_eq!(self.chains.append(link).await.status, 201);
    }
}

#[tokio::test]
async fn a_device_acts_for_its_account() {
    for world in [World::embedded().await, World::separate().await] {
        let World { chat, alice, device, .. } = &world;
        let [bob] = chat.people(["bob"]).await;
        chat.send(alice, &bob.seal(alice, "hello")).await;
        assert_eq!(chat.status_for(device).await.json()["last"], 1);

        // A page of the inbox, with the header of section 8.
        let target = "/v1/inbox/alice?since=0&limit=5";
        let page = chat.signed_by(device, "GET", target, "").await;
        assert_eq!((page.status, page.seqs()), (200, vec![1]));
        assert_eq!(chat.signed(alice, "GET", target, String::new()).await.seqs(), [1], "the primary's too");
        let other_target = device.signs("GET", "/v1/inbox/alice?since=1", b"", chat.now());
        chat.inbox_with(&alice.handle, "?since=0", &other_target).await.refused(401, "unauthorized");
        chat.signed_by(device, "GET", "/v1/inbox/bob", "").await.refused(401, "unauthorized");

        let ack = json!({ "epoch": page.json()["epoch"], "seq": 1 }).to_string();
        let acknowledged = chat.signed_by(device, "POST", &ack_target(&alice.handle), ack).await;
        assert_eq!((acknowledged.status, &acknowledged.json()["acknowledged"]), (200, &json!(1)));
        assert_eq!(chat.signed_by(device, "PUT", "/v1/u/alice/contacts/bob", "").await.status, 204);
        assert_eq!(
            chat.signed(alice, "GET", "/v1/u/alice/contacts", String::new()).await.json()["handles"],
            json!(["bob"])
        );
        assert_eq!(
            chat.signed_by(device, "GET", "/v1/export", "").await.json()["account"]["handle"],
            "alice"
        );
        let mut live = chat.live_of(device, 1).await;
        assert_eq!(live.next().await["caught_up"], 1);
        let send =
            format!(r#"{{"id":7,"send":{}}}"#, message(&bob.handle, &alice.seal(&bob, "from a stream")));
        live.send(&send).await;
        assert_eq!(live.next().await["status"], 201);

        // These need the primary.
        let binding = alice.binding(nkey().public(), chat.now(), 60);
        let keys = nats_binding::target(&alice.handle);
        chat.signed_by(device, "PUT", &keys, binding).await.refused(401, "unauthorized");
        chat.signed_by(device, "DELETE", "/v1/u/alice", "").await.refused(401, "unauthorized");
        assert_eq!(chat.get("/v1/u/alice").await.status, 200);
        drop(world.sig);
    }
}

/// A message that a device signs counts as its account's.
#[tokio::test]
async fn a_device_sends_as_its_account() {
    let flags = ["--network-per-minute", "1", "--stranger-per-minute", "2"];
    let chat = TestServer::start_with(&flags).await;
    let [bob] = chat.people(["bob"]).await;
    let chains = Host::of(&chat);
    let world = World::new(chat, chains, None).await;
    let World { chat, alice, device, .. } = &world;
    let send = async |text: &str| {
        let body = message(&bob.handle, &alice.seal(&bob, text));
        let header = device.signs("POST", "/v1/messages", body.as_bytes(), chat.now());
        let request = chat.http.post(chat.url("/v1/messages")).header("content-type", "application/json");
        Reply::of(request.header("x-kez-auth", header).body(body)).await
    };
    for text in ["1", "2", "3"] {
        assert_eq!(send(text).await.status, 201, "two as a stranger, one as anyone");
    }
    send("4").await.refused(429, "rate_limited");
    assert_eq!(chat.send_as(alice, &bob, &alice.seal(&bob, "5")).await.status, 429, "one allowance for both");
}

#[tokio::test]
async fn only_live_devices_of_the_account_sign() {
    for mut world in [World::embedded().await, World::separate().await] {
        let [bob] = world.chat.people(["bob"]).await;
        let mut short = Device::new(&world.alice, 2);
        let link = world.owner.add(&short, NOW + 100);
        world.append(&link).await;
        world.chat.clock.set(NOW + 30);
        assert_eq!(world.chat.status_for(&short).await.status, 200);
        let World { chat, device, .. } = &world;

        let unknown = Device::new(&world.alice, 3);
        let forged = Device { keys: fresh_keys(), ..Device::new(&world.alice, 1) };
        let of_bob = Device { handle: bob.handle.clone(), id: device.id, keys: clone(&device.keys) };
        let of_nobody =
            Device { handle: "nobody2".parse().unwrap(), id: device.id, keys: clone(&device.keys) };
        for other in [&unknown, &forged, &of_bob, &of_nobody] {
            chat.status_for(other).await.refused(401, "unauthorized");
            assert_eq!(chat.live_of(other, 0).await.closed().await, CLOSE_UNAUTHORIZED);
        }
        // The device's key alone is not the account's, nor the reverse.
        let as_primary = Person { handle: world.alice.handle.clone(), keys: clone(&device.keys) };
        let target = status_target(&world.alice.handle);
        chat.signed(&as_primary, "GET", &target, String::new()).await.refused(401, "unauthorized");
        let as_device = Device { keys: clone(&world.alice.keys), ..Device::new(&world.alice, 1) };
        chat.status_for(&as_device).await.refused(401, "unauthorized");

        // Each header works once.
        let header = device.signs("GET", &target, b"", chat.now());
        assert_eq!(chat.with_header("GET", &target, String::new(), &header).await.status, 200);
        chat.with_header("GET", &target, String::new(), &header).await.refused(401, "unauthorized");

        chat.clock.set(NOW + 99);
        assert_eq!(chat.status_for(&short).await.status, 200);
        chat.clock.set(NOW + 100);
        chat.status_for(&short).await.refused(401, "unauthorized");
        short.handle = bob.handle.clone();
        chat.status_for(&short).await.refused(401, "unauthorized");
    }
}

fn clone(keys: &SecretIdentity) -> SecretIdentity {
    SecretIdentity::from_seed(keys.seed().clone())
}

#[tokio::test]
async fn a_revoked_device_is_out_at_once_on_the_node_of_its_chain() {
    let mut world = World::embedded().await;
    let [bob] = world.chat.people(["bob"]).await;
    let kept = Device::new(&world.alice, 2);
    let link = world.owner.add(&kept, LATER);
    world.append(&link).await;
    let (mut of_device, mut of_kept) =
        (world.chat.live_of(&world.device, 0).await, world.chat.live_of(&kept, 0).await);
    let mut of_primary = world.chat.live_as(&world.alice, 0).await;
    for live in [&mut of_device, &mut of_kept, &mut of_primary] {
        assert_eq!(live.next().await["caught_up"], 0);
    }
    let link = world.owner.revoke(&world.device);
    world.append(&link).await;
    assert_eq!(of_device.closed().await, CLOSE_UNAUTHORIZED);
    world.chat.status_for(&world.device).await.refused(401, "unauthorized");
    assert_eq!(world.chat.live_of(&world.device, 0).await.closed().await, CLOSE_UNAUTHORIZED);
    assert_eq!(world.chat.status_for(&kept).await.status, 200);
    world.chat.send(&world.alice, &bob.seal(&world.alice, "hello")).await;
    for live in [&mut of_kept, &mut of_primary] {
        assert_eq!(live.next().await, json!({"chain": world.owner.chain.length()}), "the others hear of it");
        assert_eq!(live.next().await["items"][0]["seq"], 1, "and go on");
    }
}

/// A closed chain certifies nothing.
#[tokio::test]
async fn the_devices_of_a_closed_chain_are_out() {
    let mut world = World::embedded().await;
    let next = clone(&world.owner.next);
    let close = world.owner.chain.draft(Body::Close { primary: next.public() }, Timestamp::from_unix(NOW));
    let close = close.sign(&next).unwrap();
    assert_eq!(world.chat.status_for(&world.device).await.status, 200);
    world.append(&close).await;
    world.chat.status_for(&world.device).await.refused(401, "unauthorized");
    world.owner.chain.append(&close).unwrap();
}

#[tokio::test]
async fn elsewhere_a_revoked_device_is_out_within_thirty_seconds() {
    let mut world = World::separate().await;
    assert_eq!(world.chat.status_for(&world.device).await.status, 200);
    let link = world.owner.revoke(&world.device);
    world.append(&link).await;
    world.chat.clock.set(NOW + 29);
    assert_eq!(world.chat.status_for(&world.device).await.status, 200);
    world.chat.clock.set(NOW + 30);
    world.chat.status_for(&world.device).await.refused(401, "unauthorized");

    let database = Cluster::shared().await.database().await;
    let [here, there] = [TestServer::start_on(&database).await, TestServer::start_on(&database).await];
    let chains = Host::of(&here);
    let mut world = World::new(here, chains, None).await;
    assert_eq!(there.status_for(&world.device).await.status, 200);
    let link = world.owner.revoke(&world.device);
    world.append(&link).await;
    world.chat.status_for(&world.device).await.refused(401, "unauthorized");
    there.clock.set(NOW + 30);
    there.status_for(&world.device).await.refused(401, "unauthorized");
}

#[tokio::test]
async fn without_the_chain_a_device_is_asked_to_come_back() {
    let chat = TestServer::start_with(&["--limits", "off", "--sig-server-url", "http://127.0.0.1:9"]).await;
    let [alice] = chat.people(["alice"]).await;
    let reply = chat.status_for(&Device::new(&alice, 1)).await;
    reply.refused(503, "unavailable");
    assert_eq!(reply.header("retry-after"), "10");
    assert_eq!(chat.live_of(&Device::new(&alice, 1), 0).await.closed().await, 1013);
    assert_eq!(chat.signed(&alice, "GET", "/v1/inbox/alice/status", String::new()).await.status, 200);
}

/// The root names a person for life, and so its devices outlive each of its keys.
#[tokio::test]
async fn a_device_survives_a_change_of_key() {
    let mut world = World::embedded().await;
    let mut live = world.chat.live_of(&world.device, 0).await;
    assert_eq!(live.next().await["caught_up"], 0);
    let link = world.owner.rotate();
    world.append(&link).await;
    let next = Person { handle: world.alice.handle.clone(), keys: clone(&world.owner.keys) };
    assert_eq!(world.chat.register(&next).await.status, 201);
    assert_eq!(live.closed().await, 1001, "it is told to connect again");
    assert_eq!(world.chat.status_for(&world.device).await.status, 200);
    let mut live = world.chat.live_of(&world.device, 0).await;
    assert_eq!(live.next().await["caught_up"], 0);
    let status = status_target(&world.alice.handle);
    world.chat.signed(&world.alice, "GET", &status, String::new()).await.refused(401, "unauthorized");
}
