//! What goes wrong, and what it leaves behind: nothing.

use kez_core::mls::Bytes;
use kez_core::mls::call::{Certified, Item, MAX_ITEM_BYTES, MAX_ITEMS, May, Op};
use kez_core::mls::reply::{Done, Fault, Outcome, Reply, Stop, Why};
use kez_core::sigchain::Hash;
use kez_core::time::Timestamp;
use kez_mls::engine;

use crate::rogue::Rogue;
use crate::world::{Device, advance, all_devices, assert_same, group_of, item, now, policy, refused};

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn one_flipped_bit_in_every_seventh_byte_of_a_commit_is_refused() {
    let [mut alice, mut bob] = group_of(policy("Abc"), [Device::new('a', 1), Device::new('b', 1)]);
    let package = Device::new('c', 1).package();
    let commit = alice.commit(vec![package.mls], vec![], None, May::default()).unwrap();
    let state = bob.state();
    let mut flips = 0;
    for at in (0..commit.mls.len()).step_by(7) {
        let mut changed = commit.mls.to_vec();
        changed[at] ^= 1 << (at % 8);
        let (done, stop) = bob.process(vec![item(&changed.into())]);
        let refused = done.is_empty() && stop.is_some() || matches!(done[..], [Done::Unreadable(_)]);
        assert!(refused, "byte {at}: {done:?} {stop:?}");
        assert_eq!(bob.state(), state, "byte {at}");
        flips += 1;
    }
    assert!(flips > 80, "{flips}");
    bob.apply(&commit);
    alice.apply(&commit);
    assert_same(&[&alice, &bob]);
}

#[test]
fn a_failed_message_costs_nothing() {
    let [mut alice, mut bob] = group_of(policy("Ab"), [Device::new('a', 1), Device::new('b', 1)]);
    let [first, second] = ["first", "second"].map(|text| alice.seal(text));
    // Every flipped bit is unreadable, and the message itself stays readable.
    for at in (0..second.len()).step_by(7) {
        let mut changed = second.to_vec();
        changed[at] ^= 1;
        let (done, stop) = bob.process(vec![item(&changed.into())]);
        assert!(matches!(done[..], [Done::Unreadable(_)]) || stop.is_some(), "byte {at}: {done:?}");
    }
    assert!(matches!(bob.read(&first), Done::Text { generation: 0, .. }));
    assert_eq!(bob.read(&first), Done::Unreadable(Why::KeyMissing), "a doubled ciphertext");
    assert!(matches!(bob.read(&second), Done::Text { generation: 1, .. }));
    // Skipped generations are gone, since the log is one line, but the next one is readable.
    let [skipped, third] = ["skipped", "third"].map(|text| alice.seal(text));
    assert!(matches!(bob.read(&third), Done::Text { generation: 3, .. }));
    assert_eq!(bob.read(&skipped), Done::Unreadable(Why::KeyMissing));
}

#[test]
fn unknown_devices_are_named_all_of_them() {
    let devices = [Device::new('a', 1), Device::new('b', 1), Device::new('c', 1)];
    let [mut alice, bob, carol] = group_of(policy("Abcd"), devices);
    let mut dave = Device::new('d', 1);
    let (one, two) = (dave.package().mls, Device::new('d', 2).package().mls);
    let commit = alice.commit(vec![one, two], vec![], None, May::default()).unwrap();
    let known = |leaves: &[&Device]| -> Vec<Certified> { leaves.iter().map(|one| one.certified()).collect() };
    let run = |device: &Device, certified: Vec<Certified>, op: Op| {
        let mut call = device.request(op);
        call.certified = certified;
        engine::call(&call).unwrap()
    };
    let process = Op::Process { state: bob.state(), items: vec![commit.item()] };
    let reply = run(&bob, known(&[&alice, &bob, &carol]), process);
    let unknown = vec![dave.leaf(), Device::new('d', 2).leaf()];
    let group = reply.group.unwrap();
    assert_eq!(group.epoch, 1, "the cursor stays before the commit");
    assert_eq!(
        reply.outcome,
        Outcome::Processed { done: vec![], stop: Some(Stop::Unknown(unknown.clone())) }
    );

    alice.apply(&commit);
    let (welcome, tree, packages) = (commit.welcome.unwrap(), alice.tree(), dave.packages.clone());
    let reply = run(&dave, known(&[&dave]), Op::Welcome { welcome, tree, packages });
    let mut others = vec![alice.leaf(), bob.leaf(), carol.leaf(), unknown[1]];
    others.sort();
    assert_eq!(reply, Reply { group: None, outcome: Outcome::Stopped(Stop::Unknown(others)) });
}

#[test]
fn a_leaf_that_contradicts_its_chain_is_refused() {
    let [mut alice, bob] = group_of(policy("Abc"), [Device::new('a', 1), Device::new('b', 1)]);
    let mut carol = Device::new('c', 1);
    let commit = alice.commit(vec![carol.package().mls], vec![], None, May::default()).unwrap();
    type Break = fn(&mut Certified);
    let breaks: [Break; 3] = [
        |one| one.credential.link = Hash::of(b"another link"),
        |one| one.credential.seqno += 1,
        |one| one.key = Device::new('c', 2).certified().key,
    ];
    for break_it in breaks {
        let mut call = bob.request(Op::Process { state: bob.state(), items: vec![commit.item()] });
        let known = call.certified.iter_mut().find(|one| one.credential == carol.credential).unwrap();
        break_it(known);
        let stop = Some(refused(Why::Contradicted, Some(&alice)));
        assert_eq!(engine::call(&call).unwrap().outcome, Outcome::Processed { done: vec![], stop });
    }
}

#[test]
fn a_device_that_is_no_longer_live_makes_no_leaf() {
    let devices = [Device::new('a', 1), Device::new('b', 1), Device::new('c', 1)];
    let [mut alice, bob, mut carol] = group_of(policy("ABC"), devices);
    let mut second = Device::new('c', 2);
    let add = alice.commit(vec![second.package().mls], vec![], None, May::default()).unwrap();
    let update = carol.commit(vec![], vec![], None, May::default()).unwrap();
    let ends = now().unix() + 100;
    let ask = |device: &Device, ended: &Device, op: Op| {
        let mut call = device.request(op);
        let known = call.certified.iter_mut().find(|one| one.credential == ended.credential).unwrap();
        known.ended = Some(Timestamp::from_unix(ends));
        engine::call(&call)
    };
    for (commit, ended, by) in [(&add, &second, &alice), (&update, &carol, &carol)] {
        let process = |stored_at| {
            let item = Item { stored_at: Timestamp::from_unix(stored_at), ..commit.item() };
            ask(&bob, ended, Op::Process { state: bob.state(), items: vec![item] }).unwrap().outcome
        };
        assert!(matches!(process(ends - 1), Outcome::Processed { stop: None, .. }));
        let stop = Some(refused(Why::NotLive, Some(by)));
        assert_eq!(process(ends), Outcome::Processed { done: vec![], stop });
    }
    // Its leaf keeps no newcomer out, and it can no longer call.
    alice.apply(&add);
    let (welcome, tree, packages) = (add.welcome.unwrap(), alice.tree(), second.packages.clone());
    advance(200);
    let joined = ask(&second, &carol, Op::Welcome { welcome, tree, packages }).unwrap();
    assert!(matches!(joined.outcome, Outcome::Joined { .. }));
    let seal = Op::Seal { state: carol.state(), texts: vec![] };
    assert_eq!(ask(&carol, &carol, seal).err(), Some(Fault::NotCertified));
}

#[test]
fn the_caller_must_be_a_certified_device_with_its_own_state() {
    let [alice, bob] = group_of(policy("Ab"), [Device::new('a', 1), Device::new('b', 1)]);
    let mut call = alice.request(Op::Seal { state: alice.state(), texts: vec![] });
    call.me.secret = bob.secret.clone();
    assert_eq!(engine::call(&call).err(), Some(Fault::NotCertified));
    let mut call = alice.request(Op::Seal { state: alice.state(), texts: vec![] });
    call.certified.retain(|one| one.credential != alice.credential);
    assert_eq!(engine::call(&call).err(), Some(Fault::NotCertified));
    let foreign = Op::Seal { state: bob.state(), texts: vec![] };
    assert_eq!(alice.try_call(foreign).err(), Some(Fault::NotCertified));
}

#[test]
fn a_damaged_state_is_a_fault() {
    let [alice] = group_of(policy("A"), [Device::new('a', 1)]);
    let state = alice.state();
    let seal = |state: Vec<u8>| alice.try_call(Op::Seal { state: state.into(), texts: vec![] }).err();
    assert_eq!(seal(vec![]), Some(Fault::DamagedState));
    assert_eq!(seal([&[2], &state[1..]].concat()), Some(Fault::DamagedState), "of another version");
    for length in (1..state.len()).step_by(13) {
        assert!(seal(state[..length].to_vec()).is_some(), "{length}");
    }
    assert_eq!(seal(state.to_vec()), None);
}

#[test]
fn a_call_has_limits() {
    let [alice] = group_of(policy("A"), [Device::new('a', 1)]);
    let process = |items: Vec<Item>| alice.try_call(Op::Process { state: alice.state(), items }).err();
    let small: Bytes = vec![0; 10].into();
    assert_eq!(process(vec![item(&small); MAX_ITEMS]), None);
    assert_eq!(process(vec![item(&small); MAX_ITEMS + 1]), Some(Fault::TooLarge));
    let half: Bytes = vec![0; MAX_ITEM_BYTES / 2].into();
    assert_eq!(process(vec![item(&half); 2]), None);
    assert_eq!(process(vec![item(&half), item(&half), item(&small)]), Some(Fault::TooLarge));
    let seal = |texts: Vec<Bytes>| alice.try_call(Op::Seal { state: alice.state(), texts }).err();
    assert_eq!(seal(vec![half.clone(), half.clone(), small]), Some(Fault::TooLarge));
}

/// Left-over epochs of a former state would make mls-rs refuse the next commit after a rejoin. No state keeps any.
#[test]
fn a_rejoin_after_many_epochs_goes_on() {
    let [mut alice, mut bob] = group_of(policy("Ab"), [Device::new('a', 1), Device::new('b', 1)]);
    let mut last = None;
    for _ in 0..4 {
        let refresh = alice.commit(vec![], vec![], None, May::default()).unwrap();
        alice.apply(&refresh);
        bob.apply(&refresh);
        last = Some(refresh);
    }
    let lengths = (alice.state().len(), bob.state().len());
    let info = last.unwrap().info;
    let joined = bob.call(Op::Rejoin { info, tree: alice.tree() });
    let Outcome::Rejoined { mls, .. } = joined else { panic!("{joined:?}") };
    assert_eq!(alice.process(vec![item(&mls)]).1, None);
    for _ in 0..2 {
        let refresh = alice.commit(vec![], vec![], None, May::default()).unwrap();
        alice.apply(&refresh);
        bob.apply(&refresh);
    }
    assert_same(&[&alice, &bob]);
    assert!(alice.state().len() < lengths.0 + 300, "no past epoch in the state");
}

/// A poisoned commit: all members refuse it, rejoin, and go on; its author is named.
#[test]
fn a_group_heals_after_a_commit_that_only_members_refuse() {
    let mallory = Device::new('m', 1);
    let mut rogue = Rogue::new(&mallory);
    let [mut alice, mut bob] = group_of(policy("Abm"), [Device::new('a', 1), Device::new('b', 1)]);
    let add = alice.commit(vec![rogue.package()], vec![], None, May::default()).unwrap();
    alice.apply(&add);
    bob.apply(&add);
    rogue.join(add.welcome.as_ref().unwrap(), &alice.tree());
    let (commit, info) = rogue.commit(|builder| builder);
    // The last byte belongs to the membership tag.
    let mut poisoned = commit.to_vec();
    *poisoned.last_mut().unwrap() ^= 1;
    let stop = bob.process(vec![item(&poisoned.into())]).1;
    assert_eq!(stop, Some(refused(Why::BadTag, Some(&mallory))));

    rogue.group().apply_pending_commit().unwrap();
    let tree: Bytes = rogue.group().export_tree().to_bytes().unwrap().into();
    let joined = alice.call(Op::Rejoin { info, tree });
    let Outcome::Rejoined { mls, info } = joined else { panic!("{joined:?}") };
    assert_eq!(alice.group().leaves.len(), 3);
    let tree = alice.tree();
    let joined = bob.call(Op::Rejoin { info, tree });
    let Outcome::Rejoined { mls: second, .. } = joined else { panic!("{joined:?}") };
    assert_eq!(alice.process(vec![item(&second)]).1, None);
    assert!(!mls.is_empty());
    let out = alice.commit(vec![], vec![mallory.leaf()], Some(policy("Ab")), May::default()).unwrap();
    alice.apply(&out);
    bob.apply(&out);
    assert_same(&[&alice, &bob]);
}

#[test]
fn every_device_is_certified_once() {
    let all = all_devices();
    assert!(all.iter().all(|one| all.iter().filter(|other| other.credential == one.credential).count() == 1));
}
