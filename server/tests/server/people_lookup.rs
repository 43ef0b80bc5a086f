//! `POST /v1/people`: the look-ups and chains of many people at once.

use kez_core::api::{PEOPLE_TARGET, People, PersonFound};
use kez_core::sigchain::{Body, Link};
use serde_json::{Value, json};

use crate::sig_server::{Host, Owner, SigServer};
use crate::support::{Person, Reply, TestServer, server_name};

impl TestServer {
    pub(crate) async fn look_up(&self, caller: &Person, roots: Value) -> Reply {
        self.signed(caller, "POST", PEOPLE_TARGET, json!({ "roots": roots }).to_string()).await
    }
}

fn people(reply: &Reply) -> Vec<PersonFound> {
    assert_eq!(reply.status, 200, "{reply:?}");
    serde_json::from_str::<People>(&reply.body).unwrap().people
}

fn owner(person: &Person) -> Owner {
    Owner::of(kez_core::identity::SecretIdentity::from_seed(person.keys.seed().clone()))
}

#[tokio::test]
async fn people_are_found_by_their_roots_with_the_links_that_the_caller_lacks() {
    let server = TestServer::start().await;
    let [alice, bob, carol] = server.people(["alice", "bob", "carol"]).await;
    let (mut of_alice, chains) = (owner(&alice), Host::of(&server));
    let links: Vec<Link> = vec![of_alice.init(), of_alice.say(Body::SetCapabilities { min_version: 1 })];
    for link in &links {
        assert_eq!(chains.append(link).await.status, 201);
    }
    let stranger = Person::new("stranger");
    let (a, b) = (alice.primary(), bob.primary());
    let asked = json!({ &a: 0, &b: 3, stranger.primary(): 0 });
    let mut found = people(&server.look_up(&carol, asked).await);
    found.sort_by(|one, other| one.handle.cmp(&other.handle));
    let [of_a, of_b] = <[_; 2]>::try_from(found).unwrap().map(PersonFound::into_parts);
    for (lookup, person) in [(&of_a.0, &alice), (&of_b.0, &bob)] {
        let (handle, key) = lookup.verify(&server_name()).unwrap();
        assert_eq!((handle, key), (person.handle.clone(), person.keys.public()));
        let alone = server.get(&format!("/v1/u/{}", person.handle)).await.lookup();
        let log = |lookup: &kez_core::api::Lookup| lookup.log.as_ref().map(|log| log.get().to_owned());
        assert_eq!((&lookup.sigchain_url, log(lookup)), (&alone.sigchain_url, log(&alone)));
    }
    let chain = of_a.1.unwrap();
    assert_eq!((chain.length, chain.head), (2, of_alice.chain.head()));
    assert_eq!(
        chain.links.iter().map(|link| link.get()).collect::<Vec<_>>(),
        links.iter().map(Link::json).collect::<Vec<_>>()
    );
    let none = of_b.1.unwrap();
    assert_eq!((none.length, none.head, none.links.len()), (0, None, 0));

    for (known, more) in [(1, 1), (2, 0), (3, 0)] {
        let [found] =
            <[_; 1]>::try_from(people(&server.look_up(&carol, json!({ &a: known })).await)).unwrap();
        let (_, chain) = found.into_parts();
        let chain = chain.unwrap();
        assert_eq!((chain.length, chain.links.len()), (2, more), "{known}");
    }
    assert!(people(&server.look_up(&carol, json!({})).await).is_empty());
}

/// A person is named by the root only, before and after a change of key.
#[tokio::test]
async fn a_later_key_is_no_root() {
    let server = TestServer::start().await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    let (mut of_alice, chains) = (owner(&alice), Host::of(&server));
    for link in [of_alice.init(), of_alice.rotate()] {
        assert_eq!(chains.append(&link).await.status, 201);
    }
    let next = Person { handle: alice.handle.clone(), keys: of_alice.keys };
    assert_eq!(server.register(&next).await.status, 201);
    let found = people(&server.look_up(&bob, json!({ alice.primary(): 0, next.primary(): 0 })).await);
    assert_eq!(found.iter().map(|found| found.primary).collect::<Vec<_>>(), [next.keys.public().primary()]);
    assert_eq!(found[0].links.as_ref().unwrap().len(), 2);
}

#[tokio::test]
async fn chains_of_another_server_are_not_included() {
    let sig = SigServer::start().await;
    let server = TestServer::start_with(&["--limits", "off", "--sig-server-url", &sig.host.url]).await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    assert_eq!(sig.host.append(&owner(&alice).init()).await.status, 201);
    let reply = server.look_up(&bob, json!({ alice.primary(): 0 })).await;
    let person = &reply.json()["people"][0];
    assert_eq!(person["handle"], "alice");
    for absent in ["length", "head", "links", "log"] {
        assert!(person.get(absent).is_none(), "{absent}");
    }
}

#[tokio::test]
async fn it_is_signed_bounded_and_counted_as_a_lookup() {
    let server = TestServer::start_with(&["--lookups-per-minute", "2"]).await;
    let [alice] = server.people(["alice"]).await;
    let a = alice.primary();
    server.post(PEOPLE_TARGET, json!({ "roots": { &a: 0 } }).to_string()).await.refused(401, "unauthorized");
    let many: serde_json::Map<_, _> = (0..101).map(|n| (format!("ed25519:{n:064x}"), 0.into())).collect();
    server.look_up(&alice, Value::Object(many)).await.refused(400, "malformed");
    server.signed(&alice, "POST", PEOPLE_TARGET, "[]".to_owned()).await.refused(400, "malformed");
    assert_eq!(people(&server.look_up(&alice, json!({ &a: 0 })).await).len(), 1);
    server.look_up(&alice, json!({ &a: 0 })).await.refused(429, "rate_limited");
    server.get("/v1/u/alice").await.refused(429, "rate_limited");
}
