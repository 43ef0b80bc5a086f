//! Alice and Bob chat.

use kez_client::event::UiEvent;
use kez_client::view::{Connection, DeliveryState, Preview, ThreadState};

use crate::sim::World;

/// Alice and Bob, who look at each other.
pub(crate) fn alice_and_bob(chance: u64) -> World {
    meet(World::new(chance))
}

/// The same in a world without MLS.
pub(crate) fn writing_envelopes(chance: u64) -> World {
    meet(World::with_envelopes(chance))
}

/// The same where Alice's browsers have no MLS engine: both write envelopes, and the chain of Bob alone names devices.
pub(crate) fn alice_without_mls(chance: u64) -> World {
    let mut world = World::new(chance);
    world.without_engine = vec!["alice", "alice anew"];
    meet(world)
}

/// Alice has looked at Bob's key history before she writes.
pub(crate) fn look_up_bob(world: &mut World) {
    world.ui("alice", UiEvent::ConversationStarted { to: "bob".into() });
    world.run(1_000);
}

fn meet(mut world: World) -> World {
    world.join("alice", "");
    world.join("bob", "");
    world.look("alice", "bob");
    world.look("bob", "alice");
    world.run(1_000);
    world
}

#[test]
fn messages_go_both_ways_and_survive_a_reload() {
    let mut world = alice_and_bob(1);
    assert_eq!(world.thread("alice").state, ThreadState::Ready);
    assert_eq!(world.view("alice").connection, Connection::Online);

    world.send("alice", "bob", "Hello Bob");
    assert_eq!(world.states("alice"), [DeliveryState::Sending], "the row appears at once");
    world.run(500);
    assert_eq!(world.states("alice"), [DeliveryState::Sent]);
    assert_eq!(world.texts("bob"), ["them: Hello Bob"]);
    world.send("bob", "alice", "Hello Alice");
    world.run(500);

    for _ in 0..2 {
        assert_eq!(world.texts("alice"), ["me: Hello Bob", "them: Hello Alice"]);
        assert_eq!(world.texts("bob"), ["them: Hello Bob", "me: Hello Alice"]);
        assert_eq!(world.states("bob"), [DeliveryState::Received, DeliveryState::Sent]);
        assert!(world.rows("bob").iter().all(|row| row.missing_before == 0));
        world.reload("alice");
        world.reload("bob");
        world.run(2_000);
    }
    let row = &world.view("alice").conversations[0];
    assert_eq!((row.handle.as_str(), &row.preview), ("bob", &Preview::Theirs("Hello Alice".into())));
}

#[test]
fn safety_numbers_match_and_the_verified_mark_persists() {
    let mut world = alice_and_bob(2);
    world.send("alice", "bob", "Hello");
    world.run(1_000);
    assert_eq!(world.thread("alice").safety_number, world.thread("bob").safety_number);
    let primary = world.shown_key("alice");
    let verified =
        kez_client::event::UiEvent::VerifiedChanged { handle: "bob".into(), primary, verified: true };
    world.ui("alice", verified);
    world.reload("alice");
    assert!(world.thread("alice").verified && world.view("alice").conversations[0].verified);
    assert!(!world.thread("bob").verified);
}
