//! Long conversations, whose messages are read in pages: with as few pages in memory as possible, everything behaves
//! as if all of them were loaded.

use kez_client::effect::Effect;
use kez_client::event::{Event, Jump, StorageFault, TabId, UiEvent};
use kez_client::view::MessageRow;
use proptest::prelude::*;

use crate::sim::{World, text};
use crate::two_people::{alice_and_bob, writing_envelopes};

/// Alice and Bob after a long conversation, with this many pages in memory.
pub(crate) fn long(chance: u64, most_pages: usize, messages: u64) -> World {
    let mut world = alice_and_bob(chance);
    world.most_pages = most_pages;
    world.reload("alice");
    world.reload("bob");
    world.run(1_000);
    for n in 0..messages {
        let (from, to) = if n % 3 == 1 { ("bob", "alice") } else { ("alice", "bob") };
        world.send(from, to, &format!("message {n}"));
        if n % 16 == 0 {
            world.run(1_000);
        }
    }
    world.run(60_000);
    world
}

fn numbers(world: &World, who: &'static str) -> Vec<u64> {
    let number = |row: &MessageRow| text(row).rsplit(' ').next().and_then(|number| number.parse().ok());
    world.rows(who).iter().filter_map(number).collect()
}

#[test]
fn a_thread_is_read_page_by_page_in_both_directions() {
    let mut world = long(1, 0, 450);
    world.reload("bob");
    let mut shown = numbers(&world, "bob");
    assert_eq!(shown.len(), 24);
    let mut all = shown.clone();
    while world.thread("bob").has_older {
        world.ui("bob", UiEvent::OlderWanted { handle: "alice".into() });
        shown = numbers(&world, "bob");
        assert!(shown.len() <= 200, "{}", shown.len());
        all.extend(&shown);
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all, (0..450).collect::<Vec<_>>());
    while world.thread("bob").has_newer {
        world.ui("bob", UiEvent::NewerWanted { handle: "alice".into() });
    }
    let last = numbers(&world, "bob").into_iter().max();
    assert_eq!(last, Some(449));
}

#[test]
fn a_jump_shows_the_message_and_names_its_row() {
    let mut world = long(2, 0, 300);
    world.reload("bob");
    world.ui("bob", UiEvent::OldestWanted { handle: "alice".into() });
    let row = world.rows("bob")[40].clone();
    world.ui("bob", UiEvent::LatestWanted { handle: "alice".into() });
    assert!(world.rows("bob").iter().all(|other| other.id != row.id));
    let to = |to| UiEvent::JumpWanted { handle: "alice".into(), to };
    world.ui("bob", to(Jump::Row(row.id.clone())));
    let thread = world.thread("bob");
    assert!(thread.messages.contains(&row));
    let (first, number) = thread.jump.unwrap();
    assert_eq!(first, row.id);
    world.ui("bob", UiEvent::LatestWanted { handle: "alice".into() });
    world.ui("bob", to(Jump::Time(row.at)));
    let thread = world.thread("bob");
    let (again, later) = thread.jump.unwrap();
    assert!(later > number);
    let found = thread.messages.iter().find(|other| other.id == again).unwrap();
    assert_eq!(found.at, row.at);
    world.ui("bob", to(Jump::Time(u64::MAX)));
    assert_eq!(world.thread("bob").jump.unwrap().0, world.rows("bob").last().unwrap().id, "the last one");
    world.ui("bob", to(Jump::Row("in-999999".into())));
    assert_eq!(world.thread("bob").jump.unwrap().1, later + 1, "there is no such row");
}

#[test]
fn jumps_have_different_numbers_in_every_conversation_and_after_a_restart() {
    let mut world = long(2, 0, 3);
    let row = world.rows("bob")[0].id.clone();
    let jump = |world: &mut World| {
        world.ui("bob", UiEvent::JumpWanted { handle: "alice".into(), to: Jump::Row(row.clone()) });
        world.thread("bob").jump.unwrap().1
    };
    let first = jump(&mut world);
    world.look("bob", "carol");
    world.look("bob", "alice");
    assert_eq!(world.thread("bob").jump, None);
    let second = jump(&mut world);
    world.run(1_000);
    world.reload("bob");
    let third = jump(&mut world);
    assert!(first != second && first != third && second != third, "{first} {second} {third}");
}

#[test]
fn a_reaction_finds_its_message_in_a_page_that_is_not_in_memory() {
    for dies_after in 0..8 {
        let mut world = long(3, 0, 200);
        world.ui("alice", UiEvent::OldestWanted { handle: "bob".into() });
        let row = world.rows("alice").into_iter().find(|row| !row.mine).unwrap();
        let reaction =
            UiEvent::ReactionSet { handle: "bob".into(), id: row.id.clone(), emoji: "👍".into(), on: true };
        world.ui("alice", reaction);
        world.browser("bob").dies_after = Some(dies_after);
        world.run(20_000);
        world.browser("bob").dies_after = None;
        world.run(60_000);
        world.reload("bob");
        world.ui("bob", UiEvent::OldestWanted { handle: "alice".into() });
        let rows = world.rows("bob");
        let reacted: Vec<_> = rows.iter().filter(|row| !row.reactions.is_empty()).collect();
        assert_eq!(reacted.len(), 1, "after {dies_after} effects");
        assert_eq!(text(reacted[0]), text(&row));
    }
}

#[test]
fn hundreds_of_reactions_at_once_all_find_their_messages() {
    let mut world = long(5, 0, 330);
    world.network("bob", false);
    world.ui("alice", UiEvent::OldestWanted { handle: "bob".into() });
    let mut reacted = std::collections::BTreeSet::new();
    loop {
        for row in world.rows("alice") {
            if reacted.insert(text(&row)) {
                let (handle, emoji) = ("bob".to_owned(), "👍".to_owned());
                world.ui("alice", UiEvent::ReactionSet { handle, id: row.id, emoji, on: true });
                world.run(100);
            }
        }
        if !world.thread("alice").has_newer {
            break;
        }
        world.ui("alice", UiEvent::NewerWanted { handle: "bob".into() });
    }
    world.run(60_000);
    world.network("bob", true);
    world.run(60_000);
    world.ui("bob", UiEvent::OldestWanted { handle: "alice".into() });
    let mut found = std::collections::BTreeSet::new();
    loop {
        found.extend(world.rows("bob").iter().filter(|row| !row.reactions.is_empty()).map(text));
        if !world.thread("bob").has_newer {
            break;
        }
        world.ui("bob", UiEvent::NewerWanted { handle: "alice".into() });
    }
    assert_eq!((found.len(), found == reacted), (330, true));
}

fn loads(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Load(_)))
}

#[test]
fn recent_conversations_open_without_reading_from_storage() {
    for unread in [0, 30] {
        let mut world = long(7, 64, 300);
        world.ui("bob", UiEvent::Looking { at: None, visible: true });
        for n in 0..unread {
            world.send("alice", "bob", &format!("unread {n}"));
        }
        world.run(20_000);
        world.reload("bob");
        world.run(10_000);
        assert!(world.view("bob").thread.is_none());
        let (now, tab) = (world.now, TabId("tab".into()));
        let look = Event::Ui(tab, UiEvent::Looking { at: Some("alice".into()), visible: true });
        let effects = world.browser("bob").client.handle(look, now, &mut crate::sim::Chance::new(7));
        assert!(!loads(&effects), "{unread} unread");
        assert_eq!(numbers(&world, "bob").len(), if unread == 0 { 24 } else { 44 });
    }
}

#[test]
fn an_unreadable_page_stops_the_client_and_is_not_requested_again() {
    let mut world = long(6, 0, 300);
    let (now, tab) = (world.now, TabId("tab".into()));
    let handle = |world: &mut World, event| {
        world.browser("bob").client.handle(event, now, &mut crate::sim::Chance::new(7))
    };
    let oldest = Event::Ui(tab.clone(), UiEvent::OldestWanted { handle: "alice".into() });
    assert!(loads(&handle(&mut world, oldest)));
    let failed = || Event::Loaded(Err(StorageFault::Unavailable));
    handle(&mut world, failed());
    assert!(!loads(&handle(&mut world, failed())));
    assert!(world.view("bob").notice.is_some_and(|notice| notice.error));
}

#[test]
fn a_declined_request_leaves_no_page() {
    let mut world = writing_envelopes(4);
    for n in 0..150 {
        world.send("alice", "bob", &format!("message {n}"));
        if n % 16 == 0 {
            world.run(1_000);
        }
    }
    world.run(30_000);
    world.reload("bob");
    world.ui("bob", UiEvent::RequestDeclined { handle: "alice".into() });
    let left: Vec<_> = world.browser("bob").disk.keys().filter(|(_, id)| id.starts_with("c1")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[derive(Clone, Debug)]
enum Step {
    Send { alice: bool },
    React { alice: bool, row: usize, on: bool },
    Older { alice: bool },
    Newer { alice: bool },
    Latest { alice: bool },
    Reload { alice: bool },
    Search { alice: bool },
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<bool>().prop_map(|alice| Step::Send { alice }),
        4 => (any::<bool>(), 0..200_usize, any::<bool>())
            .prop_map(|(alice, row, on)| Step::React { alice, row, on }),
        4 => any::<bool>().prop_map(|alice| Step::Older { alice }),
        2 => any::<bool>().prop_map(|alice| Step::Newer { alice }),
        1 => any::<bool>().prop_map(|alice| Step::Latest { alice }),
        1 => any::<bool>().prop_map(|alice| Step::Reload { alice }),
        1 => any::<bool>().prop_map(|alice| Step::Search { alice }),
        3 => (0..5_000_u64).prop_map(Step::Wait),
    ]
}

fn perform(world: &mut World, step: &Step, count: usize) {
    let name = |alice| if alice { ("alice", "bob") } else { ("bob", "alice") };
    let (Step::Send { alice }
    | Step::React { alice, .. }
    | Step::Older { alice }
    | Step::Newer { alice }
    | Step::Latest { alice }
    | Step::Reload { alice }
    | Step::Search { alice }) = *step
    else {
        if let Step::Wait(ms) = step {
            world.run(*ms);
        }
        return;
    };
    let (who, other) = name(alice);
    let handle = other.to_owned();
    match *step {
        Step::Send { .. } => drop(world.send(who, other, &format!("step {count}"))),
        Step::React { row, on, .. } => {
            let rows = world.rows(who);
            if let Some(row) = rows.get(row % rows.len().max(1)) {
                let (id, emoji) = (row.id.clone(), "👍".to_owned());
                world.ui(who, UiEvent::ReactionSet { handle, id, emoji, on });
            }
        }
        Step::Older { .. } => world.ui(who, UiEvent::OlderWanted { handle }),
        Step::Newer { .. } => world.ui(who, UiEvent::NewerWanted { handle }),
        Step::Latest { .. } => world.ui(who, UiEvent::LatestWanted { handle }),
        Step::Search { .. } => world.ui(who, UiEvent::SearchTyped { text: "7".into(), within: None }),
        Step::Reload { .. } => world.reload(who),
        Step::Wait(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, max_shrink_iters: 50, ..ProptestConfig::default() })]

    #[test]
    fn the_number_of_pages_in_memory_does_not_change_the_result(chance: u64, steps in prop::collection::vec(step(), 1..60)) {
        let mut worlds = [0, 2, usize::MAX].map(|most_pages| long(chance, most_pages, 230));
        for (count, step) in steps.iter().enumerate() {
            for world in &mut worlds {
                perform(world, step, count);
            }
            let [few, some, all] = &worlds;
            for who in ["alice", "bob"] {
                prop_assert_eq!(few.view(who), all.view(who), "{:?}", step);
                prop_assert_eq!(some.view(who), all.view(who), "{:?}", step);
            }
        }
    }
}
