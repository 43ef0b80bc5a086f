//! Key packages, their lifetimes, and Welcomes.

use kez_core::mls::call::{May, Op};
use kez_core::mls::reply::{Fault, Outcome, Why};
use kez_core::time::Timestamp;

use crate::world::{Commit, DAY, Device, advance, assert_same, group_of, item, now, policy, refused};

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn a_package_of_last_resort_joins_more_than_once() {
    let mut bob = Device::new('b', 1);
    let until = Timestamp::from_unix(now().unix() + 60 * DAY);
    let made = bob.call(Op::Packages { count: 2, last_resort: true, until });
    let Outcome::Packages(made) = made else { panic!("{made:?}") };
    assert_eq!(made.iter().map(|one| one.last_resort).collect::<Vec<_>>(), [false, false, true]);
    bob.packages = made.iter().map(|one| one.secret.clone()).collect();
    for _ in 0..2 {
        let [mut alice] = group_of(policy("Ab"), [Device::new('a', 1)]);
        let commit = alice.commit(vec![made[2].mls.clone()], vec![], None, May::default()).unwrap();
        alice.apply(&commit);
        let joined = bob.join(&commit.welcome.unwrap(), &alice.tree());
        assert!(matches!(joined, Outcome::Joined { used: None, .. }), "{joined:?}");
        assert_same(&[&alice, &bob]);
    }
}

#[test]
fn lifetimes_are_judged_when_the_server_stored_the_commit() {
    let [mut alice, mut bob] = group_of(policy("Abc"), [Device::new('a', 1), Device::new('b', 1)]);
    let mut carol = Device::new('c', 1);
    let package = carol.package_until(2 * DAY);
    let add = |alice: &mut Device| alice.commit(vec![package.mls.clone()], vec![], None, May::default());
    let commit = add(&mut alice).unwrap();
    let stored = commit.item();
    // Bob reads it a month later: it was good when it was stored.
    advance(30 * DAY);
    assert_eq!(bob.process(vec![stored]).1, None);
    assert_eq!(alice.process(vec![commit.item()]).1, None, "its author has judged it already");
    // Carol joins a month later too: her leaf has expired, but she is a member.
    assert!(matches!(carol.join(commit.welcome.as_ref().unwrap(), &alice.tree()), Outcome::Joined { .. }));
    assert_same(&[&alice, &bob, &carol]);

    // She cannot be added again with that package, and a commit that was stored too late is refused.
    let [mut alice, mut bob] = group_of(policy("Abc"), [Device::new('a', 1), Device::new('b', 1)]);
    assert_eq!(add(&mut alice).err(), Some(refused(Why::Lifetime, None)));
    let fresh = carol.package_until(2 * DAY);
    let commit = alice.commit(vec![fresh.mls], vec![], None, May::default()).unwrap();
    advance(2 * DAY + 1);
    assert_eq!(bob.process(vec![commit.item()]).1, Some(refused(Why::Lifetime, Some(&alice))));
}

#[test]
fn packages_have_limits() {
    let bob = Device::new('b', 1);
    let make = |count, until: u64| {
        bob.try_call(Op::Packages { count, last_resort: false, until: Timestamp::from_unix(until) }).err()
    };
    let now = now().unix();
    assert_eq!(make(1, now + 89 * DAY), None);
    assert_eq!(make(61, now + DAY), Some(Fault::TooLarge));
    assert_eq!(make(1, now + 90 * DAY), Some(Fault::TooLarge), "with the hour before, that is over 90 days");
    assert_eq!(make(1, now), Some(Fault::TooLarge));
}

#[test]
fn a_foreign_or_damaged_welcome_changes_nothing() {
    let [mut alice] = group_of(policy("Abc"), [Device::new('a', 1)]);
    let (mut bob, mut carol) = (Device::new('b', 1), Device::new('c', 1));
    carol.package();
    let commit = alice.commit(vec![bob.package().mls], vec![], None, May::default()).unwrap();
    alice.apply(&commit);
    let (welcome, tree) = (commit.welcome.clone().unwrap(), alice.tree());
    assert_eq!(carol.join(&welcome, &tree), Outcome::Stopped(refused(Why::NoPackage, None)));
    assert!(carol.group.is_none());

    for at in (0..welcome.len()).step_by(7) {
        let mut changed = welcome.to_vec();
        changed[at] ^= 1;
        let joined = bob.join(&changed.into(), &tree);
        assert!(matches!(joined, Outcome::Stopped(_)), "byte {at}: {joined:?}");
    }
    // The tree of another epoch.
    let refresh = alice.commit(vec![], vec![], None, May::default()).unwrap();
    alice.apply(&refresh);
    assert_eq!(bob.join(&welcome, &alice.tree()), Outcome::Stopped(refused(Why::Invalid, None)));
    assert_eq!(
        bob.join(&welcome, &tree[1..].to_vec().into()),
        Outcome::Stopped(refused(Why::Malformed, None))
    );
    assert!(bob.group.is_none());
    // The right one still works, and then the log.
    assert!(matches!(bob.join(&welcome, &tree), Outcome::Joined { .. }));
    bob.apply(&refresh);
    assert_same(&[&alice, &bob]);
    let text = alice.seal("hello");
    assert_eq!(bob.process(vec![item(&text)]).1, None);
}

#[test]
fn a_rejoin_with_damaged_info_is_refused() {
    let [mut alice, bob] = group_of(policy("Ab"), [Device::new('a', 1), Device::new('b', 1)]);
    let Commit { info, .. } = {
        let refresh = alice.commit(vec![], vec![], None, May::default()).unwrap();
        alice.apply(&refresh);
        refresh
    };
    let (mut second, tree) = (Device::new('b', 2), alice.tree());
    for at in (0..info.len()).step_by(7) {
        let mut changed = info.to_vec();
        changed[at] ^= 1;
        let outcome = second.call(Op::Rejoin { info: changed.into(), tree: tree.clone() });
        assert!(matches!(outcome, Outcome::Stopped(_)), "byte {at}: {outcome:?}");
    }
    let outcome = second.call(Op::Rejoin { info: info.clone(), tree: bob.tree() });
    assert_eq!(outcome, Outcome::Stopped(refused(Why::Invalid, None)), "the tree of the epoch before");
    assert!(matches!(second.call(Op::Rejoin { info, tree }), Outcome::Rejoined { .. }));
}
