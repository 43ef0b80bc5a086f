//! Chats of two people over MLS.

use kez_client::view::DeliveryState;

use crate::groups::{assert_no_key_used_twice, people, rows};
use crate::sim::World;

/// Alice and Bob, who look at each other. Their browsers can do MLS.
fn two(chance: u64) -> World {
    let mut world = people(chance, &["alice", "bob"]);
    world.look("alice", "bob");
    world.look("bob", "alice");
    world.run(1_000);
    world
}

#[test]
fn the_first_message_begins_a_group_that_carries_the_conversation() {
    let mut world = two(1);
    world.send("alice", "bob", "Hello Bob");
    assert_eq!(world.states("alice").last(), Some(&DeliveryState::Sending), "the row appears at once");
    world.run(2_000);
    assert_eq!(rows(&world, "alice"), ["[upgraded]", "me: Hello Bob"]);
    world.send("bob", "alice", "Hello Alice");
    world.run(2_000);
    for _ in 0..2 {
        assert_eq!(rows(&world, "alice"), ["[upgraded]", "me: Hello Bob", "-: Hello Alice"]);
        assert_eq!(rows(&world, "bob"), ["[upgraded]", "-: Hello Bob", "me: Hello Alice"]);
        for who in ["alice", "bob"] {
            let view = world.view(who);
            assert_eq!(view.conversations.len(), 1, "{who} has one conversation");
            assert!(world.rows(who).iter().all(|row| !row.old_way && row.missing_before == 0));
        }
        world.reload("alice");
        world.reload("bob");
        world.run(2_000);
    }
    assert_eq!(world.relay.groups.logs.len(), 1);
    assert!(world.relay.posted.is_empty(), "no envelope was sent");
    assert_no_key_used_twice(&world);
}
