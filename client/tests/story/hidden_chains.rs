//! A server that hides a chain, or the end of one.

use std::cell::RefCell;
use std::rc::Rc;

use kez_client::event::{HttpResponse, UiEvent};
use kez_client::view::{AccountView, ChainAlarm};
use kez_core::api::Lookup;
use kez_core::content::Content;
use kez_core::envelope;
use kez_core::identity::{Peer, Primary, SecretIdentity};
use kez_core::message::{Chain as Numbering, plaintext};
use kez_core::problem::ProblemCode;
use kez_core::sigchain::{Body, Hash, Heads, SeenHead};
use kez_core::time::Timestamp;
use rstest::rstest;

use crate::restore::restore;
use crate::sim::{BASE, World, json, problem, shown};
use crate::two_people::{alice_and_bob, alice_without_mls};

fn now(world: &World) -> Timestamp {
    Timestamp::from_unix(world.now / 1000)
}

fn target(root: &Primary) -> String {
    format!("{BASE}/ed25519/{}", root.hex())
}

/// Adds a link to the owner's chain that none of the owner's browsers knows yet.
fn add_link(world: &mut World, owner: &SecretIdentity) -> Hash {
    let chain = world.relay.sigchains.of(&owner.public().primary());
    let link = chain.draft(Body::SetCapabilities { min_version: 1 }, now(world)).sign(owner).unwrap();
    world.relay.sigchains.append(&link);
    // A server that hides a link does not announce it either.
    world.relay.sigchains.take_grown();
    link.hash()
}

/// Puts a message with these heads into an inbox.
fn say(world: &mut World, from: &SecretIdentity, to: &'static str, heads: &Heads) {
    let (now, recipient) = (now(world), world.key(to).public());
    let chain = Numbering { id: "00112233aabbccdd".into(), n: 1, prev: None };
    let content = Content::text("with heads".parse().unwrap(), "hi", now);
    let peer = Peer::new(from, recipient).unwrap();
    let plaintext = plaintext(&content, &chain, heads);
    let sealed = envelope::seal(from, &peer, &plaintext, now, &mut world.rng).unwrap();
    world.relay.append(to, &sealed.json, world.now);
    world.push_to_streams();
}

#[test]
fn a_chain_hidden_from_the_start_is_detected() {
    let mut world = World::new(1);
    world.join("alice", "");
    world.join("bob", "");
    let hidden = target(&world.key("bob").public().primary());
    let bob_asks = Rc::new(RefCell::new(false));
    let honest = Rc::clone(&bob_asks);
    world.relay.script = Some(Box::new(move |request, answer| {
        let hide = !*honest.borrow() && request.body.is_none() && request.target.starts_with(&hidden);
        if hide { problem(ProblemCode::UnknownChain) } else { answer }
    }));
    world.look("alice", "bob");
    world.look("bob", "alice");
    world.run(1_000);
    world.send("alice", "bob", "hello");
    world.run(1_000);
    assert_eq!(world.alarm("alice"), None, "no message has claimed that there is one");
    world.send("bob", "alice", "hello yourself");
    world.run(2_000);
    assert_eq!(world.alarm("alice"), Some(ChainAlarm::Withheld));
}

#[test]
fn a_false_root_is_exposed_by_the_heads_of_a_friend() {
    let mut world = World::new(2);
    for who in ["alice", "bob", "mallory"] {
        world.join(who, "");
    }
    let false_root = world.key("mallory").public().primary().hex();
    world.relay.script = Some(Box::new(move |request, answer| {
        if request.target != "/v1/u/bob" {
            return answer;
        }
        let mut lookup: Lookup = serde_json::from_slice(&answer.body).unwrap();
        let at = lookup.sigchain_url.rfind('/').unwrap() + 1;
        lookup.sigchain_url.replace_range(at.., &false_root);
        json(200, &lookup)
    }));
    world.look("alice", "bob");
    world.look("bob", "alice");
    world.run(1_000);
    world.send("alice", "bob", "hello");
    world.run(1_000);
    world.send("bob", "alice", "hello yourself");
    world.run(2_000);
    assert_eq!(world.alarm("alice"), Some(ChainAlarm::Contradicted));
}

#[test]
fn paging_keeps_the_head_that_a_friend_reported() {
    let mut world = alice_and_bob(3);
    world.send("alice", "bob", "hello");
    world.run(1_000);
    let bob = world.key("bob");
    let root = bob.public().primary();
    for _ in 0..3 {
        add_link(&mut world, &bob);
    }
    world.reload("bob");
    world.run(1_000);
    let (asked, known) = (target(&root), world.relay.sigchains.links(&root)[..5].to_vec());
    world.relay.script = Some(Box::new(move |request, answer| {
        let Some(query) = request.target.strip_prefix(&asked) else { return answer };
        let since = query.split("since=").nth(1).and_then(|since| since.parse().ok()).unwrap_or(0);
        let mut page = shown(root, &known, since);
        page.links.truncate(1);
        json(200, &page)
    }));
    world.send("bob", "alice", "there are five links");
    world.run(5_000);
    assert_eq!(world.alarm("alice"), Some(ChainAlarm::Withheld));
}

#[test]
fn an_answer_already_in_flight_raises_no_alarm() {
    for chance in 0..40 {
        let mut world = alice_and_bob(100 + chance);
        world.send("alice", "bob", "hello");
        world.run(2 * 60 * 60 * 1000);
        let bob = world.key("bob");
        world.weather.delay = 3_000;
        world.look("alice", "bob");
        world.run(2_500 + chance * 40);
        let head = add_link(&mut world, &bob);
        let heads = [(bob.public().primary(), SeenHead { length: 4, head })].into();
        say(&mut world, &bob, "alice", &heads);
        world.run(60_000);
        assert_eq!(world.alarm("alice"), None, "{chance}");
    }
}

#[test]
fn heads_from_a_stranger_raise_no_alarm_about_the_own_chain() {
    let mut world = World::new(4);
    world.join("bob", "");
    world.join("mallory", "");
    let mallory = world.key("mallory");
    let root = world.key("bob").public().primary();
    let heads = [(root, SeenHead { length: 1, head: Hash::of_json("made up") })].into();
    say(&mut world, &mallory, "bob", &heads);
    world.run(5_000);
    assert_eq!(world.chain("bob").alarm, None);
}

#[test]
fn a_restored_browser_starts_no_second_chain_while_the_first_is_hidden() {
    let mut world = alice_without_mls(5);
    world.without_engine.push("phone");
    for text in ["hello", "hello again"] {
        world.send("bob", "alice", text);
        world.run(1_000);
    }
    let (words, hidden) = (world.words("bob"), target(&world.key("bob").public().primary()));
    let posted = Rc::new(RefCell::new(0));
    let count = Rc::clone(&posted);
    world.relay.script = Some(Box::new(move |request, answer| {
        if !request.target.starts_with(&hidden) {
            return answer;
        }
        *count.borrow_mut() += u32::from(request.body.is_some());
        problem(ProblemCode::UnknownChain)
    }));
    restore(&mut world, "phone", &words);
    world.look("phone", "alice");
    world.run(60_000);
    assert_eq!(world.chain("phone").alarm, Some(ChainAlarm::Withheld), "the user's own messages reveal it");
    assert_eq!(*posted.borrow(), 0);
}

#[test]
fn a_404_from_a_proxy_does_not_delete_the_account() {
    let mut world = alice_and_bob(6);
    world.relay.script = Some(Box::new(|request, response| match request.target.as_str() {
        "/v1/u/alice" if request.auth.is_some() => problem(ProblemCode::Unauthorized),
        "/v1/u/alice" => {
            HttpResponse { status: 404, retry_after: None, date: None, body: b"<html>".to_vec() }
        }
        _ => response,
    }));
    world.ui("alice", UiEvent::DeletionConfirmed);
    world.run(2_000);
    assert!(matches!(world.view("alice").account, AccountView::Open(_)));
    assert!(!world.browser("alice").disk.is_empty());
}

/// A thief adds a link to Alice's chain. The server shows it only to Bob, and shows Alice something else.
#[rstest]
#[case::busy(|_| problem(ProblemCode::Unavailable))]
#[case::too_many(|_| problem(ProblemCode::RateLimited))]
#[case::garbage(|_| HttpResponse { status: 200, retry_after: None, date: None, body: b"<html>".to_vec() })]
#[case::another_primary(|_| json(200, &serde_json::json!({"primary": format!("ed25519:{}", "02".repeat(32)), "length": 9, "head": "0".repeat(64), "links": []})))]
fn withholding_only_the_own_chain_raises_an_alarm(#[case] lie: fn(HttpResponse) -> HttpResponse) {
    let mut world = alice_and_bob(8);
    world.send("alice", "bob", "one");
    world.run(2_000);
    world.send("bob", "alice", "two");
    world.run(5_000);
    let alice = world.key("alice");
    let hash = add_link(&mut world, &alice);
    let hidden = target(&alice.public().primary());
    world.relay.script = Some(Box::new(move |request, answer| {
        if request.body.is_none() && request.target.starts_with(&hidden) { lie(answer) } else { answer }
    }));
    let bob = world.key("bob");
    let root = alice.public().primary();
    let heads = Heads::from([(root, SeenHead { length: 4, head: hash })]);
    say(&mut world, &bob, "alice", &heads);
    world.run(60_000);
    assert_eq!(world.chain("alice").alarm, None, "a server may be busy for a minute");
    world.reload("alice");
    world.run(12 * 3_600_000);
    assert_eq!(world.chain("alice").alarm, Some(ChainAlarm::Withheld));
    assert_eq!(world.alarm("alice"), None);
}

#[test]
fn withholding_a_friends_chain_raises_an_alarm() {
    let mut world = alice_and_bob(9);
    world.send("alice", "bob", "one");
    world.run(2_000);
    world.send("bob", "alice", "two");
    world.run(5_000);
    let bob = world.key("bob");
    let hash = add_link(&mut world, &bob);
    let hidden = target(&bob.public().primary());
    world.relay.script = Some(Box::new(move |request, answer| {
        if request.body.is_none() && request.target.starts_with(&hidden) {
            problem(ProblemCode::Unavailable)
        } else {
            answer
        }
    }));
    let heads = Heads::from([(bob.public().primary(), SeenHead { length: 4, head: hash })]);
    say(&mut world, &bob, "alice", &heads);
    world.run(12 * 3_600_000);
    assert_eq!(world.alarm("alice"), Some(ChainAlarm::Withheld));
    assert_eq!(world.chain("alice").alarm, None);
}

#[test]
fn omitting_the_sigchain_address_counts_as_withholding() {
    let mut world = alice_and_bob(11);
    world.send("alice", "bob", "one");
    world.run(2_000);
    world.send("bob", "alice", "two");
    world.run(5_000);
    let (alice, bob) = (world.key("alice"), world.key("bob"));
    let heads = [&alice, &bob].map(|owner| {
        let head = add_link(&mut world, owner);
        (owner.public().primary(), SeenHead { length: 4, head })
    });
    world.relay.script = Some(Box::new(|request, answer| {
        if request.target != "/v1/config" {
            return answer;
        }
        let mut config: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        config["sigchains_url"] = serde_json::Value::Null;
        json(200, &config)
    }));
    world.reload("alice");
    world.run(60_000);
    say(&mut world, &bob, "alice", &Heads::from(heads));
    world.run(60_000);
    assert_eq!((world.chain("alice").alarm, world.alarm("alice")), (None, None));
    world.run(12 * 3_600_000);
    assert_eq!(world.chain("alice").alarm, Some(ChainAlarm::Withheld));
    assert_eq!(world.alarm("alice"), Some(ChainAlarm::Withheld));
}

#[test]
fn an_unreachable_server_is_not_accused_of_withholding() {
    let mut world = alice_and_bob(10);
    world.send("alice", "bob", "one");
    world.run(2_000);
    let alice = world.key("alice");
    let hash = add_link(&mut world, &alice);
    let heads = Heads::from([(alice.public().primary(), SeenHead { length: 4, head: hash })]);
    let bob = world.key("bob");
    world.send("bob", "alice", "two");
    world.run(1_000);
    let hidden = target(&alice.public().primary());
    world.relay.script = Some(Box::new(move |request, answer| {
        if request.target.starts_with(&hidden) { problem(ProblemCode::Unavailable) } else { answer }
    }));
    say(&mut world, &bob, "alice", &heads);
    world.run(60_000);
    world.relay_up(false);
    for _ in 0..12 {
        world.run(3_600_000);
    }
    assert_eq!(world.chain("alice").alarm, None);
}
