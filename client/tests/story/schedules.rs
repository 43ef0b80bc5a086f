//! Random schedules: bad weather, crashes at any step, restarts, poison messages. Once the weather clears, every
//! accepted message is there, once, in the order of writing.

use kez_client::event::UiEvent;
use kez_client::view::DeliveryState;
use proptest::prelude::*;

use crate::groups::assert_no_key_used_twice;
use crate::restore::restore;
use crate::sim::{Weather, World, text};

#[derive(Clone, Debug)]
enum Step {
    Send {
        alice: bool,
    },
    Wait(u64),
    Weather(Weather),
    /// The browser dies after this many effects.
    Die {
        alice: bool,
        after: usize,
    },
    Reload {
        alice: bool,
    },
    Network {
        alice: bool,
        online: bool,
    },
    RelayUp(bool),
    /// The relay's database is restored from a backup.
    NewEpoch,
    Poison,
    Retry {
        alice: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let weather = (0..60u64, 0..60u64, 0..40u64, 0..40u64, 0..40u64, 0..20u64, 0..4_000u64).prop_map(
        |(request_lost, answer_lost, request_doubled, answer_doubled, stream_cut, swallowed, delay)| {
            Step::Weather(Weather {
                request_lost,
                answer_lost,
                request_doubled,
                answer_doubled,
                stream_cut,
                swallowed,
                delay,
            })
        },
    );
    prop_oneof![
        8 => any::<bool>().prop_map(|alice| Step::Send { alice }),
        5 => (0..15_000u64).prop_map(Step::Wait),
        2 => weather,
        3 => (any::<bool>(), 0..6usize).prop_map(|(alice, after)| Step::Die { alice, after }),
        1 => any::<bool>().prop_map(|alice| Step::Reload { alice }),
        2 => (any::<bool>(), any::<bool>()).prop_map(|(alice, online)| Step::Network { alice, online }),
        2 => any::<bool>().prop_map(Step::RelayUp),
        1 => Just(Step::NewEpoch),
        1 => Just(Step::Poison),
        1 => any::<bool>().prop_map(|alice| Step::Retry { alice }),
    ]
}

fn name(alice: bool) -> (&'static str, &'static str) {
    if alice { ("alice", "bob") } else { ("bob", "alice") }
}

/// The accepted messages of each sender: those on the sender's disk after "Send".
#[derive(Default)]
struct Accepted {
    from_alice: Vec<String>,
    from_bob: Vec<String>,
    sent: usize,
}

fn perform(world: &mut World, step: &Step, accepted: &mut Accepted) {
    match *step {
        Step::Send { alice } => {
            let (who, to) = name(alice);
            accepted.sent += 1;
            let text = format!("message {}", accepted.sent);
            let id = world.send(who, to, &text);
            let stored = |value: &Vec<u8>| String::from_utf8_lossy(value).contains(&id);
            let on_disk =
                world.browser(who).disk.iter().any(|((kind, _), v)| kind.as_str() == "page" && stored(v));
            if on_disk {
                if alice { &mut accepted.from_alice } else { &mut accepted.from_bob }.push(text);
            }
        }
        Step::Wait(ms) => world.run(ms),
        Step::Weather(weather) => world.weather = weather,
        Step::Die { alice, after } => world.browser(name(alice).0).dies_after = Some(after),
        Step::Reload { alice } => world.reload(name(alice).0),
        Step::Network { alice, online } => world.network(name(alice).0, online),
        Step::RelayUp(up) => world.relay_up(up),
        Step::NewEpoch => {
            world.relay.restore_from_backup();
            world.cut_streams();
        }
        Step::Poison => {
            world.relay.append("bob", "{\"v\":1}", world.now);
            world.relay.append("bob", "{\"v\":9}", world.now);
        }
        Step::Retry { alice } => retry_all(world, alice),
    }
}

fn retry_all(world: &mut World, alice: bool) {
    let (who, to) = name(alice);
    let failed = world.rows(who).into_iter().find(|row| row.state == DeliveryState::Failed);
    if let Some(row) = failed {
        world.ui(who, UiEvent::RetryPressed { handle: to.into(), id: row.id });
    }
}

fn clear_up(world: &mut World) {
    world.weather = Weather { delay: 20, ..Weather::default() };
    world.relay_up(true);
    for alice in [true, false] {
        let (who, _) = name(alice);
        world.browser(who).dies_after = None;
        world.network(who, true);
    }
    world.run(40_000);
    for alice in [true, false] {
        retry_all(world, alice);
    }
    world.run(60_000);
}

fn received(world: &World, who: &'static str) -> Vec<String> {
    world.rows(who).iter().filter(|row| row.state == DeliveryState::Received).map(text).collect()
}

fn written(world: &World, who: &'static str) -> Vec<String> {
    world.rows(who).iter().filter(|row| row.mine).map(text).collect()
}

/// Performs a schedule, and compares what is on both screens once the weather has cleared.
fn check(world: &mut World, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut accepted = Accepted::default();
    for step in steps {
        perform(world, step, &mut accepted);
    }
    clear_up(world);
    prop_assert_eq!(written(world, "alice"), accepted.from_alice.clone());
    prop_assert_eq!(written(world, "bob"), accepted.from_bob.clone());
    prop_assert_eq!(received(world, "bob"), accepted.from_alice);
    prop_assert_eq!(received(world, "alice"), accepted.from_bob);
    for who in ["alice", "bob"] {
        let rows = world.rows(who);
        let unsent = rows.iter().filter(|row| row.mine && row.state != DeliveryState::Sent).count();
        prop_assert_eq!(unsent, 0);
        prop_assert_eq!(rows.iter().map(|row| row.missing_before).sum::<u64>(), 0);
        prop_assert!(!world.browser(who).disk.keys().any(|(kind, _)| kind.as_str() == "outbox"));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn random_schedules_lose_nothing_duplicate_nothing_and_keep_order(chance: u64, steps in prop::collection::vec(step(), 1..40)) {
        let mut world = crate::two_people::writing_envelopes(chance);
        check(&mut world, &steps)?;

        // A fresh browser gets the same messages.
        let words = world.words("bob");
        restore(&mut world, "restored", &words);
        world.look("restored", "alice");
        world.run(10_000);
        prop_assert_eq!(received(&world, "restored"), received(&world, "bob"));
        prop_assert_eq!(written(&world, "restored"), written(&world, "bob"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn random_schedules_over_mls_lose_nothing_duplicate_nothing_and_keep_order(chance: u64, steps in prop::collection::vec(step(), 1..40)) {
        let mut world = crate::two_people::alice_and_bob(chance);
        check(&mut world, &steps)?;
        assert_no_key_used_twice(&world);
    }
}

/// Of two messages that one person wrote while answers got lost and the server was away, the first arrives first.
#[test]
fn an_outage_in_the_middle_of_an_upgrade_keeps_the_order() {
    let mut world = crate::two_people::alice_and_bob(12_747_509_165_097_404_517);
    let calm = Weather { delay: 306, ..Weather::default() };
    let rough = Weather {
        request_lost: 43,
        answer_lost: 43,
        request_doubled: 32,
        answer_doubled: 39,
        delay: 144,
        ..Weather::default()
    };
    let steps = [
        Step::Send { alice: false },
        Step::Die { alice: false, after: 0 },
        Step::Send { alice: false },
        Step::Send { alice: false },
        Step::Weather(calm),
        Step::Send { alice: true },
        Step::Weather(rough),
        Step::Network { alice: true, online: false },
        Step::Wait(671),
        Step::Send { alice: true },
        Step::Wait(5_891),
        Step::RelayUp(false),
        Step::Wait(11_755),
        Step::Wait(17_189),
    ];
    check(&mut world, &steps).unwrap();
}
