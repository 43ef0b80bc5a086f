//! `/v1/u/{handle}/devices/{device}/key-packages` and `/v1/key-packages/claim`, with packages of the engine.

use kez_core::api::{
    Base64Url, CLAIM_TARGET, KeepPackages, PackagesClaimed, PackagesKept, UnclaimedPackages,
    key_packages_target,
};
use kez_core::identity::{SecretIdentity, Seed};
use kez_core::mls::call::{Call, Certified, Me, Op};
use kez_core::mls::credential::Credential;
use kez_core::mls::reply::{Outcome, Package};
use kez_core::sigchain::Hash;
use kez_core::time::Timestamp;
use kez_mls::engine;
use serde_json::json;

use crate::devices::Device;
use crate::sig_server::{Host, Owner};
use crate::support::{NOW, Person, Reply, TestServer, rng};

const DAY: u64 = 24 * 60 * 60;

/// A person's device as its chain certifies it.
pub(crate) struct Certificate {
    pub(crate) device: Device,
    pub(crate) credential: Credential,
}

impl Certificate {
    /// A new device of a person, in a chain that ends so far with the given owner's links.
    pub(crate) async fn add(chains: &Host, owner: &mut Owner, person: &Person, id: u8) -> Self {
        let device = Device::new(person, id);
        let link = owner.add(&device, NOW + 1000 * DAY);
        assert_eq!(chains.append(&link).await.status, 201);
        let (root, seqno, link) = (owner.chain.root(), link.seqno(), link.hash());
        Self { credential: Credential { root, device: device.id, seqno, link }, device }
    }

    /// Packages that expire at a time.
    fn packages(&self, count: u8, last_resort: bool, until: u64) -> Vec<Package> {
        let key = self.device.keys.public().primary();
        let call = Call {
            now: Timestamp::from_unix(NOW),
            seed: Seed::random(&mut rng()),
            me: Me { credential: self.credential, secret: self.device.keys.seed().clone() },
            certified: vec![Certified { credential: self.credential, key, ended: None }],
            op: Op::Packages { count, last_resort, until: Timestamp::from_unix(until) },
        };
        match engine::call(&call).unwrap().outcome {
            Outcome::Packages(packages) => packages,
            other => panic!("{other:?}"),
        }
    }
}

fn bytes(package: &Package) -> Base64Url {
    Base64Url(package.mls.to_vec())
}

impl TestServer {
    async fn publish(
        &self,
        device: &Device,
        keep: &[Hash],
        packages: &[Package],
        last: Option<&Package>,
    ) -> Reply {
        let body = KeepPackages {
            keep: keep.to_vec(),
            packages: packages.iter().map(bytes).collect(),
            last_resort: last.map(bytes),
        };
        let target = key_packages_target(&device.handle, device.id);
        self.signed_by(device, "PUT", &target, serde_json::to_string(&body).unwrap()).await
    }

    async fn unclaimed(&self, device: &Device) -> UnclaimedPackages {
        let target = key_packages_target(&device.handle, device.id);
        let reply = self.signed_by(device, "GET", &target, "").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        serde_json::from_str(&reply.body).unwrap()
    }

    async fn claim(&self, device: &Device, handles: &[&str]) -> PackagesClaimed {
        let body = json!({ "handles": handles }).to_string();
        let reply = self.signed_by(device, "POST", CLAIM_TARGET, body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        serde_json::from_str(&reply.body).unwrap()
    }
}

#[track_caller]
fn kept(reply: &Reply, unclaimed: u64) {
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(serde_json::from_str::<PackagesKept>(&reply.body).unwrap(), PackagesKept { unclaimed });
}

fn owner(person: &Person) -> Owner {
    Owner::of(SecretIdentity::from_seed(person.keys.seed().clone()))
}

/// Alice with a device, Bob with two.
struct World {
    server: TestServer,
    people: [Person; 2],
    of_bob: Owner,
    alice: Certificate,
    bob: [Certificate; 2],
}

impl World {
    async fn start(flags: &[&str]) -> Self {
        let server = TestServer::start_with(flags).await;
        let chains = Host::of(&server);
        let people = server.people(["alice", "bob"]).await;
        let [mut of_alice, mut of_bob] = [owner(&people[0]), owner(&people[1])];
        for owner in [&mut of_alice, &mut of_bob] {
            assert_eq!(chains.append(&owner.init()).await.status, 201);
        }
        let alice = Certificate::add(&chains, &mut of_alice, &people[0], 1).await;
        let one = Certificate::add(&chains, &mut of_bob, &people[1], 1).await;
        let two = Certificate::add(&chains, &mut of_bob, &people[1], 2).await;
        Self { server, people, of_bob, alice, bob: [one, two] }
    }
}

#[tokio::test]
async fn a_device_publishes_packages_and_others_claim_them() {
    let world = World::start(&["--limits", "off"]).await;
    let World { server, alice, bob: [one, two], .. } = &world;
    let packages = one.packages(3, true, NOW + 60 * DAY);
    let (fresh, last) = packages.split_at(3);
    kept(&server.publish(&one.device, &[], fresh, last.first()).await, 3);
    let references: Vec<Hash> = fresh.iter().map(|package| package.secret.reference).collect();
    let stored = server.unclaimed(&one.device).await;
    assert_eq!(stored.unclaimed, references);
    assert_eq!(stored.last_resort, Some(last[0].secret.reference));
    kept(&server.publish(&two.device, &[], &two.packages(1, false, NOW + 60 * DAY), None).await, 1);

    // One for each live device, oldest first; unknown people are left out.
    let claimed = server.claim(&alice.device, &["bob", "nobody2", "bob"]).await;
    assert!(claimed.later.is_empty() && claimed.packages.len() == 1);
    let of_bob = &claimed.packages[&world.people[1].handle];
    assert_eq!(
        of_bob.iter().map(|claimed| claimed.device).collect::<Vec<_>>(),
        [one.device.id, two.device.id]
    );
    assert_eq!(of_bob[0].package, bytes(&fresh[0]));
    // The second device has none left; the first has its last resort for ever.
    for n in 1..5 {
        let claimed = server.claim(&alice.device, &["bob"]).await;
        let of_bob = &claimed.packages[&world.people[1].handle];
        assert_eq!(of_bob.len(), 1);
        assert_eq!(of_bob[0].package, bytes(&packages[n.min(3)]));
    }
    assert_eq!(server.unclaimed(&one.device).await.unclaimed, []);
    // A device claims for the others of its account, and not for itself.
    let own = server.claim(&two.device, &["bob"]).await;
    let devices: Vec<_> =
        own.packages[&world.people[1].handle].iter().map(|claimed| claimed.device).collect();
    assert_eq!(devices, [one.device.id]);
    // What was given out does not come back with a repeated upload.
    kept(&server.publish(&one.device, &[], fresh, last.first()).await, 0);
    let export = server.signed_by(&one.device, "GET", "/v1/export", "").await.json();
    assert_eq!(export["key_packages"].as_array().unwrap().len(), 1);
    assert_eq!(export["key_packages"][0]["last_resort"], true);
}

#[tokio::test]
async fn a_revoked_device_is_not_claimed() {
    let mut world = World::start(&["--limits", "off"]).await;
    for certificate in &world.bob {
        let packages = certificate.packages(2, false, NOW + 60 * DAY);
        kept(&world.server.publish(&certificate.device, &[], &packages, None).await, 2);
    }
    let link = world.of_bob.revoke(&world.bob[0].device);
    assert_eq!(Host::of(&world.server).append(&link).await.status, 201);
    let claimed = world.server.claim(&world.alice.device, &["bob"]).await;
    let of_bob = &claimed.packages[&world.people[1].handle];
    assert_eq!(of_bob.iter().map(|claimed| claimed.device).collect::<Vec<_>>(), [world.bob[1].device.id]);
    let refused = world.server.publish(&world.bob[0].device, &[], &[], None).await;
    refused.refused(401, "unauthorized");
}

#[tokio::test]
async fn packages_of_others_and_bad_ones_are_refused() {
    let world = World::start(&["--limits", "off"]).await;
    let World { server, alice, bob: [one, two], .. } = &world;
    let good = one.packages(1, true, NOW + 60 * DAY);
    let foreign = two.packages(1, false, NOW + 60 * DAY);
    let forged = Certificate {
        device: Device { keys: crate::sig_server::fresh_keys(), ..Device::new(&world.people[1], 1) },
        credential: one.credential,
    };
    let other_link = Certificate {
        device: Device {
            keys: SecretIdentity::from_seed(one.device.keys.seed().clone()),
            ..Device::new(&world.people[1], 1)
        },
        credential: Credential { link: Hash::of(b"another"), ..one.credential },
    };
    for (packages, why) in [
        (foreign, "another device"),
        (forged.packages(1, false, NOW + 60 * DAY), "another key"),
        (other_link.packages(1, false, NOW + 60 * DAY), "another link"),
        (one.packages(1, false, NOW + DAY / 2), "too short"),
        (good[1..].to_vec(), "a last resort among the others"),
    ] {
        let refused = server.publish(&one.device, &[], &packages, None).await;
        assert_eq!(refused.refusal(), (400, "malformed".to_owned()), "{why}");
    }
    let not_last = server.publish(&one.device, &[], &[], good.first()).await;
    not_last.refused(400, "malformed");
    let mut damaged = good[0].clone();
    let mut mls = damaged.mls.to_vec();
    *mls.last_mut().unwrap() ^= 1;
    damaged.mls = mls.into();
    server.publish(&one.device, &[], &[damaged], None).await.refused(400, "malformed");

    // Only the device itself, and no key of the account.
    let target = key_packages_target(&one.device.handle, one.device.id);
    let body = r#"{"keep":[],"packages":[]}"#;
    for device in [&two.device, &alice.device] {
        server.signed_by(device, "PUT", &target, body).await.refused(401, "unauthorized");
        server.signed_by(device, "GET", &target, "").await.refused(401, "unauthorized");
    }
    let person = &world.people[1];
    server.signed(person, "PUT", &target, body.to_owned()).await.refused(401, "unauthorized");
    let claim = json!({ "handles": ["bob"] }).to_string();
    server.signed(person, "POST", CLAIM_TARGET, claim).await.refused(401, "unauthorized");
    let many: Vec<String> = (0..51).map(|n| format!("person{n}")).collect();
    let body = json!({ "handles": many }).to_string();
    server.signed_by(&alice.device, "POST", CLAIM_TARGET, body).await.refused(400, "malformed");
    let sixty = one.packages(60, false, NOW + 60 * DAY);
    kept(&server.publish(&one.device, &[], &sixty, None).await, 60);
    let first = sixty[0].secret.reference;
    let one_more = server.publish(&one.device, &[first], &[&sixty[1..], &good[..1]].concat(), None).await;
    one_more.refused(409, "too_many_key_packages");
    assert_eq!(server.unclaimed(&one.device).await.unclaimed.len(), 60, "nothing was changed");
}

#[tokio::test]
async fn each_pair_and_each_claimer_has_an_allowance() {
    let flags = [
        "--group-claims-stranger-per-hour",
        "2",
        "--group-claims-known-per-hour",
        "3",
        "--group-claims-per-hour",
        "6",
    ];
    let world = World::start(&flags).await;
    let World { server, alice, bob: [one, _], people: [_, bob], .. } = &world;
    kept(&server.publish(&one.device, &[], &[], one.packages(0, true, NOW + 60 * DAY).first()).await, 0);
    let later = async || server.claim(&alice.device, &["alice", "bob"]).await.later;
    for _ in 0..2 {
        assert!(later().await.is_empty());
    }
    let refused = later().await;
    assert_eq!(refused.iter().collect::<Vec<_>>(), [(&bob.handle, &1800)], "alice is not held up");
    server.put(bob, "contacts", &world.people[0]).await;
    let refused = later().await;
    assert_eq!(refused.len(), 1, "whom bob has accepted may claim more, and alice has three: {refused:?}");
    let refused = later().await;
    assert_eq!(refused.len(), 2, "the claimer's own allowance: {refused:?}");
    server.clock.set(NOW + 3600);
    assert!(later().await.is_empty());
}
