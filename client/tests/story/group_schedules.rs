//! Random schedules in a group: three browsers of two accounts and a third person write and change the group in bad
//! weather, die at any step, and the server's database is restored. Once the weather clears, every accepted message is
//! there, once, in the order in which each browser wrote.

use std::collections::BTreeMap;

use kez_client::event::{GroupChange, UiEvent};
use kez_client::view::{DeliveryState, MessageBody};
use proptest::prelude::*;

use crate::groups::{assert_no_key_used_twice, group, rows, three};
use crate::restore::restore;
use crate::sim::{Weather, World};

const PHONE: &str = "alice's phone";
/// The browsers of members who belong to the group throughout.
const STAYING: [&str; 3] = ["alice", PHONE, "bob"];
const ALL: [&str; 4] = ["alice", PHONE, "bob", "carol"];

#[derive(Clone, Debug)]
enum Step {
    Send {
        who: &'static str,
    },
    Wait(u64),
    Weather(Weather),
    /// The browser dies after this many effects.
    Die {
        who: &'static str,
        after: usize,
    },
    Reload {
        who: &'static str,
    },
    Network {
        who: &'static str,
        online: bool,
    },
    RelayUp(bool),
    /// The relay's database is restored from a backup.
    NewEpoch,
    Rename,
    Promote,
    RemoveCarol,
    AddCarol,
    CarolLeaves,
}

fn any_browser() -> impl Strategy<Value = &'static str> {
    prop::sample::select(ALL.to_vec())
}

fn step() -> impl Strategy<Value = Step> {
    let weather = (0..40u64, 0..40u64, 0..30u64, 0..30u64, 0..30u64, 0..3_000u64).prop_map(
        |(request_lost, answer_lost, request_doubled, answer_doubled, stream_cut, delay)| {
            Step::Weather(Weather {
                request_lost,
                answer_lost,
                request_doubled,
                answer_doubled,
                stream_cut,
                swallowed: 0,
                delay,
            })
        },
    );
    prop_oneof![
        12 => any_browser().prop_map(|who| Step::Send { who }),
        6 => (0..15_000u64).prop_map(Step::Wait),
        2 => weather,
        3 => (any_browser(), 0..8usize).prop_map(|(who, after)| Step::Die { who, after }),
        1 => any_browser().prop_map(|who| Step::Reload { who }),
        2 => (any_browser(), any::<bool>()).prop_map(|(who, online)| Step::Network { who, online }),
        1 => any::<bool>().prop_map(Step::RelayUp),
        1 => Just(Step::NewEpoch),
        1 => Just(Step::Rename),
        1 => Just(Step::Promote),
        1 => Just(Step::RemoveCarol),
        1 => Just(Step::AddCarol),
        1 => Just(Step::CarolLeaves),
    ]
}

/// A group of Alice, who has two browsers, Bob and Carol. Everybody looks at it.
fn with_phone(chance: u64) -> (World, String) {
    let (mut world, at) = three(chance);
    let words = world.words("alice");
    restore(&mut world, PHONE, &words);
    world.run(150_000);
    world.look(PHONE, &at);
    world.run(1_000);
    (world, at)
}

/// The accepted messages by the browser that wrote them: those on its disk after "Send".
type Accepted = BTreeMap<&'static str, Vec<String>>;

fn perform(world: &mut World, at: &str, step: &Step, accepted: &mut Accepted) {
    let gid = at.strip_prefix("g/").unwrap().to_owned();
    let mut press = |who, change| world.ui(who, UiEvent::GroupChanged { gid: gid.clone(), change });
    match *step {
        Step::Rename => press("alice", GroupChange::Rename("Climbing".into())),
        Step::Promote => press("alice", GroupChange::Promote("bob".into())),
        Step::RemoveCarol => press("alice", GroupChange::Remove("carol".into())),
        Step::AddCarol => press(PHONE, GroupChange::Add("carol".into())),
        Step::CarolLeaves => press("carol", GroupChange::Leave),
        Step::Send { who } => {
            let number: usize = accepted.values().map(Vec::len).sum();
            let text = format!("message {number} of {who}");
            let id = world.send(who, at, &text);
            let stored = |value: &Vec<u8>| String::from_utf8_lossy(value).contains(&id);
            if world.browser(who).disk.iter().any(|((kind, _), v)| kind.as_str() == "page" && stored(v)) {
                accepted.entry(who).or_default().push(text);
            }
        }
        Step::Wait(ms) => world.run(ms),
        Step::Weather(weather) => world.weather = weather,
        Step::Die { who, after } => world.browser(who).dies_after = Some(after),
        Step::Reload { who } => world.reload(who),
        Step::Network { who, online } => world.network(who, online),
        Step::RelayUp(up) => world.relay_up(up),
        Step::NewEpoch => {
            world.relay.restore_from_backup();
            world.cut_streams();
        }
    }
}

fn clear_up(world: &mut World, at: &str) {
    world.weather = Weather { delay: 20, ..Weather::default() };
    world.relay_up(true);
    for who in ALL {
        world.browser(who).dies_after = None;
        world.network(who, true);
    }
    world.run(120_000);
    for who in ALL {
        world.look(who, at);
        let rows = world.all_rows(who).into_iter().filter(|row| row.state == DeliveryState::Failed);
        let failed: Vec<String> = rows.map(|row| row.id).collect();
        for id in failed {
            world.ui(who, UiEvent::RetryPressed { handle: at.to_owned(), id });
        }
    }
    world.run(240_000);
}

/// The texts that a browser shows, oldest first.
fn texts(world: &mut World, who: &'static str, at: &str) -> Vec<String> {
    while world.thread(who).has_older {
        world.ui(who, UiEvent::OlderWanted { handle: at.to_owned() });
    }
    let text = |body| if let MessageBody::Text { text } = body { Some(text) } else { None };
    world.all_rows(who).into_iter().filter_map(|row| text(row.body)).collect()
}

/// The texts of one browser among those shown.
fn of<'a>(shown: &'a [String], by: &str) -> Vec<&'a String> {
    shown.iter().filter(|text| text.ends_with(&format!(" of {by}"))).collect()
}

fn check(world: &mut World, at: &str, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut accepted = Accepted::new();
    for step in steps {
        perform(world, at, step, &mut accepted);
    }
    clear_up(world, at);
    for who in STAYING {
        let shown = texts(world, who, at);
        prop_assert!(!rows(world, who).contains(&"[rejoined]".to_owned()), "{} joined anew", who);
        for by in STAYING {
            let written = accepted.get(by).map(Vec::as_slice).unwrap_or_default();
            prop_assert_eq!(of(&shown, by), written.iter().collect::<Vec<_>>(), "{} of {}", who, by);
        }
        // Carol may write what she is no longer allowed to send.
        let carol = of(&shown, "carol");
        let written = accepted.get("carol").map(Vec::as_slice).unwrap_or_default();
        let rest: Vec<&String> = written.iter().filter(|text| carol.contains(text)).collect();
        prop_assert_eq!(carol, rest, "{} of carol", who);
        let unsent = world.all_rows(who).iter().filter(|row| row.state == DeliveryState::Failed).count();
        prop_assert_eq!(unsent, 0);
        prop_assert!(!world.browser(who).disk.keys().any(|(kind, _)| kind.as_str() == "outbox"));
        prop_assert_eq!(group(world, who).number, group(world, "bob").number);
        let bob = texts(world, "bob", at);
        prop_assert_eq!(of(&shown, "carol"), of(&bob, "carol"));
    }
    assert_no_key_used_twice(world);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, max_shrink_iters: 100, ..ProptestConfig::default() })]

    #[test]
    fn random_schedules_in_a_group_lose_nothing_duplicate_nothing_and_keep_order(chance: u64, steps in prop::collection::vec(step(), 1..40)) {
        let (mut world, at) = with_phone(chance);
        check(&mut world, &at, &steps)?;
    }
}
