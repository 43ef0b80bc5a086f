//! Devices with their certified keys, and calls on their behalf.

use std::cell::Cell;

use kez_core::identity::{Primary, SecretIdentity, Seed};
use kez_core::mls::call::{Call, Certified, Item, May, Me, Op, PackageSecret};
use kez_core::mls::credential::Credential;
use kez_core::mls::policy::{Account, Kind, Policy, Role};
use kez_core::mls::reply::{Change, Done, Fault, Group, Outcome, Package, Reply, Stop, Why};
use kez_core::mls::{Bytes, GroupId, LeafId};
use kez_core::sigchain::{DeviceId, Hash};
use kez_core::time::Timestamp;
use kez_mls::engine;

pub const NOW: u64 = 1_790_000_000;
pub const DAY: u64 = 24 * 60 * 60;
pub const GID: GroupId = GroupId::from_bytes([0xAB; 16]);

thread_local! {
    /// What time it is for the devices of this test, and how many seeds they have used.
    static CLOCK: Cell<u64> = const { Cell::new(NOW) };
    static SEEDS: Cell<u64> = const { Cell::new(0) };
}

pub fn now() -> Timestamp {
    Timestamp::from_unix(CLOCK.get())
}

pub fn advance(seconds: u64) {
    CLOCK.set(CLOCK.get() + seconds);
}

/// Begins anew with time and seeds: in WASM all tests share one thread.
pub fn restart() {
    CLOCK.set(NOW);
    SEEDS.set(0);
}

/// A fresh seed, the same ones in every run.
pub fn fresh_seed() -> Seed {
    SEEDS.set(SEEDS.get() + 1);
    Seed::from_bytes(*Hash::of(&SEEDS.get().to_be_bytes()).as_bytes())
}

/// The root of the account with this letter.
pub fn root(letter: char) -> Primary {
    Primary::from_bytes(*Hash::of(letter.to_string().as_bytes()).as_bytes())
}

/// A device, with what it keeps.
#[derive(Clone)]
pub struct Device {
    pub credential: Credential,
    pub secret: Seed,
    pub group: Option<Group>,
    pub packages: Vec<PackageSecret>,
}

impl Device {
    /// The device with this number of the account with this letter.
    pub fn new(letter: char, number: u8) -> Self {
        let credential = Credential {
            root: root(letter),
            device: DeviceId::from_bytes([number; 16]),
            seqno: u64::from(number) + 1,
            link: Hash::of(format!("{letter}{number}").as_bytes()),
        };
        let secret = Seed::from_bytes(*Hash::of(format!("key of {letter}{number}").as_bytes()).as_bytes());
        Self { credential, secret, group: None, packages: Vec::new() }
    }

    pub fn leaf(&self) -> LeafId {
        self.credential.leaf()
    }

    pub fn keys(&self) -> SecretIdentity {
        SecretIdentity::from_seed(self.secret.clone())
    }

    pub fn certified(&self) -> Certified {
        Certified { credential: self.credential, key: self.keys().public().primary(), ended: None }
    }

    pub fn request(&self, op: Op) -> Call {
        let me = Me { credential: self.credential, secret: self.secret.clone() };
        Call { now: now(), seed: fresh_seed(), me, certified: all_devices(), op }
    }

    pub fn try_call(&self, op: Op) -> Result<Reply, Fault> {
        engine::call(&self.request(op))
    }

    /// Calls and keeps the new state.
    pub fn call(&mut self, op: Op) -> Outcome {
        let reply = self.try_call(op).unwrap();
        if reply.group.is_some() {
            self.group = reply.group;
        }
        reply.outcome
    }

    pub fn group(&self) -> &Group {
        self.group.as_ref().unwrap()
    }

    pub fn state(&self) -> Bytes {
        self.group().state.clone()
    }

    /// Makes one key package and keeps its secret.
    pub fn package(&mut self) -> Package {
        self.package_until(30 * DAY)
    }

    pub fn package_until(&mut self, seconds: u64) -> Package {
        let until = Timestamp::from_unix(now().unix() + seconds);
        let made = self.call(Op::Packages { count: 1, last_resort: false, until });
        let Outcome::Packages(mut made) = made else { panic!("{made:?}") };
        let package = made.remove(0);
        self.packages.push(package.secret.clone());
        package
    }

    pub fn create(&mut self, policy: Policy) -> (Bytes, Bytes) {
        let created = self.call(Op::Create { gid: GID, policy });
        let Outcome::Created { info, tree } = created else { panic!("{created:?}") };
        (info, tree)
    }

    /// Makes a commit, or says why not.
    pub fn commit(
        &mut self,
        add: Vec<Bytes>,
        remove: Vec<LeafId>,
        policy: Option<Policy>,
        may: May,
    ) -> Result<Commit, Stop> {
        let (state, proof) = (self.state(), may.clone());
        match self.call(Op::Commit { state, add, remove, policy, may }) {
            Outcome::Committed { mls, info, welcome } => Ok(Commit { mls, info, welcome, may: proof }),
            Outcome::Stopped(stop) => Err(stop),
            other => panic!("{other:?}"),
        }
    }

    pub fn seal(&mut self, text: &str) -> Bytes {
        let state = self.state();
        let sealed = self.call(Op::Seal { state, texts: vec![text.as_bytes().to_vec().into()] });
        let Outcome::Sealed(mut sealed) = sealed else { panic!("{sealed:?}") };
        sealed.remove(0).mls
    }

    pub fn process(&mut self, items: Vec<Item>) -> (Vec<Done>, Option<Stop>) {
        let state = self.state();
        let processed = self.call(Op::Process { state, items });
        let Outcome::Processed { done, stop } = processed else { panic!("{processed:?}") };
        (done, stop)
    }

    /// Applies a commit that must be good.
    pub fn apply(&mut self, commit: &Commit) -> Change {
        match self.process(vec![commit.item()]) {
            (mut done, None) => match done.remove(0) {
                Done::Change(change) => change,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    pub fn read(&mut self, mls: &Bytes) -> Done {
        let (mut done, stop) = self.process(vec![item(mls)]);
        assert_eq!(stop, None);
        done.remove(0)
    }

    pub fn join(&mut self, welcome: &Bytes, tree: &Bytes) -> Outcome {
        let packages = self.packages.clone();
        self.call(Op::Welcome { welcome: welcome.clone(), tree: tree.clone(), packages })
    }

    /// The tree of the group, for a newcomer: what the server has.
    pub fn tree(&self) -> Bytes {
        crate::rogue::tree_of(self)
    }
}

/// A commit for the log.
#[derive(Clone)]
pub struct Commit {
    pub mls: Bytes,
    pub info: Bytes,
    pub welcome: Option<Bytes>,
    pub may: May,
}

impl Commit {
    pub fn item(&self) -> Item {
        Item { mls: self.mls.clone(), stored_at: now(), may: self.may.clone() }
    }
}

pub fn item(mls: &Bytes) -> Item {
    Item { mls: mls.clone(), stored_at: now(), may: May::default() }
}

/// All devices that these tests certify: three of each of five accounts.
pub fn all_devices() -> Vec<Certified> {
    "abcdm".chars().flat_map(|letter| (1..=3).map(move |n| Device::new(letter, n).certified())).collect()
}

/// A policy of a group, such as `"A bc"`: capitals are admins.
pub fn policy(accounts: &str) -> Policy {
    of_kind(Kind::Group, accounts)
}

pub fn of_kind(kind: Kind, accounts: &str) -> Policy {
    let account = |letter: char| {
        let role = if letter.is_uppercase() { Role::Admin } else { Role::Member };
        Account { root: root(letter.to_ascii_lowercase()), role }
    };
    Policy::new(kind, accounts.chars().map(account).collect()).unwrap()
}

pub fn refused(why: impl Into<Why>, by: Option<&Device>) -> Stop {
    Stop::Refused { why: why.into(), by: by.map(Device::leaf) }
}

/// A group in which each of these devices is a leaf, all in the same state. The first one has created it.
pub fn group_of<const N: usize>(policy: Policy, mut devices: [Device; N]) -> [Device; N] {
    let packages: Vec<_> = devices[1..].iter_mut().map(|device| device.package().mls).collect();
    devices[0].create(policy);
    if !packages.is_empty() {
        let commit = devices[0].commit(packages, vec![], None, May::default()).unwrap();
        devices[0].apply(&commit);
        let (tree, welcome) = (devices[0].tree(), commit.welcome.unwrap());
        for device in &mut devices[1..] {
            assert!(matches!(device.join(&welcome, &tree), Outcome::Joined { .. }));
        }
    }
    assert_same(&devices.each_ref());
    devices
}

/// All are in the same epoch with the same secrets.
pub fn assert_same(devices: &[&Device]) {
    for device in devices {
        assert_eq!(device.group().epoch, devices[0].group().epoch);
        assert_eq!(device.group().authenticator, devices[0].group().authenticator);
        assert_eq!(device.group().leaves, devices[0].group().leaves);
        assert_eq!(device.group().policy, devices[0].group().policy);
    }
}
