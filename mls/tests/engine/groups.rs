//! Groups as clients live them.

use kez_core::mls::call::{May, Op};
use kez_core::mls::policy::Kind;
use kez_core::mls::reply::{Change, Done, Outcome, Stop, Why};

use crate::world::{Device, GID, assert_same, group_of, item, of_kind, policy, refused};

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn people_are_added_write_and_are_removed() {
    let (mut alice, mut bob, mut carol) = (Device::new('a', 1), Device::new('b', 1), Device::new('c', 1));
    let (info, _) = alice.create(policy("A"));
    assert!(!info.is_empty() && alice.group().epoch == 0 && alice.group().gid == GID);

    // Adds Bob, with the policy, in one commit.
    let package = bob.package();
    let commit = alice.commit(vec![package.mls], vec![], Some(policy("Ab")), May::default()).unwrap();
    assert!(alice.group().pending && alice.group().epoch == 0, "nothing is applied before the log has it");
    let change = alice.apply(&commit);
    let expected = Change {
        epoch: 1,
        by: alice.leaf(),
        added: vec![bob.leaf()],
        removed: vec![],
        policy: Some(policy("Ab")),
        external: false,
    };
    assert_eq!(change, expected);
    assert!(!alice.group().pending);
    let joined = bob.join(commit.welcome.as_ref().unwrap(), &alice.tree());
    let Outcome::Joined { by, used: Some(used) } = joined else { panic!("{joined:?}") };
    assert_eq!((by, used.0), (alice.leaf(), package.secret.reference));
    assert_same(&[&alice, &bob]);

    // A third, then messages both ways.
    let package = carol.package();
    let commit = alice.commit(vec![package.mls], vec![], Some(policy("Abc")), May::default()).unwrap();
    for member in [&mut alice, &mut bob] {
        assert_eq!(member.apply(&commit).added, [Device::new('c', 1).leaf()]);
    }
    carol.join(commit.welcome.as_ref().unwrap(), &alice.tree());
    assert_same(&[&alice, &bob, &carol]);
    assert_eq!(carol.group().generation, 0);
    for (generation, text) in ["one", "two"].iter().enumerate() {
        let sealed = carol.seal(text);
        assert_eq!(carol.group().generation as usize, generation + 1);
        assert_eq!(sealed.len(), 145 + text.len(), "no padding of MLS");
        for reader in [&mut alice, &mut bob] {
            let read = reader.read(&sealed);
            let Done::Text { by, generation: opened, text: read } = read else { panic!("{read:?}") };
            assert_eq!(
                (by, opened as usize, &*read),
                (Device::new('c', 1).leaf(), generation, text.as_bytes())
            );
        }
        assert_eq!(carol.read(&sealed), Done::Own, "a device cannot open its own message");
    }

    // Removes Bob: he learns it, and reads nothing after.
    let bob_leaf = bob.leaf();
    let commit = alice.commit(vec![], vec![bob_leaf], Some(policy("Ac")), May::default()).unwrap();
    alice.apply(&commit);
    carol.apply(&commit);
    let later = carol.seal("without Bob");
    let state = bob.state();
    let (done, stop) = bob.process(vec![commit.item(), item(&later)]);
    assert!(matches!(&done[..], [Done::Change(change)] if change.removed == [bob_leaf]));
    assert_eq!(stop, Some(refused(Why::Removed, None)));
    assert_eq!(bob.state(), state, "his state stays in the last epoch that he could read");
    assert!(matches!(alice.read(&later), Done::Text { .. }));
    assert_same(&[&alice, &carol]);
}

#[test]
fn a_device_joins_by_itself_and_replaces_its_own_leaf() {
    let [mut alice, mut bob] = group_of(policy("Ab"), [Device::new('a', 1), Device::new('b', 1)]);
    // A second device of Bob, by external commit.
    let refresh = alice.commit(vec![], vec![], None, May::default()).unwrap();
    for member in [&mut alice, &mut bob] {
        member.apply(&refresh);
    }
    let mut second = Device::new('b', 2);
    let joined = second.call(Op::Rejoin { info: refresh.info.clone(), tree: alice.tree() });
    let Outcome::Rejoined { mls, info } = joined else { panic!("{joined:?}") };
    let join = crate::world::Commit { mls, info, welcome: None, may: May::default() };
    for member in [&mut alice, &mut bob] {
        let change = member.apply(&join);
        assert_eq!((change.by, change.external), (second.leaf(), true));
        assert!(change.added.is_empty() && change.removed.is_empty());
    }
    assert_same(&[&alice, &bob, &second]);

    // The first loses its storage: it takes its own place.
    let mut again = Device::new('b', 1);
    let joined = again.call(Op::Rejoin { info: join.info.clone(), tree: alice.tree() });
    let Outcome::Rejoined { mls, info } = joined else { panic!("{joined:?}") };
    let join = crate::world::Commit { mls, info, welcome: None, may: May::default() };
    for member in [&mut alice, &mut second] {
        assert!(member.apply(&join).removed.is_empty());
    }
    assert_same(&[&alice, &second, &again]);
    assert_eq!(again.group().leaves.len(), 3);
    // What they show of the group is enough for others to join, and tells its states apart.
    for (beside, same) in [(&join.info, true), (&refresh.info, false)] {
        let op = Op::Export { state: alice.state(), beside: beside.clone() };
        let Outcome::Exported { info, tree, is_same } = alice.call(op) else { panic!("not exported") };
        assert_eq!((is_same, &tree), (same, &alice.tree()));
        let mut third = Device::new('b', 3);
        assert!(matches!(third.call(Op::Rejoin { info, tree }), Outcome::Rejoined { .. }));
    }
    let malformed = Op::Export { state: alice.state(), beside: b"no info".to_vec().into() };
    assert!(matches!(alice.call(malformed), Outcome::Stopped(_)));
    // The old storage meets a commit of its own device that it does not know.
    assert_eq!(bob.process(vec![join.item()]), (vec![], Some(Stop::Own)));
    let text = again.seal("back");
    assert!(matches!(alice.read(&text), Done::Text { by, .. } if by == again.leaf()));
    assert!(matches!(second.read(&text), Done::Text { by, .. } if by == again.leaf()));
}

#[test]
fn of_two_commits_one_wins_and_drops_the_other() {
    let [mut alice, mut bob] = group_of(policy("AB"), [Device::new('a', 1), Device::new('b', 1)]);
    let won = alice.commit(vec![], vec![], None, May::default()).unwrap();
    let lost = bob.commit(vec![], vec![], None, May::default()).unwrap();
    assert!(bob.group().pending);
    for member in [&mut alice, &mut bob] {
        assert_eq!(member.apply(&won).by, Device::new('a', 1).leaf());
        assert!(!member.group().pending);
    }
    assert_same(&[&alice, &bob]);
    let (done, stop) = alice.process(vec![lost.item()]);
    assert_eq!((done.len(), stop), (0, Some(refused(Why::WrongEpoch, None))));
    // Bob makes his again, and it counts.
    let again = bob.commit(vec![], vec![], None, May::default()).unwrap();
    for member in [&mut alice, &mut bob] {
        member.apply(&again);
    }
    assert_same(&[&alice, &bob]);
}

#[test]
fn a_storage_older_than_the_log_meets_its_own_commit() {
    let [mut alice, mut bob] = group_of(policy("AB"), [Device::new('a', 1), Device::new('b', 1)]);
    let mut old = alice.clone();
    let commit = alice.commit(vec![], vec![], None, May::default()).unwrap();
    bob.apply(&commit);
    assert_eq!(old.process(vec![commit.item()]), (vec![], Some(Stop::Own)));
    assert!(matches!(alice.apply(&commit), Change { epoch: 2, .. }));
    assert_same(&[&alice, &bob]);
}

#[test]
fn messages_and_commits_are_one_straight_line() {
    let [mut alice, mut bob] = group_of(policy("Ab"), [Device::new('a', 1), Device::new('b', 1)]);
    let before = bob.seal("before");
    let commit = alice.commit(vec![], vec![], None, May::default()).unwrap();
    let also_before = alice.seal("also before");
    bob.apply(&commit);
    let after = bob.seal("after");
    // In one call: the last message of an epoch, the commit, a message of the past epoch, one of the present.
    let (done, stop) = alice.process(vec![item(&before), commit.item(), item(&before), item(&after)]);
    assert_eq!(stop, None);
    assert!(matches!(&done[0], Done::Text { text, .. } if **text == *b"before"));
    assert!(matches!(&done[1], Done::Change(Change { epoch: 2, .. })));
    assert_eq!(done[2], Done::Unreadable(Why::WrongEpoch));
    assert!(matches!(&done[3], Done::Text { text, .. } if **text == *b"after"));
    assert_eq!(bob.read(&also_before), Done::Unreadable(Why::WrongEpoch), "a past epoch is never opened");
}

#[test]
fn direct_and_own_groups_are_groups() {
    let [alice, bob] = group_of(of_kind(Kind::Direct, "AB"), [Device::new('a', 1), Device::new('b', 1)]);
    assert_eq!((alice.group().policy.kind(), bob.group().policy.kind()), (Kind::Direct, Kind::Direct));
    let [mut first, second] = group_of(of_kind(Kind::Own, "A"), [Device::new('a', 1), Device::new('a', 2)]);
    let commit = first.commit(vec![], vec![second.leaf()], None, May::default()).unwrap();
    assert_eq!(first.apply(&commit).removed, [second.leaf()]);
}

#[test]
fn leaving_and_revoked_devices_are_removed_by_every_member() {
    let devices = [Device::new('a', 1), Device::new('b', 1), Device::new('c', 1), Device::new('c', 2)];
    let [mut alice, mut bob, carol, carol2] = group_of(policy("Abc"), devices);
    // Carol's chain has revoked her second device.
    let may = May { left: vec![], revoked: vec![carol2.leaf()] };
    let commit = bob.commit(vec![], vec![carol2.leaf()], None, may).unwrap();
    for member in [&mut alice, &mut bob] {
        assert_eq!(member.apply(&commit).removed, [carol2.leaf()]);
    }
    // Carol has left.
    let may = May { left: vec![carol.leaf().root], revoked: vec![] };
    let commit = bob.commit(vec![], vec![carol.leaf()], Some(policy("Ab")), may).unwrap();
    for member in [&mut alice, &mut bob] {
        let change = member.apply(&commit);
        assert_eq!((change.removed, change.policy), (vec![carol.leaf()], Some(policy("Ab"))));
    }
    assert_same(&[&alice, &bob]);
}
