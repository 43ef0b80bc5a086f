//! Every rule of groups (docs/SPEC.md, section 15.3), broken by an author with our client, which refuses to make the
//! commit, and by an author without it, whose commit every member and the server refuse.

use kez_core::mls::Bytes;
use kez_core::mls::call::{May, Op};
use kez_core::mls::policy::{Kind, Policy};
use kez_core::mls::reply::{Outcome, Rule};
use mls_rs::extension::ExtensionType;
use mls_rs::{Extension, ExtensionList};

use crate::rogue::{Rogue, extensions, message};
use crate::world::{Commit, Device, group_of, of_kind, policy, refused};

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Alice, an admin, Bob and Mallory's rogue client, all in one group.
struct Scene {
    alice: Device,
    bob: Device,
    mallory: Device,
    rogue: Rogue,
    /// The `GroupInfo` of the present epoch.
    info: Bytes,
    /// The server's state of the present epoch.
    #[cfg(feature = "server")]
    observed: Vec<u8>,
}

impl Scene {
    fn new(with: Policy) -> Self {
        Self::with_rogue(with, Rogue::new(&Device::new('m', 1)))
    }

    fn with_rogue(with: Policy, mut rogue: Rogue) -> Self {
        let devices = [Device::new('a', 1), Device::new('b', 1)];
        let [mut alice, mut bob] = group_of(with, devices);
        let add = alice.commit(vec![rogue.package()], vec![], None, May::default()).unwrap();
        alice.apply(&add);
        bob.apply(&add);
        rogue.join(add.welcome.as_ref().unwrap(), &alice.tree());
        #[cfg(feature = "server")]
        let observed = crate::observer::open(&add.info, &alice.tree()).0;
        Self {
            mallory: Device::new('m', 1),
            info: add.info,
            #[cfg(feature = "server")]
            observed,
            alice,
            bob,
            rogue,
        }
    }

    /// Members and server refuse a commit.
    fn assert_refused(&mut self, (mls, info): (Bytes, Bytes), may: May, rule: Rule, by: &Device) {
        let commit = Commit { mls, info, welcome: None, may };
        let stop = Some(refused(rule, Some(by)));
        for member in [&mut self.alice, &mut self.bob] {
            let state = member.state();
            assert_eq!(member.process(vec![commit.item()]), (vec![], stop.clone()));
            assert_eq!(member.state(), state);
        }
        #[cfg(feature = "server")]
        crate::observer::assert_refused(&self.observed, &commit, rule);
    }
}

fn no_proof() -> May {
    May::default()
}

#[test]
fn only_an_admin_changes_the_policy() {
    let mut scene = Scene::new(policy("Abm"));
    let rule = Rule::PolicyByAdmin;
    for new in ["Abcm", "AbM", "Am", "ABm"] {
        assert_eq!(
            scene.bob.commit(vec![], vec![], Some(policy(new)), no_proof()).err(),
            Some(refused(rule, None))
        );
        let broken =
            scene.rogue.commit(|builder| builder.set_group_context_ext(extensions(&policy(new))).unwrap());
        let by = scene.mallory.clone();
        scene.assert_refused(broken, no_proof(), rule, &by);
    }
    // A statement of Bob takes out Bob alone, and changes no role.
    let may = || May { left: vec![crate::world::root('b')], revoked: vec![] };
    let (by, bob) = (scene.mallory.clone(), scene.rogue.index(&Device::new('b', 1)));
    for new in ["bm", "AM"] {
        let broken = scene.rogue.commit(|builder| {
            builder.remove_member(bob).unwrap().set_group_context_ext(extensions(&policy(new))).unwrap()
        });
        scene.assert_refused(broken, may(), rule, &by);
    }
}

#[test]
fn kind_and_fixed_policies_never_change() {
    let mut scene = Scene::new(policy("ABM"));
    let direct = of_kind(Kind::Direct, "AB");
    let commit = scene.alice.commit(vec![], vec![scene.mallory.leaf()], Some(direct.clone()), no_proof());
    assert_eq!(commit.err(), Some(refused(Rule::Fixed, None)));
    let broken = scene.rogue.commit(|builder| builder.set_group_context_ext(extensions(&direct)).unwrap());
    let by = scene.mallory.clone();
    scene.assert_refused(broken, no_proof(), Rule::Fixed, &by);

    // Of a direct group of Alice and Mallory, not even an admin changes the policy.
    let mut alice = Device::new('a', 1);
    alice.create(of_kind(Kind::Direct, "AM"));
    for new in [of_kind(Kind::Direct, "AB"), policy("AM"), of_kind(Kind::Own, "A")] {
        let commit = alice.commit(vec![], vec![], Some(new), no_proof());
        assert_eq!(commit.err(), Some(refused(Rule::Fixed, None)));
    }
    let mut own = Device::new('b', 1);
    own.create(of_kind(Kind::Own, "B"));
    let commit = own.commit(vec![], vec![], Some(policy("Ab")), no_proof());
    assert_eq!(commit.err(), Some(refused(Rule::Fixed, None)));
}

#[test]
fn the_policy_is_the_only_extension_and_valid() {
    let mut scene = Scene::new(policy("ABM"));
    let by = scene.mallory.clone();
    let mut more = extensions(&policy("ABM"));
    more.set(Extension::new(ExtensionType::new(EXTERNAL_SENDERS), vec![0]));
    let mut invalid = ExtensionList::new();
    let bytes = [policy("ABM").to_bytes(), vec![0]].concat();
    invalid.set(Extension::new(ExtensionType::new(kez_core::mls::policy::EXTENSION), bytes));
    for list in [ExtensionList::new(), more, invalid] {
        let broken = scene.rogue.commit(|builder| builder.set_group_context_ext(list).unwrap());
        scene.assert_refused(broken, no_proof(), Rule::Policy, &by);
    }
}

/// An extension of MLS itself (RFC 9420, section 12.1.8.1).
const EXTERNAL_SENDERS: u16 = 5;

#[test]
fn an_added_device_belongs_to_the_group_and_is_added_by_an_admin_or_its_account() {
    let mut scene = Scene::new(policy("Abm"));
    let package = |letter| Device::new(letter, 2).package().mls;
    let add = |who: &mut Device, letter| who.commit(vec![package(letter)], vec![], None, no_proof()).err();
    assert_eq!(add(&mut scene.alice, 'c'), Some(refused(Rule::AddedOutsider, None)));
    assert_eq!(add(&mut scene.bob, 'c'), Some(refused(Rule::AddedOutsider, None)));
    assert_eq!(add(&mut scene.bob, 'm'), Some(refused(Rule::AddedByMember, None)));
    assert_eq!(add(&mut scene.bob, 'b'), None);
    assert_eq!(add(&mut scene.alice, 'm'), None);
    let by = scene.mallory.clone();
    for (letter, rule) in [('c', Rule::AddedOutsider), ('b', Rule::AddedByMember)] {
        let broken = scene.rogue.commit(|builder| builder.add_member(message(&package(letter))).unwrap());
        scene.assert_refused(broken, no_proof(), rule, &by);
    }
}

#[test]
fn a_device_is_removed_by_its_account_an_admin_or_with_proof() {
    let mut scene = Scene::new(policy("Abm"));
    let (alice, by) = (scene.alice.clone(), scene.mallory.clone());
    let rule = Rule::RemovedByMember;
    let commit = scene.bob.commit(vec![], vec![alice.leaf()], None, no_proof());
    assert_eq!(commit.err(), Some(refused(rule, None)));
    let index = scene.rogue.index(&alice);
    let broken = scene.rogue.commit(|builder| builder.remove_member(index).unwrap());
    // Proof about another device of hers, and a leave without its policy, prove nothing.
    let others = [
        no_proof(),
        May { left: vec![], revoked: vec![Device::new('a', 2).leaf()] },
        May { left: vec![alice.leaf().root], revoked: vec![] },
    ];
    for may in others {
        scene.assert_refused(broken.clone(), may, rule, &by);
    }
    // The right proof.
    let may = May { left: vec![], revoked: vec![alice.leaf()] };
    let commit = Commit { mls: broken.0, info: broken.1, welcome: None, may };
    assert_eq!(scene.bob.apply(&commit).removed, [alice.leaf()]);
}

#[test]
fn no_device_stays_without_its_account() {
    let mut scene = Scene::new(policy("ABM"));
    let commit = scene.alice.commit(vec![], vec![], Some(policy("AM")), no_proof());
    assert_eq!(commit.err(), Some(refused(Rule::Leftover, None)));
    let broken =
        scene.rogue.commit(|builder| builder.set_group_context_ext(extensions(&policy("AM"))).unwrap());
    let by = scene.mallory.clone();
    scene.assert_refused(broken, no_proof(), Rule::Leftover, &by);
    // An admin cannot take out itself: its leaf would stay.
    let commit = scene.alice.commit(vec![], vec![], Some(policy("BM")), no_proof());
    assert_eq!(commit.err(), Some(refused(Rule::Leftover, None)));
}

#[test]
fn only_members_join_by_themselves_and_only_in_their_own_place() {
    let mut scene = Scene::new(policy("Abm"));
    let (info, tree) = (scene.info.clone(), scene.alice.tree());
    let mut carol = Device::new('c', 1);
    let outcome = carol.call(Op::Rejoin { info: info.clone(), tree: tree.clone() });
    assert_eq!(outcome, Outcome::Stopped(refused(Rule::External, None)));

    let external = |device: &Device, removes: Option<u32>| {
        let rogue = Rogue::new(device);
        let tree = mls_rs::mls_rs_codec::MlsDecode::mls_decode(&mut &*tree).unwrap();
        let mut builder = rogue.client.external_commit_builder().unwrap().with_tree_data(tree);
        if let Some(index) = removes {
            builder = builder.with_removal(index);
        }
        let (group, commit) = builder.build(message(&info)).ok()?;
        let info = group.group_info_message_allowing_ext_commit(false).unwrap().to_bytes().unwrap();
        Some((Bytes::from(commit.to_bytes().unwrap()), Bytes::from(info)))
    };
    let broken = external(&carol, None).unwrap();
    scene.assert_refused(broken, no_proof(), Rule::External, &carol);
    // In place of another device, mls-rs makes no such commit, whatever the rules.
    let index = scene.rogue.index(&Device::new('a', 1));
    assert_eq!(external(&Device::new('b', 2), Some(index)), None);
    // A second leaf of the same device.
    assert_eq!(external(&Device::new('b', 1), None), None);
}

#[test]
fn where_no_admin_is_left_every_member_is_one() {
    let mut scene = Scene::new(policy("Abm"));
    let demote = scene.alice.commit(vec![], vec![], Some(policy("abm")), no_proof()).unwrap();
    scene.alice.apply(&demote);
    scene.bob.apply(&demote);
    let promote = scene.bob.commit(vec![], vec![], Some(policy("aBm")), no_proof()).unwrap();
    assert_eq!(scene.alice.apply(&promote).policy, Some(policy("aBm")));
}

#[test]
fn every_commit_has_a_path() {
    let mut scene = Scene::with_rogue(policy("ABM"), Rogue::with_path(&Device::new('m', 1), false));
    let package = message(&Device::new('b', 2).package().mls);
    let broken = scene.rogue.commit(|builder| builder.add_member(package).unwrap());
    let by = scene.mallory.clone();
    scene.assert_refused(broken, no_proof(), Rule::Shape, &by);
}

#[test]
fn proposals_of_other_kinds_are_refused() {
    let mut scene = Scene::new(policy("ABM"));
    let reinit = scene.rogue.commit(|builder| {
        let (version, suite) = (mls_rs::ProtocolVersion::MLS_10, kez_mls::crypto::SUITE);
        builder.reinit(None, version, suite, ExtensionList::new()).unwrap()
    });
    let by = scene.mallory.clone();
    scene.assert_refused(reinit, no_proof(), Rule::Shape, &by);
}

#[test]
fn a_device_has_one_leaf() {
    let mut scene = Scene::new(policy("ABM"));
    let package = Device::new('b', 1).package().mls;
    let twice = scene.alice.commit(vec![package], vec![], None, no_proof());
    assert_eq!(twice.err(), Some(refused(Rule::Twice, None)));
    let [one, two] = [1, 2].map(|_| Device::new('b', 2).package().mls);
    let twice = scene.alice.commit(vec![one, two], vec![], None, no_proof());
    assert_eq!(twice.err(), Some(refused(Rule::Twice, None)));
}

#[test]
fn a_creator_belongs_to_the_group() {
    let alice = Device::new('a', 1);
    let created = alice.try_call(Op::Create { gid: crate::world::GID, policy: policy("Bm") }).unwrap();
    assert_eq!(created.outcome, Outcome::Stopped(refused(Rule::Leftover, None)));
    assert!(created.group.is_none());
}
