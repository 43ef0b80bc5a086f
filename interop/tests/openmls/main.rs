//! Our engine and openmls in the same group: Welcomes, commits, external commits and messages, both ways.

mod ours;
mod theirs;

use std::time::SystemTime;

use kez_core::identity::{Primary, SecretIdentity, Seed};
use kez_core::mls::GroupId;
use kez_core::mls::credential::Credential;
use kez_core::mls::policy::{Account, Kind, Policy, Role};
use kez_core::sigchain::{DeviceId, Hash};
use kez_core::time::Timestamp;

use ours::Ours;
use theirs::Theirs;

/// How many accounts, with one device each. Even ones run our engine, odd ones openmls.
const ACCOUNTS: u8 = 8;
const GID: GroupId = GroupId::from_bytes([0xC0; 16]);

/// openmls reads the clock itself, so all live in the present.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::from_unix(since.as_secs())
}

#[derive(Clone)]
struct Device {
    credential: Credential,
    secret: Seed,
}

impl Device {
    fn new(number: u8) -> Self {
        let root = Primary::from_bytes(*Hash::of(&[number]).as_bytes());
        let device = DeviceId::from_bytes([number; 16]);
        let credential = Credential { root, device, seqno: 2, link: Hash::of(&[number, 1]) };
        Self { credential, secret: Seed::from_bytes(*Hash::of(&[number, 2]).as_bytes()) }
    }

    fn key(&self) -> Primary {
        SecretIdentity::from_seed(self.secret.clone()).public().primary()
    }
}

/// All accounts belong to the group and are admins, so that every member may add and remove every device.
fn policy() -> Policy {
    let account = |number| Account { root: Device::new(number).credential.root, role: Role::Admin };
    Policy::new(Kind::Group, (0..ACCOUNTS).map(account).collect()).unwrap()
}

enum Member {
    Ours(Box<Ours>),
    Theirs(Box<Theirs>),
}

/// A commit for the log, and what comes with it.
struct Commit {
    mls: Vec<u8>,
    welcome: Option<Vec<u8>>,
}

impl Member {
    fn new(number: u8) -> Self {
        let device = Device::new(number);
        if number % 2 == 0 {
            Self::Ours(Box::new(Ours::new(device)))
        } else {
            Self::Theirs(Box::new(Theirs::new(device)))
        }
    }

    fn package(&mut self) -> Vec<u8> {
        match self {
            Self::Ours(one) => one.package(),
            Self::Theirs(one) => one.package(),
        }
    }

    fn join(&mut self, welcome: &[u8], tree: &[u8]) {
        match self {
            Self::Ours(one) => one.join(welcome, tree),
            Self::Theirs(one) => one.join(welcome, tree),
        }
    }

    /// Joins by an external commit, in its own place if it has one.
    fn rejoin(&mut self, info: &[u8], tree: &[u8]) -> Vec<u8> {
        match self {
            Self::Ours(one) => one.rejoin(info, tree),
            Self::Theirs(one) => one.rejoin(info, tree),
        }
    }

    fn commit(&mut self, add: Option<Vec<u8>>, remove: Option<&Device>) -> Commit {
        match self {
            Self::Ours(one) => one.commit(add, remove),
            Self::Theirs(one) => one.commit(add, remove),
        }
    }

    /// Applies a commit. A member applies its own commit too.
    fn apply(&mut self, mls: &[u8], own: bool) {
        match self {
            Self::Ours(one) => one.apply(mls),
            Self::Theirs(one) => one.apply(mls, own),
        }
    }

    fn seal(&mut self, text: &[u8]) -> Vec<u8> {
        match self {
            Self::Ours(one) => one.seal(text),
            Self::Theirs(one) => one.seal(text),
        }
    }

    fn open(&mut self, mls: &[u8]) -> Vec<u8> {
        match self {
            Self::Ours(one) => one.open(mls),
            Self::Theirs(one) => one.open(mls),
        }
    }

    /// The epoch and its authenticator.
    fn state(&self) -> (u64, Vec<u8>) {
        match self {
            Self::Ours(one) => one.state(),
            Self::Theirs(one) => one.state(),
        }
    }
}

/// The group: members by number, and the `GroupInfo` and tree that a server would have.
struct World {
    members: Vec<(u8, Member)>,
    info: Vec<u8>,
    tree: Vec<u8>,
}

impl World {
    /// Created by openmls, with a member of ours beside it, which from now on exports what newcomers need.
    fn new() -> Self {
        let mut theirs = Theirs::new(Device::new(1));
        theirs.create(&policy());
        let mut world =
            Self { members: vec![(1, Member::Theirs(Box::new(theirs)))], info: Vec::new(), tree: Vec::new() };
        world.publish();
        world.add(0, 0);
        world
    }

    fn publish(&mut self) {
        let exporter = self.members.iter().find_map(|(_, member)| match member {
            Member::Theirs(one) => Some(one.export()),
            Member::Ours(_) => None,
        });
        (self.info, self.tree) = exporter.expect("a member with openmls");
    }

    /// All members apply a commit by the member at a place, and agree.
    fn apply(&mut self, mls: &[u8], by: Option<usize>) {
        for (place, (_, member)) in self.members.iter_mut().enumerate() {
            member.apply(mls, by == Some(place));
        }
        self.agree();
        self.publish();
    }

    fn agree(&self) {
        let first = self.members[0].1.state();
        for (number, member) in &self.members {
            assert_eq!(member.state(), first, "member {number}");
        }
    }

    fn add(&mut self, by: usize, number: u8) {
        let mut newcomer = Member::new(number);
        let package = newcomer.package();
        let commit = self.members[by].1.commit(Some(package), None);
        self.apply(&commit.mls, Some(by));
        newcomer.join(&commit.welcome.expect("a Welcome"), &self.tree);
        self.members.push((number, newcomer));
        self.agree();
    }

    fn remove(&mut self, by: usize, at: usize) {
        let device = Device::new(self.members[at].0);
        let commit = self.members[by].1.commit(None, Some(&device));
        let (gone, _) = self.members.remove(at);
        assert_ne!(self.members.len(), 0, "{gone} was not alone");
        self.apply(&commit.mls, Some(if at < by { by - 1 } else { by }));
    }

    fn update(&mut self, by: usize) {
        let commit = self.members[by].1.commit(None, None);
        self.apply(&commit.mls, Some(by));
    }

    /// A device joins by itself; if it is a member, it has lost its state.
    fn rejoin(&mut self, number: u8) {
        self.members.retain(|(member, _)| *member != number);
        let mut newcomer = Member::new(number);
        let commit = newcomer.rejoin(&self.info, &self.tree);
        self.apply(&commit, None);
        self.members.push((number, newcomer));
        self.agree();
    }

    fn write(&mut self, by: usize, text: &[u8]) {
        let sealed = self.members[by].1.seal(text);
        for (place, (number, member)) in self.members.iter_mut().enumerate() {
            if place != by {
                assert_eq!(member.open(&sealed), text, "member {number}");
            }
        }
    }
}

#[test]
fn both_engines_are_members_of_one_group() {
    let mut world = World::new();
    for by in 0..2 {
        world.write(by, b"hello");
        world.update(by);
    }
    // Each adds one of each kind.
    world.add(0, 2);
    world.add(1, 3);
    world.add(0, 5);
    world.add(1, 4);
    for by in 0..world.members.len() {
        world.write(by, format!("from {by}").as_bytes());
    }
    // A new device of each kind by itself, and one in place of its own leaf.
    for number in [6, 7, 4, 5] {
        world.rejoin(number);
        let last = world.members.len() - 1;
        world.write(last, b"I am back");
    }
    // Each removes one of each kind.
    world.remove(0, 3);
    world.remove(1, 2);
    for by in 0..world.members.len() {
        world.update(by);
        world.write(by, b"after");
    }
}

#[test]
fn random_steps_keep_all_in_one_state() {
    let steps = std::env::var("KEZ_INTEROP_STEPS").map_or(40, |steps| steps.parse().unwrap());
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut draw = move |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    let mut world = World::new();
    for step in 0..steps {
        let by = draw(world.members.len());
        let absent: Vec<u8> =
            (0..ACCOUNTS).filter(|number| world.members.iter().all(|(member, _)| member != number)).collect();
        match draw(6) {
            0 if !absent.is_empty() => world.add(by, absent[draw(absent.len())]),
            1 if world.members.len() > 3 => {
                let at = draw(world.members.len());
                // One with openmls stays, to export what newcomers need.
                if at != by && world.members[at].0 != 1 {
                    world.remove(by, at);
                }
            }
            2 => world.update(by),
            3 => {
                let number = draw(usize::from(ACCOUNTS)) as u8;
                if number != 1 {
                    world.rejoin(number);
                }
            }
            _ => world.write(by, format!("step {step}").as_bytes()),
        }
    }
    println!("{steps} steps, epoch {}, {} members", world.members[0].1.state().0, world.members.len());
}
