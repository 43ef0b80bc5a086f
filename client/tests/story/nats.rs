//! Hints from NATS: used if the server has NATS, not required otherwise, and never a cause of lost messages.

use kez_client::view::Connection;
use rstest::rstest;

use crate::sim::World;
use crate::two_people::{Carrier, alice_and_bob};

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;

/// Alice and Bob on a server that has NATS.
pub(crate) fn with_nats(carrier: Carrier, chance: u64) -> World {
    let mut world = carrier.world(chance);
    world.relay.nats_ws_url = Some("wss://kez.lat:8443".to_owned());
    world.join("alice", "");
    world.join("bob", "");
    world.look("alice", "bob");
    world.look("bob", "alice");
    world.run(2_000);
    world
}

fn hears(world: &mut World, text: &str, within: u64) {
    world.send("alice", "bob", text);
    world.run(within);
    assert_eq!(world.texts("bob").last().map(String::as_str), Some(format!("them: {text}").as_str()));
}

#[rstest]
fn hints_replace_the_live_stream(#[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier) {
    let mut world = with_nats(carrier, 1);
    assert!(world.broker.has("alice") && world.broker.has("bob"));
    assert!(!world.has_stream("bob"));
    assert_eq!(world.view("bob").connection, Connection::Online);
    hears(&mut world, "by a hint", 500);

    // The inbox is still polled at intervals: 24 to 36 s apart.
    let before = world.relay.pages;
    world.run(10 * MINUTE);
    let reads = world.relay.pages - before;
    assert!((2 * 16..=2 * 26).contains(&reads), "{reads}");
    assert!(world.broker.has("bob") && !world.has_stream("bob"));
}

#[rstest]
fn a_lost_hint_delays_by_at_most_half_a_minute(#[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier) {
    let mut world = with_nats(carrier, 2);
    world.broker.mute = true;
    hears(&mut world, "without a hint", 37_000);
}

#[rstest]
fn a_burst_of_hints_delivers_every_message(#[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier) {
    let mut world = with_nats(carrier, 3);
    world.weather.delay = 200;
    for n in 0..20 {
        world.send("alice", "bob", &format!("{n}"));
        world.run(100);
    }
    world.run(16_000);
    let all: Vec<_> = (0..20).map(|n| format!("them: {n}")).collect();
    assert_eq!(world.texts("bob"), all);
}

#[rstest]
fn without_the_broker_falls_back_to_the_stream_then_polling_and_recovers(
    #[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier,
) {
    let mut world = with_nats(carrier, 4);
    world.run(10_000);
    world.broker_up(false);
    world.run(5_000);
    assert!(world.has_stream("bob"), "the live stream took over");
    hears(&mut world, "by the stream", 500);

    world.relay_up(false);
    world.run(10_000);
    assert_eq!(world.view("bob").connection, Connection::Offline);
    world.relay_up(true);
    world.run(40_000);
    hears(&mut world, "after the outage", 500);

    world.broker_up(true);
    world.run(2 * MINUTE);
    assert!(world.broker.has("bob") && !world.has_stream("bob"), "back up by itself");
    hears(&mut world, "by a hint again", 500);
}

#[rstest]
fn a_connection_closed_at_expiry_reconnects_without_a_stream(
    #[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier,
) {
    let mut world = with_nats(carrier, 5);
    world.run(15 * MINUTE);
    world.broker_up(false);
    world.broker_up(true);
    for _ in 0..30 {
        world.run(100);
        assert!(!world.has_stream("bob"));
    }
    assert!(world.broker.has("bob"));
    hears(&mut world, "still here", 500);
}

#[test]
fn a_broker_that_requests_an_unexpected_signature_gets_none_and_is_avoided() {
    for hostile in ["GET\n/v1/inbox/bob\nsince=0\n1795374000", r#"{"type":"kez.chat.message"}"#, "", "short"]
    {
        let mut world = alice_and_bob(6);
        world.relay.nats_ws_url = Some("wss://kez.lat:8443".to_owned());
        world.broker.nonce = hostile.to_owned();
        world.reload("bob");
        world.run(10 * MINUTE);
        assert_eq!(world.broker.attempts, 1, "{hostile:?}");
        assert!(world.has_stream("bob"));
        hears(&mut world, "by the stream", 500);
    }
}

#[test]
fn an_nkey_is_reused_and_renewed() {
    let mut world = with_nats(Carrier::Envelopes, 7);
    let bound = world.relay.bound.clone();
    assert_eq!(bound.len(), 2, "one each");
    world.reload("bob");
    world.run(10_000);
    assert!(world.broker.has("bob"));
    assert_eq!(world.relay.bound, bound, "not bound again");

    world.now += 31 * DAY;
    world.reload("bob");
    world.run(10_000);
    assert!(world.broker.has("bob"));
    assert!(
        world.relay.bound.iter().any(|(nkey, (_, until))| bound.get(nkey).is_some_and(|it| it.1 < *until))
    );
    assert_eq!(world.relay.bound.len(), 2, "the same nkeys");
}

#[test]
fn an_nkey_that_was_removed_is_replaced() {
    let mut world = with_nats(Carrier::Envelopes, 8);
    let removed = world.relay.bound.iter().find(|(_, (handle, _))| handle.as_str() == "bob");
    let removed = removed.map(|(nkey, _)| nkey.clone()).unwrap();
    world.relay.bound.remove(&removed);
    world.relay.removed.push(removed.clone());
    world.now += 31 * DAY;
    world.reload("bob");
    world.run(MINUTE);
    assert!(world.broker.has("bob"));
    assert!(!world.relay.bound.contains_key(&removed));
}

#[rstest]
fn a_server_without_nats_is_rarely_asked_for_it(
    #[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier,
) {
    let mut world = carrier.alice_and_bob(9);
    world.run(50 * MINUTE);
    assert!(world.has_stream("bob"));
    assert_eq!(world.broker.attempts, 0);
    world.relay.nats_ws_url = Some("wss://kez.lat:8443".to_owned());
    world.run(20 * MINUTE);
    assert!(world.broker.has("bob") && !world.has_stream("bob"));
    hears(&mut world, "by a hint", 500);
}

#[rstest]
fn offline_and_online_again(#[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier) {
    let mut world = with_nats(carrier, 10);
    world.network("bob", false);
    world.run(1_000);
    assert!(!world.broker.has("bob"));
    world.send("alice", "bob", "during");
    world.run(20_000);
    assert!(world.texts("bob").is_empty());
    world.network("bob", true);
    world.run(1_000);
    assert_eq!(world.texts("bob"), ["them: during"]);
    world.run(5_000);
    assert!(world.broker.has("bob") && !world.has_stream("bob"));
}

#[test]
fn the_configuration_is_fetched_once_per_session() {
    let mut world = with_nats(Carrier::Envelopes, 11);
    assert_eq!(world.relay.described, 2, "once to each");
    world.reload("bob");
    world.run(90 * MINUTE);
    assert!(world.broker.has("bob"));
    assert_eq!(world.relay.described, 3);
}
