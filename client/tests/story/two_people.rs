//! Alice and Bob chat.

use kez_client::effect::HttpRequest;
use kez_client::event::UiEvent;
use kez_client::view::{Connection, DeliveryState, Preview, ThreadState};
use kez_core::mls::policy::Kind;
use rstest::rstest;

use crate::sim::World;

/// What carries a chat of two. Stories that hold for both are told for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// Version 1 envelopes, to people whose chains name no device.
    Envelopes,
    /// A group of two.
    Mls,
}

impl Carrier {
    /// A world whose people write to each other in this way.
    pub(crate) fn world(self, chance: u64) -> World {
        match self {
            Self::Envelopes => World::with_envelopes(chance),
            Self::Mls => World::new(chance),
        }
    }

    /// Alice and Bob, who look at each other.
    pub(crate) fn alice_and_bob(self, chance: u64) -> World {
        meet(self.world(chance))
    }

    /// Whether a request carries a message, or the copy of one, in this way.
    pub(crate) fn is_message(self, request: &HttpRequest) -> bool {
        match self {
            Self::Envelopes => request.target == "/v1/messages",
            Self::Mls => request.target.starts_with("/v1/groups/") && request.target.ends_with("/messages"),
        }
    }

    /// Nothing was sent in the other way.
    pub(crate) fn assert_the_only_one(self, world: &World) {
        match self {
            Self::Envelopes => assert!(world.relay.groups.posted.is_empty()),
            Self::Mls => assert!(world.relay.posted.is_empty()),
        }
    }

    /// How many messages the relay has stored for a person, from whomever.
    pub(crate) fn stored_for(self, world: &World, who: &str) -> usize {
        match self {
            Self::Envelopes => world.relay.inbox(who).len(),
            Self::Mls => {
                let logs = world.relay.groups.logs.values().filter(|log| {
                    log.observed.policy.kind() == Kind::Direct
                        && log.members.contains_key(&who.parse().unwrap())
                });
                let items = logs.flat_map(|log| &log.items);
                items.filter(|item| item.envelope.get().contains(r#""kind":"message""#)).count()
            }
        }
    }
}

/// Alice and Bob, who look at each other.
pub(crate) fn alice_and_bob(chance: u64) -> World {
    Carrier::Mls.alice_and_bob(chance)
}

/// The same in a world without MLS.
pub(crate) fn writing_envelopes(chance: u64) -> World {
    Carrier::Envelopes.alice_and_bob(chance)
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

#[rstest]
fn messages_go_both_ways_and_survive_a_reload(#[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier) {
    let mut world = carrier.alice_and_bob(1);
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

#[rstest]
fn safety_numbers_match_and_the_verified_mark_persists(
    #[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier,
) {
    let mut world = carrier.alice_and_bob(2);
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
