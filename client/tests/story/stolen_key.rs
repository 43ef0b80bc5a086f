//! A thief has a replaced key, and writes to its owner.

use kez_client::view::{FormerKey, MessageBody};
use kez_core::content::{Content, FormerKey as FormerKeyNote, What};
use kez_core::envelope;
use kez_core::identity::{Peer, PublicIdentity, SecretIdentity, Seed};
use kez_core::message::{Chain, plaintext};
use kez_core::sigchain::Heads;
use kez_core::time::Timestamp;

use crate::rotation::{change, ready};
use crate::sim::World;

fn chain() -> Chain {
    Chain { id: "00112233aabbccdd".into(), n: 1, prev: None }
}

/// Bob has changed his key, and a thief has the former one. Returns the world, the thief's identity, and Alice's key.
fn stolen(chance: u64) -> (World, SecretIdentity, PublicIdentity) {
    let (mut world, phrase) = ready(chance);
    let (thief, alice) = (world.key("bob"), world.key("alice").public());
    change(&mut world, "bob", &phrase);
    world.run(5_000);
    (world, thief, alice)
}

fn put(world: &mut World, from: &SecretIdentity, to: PublicIdentity, plaintext: &[u8]) {
    let now = Timestamp::from_unix(world.now / 1000);
    let peer = Peer::new(from, to).unwrap();
    let sealed = envelope::seal(from, &peer, plaintext, now, &mut world.rng).unwrap();
    world.relay.append("bob", &sealed.json, world.now);
    world.push_to_streams();
    world.run(2_000);
}

fn copy(world: &World, of: PublicIdentity, text: &str) -> Vec<u8> {
    let now = Timestamp::from_unix(world.now / 1000);
    let content = Content::text(format!("id {text}").parse().unwrap(), text, now);
    plaintext(&content.own_copy(of.primary()), &chain(), &Heads::new()).to_vec()
}

#[test]
fn a_former_key_cannot_forge_own_copies_to_the_current_key() {
    let (mut world, thief, alice) = stolen(1);
    let before = world.texts("bob");
    let (bob, words) = (world.key("bob").public(), copy(&world, alice, "I owe you 1000"));
    put(&mut world, &thief, bob, &words);
    assert_eq!(world.texts("bob"), before);
}

#[test]
fn messages_from_a_former_key_to_itself_are_marked() {
    let (mut world, thief, alice) = stolen(2);
    let words = copy(&world, alice, "I owe you 1000");
    put(&mut world, &thief, thief.public(), &words);
    let row = world.rows("bob").pop().unwrap();
    assert_eq!(row.body, MessageBody::Text { text: "I owe you 1000".into() });
    assert_eq!((row.mine, row.former_key), (true, Some(FormerKey::Mine)));
}

#[test]
fn an_invented_former_key_is_rejected() {
    let (mut world, thief, alice) = stolen(3);
    let before = world.texts("bob");
    let bob = world.key("bob").public();
    for (n, to) in [(1, bob), (2, thief.public())] {
        let invented = SecretIdentity::from_seed(Seed::from_bytes([n; 32]));
        let what = What::FormerKey(FormerKeyNote { seed: invented.seed().clone() });
        let note = Content { id: format!("note {n}").parse().unwrap(), sent_at: None, what };
        let note = plaintext(&note, &chain(), &Heads::new());
        put(&mut world, &thief, to, &note);
        let words = copy(&world, alice, "by an invented key");
        put(&mut world, &invented, invented.public(), &words);
    }
    assert_eq!(world.texts("bob"), before);
    world.send("alice", "bob", "hello");
    world.run(2_000);
    assert_eq!(world.texts("bob").len(), before.len() + 1, "and the inbox is read on");
}

#[test]
fn a_restore_reads_messages_from_before_a_key_change_in_order_even_with_a_late_chain() {
    for (chance, delay) in [(4, 0), (5, 400)] {
        let (mut world, phrase) = ready(chance);
        world.without_engine.push("phone");
        change(&mut world, "bob", &phrase);
        world.run(5_000);
        world.send("alice", "bob", "three");
        world.run(5_000);
        world.weather.delay = delay;
        crate::restore::restore(&mut world, "phone", &phrase);
        world.run(60_000);
        world.look("phone", "alice");
        world.run(60_000);
        assert_eq!(world.texts("phone"), ["them: one", "me: two", "them: three"], "{delay}");
    }
}
