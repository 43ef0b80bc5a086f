//! The tab dies at each step of a send.

use kez_client::view::DeliveryState;
use rstest::rstest;

use crate::sim::World;
use crate::two_people::Carrier;

fn texts_of_bob(world: &World) -> Vec<String> {
    world.rows("bob").iter().map(crate::sim::text).collect()
}

/// The effects of a send, in order: the message is saved, sealed and saved, sent; its answer is saved, and its copy
/// to the sender goes the same way: on the stream, or as a POST where there is none. Wherever the tab dies, the other side
/// has the message exactly once, or the message was never accepted.
#[rstest]
fn a_message_arrives_once_or_was_never_accepted(
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)] effects: usize,
    #[values(false, true)] answers_are_lost: bool,
    #[values(false, true)] has_streams: bool,
    #[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier,
) {
    let mut world = carrier.alice_and_bob(30 + effects as u64);
    world.relay.has_streams = has_streams;
    if !has_streams {
        world.cut_streams();
        world.run(1_000);
    }
    world.send("alice", "bob", "before");
    world.run(2_000);
    world.weather.answer_lost = if answers_are_lost { 100 } else { 0 };
    assert_eq!(!world.relay.streamed.is_empty(), has_streams && carrier == Carrier::Envelopes);
    world.browser("alice").dies_after = Some(effects);
    world.send("alice", "bob", "while it dies");
    world.run(3_000);
    // If the countdown has not ended yet, it ends here.
    world.browser("alice").dies_after = None;
    world.weather.answer_lost = 0;
    world.reload("alice");
    world.run(60_000);
    let accepted = world.rows("alice").len() == 2;
    assert!(accepted || effects == 0, "the message is stored");
    if world.states("alice").contains(&DeliveryState::Failed) {
        let failed = world.rows("alice").into_iter().find(|row| row.state == DeliveryState::Failed).unwrap();
        let retry = kez_client::event::UiEvent::RetryPressed { handle: "bob".into(), id: failed.id };
        world.ui("alice", retry);
        world.run(10_000);
    }
    world.send("alice", "bob", "after");
    world.run(10_000);

    let expected: &[&str] =
        if accepted { &["before", "while it dies", "after"] } else { &["before", "after"] };
    assert_eq!(texts_of_bob(&world), expected);
    assert!(world.states("alice").iter().all(|state| *state == DeliveryState::Sent));
    let odd = |row: &kez_client::view::MessageRow| row.missing_before > 0 || row.contradicts_chain;
    assert!(!world.rows("bob").iter().any(odd), "and the count of messages is correct");
}
