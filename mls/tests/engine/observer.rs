//! The server's side: it follows a group without its secrets.

use kez_core::mls::Bytes;
use kez_core::mls::call::{May, Op};
use kez_core::mls::reply::{Outcome, Rule, Stop, Why};
use kez_core::time::Timestamp;
use kez_mls::key_package::{self, BadPackage};
use kez_mls::observer::{self, Applied, Posted};

use crate::rogue::Rogue;
use crate::world::{Commit, DAY, Device, all_devices, group_of, now, policy, refused};

pub fn open(info: &Bytes, tree: &Bytes) -> (Vec<u8>, u64) {
    let observed = observer::open(info, tree, &all_devices()).unwrap();
    (observed.state, observed.epoch)
}

fn apply(state: &[u8], commit: &Commit) -> Result<Applied, Stop> {
    let Commit { mls, info, welcome, may } = commit;
    let posted = Posted { mls, info, welcome: welcome.as_deref(), may, stored_at: now() };
    observer::apply(state, &posted, &all_devices())
}

pub fn assert_refused(state: &[u8], commit: &Commit, rule: Rule) {
    // A rogue's commit comes without the Welcome of whom it adds; with a foreign one it is refused all the same.
    match apply(state, commit) {
        Err(Stop::Refused { why, .. }) => assert!(why == Why::Rule(rule) || why == Why::Invalid, "{why:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_follows_a_group() {
    let mut alice = Device::new('a', 1);
    let (info, tree) = alice.create(policy("A"));
    let created = observer::open(&info, &tree, &all_devices()).unwrap();
    assert_eq!((created.epoch, created.by, &created.leaves), (0, alice.leaf(), &vec![alice.leaf()]));
    assert_eq!((created.gid, created.policy, &created.tree[..]), (crate::world::GID, policy("A"), &*tree));

    let mut bob = Device::new('b', 1);
    let package = bob.package();
    let commit = alice.commit(vec![package.mls], vec![], Some(policy("Ab")), May::default()).unwrap();
    let applied = apply(&created.state, &commit).unwrap();
    assert_eq!(applied.change, alice.apply(&commit), "the server and members see the same change");
    assert_eq!(applied.welcomed, [bob.leaf()]);
    assert_eq!(applied.group.leaves, alice.group().leaves);
    assert_eq!(applied.group.tree[..], *alice.tree());
    let tree: Bytes = applied.group.tree.clone().into();
    bob.join(commit.welcome.as_ref().unwrap(), &tree);

    // An external commit at the tree that the server keeps.
    let mut second = Device::new('b', 2);
    let joined = second.call(Op::Rejoin { info: commit.info.clone(), tree });
    let Outcome::Rejoined { mls, info } = joined else { panic!("{joined:?}") };
    let join = Commit { mls, info, welcome: None, may: May::default() };
    let applied = apply(&applied.group.state, &join).unwrap();
    assert_eq!((applied.change.by, applied.change.external), (second.leaf(), true));
    assert_eq!(applied.group.leaves, second.group().leaves);
    assert_eq!(applied.group.epoch, 2);
    assert_eq!(apply(&applied.group.state, &join), Err(refused(Why::WrongEpoch, None)));
}

#[test]
fn the_group_info_belongs_to_the_commit() {
    let [mut alice, mut bob] = group_of(policy("AB"), [Device::new('a', 1), Device::new('b', 1)]);
    let refresh = alice.commit(vec![], vec![], None, May::default()).unwrap();
    alice.apply(&refresh);
    bob.apply(&refresh);
    let state = open(&refresh.info, &alice.tree()).0;
    let one = alice.commit(vec![], vec![], None, May::default()).unwrap();
    let two = bob.commit(vec![], vec![], None, May::default()).unwrap();
    assert!(apply(&state, &one).is_ok() && apply(&state, &two).is_ok());
    let infos = [
        (two.info.clone(), Why::Invalid),     // of the other commit
        (refresh.info.clone(), Why::Invalid), // of the epoch before
        (one.mls.clone(), Why::Malformed),    // no GroupInfo
        (one.info[1..].to_vec().into(), Why::Malformed),
    ];
    for (info, why) in infos {
        let other = Commit { info, ..one.clone() };
        assert!(
            matches!(apply(&state, &other), Err(Stop::Refused { why: found, .. }) if found == why),
            "{why:?}"
        );
    }
    // The same context and tag, signed by another member.
    alice.apply(&one);
    bob.apply(&one);
    let mut rogue = Rogue::new(&bob);
    rogue.adopt(&bob);
    let info = rogue.group().group_info_message_allowing_ext_commit(false).unwrap();
    let other = Commit { info: info.to_bytes().unwrap().into(), ..one.clone() };
    assert_eq!(apply(&state, &other), Err(refused(Why::Invalid, Some(&alice))));
    // Without the key for external commits no device could ever join at this state.
    rogue.adopt(&alice);
    let info = rogue.group().group_info_message(false).unwrap();
    let other = Commit { info: info.to_bytes().unwrap().into(), ..one.clone() };
    assert_eq!(apply(&state, &other), Err(refused(Rule::Shape, Some(&alice))));
    let mut flips = 0;
    for at in (0..one.info.len()).step_by(7) {
        let mut changed = one.info.to_vec();
        changed[at] ^= 1;
        assert!(apply(&state, &Commit { info: changed.into(), ..one.clone() }).is_err(), "byte {at}");
        flips += 1;
    }
    assert!(flips > 30, "{flips}");
}

#[test]
fn a_welcome_is_for_the_added_devices() {
    let [mut alice] = group_of(policy("Abc"), [Device::new('a', 1)]);
    let refresh = alice.commit(vec![], vec![], None, May::default()).unwrap();
    alice.apply(&refresh);
    let state = open(&refresh.info, &alice.tree()).0;
    let add = |alice: &mut Device, letter| {
        let package = Device::new(letter, 1).package().mls;
        alice.commit(vec![package], vec![], None, May::default()).unwrap()
    };
    let (bob, carol) = (add(&mut alice, 'b'), add(&mut alice, 'c'));
    assert!(apply(&state, &bob).is_ok());
    for welcome in [None, carol.welcome.clone(), Some(carol.mls.clone())] {
        let other = Commit { welcome, ..bob.clone() };
        assert_eq!(apply(&state, &other), Err(refused(Why::Invalid, Some(&alice))));
    }
    let empty = alice.commit(vec![], vec![], None, May::default()).unwrap();
    let other = Commit { welcome: bob.welcome.clone(), ..empty.clone() };
    assert_eq!(apply(&state, &other), Err(refused(Why::Invalid, Some(&alice))));
    assert_eq!(apply(&state, &empty).unwrap().welcomed, []);
}

#[test]
fn a_server_refuses_unknown_devices_and_foreign_states() {
    let mut alice = Device::new('a', 1);
    let (info, tree) = alice.create(policy("A"));
    let unknown = Err(Stop::Unknown(vec![alice.leaf()]));
    assert_eq!(observer::open(&info, &tree, &[Device::new('b', 1).certified()]), unknown);
    assert!(observer::open(&tree, &info, &all_devices()).is_err());
    let commit = alice.commit(vec![], vec![], None, May::default()).unwrap();
    for state in [vec![], vec![1], vec![2, 3, 4]] {
        assert_eq!(apply(&state, &commit), Err(refused(Why::Malformed, None)));
    }
    let state = open(&info, &tree).0;
    let text = Commit { mls: alice.seal("text"), ..commit };
    assert_eq!(apply(&state, &text), Err(refused(Why::Malformed, None)));
}

#[test]
fn a_key_package_is_checked_before_it_is_handed_out() {
    let mut bob = Device::new('b', 1);
    let package = bob.package();
    let checked = key_package::check(&package.mls, now()).unwrap();
    assert_eq!((checked.root, checked.device), (bob.leaf().root, bob.leaf().device));
    assert_eq!((checked.seqno, checked.link), (bob.credential.seqno, bob.credential.link));
    assert_eq!(checked.key, bob.certified().key);
    assert_eq!(checked.reference, *package.secret.reference.as_bytes());
    assert_eq!(checked.not_before.unix(), now().unix() - 3600);
    assert_eq!(checked.not_after.unix(), now().unix() + 30 * DAY);
    assert!(!checked.last_resort);
    let until = Timestamp::from_unix(now().unix() + 60 * DAY);
    let Outcome::Packages(made) = bob.call(Op::Packages { count: 0, last_resort: true, until }) else {
        panic!()
    };
    assert!(key_package::check(&made[0].mls, now()).unwrap().last_resort);

    let at = |seconds: u64| key_package::check(&package.mls, Timestamp::from_unix(seconds)).err();
    let now = now().unix();
    assert_eq!((at(now - 3601), at(now - 3600)), (Some(BadPackage::Lifetime), None));
    assert_eq!((at(now + 29 * DAY), at(now + 29 * DAY + 1)), (None, Some(BadPackage::Lifetime)));
    // A year is too long.
    let long = Rogue::new(&bob).package();
    assert_eq!(key_package::check(&long, crate::world::now()), Err(BadPackage::Lifetime));
    for flip in 0..package.mls.len() {
        let mut changed = package.mls.to_vec();
        changed[flip] ^= 1;
        assert!(key_package::check(&changed, crate::world::now()).is_err(), "byte {flip}");
    }
    assert_eq!(key_package::check(b"", crate::world::now()), Err(BadPackage::Malformed));
}
