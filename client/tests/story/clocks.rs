//! Clocks that are wrong, and that are later corrected.

use kez_client::event::UiEvent;
use kez_client::view::{AccountView, Reason};
use rstest::rstest;

use crate::sim::World;
use crate::two_people::alice_and_bob;

const DAY: i64 = 24 * 3_600_000;

#[test]
fn a_clock_set_back_stops_nothing() {
    let mut world = alice_and_bob(9);
    world.set_clock("alice", DAY);
    world.send("bob", "alice", "one");
    world.run(2_000);
    world.relay_up(false);
    world.run(20_000);
    world.send("alice", "bob", "written while the server was away");
    world.run(5_000);
    world.set_clock("alice", 0);
    world.run(1_000);
    world.relay_up(true);
    world.run(60_000);
    world.send("bob", "alice", "two");
    world.run(60_000);
    assert_eq!(world.texts("alice").last().unwrap(), "them: two");
    assert!(world.texts("bob").contains(&"them: written while the server was away".to_owned()));
}

#[rstest]
#[case::slow(-120_000)]
#[case::fast(360_000)]
#[case::hours(-5 * 3_600_000)]
fn a_wrong_clock_is_reported_and_everything_still_works(#[case] apart: i64) {
    let mut world = World::new(1);
    world.open("alice");
    world.set_clock("alice", apart);
    world.run(1_000);
    world.ui("alice", UiEvent::HandleTyped { text: "alice".into() });
    world.run(1_000);
    world.create_account("alice", "");
    world.run(10_000);
    assert!(matches!(world.view("alice").account, AccountView::Open(_)), "joined");
    let what = world.view("alice").notice.unwrap().what;
    let (wrong_by, is_ahead) = (apart.unsigned_abs() / 1000, apart > 0);
    assert!(
        matches!(what, Reason::ClockApart { seconds, ahead, followed: true }
            if seconds.abs_diff(wrong_by) <= 1 && ahead == is_ahead),
        "{what:?}"
    );
    world.ui("alice", UiEvent::NoticeDismissed);
    world.join("bob", "");
    world.look("bob", "alice");
    world.look("alice", "bob");
    world.run(1_000);
    world.send("bob", "alice", "hello");
    world.send("alice", "bob", "hello yourself");
    world.run(5_000);
    assert_eq!(world.texts("bob"), ["me: hello", "them: hello yourself"]);
    assert!(world.texts("alice").contains(&"them: hello".to_owned()));
    assert!(world.has_stream("alice"));
    assert_eq!(world.view("alice").notice, None, "it is said once");
    world.set_clock("alice", 0);
    world.reload("alice");
    world.send("bob", "alice", "again");
    world.run(5_000);
    assert_eq!(world.texts("alice").last().unwrap(), "them: again");
}

#[test]
fn a_server_clock_days_apart_is_not_followed() {
    let mut world = alice_and_bob(2);
    world.set_clock("alice", 40 * DAY);
    world.reload("alice");
    world.run(10_000);
    assert!(world.view("alice").notice.is_some());
    world.set_clock("alice", 0);
    world.send("bob", "alice", "hello");
    world.run(60_000);
    assert_eq!(world.texts("alice"), ["them: hello"]);
}
