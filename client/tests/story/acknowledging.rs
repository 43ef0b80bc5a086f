//! What a client acknowledges to the server once it has stored it, and what the server keeps.

use kez_client::event::UiEvent;
use kez_client::view::{Reason, Room};
use kez_core::api::InboxLimits;

use crate::two_people::{alice_and_bob, writing_envelopes};

fn acknowledged(world: &crate::sim::World, who: &str) -> u64 {
    world.relay.keeping.acknowledged.get(&who.parse().unwrap()).copied().unwrap_or_default()
}

#[test]
fn acknowledgements_are_batched() {
    let mut world = alice_and_bob(1);
    for n in 0..100 {
        world.send("alice", "bob", &format!("{n}"));
        world.run(200);
    }
    world.run(60_000);
    let (last, _) = world.relay.end_of(&"bob".parse().unwrap());
    assert_eq!(acknowledged(&world, "bob"), last);
    let acknowledgements = world.relay.keeping.acknowledgements;
    assert!(acknowledgements <= 10, "{acknowledgements} for 300 messages to both");
    world.reload("bob");
    world.run(120_000);
    assert_eq!(world.relay.keeping.acknowledgements, acknowledgements, "not again");
}

#[test]
fn unsaved_messages_are_not_acknowledged() {
    let mut world = writing_envelopes(2);
    world.browser("bob").full = Some(kez_client::event::StorageFault::Full);
    world.send("alice", "bob", "one");
    world.run(120_000);
    assert_eq!(acknowledged(&world, "bob"), 0);
    world.browser("bob").full = None;
    world.reload("bob");
    world.run(60_000);
    assert!(acknowledged(&world, "bob") > 0);
}

#[test]
fn acknowledgements_survive_lost_answers_and_repeat_after_a_restore() {
    let mut world = alice_and_bob(3);
    world.send("alice", "bob", "one");
    world.weather.answer_lost = 50;
    world.run(120_000);
    world.weather.answer_lost = 0;
    world.run(900_000);
    let (last, _) = world.relay.end_of(&"bob".parse().unwrap());
    assert_eq!(acknowledged(&world, "bob"), last);
    world.relay.restore_from_backup();
    world.cut_streams();
    world.run(120_000);
    let (last, _) = world.relay.end_of(&"bob".parse().unwrap());
    assert_eq!(acknowledged(&world, "bob"), last);
    assert_eq!(world.texts("bob"), ["them: one"]);
}

#[test]
fn the_retention_on_the_server_can_be_chosen() {
    let mut world = alice_and_bob(4);
    assert_eq!(world.view("bob").inbox.unwrap().keep_days, None);
    world.ui("bob", UiEvent::KeepChosen { days: Some(90) });
    assert!(world.view("bob").inbox.unwrap().busy);
    world.run(1_000);
    let inbox = world.view("bob").inbox.unwrap();
    assert_eq!((inbox.keep_days, inbox.busy, inbox.error), (Some(90), false, None));
    world.reload("bob");
    world.run(1_000);
    assert_eq!(world.view("bob").inbox.unwrap().keep_days, Some(90));
    world.relay_up(false);
    world.ui("bob", UiEvent::KeepChosen { days: None });
    world.run(1_000);
    let inbox = world.view("bob").inbox.unwrap();
    assert!(inbox.keep_days == Some(90) && inbox.error.is_some(), "nothing is pretended");
    world.relay_up(true);
    world.ui("bob", UiEvent::KeepChosen { days: None });
    world.run(1_000);
    assert_eq!(world.view("bob").inbox.unwrap().keep_days, None);
}

#[test]
fn a_nearly_full_inbox_is_reported_in_advance() {
    let mut world = writing_envelopes(5);
    world.relay.keeping.limits = Some(InboxLimits {
        waiting: 100_000,
        bytes: 20_000,
        requests_messages: 1_000,
        requests_bytes: 64 << 20,
    });
    world.reload("bob");
    world.run(1_000);
    assert_eq!(world.view("bob").inbox.unwrap().room, Room::Enough);
    for n in 0..40 {
        world.send("alice", "bob", &format!("{n}"));
        world.run(1_000);
        if world.relay.inbox("bob").iter().map(String::len).sum::<usize>() > 18_300 {
            break;
        }
    }
    world.run(30_000);
    assert_eq!(world.view("bob").inbox.unwrap().room, Room::NearlyFull);
    assert_eq!(world.view("bob").notice.unwrap().what, Reason::InboxNearlyFull);
}
