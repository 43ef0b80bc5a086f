//! What several devices of a group could do is done by one of them.

use std::cell::RefCell;
use std::rc::Rc;

use kez_client::event::GroupChange;
use rstest::rstest;

use crate::groups::{change, create, group, members, people};
use crate::restore::restore;
use crate::sim::World;

const FIVE: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];

/// The bodies of different requests that were posted to a group.
type Posts = Rc<RefCell<Vec<String>>>;

/// Records what is posted to a group from now on: to its commits or to its messages.
pub(crate) fn posts(world: &mut World, at: &str, what: &str) -> Posts {
    let posts = Posts::default();
    let (recorded, target) = (posts.clone(), format!("/v1/groups/{}/{what}", at.strip_prefix("g/").unwrap()));
    world.relay.script = Some(Box::new(move |request, response| {
        let body = request.body.clone().unwrap_or_default();
        if request.target == target && !recorded.borrow().contains(&body) {
            recorded.borrow_mut().push(body);
        }
        response
    }));
    posts
}

/// A group of five who have all replaced their keys.
fn five(chance: u64) -> (World, String) {
    let mut world = people(chance, &FIVE);
    let at = create(&mut world, "alice", "Hiking", &FIVE[1..]);
    world.run(2 * 60 * 60 * 1000);
    (world, at)
}

#[rstest]
fn one_commit_removes_who_leaves(#[values(1, 2, 3, 4, 5, 6)] chance: u64) {
    let (mut world, at) = five(chance);
    let commits = posts(&mut world, &at, "commits");
    change(&mut world, "erin", &at, GroupChange::Leave);
    assert_eq!(members(&world, "alice"), ["alice*", "bob", "carol", "dave"], "at once");
    world.run(120_000);
    assert_eq!(commits.borrow().len(), 1);
}

#[test]
fn who_is_offline_is_followed_by_the_next_one() {
    let mut waited = Vec::new();
    for offline in &FIVE[..4] {
        let (mut world, at) = five(7);
        let commits = posts(&mut world, &at, "commits");
        world.network(offline, false);
        let witness = if *offline == "alice" { "bob" } else { "alice" };
        let gid = at.strip_prefix("g/").unwrap().to_owned();
        let leaves = kez_client::event::UiEvent::GroupChanged { gid, change: GroupChange::Leave };
        world.ui("erin", leaves);
        let begun = world.now;
        while members(&world, witness).len() == 5 {
            world.run(100);
        }
        waited.push(world.now - begun);
        world.run(120_000);
        assert_eq!(commits.borrow().len(), 1, "without {offline}");
    }
    waited.sort_unstable();
    assert!(waited[..3].iter().all(|waited| *waited < 1_000), "{waited:?}: the first one was there");
    assert!((2_000..3_000).contains(&waited[3]), "{waited:?}: the second one did it");
}

#[test]
fn one_admin_tells_a_new_device_the_name() {
    let (mut world, at) = five(8);
    for who in ["bob", "carol", "dave"] {
        change(&mut world, "alice", &at, GroupChange::Promote(who.into()));
    }
    let words = world.words("erin");
    let messages = posts(&mut world, &at, "messages");
    restore(&mut world, "erin's phone", &words);
    world.run(200_000);
    world.look("erin's phone", &at);
    assert_eq!(group(&world, "erin's phone").name, "Hiking");
    assert_eq!(messages.borrow().len(), 1);
}
