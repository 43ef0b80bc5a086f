//! Messages from keys that the registry cannot name: they wait separately, and do not delay messages from others.

use std::cell::Cell;
use std::rc::Rc;

use kez_client::effect::{HttpRequest, Method};
use kez_client::event::UiEvent;
use kez_client::view::Connection;
use kez_core::content::{Content, Reaction, Ref, What};
use kez_core::envelope;
use kez_core::identity::{Peer, SecretIdentity, Seed};
use kez_core::message::{Chain as Numbering, plaintext};
use kez_core::problem::ProblemCode;
use kez_core::registration::HandleRegistration;
use kez_core::sigchain::{Body, Chain, Hash, Heads, Link};
use kez_core::time::Timestamp;

use crate::restore::restore;
use crate::sim::{World, json, problem};
use crate::two_people::{alice_and_bob, writing_envelopes};

fn key(number: u32) -> SecretIdentity {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    SecretIdentity::from_seed(Seed::from_bytes(seed))
}

fn now(world: &World) -> Timestamp {
    Timestamp::from_unix(world.now / 1000)
}

fn register(world: &mut World, by: &SecretIdentity, handle: &str) {
    let claim = HandleRegistration::sign(by, &handle.parse().unwrap(), &world.relay.server, now(world));
    let request = HttpRequest {
        method: Method::Post,
        target: "/v1/register".into(),
        auth: None,
        invite: None,
        body: Some(claim.unwrap().to_json().unwrap()),
    };
    assert_eq!(world.relay.answer(&request, world.now).status, 201);
}

/// Puts a valid text message into Alice's inbox.
fn write(world: &mut World, from: &SecretIdentity, text: &str, n: u64) {
    let content = Content::text(format!("{n}").parse().unwrap(), text, now(world));
    put(world, from, &content, n);
}

/// Puts a content into Alice's inbox.
fn put(world: &mut World, from: &SecretIdentity, content: &Content, n: u64) {
    let alice = world.key("alice").public();
    let numbering = Numbering { id: "00112233aabbccdd".into(), n, prev: None };
    let plaintext = plaintext(content, &numbering, &Heads::new());
    let peer = Peer::new(from, alice).unwrap();
    let sealed = envelope::seal(from, &peer, &plaintext, now(world), &mut world.rng).unwrap();
    world.relay.append("alice", &sealed.json, world.now);
}

fn rotate(chain: &mut Chain, at: Timestamp, to: &SecretIdentity, next: &SecretIdentity) -> Link {
    let body = Body::RotatePrimary { primary: to.public(), next: Hash::of_key(&next.public()) };
    let link = chain.draft(body, at).sign(to).unwrap();
    chain.append(&link).unwrap();
    link
}

/// Mallory registers the first key, changes to the second and registers that, and then changes only her chain to the
/// third. No look-up can ever settle who owns the first two.
fn mallory(world: &mut World) -> [SecretIdentity; 3] {
    let [k1, k2, k3, k4] = [101, 102, 103, 104].map(key);
    register(world, &k1, "mallory");
    let at = now(world);
    let mut chain = Chain::new(k1.public().primary());
    let init = Body::Init { primary: k1.public(), next: Hash::of_key(&k2.public()) };
    let init = chain.draft(init, at).sign(&k1).unwrap();
    chain.append(&init).unwrap();
    world.relay.sigchains.append(&init);
    let link = rotate(&mut chain, at, &k2, &k3);
    world.relay.sigchains.append(&link);
    register(world, &k2, "mallory");
    let link = rotate(&mut chain, at, &k3, &k4);
    world.relay.sigchains.append(&link);
    // For a former key, the server returns the current record.
    let lookup = serde_json::to_value(world.relay.lookup("mallory").unwrap()).unwrap();
    let former = format!("/v1/by-primary/{}", k1.public());
    let present = format!("/v1/by-primary/{}", k2.public());
    world.relay.script = Some(Box::new(move |request, response| {
        if request.target == former || request.target == present { json(200, &lookup) } else { response }
    }));
    [k1, k2, k3]
}

fn requests(world: &World) -> Vec<String> {
    let rows = world.view("alice").conversations;
    rows.into_iter().filter(|row| row.request).map(|row| row.handle).collect()
}

fn flood(world: &mut World, from: &SecretIdentity) {
    let long = "x".repeat(180_000);
    for n in 1..=40 {
        write(world, from, &long, n);
    }
    world.push_to_streams();
}

#[test]
fn an_unresolvable_key_delays_no_other_sender() {
    let mut world = writing_envelopes(1);
    world.send("bob", "alice", "before");
    world.run(2_000);
    let keys = mallory(&mut world);
    flood(&mut world, &keys[0]);
    world.run(10_000);
    world.send("bob", "alice", "after");
    world.run(5_000);
    assert_eq!(world.texts("alice"), ["them: before", "them: after"]);
    world.reload("alice");
    world.send("bob", "alice", "after a reload");
    world.run(10_000);
    assert_eq!(world.texts("alice").last().unwrap(), "them: after a reload");
    assert_eq!(world.view("alice").connection, Connection::Online);
    let words = world.words("alice");
    restore(&mut world, "phone", &words);
    world.run(20_000);
    world.look("phone", "bob");
    assert_eq!(world.texts("phone"), world.texts("alice"), "a restored browser continues too");
}

#[test]
fn quarantine_of_one_stranger_does_not_affect_others() {
    let mut world = alice_and_bob(2);
    let k1 = key(101);
    register(&mut world, &k1, "mallory");
    write(&mut world, &k1, "hi", 1);
    world.push_to_streams();
    world.run(5_000);
    assert_eq!(requests(&world), ["mallory"]);
    world.relay.delete("mallory");
    let keys = mallory(&mut world);
    flood(&mut world, &keys[1]);
    world.run(30_000);
    let carol = key(120);
    register(&mut world, &carol, "carol");
    write(&mut world, &carol, "hello, I am Carol", 1);
    world.push_to_streams();
    world.send("bob", "alice", "from bob");
    world.run(60_000);
    assert!(requests(&world).contains(&"carol".to_owned()), "{:?}", requests(&world));
    assert_eq!(world.texts("alice"), ["them: from bob"]);
    world.look("alice", "carol");
    assert_eq!(world.texts("alice"), ["them: hello, I am Carol"]);
    assert_eq!(world.view("alice").waiting.iter().map(|row| row.messages).sum::<u64>(), 40);
    world.ui("alice", UiEvent::BlockPressed { handle: "mallory".into() });
    world.run(5_000);
    assert_eq!(world.view("alice").waiting, [], "blocking frees what is held");
    assert!(!world.browser("alice").disk.values().any(|value| value.len() > 100_000));
}

#[test]
fn quarantined_messages_are_listed_and_can_be_discarded() {
    let mut world = alice_and_bob(4);
    let keys = mallory(&mut world);
    flood(&mut world, &keys[0]);
    world.run(30_000);
    for _ in 0..2 {
        let waiting = world.view("alice").waiting;
        assert_eq!(waiting.len(), 1);
        assert_eq!((waiting[0].key.clone(), waiting[0].messages), (keys[0].public().to_string(), 40));
        world.reload("alice");
        world.run(10_000);
    }
    let held: usize = world.browser("alice").disk.values().map(Vec::len).sum();
    assert!(held < 2_000_000, "{held} bytes are held for one stranger");
    world.ui("alice", UiEvent::WaitingDiscarded { key: Some(keys[0].public().to_string()) });
    world.run(5_000);
    assert_eq!(world.view("alice").waiting, []);
    assert!(world.relay.inbox("alice").iter().all(|envelope| envelope.len() < 100_000), "on the server too");
    let held: usize = world.browser("alice").disk.values().map(Vec::len).sum();
    assert!(held < 200_000, "{held}");
}

#[test]
fn messages_left_on_the_server_are_read_later() {
    let mut world = alice_and_bob(5);
    let carol = key(120);
    world.relay.script = Some(Box::new(|request, response| {
        if request.target.starts_with("/v1/by-primary/") {
            problem(ProblemCode::Unavailable)
        } else {
            response
        }
    }));
    register(&mut world, &carol, "carol");
    for n in 1..=100 {
        write(&mut world, &carol, &format!("{n}"), n);
    }
    world.push_to_streams();
    world.run(10_000);
    assert_eq!(requests(&world), [] as [&str; 0]);
    world.reload("alice");
    world.run(10_000);
    world.relay.script = None;
    world.run(300_000);
    assert_eq!(requests(&world), ["carol"]);
    world.look("alice", "carol");
    while world.thread("alice").has_newer {
        world.ui("alice", UiEvent::NewerWanted { handle: "carol".into() });
    }
    let expected: Vec<String> = (1..=100).map(|n| format!("them: {n}")).collect();
    assert_eq!(world.texts("alice"), expected, "all of it, in order");
    assert_eq!(world.view("alice").waiting, []);
}

#[test]
fn forged_messages_are_not_quarantined() {
    let mut world = alice_and_bob(6);
    let from = key(130);
    register(&mut world, &from, "eve");
    let alice = world.key("alice").public();
    for n in 0..50 {
        let nonce = format!("{n:024x}");
        let ciphertext = "A".repeat(200);
        let forged = format!(
            r#"{{"v":1,"type":"kez.chat.message","from":"{}","to":"{alice}","nonce":"{nonce}","ciphertext":"{ciphertext}","created_at":"2026-11-22T19:00:00Z","sig":"{}"}}"#,
            from.public(),
            "0".repeat(128)
        );
        world.relay.append("alice", &forged, world.now);
    }
    let asked = Rc::new(Cell::new(0));
    let counter = Rc::clone(&asked);
    world.relay.script = Some(Box::new(move |request, response| {
        counter.set(counter.get() + u32::from(request.target.starts_with("/v1/by-primary/")));
        response
    }));
    world.push_to_streams();
    world.run(10_000);
    assert_eq!((asked.get(), world.view("alice").waiting.len()), (0, 0));
}

#[test]
fn lookups_of_many_invented_keys_are_paced_and_block_nothing() {
    let mut world = alice_and_bob(3);
    world.send("bob", "alice", "before");
    world.run(2_000);
    let asked = Rc::new(Cell::new(0_u64));
    let refused = Rc::new(Cell::new(0_u64));
    let (counter, refusals) = (Rc::clone(&asked), Rc::clone(&refused));
    let clock = Rc::new(Cell::new(world.now));
    let time = Rc::clone(&clock);
    let (mut tokens, mut last) = (120.0_f64, world.now);
    world.relay.script = Some(Box::new(move |request, response| {
        if !request.target.starts_with("/v1/by-primary/") {
            return response;
        }
        counter.set(counter.get() + 1);
        tokens = 120.0_f64.min(tokens + (time.get() - last) as f64 / 1000.0);
        last = time.get();
        if tokens >= 1.0 {
            tokens -= 1.0;
            return response;
        }
        refusals.set(refusals.get() + 1);
        let mut refusal = problem(ProblemCode::RateLimited);
        refusal.retry_after = Some(30);
        refusal
    }));
    for n in 0..999 {
        write(&mut world, &key(1_000 + n), "hello", 1);
    }
    world.push_to_streams();
    world.run(100);
    world.send("bob", "alice", "a message from bob");
    world.run(1_000);
    assert_eq!(world.texts("alice"), ["them: before", "them: a message from bob"], "at once");
    let carol = key(120);
    register(&mut world, &carol, "carol");
    write(&mut world, &carol, "hello, I am Carol", 1);
    world.push_to_streams();
    world.run(10_000);
    assert_eq!(requests(&world)[0], "carol", "a new sender does not wait behind a thousand others");
    for _ in 0..3_600 {
        world.run(1_000);
        clock.set(world.now);
    }
    assert!(refused.get() < 20, "{} of {} look-ups were refused", refused.get(), asked.get());
    assert!(asked.get() < 1_200, "{}", asked.get());
}

#[test]
fn a_quiet_content_from_a_stranger_waits_without_a_request() {
    let mut world = alice_and_bob(9);
    let stranger = key(1);
    register(&mut world, &stranger, "stranger");
    let of = Ref { by: world.key("alice").public().primary(), id: "01JD".parse().unwrap() };
    let what = What::Reaction(Reaction { of, emoji: "👍".parse().unwrap(), on: true });
    let reaction = Content { id: "01JE".parse().unwrap(), sent_at: None, what };
    put(&mut world, &stranger, &reaction, 1);
    world.push_to_streams();
    world.run(10_000);
    assert_eq!((requests(&world), world.view("alice").waiting), (vec![], vec![]));
    write(&mut world, &stranger, "hello", 2);
    world.push_to_streams();
    world.run(10_000);
    assert_eq!(requests(&world), ["stranger"]);
    world.look("alice", "stranger");
    assert_eq!(world.texts("alice"), ["them: hello"]);
    assert_eq!(world.rows("alice")[0].missing_before, 0, "the reaction took its number");
}
