//! The engine is a function: the same call gives the same bytes, natively and in WASM.

use kez_core::mls::call::{Call, May, Op};
use kez_core::mls::reply::Reply;
use kez_core::sigchain::Hash;
use kez_mls::engine;

use crate::world::{Device, group_of, item, policy};

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// The SHA-256 over all calls and replies of the story below. It is the same on every platform and with every feature.
const STORY: &str = "b2641d2142c23db2cbefd3482bd8cf876a227b088a33edf8829920900cb597b4";

#[test]
fn the_same_call_gives_the_same_bytes_on_every_platform() {
    crate::world::restart();
    let mut transcript = Vec::new();
    let mut run = |call: &Call| -> Reply {
        let reply = engine::call(call).unwrap();
        let bytes = postcard::to_allocvec(&reply).unwrap();
        assert_eq!(postcard::to_allocvec(&engine::call(call).unwrap()).unwrap(), bytes);
        transcript.extend_from_slice(Hash::of(&postcard::to_allocvec(call).unwrap()).as_bytes());
        transcript.extend_from_slice(Hash::of(&bytes).as_bytes());
        reply
    };
    let [mut alice, mut bob] = group_of(policy("ABc"), [Device::new('a', 1), Device::new('b', 1)]);
    let mut carol = Device::new('c', 1);
    let package = carol.package().mls;
    let (state, may) = (alice.state(), May::default());
    let commit =
        run(&alice.request(Op::Commit { state, add: vec![package], remove: vec![], policy: None, may }));
    alice.group = commit.group;
    let kez_core::mls::reply::Outcome::Committed { mls, info, welcome } = commit.outcome else { panic!() };
    for device in [&mut alice, &mut bob] {
        let applied = run(&device.request(Op::Process { state: device.state(), items: vec![item(&mls)] }));
        device.group = applied.group;
    }
    let (welcome, tree, packages) = (welcome.unwrap(), alice.tree(), carol.packages.clone());
    carol.group = run(&carol.request(Op::Welcome { welcome, tree: tree.clone(), packages })).group;
    run(&carol
        .request(Op::Seal { state: carol.state(), texts: vec![b"hello".to_vec().into(), vec![].into()] }));
    run(&alice.request(Op::Export { state: alice.state(), beside: info.clone() }));
    run(&Device::new('c', 2).request(Op::Rejoin { info, tree }));
    run(&alice.request(Op::Create { gid: crate::world::GID, policy: policy("A") }));
    let until = kez_core::time::Timestamp::from_unix(crate::world::NOW + crate::world::DAY);
    run(&alice.request(Op::Packages { count: 2, last_resort: true, until }));
    assert_eq!(Hash::of(&transcript).to_string(), STORY);
}

#[test]
fn another_seed_gives_other_bytes() {
    let [alice] = group_of(policy("A"), [Device::new('a', 1)]);
    let op = Op::Seal { state: alice.state(), texts: vec![b"hello".to_vec().into()] };
    let [one, two] = [alice.request(op.clone()), alice.request(op)].map(|call| engine::call(&call).unwrap());
    assert_ne!(one.outcome, two.outcome);
    assert_eq!(one.group, two.group, "the ratchet does not depend on it");
}
