//! Key histories: they begin with the account, are reported in every message, and are checked against a server that
//! lies.

use std::cell::Cell;
use std::rc::Rc;

use kez_client::effect::HttpRequest;
use kez_client::event::{HttpResponse, UiEvent};
use kez_client::view::ChainAlarm;
use kez_core::envelope::Envelope;
use kez_core::identity::{Peer, SecretIdentity};
use kez_core::message::Message;
use kez_core::recovery_phrase;
use kez_core::registration::HandleRegistration;
use kez_core::sigchain::{Body, Chain, Hash, SeenHead};
use kez_core::time::Timestamp;
use rstest::rstest;
use serde_json::Value;

use crate::restore::restore;
use crate::sim::{BASE, Weather, World, json, shown};
use crate::two_people::{alice_and_bob, writing_envelopes};

pub(crate) fn kinds(world: &mut World, who: &'static str) -> Vec<&'static str> {
    let key = world.key(who).public().primary();
    let root = world.relay.sigchains.root_of(&key);
    world.relay.sigchains.links(&root).iter().map(|link| link.body().kind()).collect()
}

fn chain_of(world: &mut World, who: &'static str) -> Chain {
    let key = world.key(who).public().primary();
    world.relay.sigchains.of(&key)
}

pub(crate) fn now(world: &World) -> Timestamp {
    Timestamp::from_unix(world.now / 1000)
}

#[test]
fn joining_starts_a_chain_that_claims_the_handle() {
    let mut world = World::new(1);
    world.join("alice", "");
    let key = world.key("alice");
    let chain = world.relay.sigchains.of(&key.public().primary());
    assert_eq!(kinds(&mut world, "alice"), ["init", "claim_handle", "add_device"]);
    let registration = world.relay.lookup("alice").unwrap().registration.get().to_owned();
    let claim = chain.claim(&"alice".parse().unwrap(), &world.relay.server).unwrap();
    assert_eq!(claim.registration, Hash::of_json(&registration));

    let view = world.chain("alice");
    assert!(view.history[0].text.starts_with("Began with the key ed25519:"), "{:?}", view.history);
    assert_eq!(view.history[1].text, "Claimed the handle @alice on kez.lat.");
    assert_eq!((view.alarm, view.phrase_waits, view.phrase), (None, true, None));
}

#[test]
fn the_announced_seed_is_random_and_is_deleted_once_written_down() {
    let mut world = World::new(2);
    world.join("alice", "");
    let (words, rotation) = (world.words("alice"), world.rotation_words("alice"));
    assert_ne!(words, rotation);
    let seed = recovery_phrase::parse(&rotation).unwrap();
    let holds_seed = |value: &Vec<u8>| value.windows(32).any(|bytes| bytes == seed.as_bytes());
    let on_disk = |world: &mut World| world.browser("alice").disk.values().any(holds_seed);
    let chain = chain_of(&mut world, "alice");
    assert_eq!(chain.next(), Some(Hash::of_key(&SecretIdentity::from_seed(seed.clone()).public())));
    world.reload("alice");
    assert!(on_disk(&mut world) && world.chain("alice").phrase_waits, "held until the person has it");
    world.ui("alice", UiEvent::RotationPhraseKept);
    for _ in 0..2 {
        world.ui("alice", UiEvent::RotationPhraseShown);
        let view = world.chain("alice");
        assert!(!on_disk(&mut world) && !view.phrase_waits && view.phrase.is_none());
        world.reload("alice");
        world.run(1_000);
    }
}

#[test]
fn an_account_without_a_chain_starts_one_at_the_next_unlock() {
    let mut world = World::new(3);
    let no_chains = |request: &HttpRequest, mut answer: HttpResponse| {
        if request.target == "/v1/config" {
            let mut config: Value = serde_json::from_slice(&answer.body).unwrap();
            config.as_object_mut().unwrap().remove("sigchains_url");
            answer = json(200, &config);
        }
        answer
    };
    world.relay.script = Some(Box::new(no_chains));
    world.join("alice", "secret");
    assert_eq!(kinds(&mut world, "alice"), [""; 0]);
    world.relay.script = None;
    world.reload("alice");
    world.run(1_000);
    assert_eq!(world.relay.sigchains.links(&world.relay.lookup("alice").unwrap().primary).len(), 0, "locked");
    world.ui("alice", UiEvent::UnlockSubmitted { passphrase: kez_client::secret::Secret::new("secret") });
    world.run(2_000);
    assert_eq!(kinds(&mut world, "alice"), ["init", "claim_handle", "add_device"]);
}

#[rstest]
fn a_bad_network_makes_no_second_link(#[values(5, 7, 8, 9)] chance: u64) {
    let mut world = World::new(chance);
    world.join("alice", "");
    world.weather = Weather {
        request_lost: 30,
        answer_lost: 30,
        request_doubled: 30,
        answer_doubled: 30,
        delay: 300,
        swallowed: 5,
        stream_cut: 0,
    };
    world.join("bob", "");
    world.run(300_000);
    assert_eq!(kinds(&mut world, "bob"), ["init", "claim_handle", "add_device"]);
    assert_eq!(world.chain("bob").alarm, None);
}

#[rstest]
fn a_crash_at_any_step_makes_no_second_link(#[values(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)] effects: usize) {
    let mut world = World::new(8);
    world.open("alice");
    world.run(1_000);
    world.ui("alice", UiEvent::HandleTyped { text: "alice".into() });
    world.run(1_000);
    world.create_account("alice", "");
    world.browser("alice").dies_after = Some(effects);
    world.run(10_000);
    assert_eq!(kinds(&mut world, "alice"), ["init", "claim_handle", "add_device"]);
    let announced = world.rotation_words("alice");
    let announced = SecretIdentity::from_seed(recovery_phrase::parse(&announced).unwrap()).public();
    let chain = chain_of(&mut world, "alice");
    assert_eq!((chain.next(), world.chain("alice").alarm), (Some(Hash::of_key(&announced)), None));
}

#[test]
fn every_message_carries_the_heads_that_its_sender_has_seen() {
    let mut world = writing_envelopes(9);
    for (from, to) in [("alice", "bob"), ("bob", "alice")] {
        // The first message to a contact triggers the look-up of their chain. From the second message on, the sender
        // has seen it.
        for text in ["hello", "hello again"] {
            world.send(from, to, text);
            world.run(1_000);
        }
        let (me, them) = (world.key(to), world.key(from).public());
        let mut theirs = world.relay.inbox(to).into_iter().filter(|it| it.contains(&them.to_string()));
        let envelope = theirs.next_back().unwrap();
        let peer = Peer::new(&me, them).unwrap();
        let opened = Envelope::parse(envelope.as_bytes()).unwrap().open(&me, |_| Some(&peer)).unwrap();
        let heads = Message::parse(&opened.plaintext).unwrap().heads;
        for key in [me.public().primary(), them.primary()] {
            let seen = SeenHead::of(&world.relay.sigchains.of(&key));
            assert_eq!(heads.get(&key), seen.as_ref(), "{from} to {to}");
        }
        assert_eq!(heads.len(), 2);
    }
}

#[test]
fn a_long_chain_comes_in_pages() {
    let mut world = World::new(17);
    world.without_engine = vec!["alice"];
    world.join("alice", "");
    world.join("bob", "");
    let root = world.key("bob").public().primary();
    let links = world.relay.sigchains.links(&root);
    let target = format!("{BASE}/ed25519/{}?since=0", root.hex());
    world.relay.script = Some(Box::new(move |request, answer| {
        let mut page = shown(root, &links, 0);
        page.links.truncate(1);
        if request.target == target { json(200, &page) } else { answer }
    }));
    world.look("alice", "bob");
    world.run(1_000);
    for text in ["hello", "hello again"] {
        world.send("alice", "bob", text);
        world.run(1_000);
    }
    assert_eq!((world.alarm("alice"), world.chain("bob").alarm), (None, None));
    let envelope = Envelope::parse(world.relay.inbox("bob").last().unwrap().as_bytes()).unwrap();
    let (bob, alice) = (world.key("bob"), world.key("alice").public());
    let peer = Peer::new(&bob, alice).unwrap();
    let heads = Message::parse(&envelope.open(&bob, |_| Some(&peer)).unwrap().plaintext).unwrap().heads;
    assert_eq!(heads.get(&root).map(|seen| seen.length), Some(3));
}

#[test]
fn a_half_finished_key_change_is_not_polled_forever() {
    let mut world = writing_envelopes(18);
    world.send("bob", "alice", "hello");
    world.run(1_000);
    let next = recovery_phrase::parse(&world.rotation_words("bob")).unwrap();
    let next = SecretIdentity::from_seed(next);
    let rotate = Body::RotatePrimary { primary: next.public(), next: Hash::of_json("{}") };
    let link = chain_of(&mut world, "bob").draft(rotate, now(&world)).sign(&next).unwrap();
    world.relay.sigchains.append(&link);
    let asked = Rc::new(Cell::new(0));
    let count = Rc::clone(&asked);
    world.relay.script = Some(Box::new(move |request, answer| {
        // Requests for the inbox do not count: the client polls it at intervals in any case.
        count.set(count.get() + u32::from(!request.target.starts_with("/v1/inbox/")));
        answer
    }));
    world.run(2 * 60 * 60 * 1000);
    world.look("alice", "bob");
    world.run(60_000);
    assert!(asked.get() < 20, "{} requests", asked.get());
    assert!(!world.thread("alice").key_changed, "until the handle has another key, nothing has changed");
    // Later, the handle does change to another key.
    let (handle, server) = ("bob".parse().unwrap(), world.relay.server.clone());
    let claim = HandleRegistration::sign(&next, &handle, &server, now(&world)).unwrap();
    world.relay.force_registration(&claim.to_json().unwrap(), world.now);
    world.ui("alice", UiEvent::ConversationStarted { to: "bob".into() });
    world.run(1_000);
    assert!(
        world.texts("alice").ends_with(&["them: <KeyReplaced>".to_owned()]),
        "{:?}",
        world.texts("alice")
    );
}

#[test]
fn a_closed_chain_is_reported() {
    let mut world = alice_and_bob(19);
    world.send("bob", "alice", "hello");
    world.run(1_000);
    let next = SecretIdentity::from_seed(recovery_phrase::parse(&world.rotation_words("bob")).unwrap());
    let close = Body::Close { primary: next.public() };
    let link = chain_of(&mut world, "bob").draft(close, now(&world)).sign(&next).unwrap();
    world.relay.sigchains.append(&link);
    world.run(2 * 60 * 60 * 1000);
    world.look("alice", "bob");
    world.run(1_000);
    assert_eq!(world.alarm("alice"), Some(ChainAlarm::Closed));
}

#[test]
fn a_restored_browser_adopts_the_chain_and_adds_itself() {
    let mut world = alice_and_bob(10);
    let words = world.words("bob");
    restore(&mut world, "bob on the phone", &words);
    assert_eq!(kinds(&mut world, "bob"), ["init", "claim_handle", "add_device", "add_device"]);
    let view = world.chain("bob on the phone");
    assert_eq!((view.history.len(), view.alarm, view.phrase_waits), (4, None, false));
}

#[test]
fn a_foreign_link_in_the_own_chain_raises_an_alarm_until_dismissed() {
    let mut world = alice_and_bob(11);
    let thief = world.key("alice");
    let chain = world.relay.sigchains.of(&thief.public().primary());
    let gone = Body::ReleaseHandle { handle: "alice".parse().unwrap(), server: world.relay.server.clone() };
    world.relay.sigchains.append(&chain.draft(gone, now(&world)).sign(&thief).unwrap());
    // The client's next check of its own chain is at most six hours away.
    world.run(8 * 60 * 60 * 1000);
    let view = world.chain("alice");
    assert_eq!(view.alarm, Some(ChainAlarm::NotMine));
    assert!(view.history[3].text.contains("Gave up the handle @alice"), "{:?}", view.history);
    world.reload("alice");
    assert_eq!(world.chain("alice").alarm, Some(ChainAlarm::NotMine));
    world.ui("alice", UiEvent::OwnChainAlarmDismissed);
    world.reload("alice");
    world.run(1_000);
    assert_eq!(world.chain("alice").alarm, None);
}
