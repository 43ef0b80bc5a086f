//! A server that is restored from a backup while people are away: what its groups still have is read, and read once.

use kez_client::event::{GroupChange, UiEvent};
use rstest::rstest;

use crate::groups::{
    assert_no_key_used_twice, change, create, group, members, people, rows, scroll_up, texts, three,
};
use crate::sim::World;

/// The server is restored, and everybody connects again.
fn restore(world: &mut World) {
    world.relay.restore_from_backup();
    world.cut_streams();
}

/// The texts of a conversation, oldest first, and no event that says that some may be missing.
fn all_texts(world: &mut World, who: &'static str, at: &str) -> Vec<String> {
    scroll_up(world, who, at);
    assert!(!rows(world, who).contains(&"[rejoined]".to_owned()), "{who}: {:?}", rows(world, who));
    assert!(world.rows(who).iter().all(|row| row.missing_before == 0), "{who}");
    texts(world, who)
}

#[test]
fn what_came_while_one_was_away_is_read_from_a_restored_server() {
    let (mut world, at) = three(60);
    world.send("bob", &at, "before");
    world.run(2_000);
    world.network("bob", false);
    world.send("alice", &at, "one");
    world.run(2_000);
    change(&mut world, "alice", &at, GroupChange::Promote("carol".into()));
    world.send("carol", &at, "two");
    world.run(2_000);
    restore(&mut world);
    world.run(2_000);
    world.send("alice", &at, "three");
    world.run(10_000);
    world.network("bob", true);
    world.run(30_000);
    world.send("bob", &at, "four");
    world.run(10_000);
    assert_eq!(
        all_texts(&mut world, "bob", &at),
        ["me: before", "alice: one", "carol: two", "alice: three", "me: four"]
    );
    assert_eq!(members(&world, "bob"), ["alice*", "bob", "carol*"]);
    for who in ["alice", "carol"] {
        assert_eq!(all_texts(&mut world, who, &at).len(), 5, "{who}");
        assert_eq!(group(&world, who).number, group(&world, "bob").number);
    }
    assert_no_key_used_twice(&world);
}

#[test]
fn what_was_sent_after_the_restore_is_read_by_those_who_were_ahead_of_it() {
    let (mut world, at) = three(61);
    world.send("alice", &at, "kept");
    world.run(2_000);
    let backup = world.relay.groups.logs.clone();
    for n in 0..5 {
        world.send("carol", &at, &format!("lost {n}"));
        world.run(1_000);
    }
    world.network("bob", false);
    world.relay.groups.logs = backup;
    restore(&mut world);
    world.run(5_000);
    world.send("alice", &at, "new");
    world.run(5_000);
    world.network("bob", true);
    world.run(10_000);
    let lost: Vec<String> = (0..5).map(|n| format!("carol: lost {n}")).collect();
    let bob = all_texts(&mut world, "bob", &at);
    assert_eq!(bob[0], "alice: kept");
    assert_eq!(bob[1..6], lost[..]);
    assert_eq!(bob[6..], ["alice: new"]);
}

/// The browser dies after each effect of the second reading, and reads everything once all the same.
#[rstest]
fn a_second_reading_that_dies_anywhere_reads_everything_once(
    #[values(0, 1, 2, 3, 4, 5, 6, 8, 10)] after: usize,
) {
    let (mut world, at) = three(62);
    let id = world.send("bob", &at, "before");
    world.run(2_000);
    // Of these, the browser keeps no row.
    world.ui("bob", UiEvent::ReactionSet { handle: at.clone(), id, emoji: "👍".into(), on: true });
    world.run(2_000);
    world.network("bob", false);
    let sent: Vec<String> = (0..150).map(|n| format!("alice: {n}")).collect();
    for n in 0..150 {
        world.send("alice", &at, &n.to_string());
        world.run(100);
    }
    world.run(5_000);
    restore(&mut world);
    world.run(5_000);
    world.browser("bob").dies_after = Some(after);
    world.network("bob", true);
    world.run(20_000);
    world.browser("bob").dies_after = None;
    world.reload("bob");
    world.look("bob", &at);
    world.run(20_000);
    for _ in 0..10 {
        world.ui("bob", UiEvent::OlderWanted { handle: at.clone() });
    }
    let bob = all_texts(&mut world, "bob", &at);
    assert_eq!(bob[0], "me: before");
    assert_eq!(bob[1..], sent[..]);
    world.send("bob", &at, "after");
    world.run(5_000);
    assert!(texts(&world, "alice").contains(&"bob: after".to_owned()));
    assert_no_key_used_twice(&world);
}

#[test]
fn who_left_and_came_back_stays_when_the_log_is_read_again() {
    let mut world = people(63, &["alice", "bob", "carol"]);
    let at = create(&mut world, "alice", "Hiking", &["bob", "carol"]);
    for who in ["bob", "carol"] {
        change(&mut world, who, &at, GroupChange::Accept);
    }
    change(&mut world, "carol", &at, GroupChange::Leave);
    world.run(20_000);
    assert_eq!(members(&world, "alice"), ["alice*", "bob"]);
    change(&mut world, "alice", &at, GroupChange::Add("carol".into()));
    world.run(20_000);
    change(&mut world, "carol", &at, GroupChange::Accept);
    change(&mut world, "alice", &at, GroupChange::Rename("Climbing".into()));
    restore(&mut world);
    world.run(60_000);
    for who in ["alice", "bob", "carol"] {
        world.send(who, &at, &format!("from {who}"));
        world.run(3_000);
    }
    for who in ["alice", "bob", "carol"] {
        assert_eq!(members(&world, who), ["alice*", "bob", "carol"], "{who}");
        let got = texts(&world, who);
        assert_eq!(got.iter().filter(|row| row.contains("from ")).count(), 3, "{who}: {got:?}");
        assert!(!rows(&world, who).contains(&"[rejoined]".to_owned()), "{who}");
    }
}
