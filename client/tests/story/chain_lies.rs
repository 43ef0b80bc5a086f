//! A server that lies about a chain: each lie raises an alarm, and contacts notice when their views differ.

use kez_client::event::{HttpResponse, UiEvent};
use kez_client::view::ChainAlarm;
use kez_core::content::Content;
use kez_core::envelope;
use kez_core::identity::{Peer, Primary, SecretIdentity, Seed};
use kez_core::message::{Chain as Numbering, plaintext};
use kez_core::sigchain::{Body, Chain, Device, Hash, Heads, Link, SeenHead};
use rstest::rstest;
use serde_json::Value;

use crate::sigchains::now;
use crate::sim::{BASE, World, json, shown};
use crate::two_people::alice_and_bob;

/// What a lying server shows instead of a chain.
type Lie = fn(Primary, Vec<Link>) -> HttpResponse;

fn lie_about(world: &mut World, who: &'static str, lie: Lie) {
    let root = world.key(who).public().primary();
    let links = world.relay.sigchains.links(&root);
    let target = format!("{BASE}/ed25519/{}", root.hex());
    world.relay.script = Some(Box::new(move |request, answer| {
        if request.body.is_none() && request.target.starts_with(&target) {
            lie(root, links.clone())
        } else {
            answer
        }
    }));
}

/// Another chain of the same root, made by anyone who has its seed, such as a thief of the key.
fn forge(root: Primary, seed: [u8; 32], links: &[Link]) -> Vec<Link> {
    let me = SecretIdentity::from_seed(Seed::from_bytes(seed));
    assert_eq!(me.public().primary(), root);
    let mut chain = Chain::new(root);
    let mut forged = Vec::new();
    // A thief of the account's key cannot sign for its devices, but can name others.
    let device = SecretIdentity::from_seed(Seed::from_bytes([77; 32]));
    for link in links {
        let body = match link.body() {
            Body::AddDevice(of) => Body::AddDevice(Device { key: device.public(), ..of.clone() }),
            Body::Init { primary, .. } => Body::Init { primary: *primary, next: Hash::of_json("thief") },
            body => body.clone(),
        };
        let draft = chain.draft(body, link.created_at());
        let link = match link.body() {
            Body::AddDevice(_) => draft.sign_with_device(&me, &device).unwrap(),
            _ => draft.sign(&me).unwrap(),
        };
        chain.append(&link).unwrap();
        forged.push(link);
    }
    forged
}

fn shorter(root: Primary, links: Vec<Link>) -> HttpResponse {
    json(200, &shown(root, &links[..1], 1))
}

fn gone(_: Primary, _: Vec<Link>) -> HttpResponse {
    crate::sim::problem(kez_core::problem::ProblemCode::UnknownChain)
}

fn other_head(root: Primary, links: Vec<Link>) -> HttpResponse {
    let mut answer = shown(root, &links, links.len());
    answer.head = Hash::of_json("{}");
    json(200, &answer)
}

fn unknown_kind(root: Primary, links: Vec<Link>) -> HttpResponse {
    let mut answer = serde_json::to_value(shown(root, &links, links.len())).unwrap();
    let mut link: Value = serde_json::from_str(links[1].json()).unwrap();
    link["payload"]["body"] = serde_json::json!({"kind": "follow"});
    answer["links"] = Value::Array(vec![link]);
    answer["length"] = 3.into();
    json(200, &answer)
}

fn repeated(root: Primary, links: Vec<Link>) -> HttpResponse {
    let mut answer = shown(root, &links, 1);
    answer.length = 3;
    json(200, &answer)
}

#[rstest]
#[case(shorter, ChainAlarm::Shorter)]
#[case(gone, ChainAlarm::Shorter)]
#[case(other_head, ChainAlarm::Forked)]
#[case(unknown_kind, ChainAlarm::UnknownKind)]
#[case(repeated, ChainAlarm::Forked)]
fn a_false_chain_of_a_friend_raises_an_alarm_in_the_thread(#[case] lie: Lie, #[case] alarm: ChainAlarm) {
    let mut world = alice_and_bob(12);
    world.send("alice", "bob", "hello");
    world.run(1_000);
    assert_eq!(world.alarm("alice"), None);
    lie_about(&mut world, "bob", lie);
    world.run(2 * 60 * 60 * 1000);
    world.look("alice", "bob");
    world.run(1_000);
    assert_eq!(world.alarm("alice"), Some(alarm));
    world.reload("alice");
    assert_eq!(world.alarm("alice"), Some(alarm), "it stays until it is read");
    world.relay.script = None;
    world.ui("alice", UiEvent::ChainAlarmDismissed { handle: "bob".into() });
    world.reload("alice");
    world.run(1_000);
    assert_eq!(world.alarm("alice"), None);
}

#[rstest]
#[case(shorter, ChainAlarm::Shorter)]
#[case(gone, ChainAlarm::Shorter)]
#[case(other_head, ChainAlarm::Forked)]
#[case(unknown_kind, ChainAlarm::UnknownKind)]
fn a_false_own_chain_raises_an_alarm_in_the_settings(#[case] lie: Lie, #[case] alarm: ChainAlarm) {
    let mut world = alice_and_bob(13);
    lie_about(&mut world, "alice", lie);
    world.reload("alice");
    world.run(1_000);
    assert_eq!(world.chain("alice").alarm, Some(alarm));
}

#[test]
fn friends_detect_a_forked_chain() {
    let mut world = World::with_envelopes(14);
    world.join("alice", "");
    world.join("bob", "");
    // Bob's seed is stolen. The server shows Alice a chain made by the thief, and Bob his own.
    let bob = world.key("bob");
    let root = bob.public().primary();
    let forged = forge(root, *bob.seed().as_bytes(), &world.relay.sigchains.links(&root));
    let target = format!("{BASE}/ed25519/{}", root.hex());
    world.relay.script = Some(Box::new(move |request, answer| {
        if request.body.is_none() && request.target == format!("{target}?since=0") {
            json(200, &shown(root, &forged, 0))
        } else {
            answer
        }
    }));
    world.look("alice", "bob");
    world.look("bob", "alice");
    world.run(1_000);
    for text in ["hello", "hello again"] {
        world.send("alice", "bob", text);
        world.run(1_000);
    }
    assert_eq!(world.chain("bob").alarm, None, "heads from a stranger raise no alarm");
    world.send("bob", "alice", "hello");
    world.run(1_000);
    world.send("alice", "bob", "hello once more");
    world.run(1_000);
    assert_eq!(world.chain("bob").alarm, Some(ChainAlarm::Contradicted), "Alice says what she was shown");
    assert_eq!(world.alarm("alice"), Some(ChainAlarm::Contradicted), "and so does Bob");
}

#[test]
fn a_link_withheld_from_one_friend_is_requested_and_detected() {
    let mut world = alice_and_bob(15);
    world.send("alice", "bob", "hello");
    world.run(1_000);
    // Bob adds a link; the server keeps showing Alice the chain that she already knows.
    let bob = world.key("bob");
    let chain = world.relay.sigchains.of(&bob.public().primary());
    lie_about(&mut world, "bob", |root, links| json(200, &shown(root, &links, links.len())));
    let link = chain.draft(Body::SetCapabilities { min_version: 1 }, now(&world)).sign(&bob).unwrap();
    world.relay.sigchains.append(&link);
    world.relay.script.take();
    world.reload("bob");
    world.run(1_000);
    assert_eq!(world.chain("bob").history.len(), 4);
    let root = bob.public().primary();
    let known: Vec<Link> = world.relay.sigchains.links(&root)[..3].to_vec();
    let target = format!("{BASE}/ed25519/{}", root.hex());
    world.relay.script = Some(Box::new(move |request, answer| {
        if request.target.starts_with(&target) { json(200, &shown(root, &known, 3)) } else { answer }
    }));
    world.send("bob", "alice", "I have added something");
    world.run(1_000);
    assert_eq!(world.alarm("alice"), Some(ChainAlarm::Withheld));

    // A link that merely arrives late raises no alarm.
    world.ui("alice", UiEvent::ChainAlarmDismissed { handle: "bob".into() });
    world.relay.script = None;
    world.send("bob", "alice", "once more");
    world.run(1_000);
    assert_eq!(world.alarm("alice"), None);
}

/// A contact invents a head of the user's own chain. This raises an alarm, but one that names the contact, and only
/// once.
#[test]
fn an_invented_head_names_the_contact_and_alarms_once() {
    let mut world = alice_and_bob(31);
    world.send("alice", "bob", "one");
    world.run(2_000);
    world.send("bob", "alice", "two");
    world.run(2_000);
    let (alice, bob) = (world.key("alice"), world.key("bob"));
    let root = alice.public().primary();
    let asked = std::rc::Rc::new(std::cell::Cell::new(0));
    let (counter, target) = (std::rc::Rc::clone(&asked), format!("{BASE}/ed25519/{}", root.hex()));
    world.relay.script = Some(Box::new(move |request, response| {
        counter.set(counter.get() + u32::from(request.body.is_none() && request.target.starts_with(&target)));
        response
    }));
    for n in 0..60 {
        let heads = Heads::from([(root, SeenHead { length: 1_000 + n, head: Hash::of_json("{}") })]);
        lie(&mut world, &bob, &alice, n, &heads);
        world.run(1_000);
        if n == 0 {
            assert_eq!(world.chain("alice").alarm, Some(ChainAlarm::Withheld));
            world.ui("alice", UiEvent::OwnChainAlarmDismissed);
        }
    }
    assert_eq!(world.chain("alice").alarm, None);
    world.reload("alice");
    world.run(2_000);
    let heads = Heads::from([(root, SeenHead { length: 1, head: Hash::of_json("{}") })]);
    lie(&mut world, &bob, &alice, 60, &heads);
    world.run(2_000);
    assert_eq!(world.chain("alice").alarm, None, "also after a reload");
    assert!(asked.get() < 10, "{} questions", asked.get());
}

fn lie(world: &mut World, from: &SecretIdentity, to: &SecretIdentity, n: u64, heads: &Heads) {
    let content = Content::text(format!("lie {n}").parse().unwrap(), "hi", now(world));
    let numbering = Numbering { id: "00112233aabbccdd".into(), n: n + 1, prev: None };
    let plaintext = plaintext(&content, &numbering, heads);
    let peer = Peer::new(from, to.public()).unwrap();
    let sealed = envelope::seal(from, &peer, &plaintext, now(world), &mut world.rng).unwrap();
    world.relay.append("alice", &sealed.json, world.now);
    world.push_to_streams();
}
