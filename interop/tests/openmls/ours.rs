//! A member with our engine.

use std::sync::atomic::{AtomicU64, Ordering};

use kez_core::identity::Seed;
use kez_core::mls::call::{Call, Certified, Item, May, Me, Op, PackageSecret};
use kez_core::mls::reply::{Done, Group, Outcome};
use kez_core::sigchain::Hash;
use kez_core::time::Timestamp;
use kez_mls::engine;

use super::{ACCOUNTS, Commit, Device, now};

pub(crate) struct Ours {
    device: Device,
    group: Option<Group>,
    packages: Vec<PackageSecret>,
}

impl Ours {
    pub(crate) fn new(device: Device) -> Self {
        Self { device, group: None, packages: Vec::new() }
    }

    fn call(&mut self, op: Op) -> Outcome {
        static SEEDS: AtomicU64 = AtomicU64::new(0);
        let seed = Hash::of(&SEEDS.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let certified = (0..ACCOUNTS).map(Device::new);
        let certified = certified
            .map(|one| Certified { credential: one.credential, key: one.key(), ended: None })
            .collect();
        let me = Me { credential: self.device.credential, secret: self.device.secret.clone() };
        let call = Call { now: now(), seed: Seed::from_bytes(*seed.as_bytes()), me, certified, op };
        let reply = engine::call(&call).unwrap();
        if reply.group.is_some() {
            self.group = reply.group;
        }
        reply.outcome
    }

    fn group(&self) -> &Group {
        self.group.as_ref().unwrap()
    }

    pub(crate) fn package(&mut self) -> Vec<u8> {
        let until = Timestamp::from_unix(now().unix() + 30 * 24 * 60 * 60);
        let Outcome::Packages(made) = self.call(Op::Packages { count: 1, last_resort: false, until }) else {
            panic!("no packages");
        };
        self.packages.push(made[0].secret.clone());
        made[0].mls.to_vec()
    }

    pub(crate) fn join(&mut self, welcome: &[u8], tree: &[u8]) {
        let packages = self.packages.clone();
        let welcome = Op::Welcome { welcome: welcome.to_vec().into(), tree: tree.to_vec().into(), packages };
        let joined = self.call(welcome);
        assert!(matches!(joined, Outcome::Joined { .. }), "{joined:?}");
    }

    pub(crate) fn rejoin(&mut self, info: &[u8], tree: &[u8]) -> Vec<u8> {
        let outcome = self.call(Op::Rejoin { info: info.to_vec().into(), tree: tree.to_vec().into() });
        let Outcome::Rejoined { mls, .. } = outcome else { panic!("{outcome:?}") };
        mls.to_vec()
    }

    pub(crate) fn commit(&mut self, add: Option<Vec<u8>>, remove: Option<&Device>) -> Commit {
        let outcome = self.call(Op::Commit {
            state: self.group().state.clone(),
            add: add.into_iter().map(Into::into).collect(),
            remove: remove.map(|device| device.credential.leaf()).into_iter().collect(),
            policy: None,
            may: May::default(),
        });
        let Outcome::Committed { mls, welcome, .. } = outcome else { panic!("{outcome:?}") };
        Commit { mls: mls.to_vec(), welcome: welcome.map(|welcome| welcome.to_vec()) }
    }

    fn process(&mut self, mls: &[u8]) -> Done {
        let item = Item { mls: mls.to_vec().into(), stored_at: now(), may: May::default() };
        let outcome = self.call(Op::Process { state: self.group().state.clone(), items: vec![item] });
        let Outcome::Processed { mut done, stop: None } = outcome else { panic!("{outcome:?}") };
        done.remove(0)
    }

    pub(crate) fn apply(&mut self, mls: &[u8]) {
        let done = self.process(mls);
        assert!(matches!(done, Done::Change(_)), "{done:?}");
    }

    pub(crate) fn seal(&mut self, text: &[u8]) -> Vec<u8> {
        let outcome =
            self.call(Op::Seal { state: self.group().state.clone(), texts: vec![text.to_vec().into()] });
        let Outcome::Sealed(sealed) = outcome else { panic!("{outcome:?}") };
        sealed[0].mls.to_vec()
    }

    pub(crate) fn open(&mut self, mls: &[u8]) -> Vec<u8> {
        match self.process(mls) {
            Done::Text { text, .. } => text.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn state(&self) -> (u64, Vec<u8>) {
        (self.group().epoch, self.group().authenticator.to_vec())
    }
}
