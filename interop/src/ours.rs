//! A member with our engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kez_core::identity::Seed;
use kez_core::mls::Bytes;
use kez_core::mls::call::{Call, Certified, Item, May, Me, Op, PackageSecret};
use kez_core::mls::policy::Policy;
use kez_core::mls::reply::{Done, Group, Outcome};
use kez_core::sigchain::Hash;
use kez_core::time::Timestamp;
use kez_mls::engine;

use crate::{Commit, Device, GID, Member, now};

/// A device with `kez-mls`.
pub struct Ours {
    device: Device,
    certified: Arc<[Certified]>,
    group: Option<Group>,
    packages: Vec<PackageSecret>,
    /// The last `GroupInfo` that this member has made.
    info: Option<Bytes>,
}

impl Ours {
    /// A device that is in no group, and the devices that it knows.
    pub fn new(device: Device, certified: &Arc<[Certified]>) -> Self {
        let certified = Arc::clone(certified);
        Self { device, certified, group: None, packages: Vec::new(), info: None }
    }

    /// Decrypts messages in one call.
    pub fn open_all(&mut self, messages: &[Vec<u8>]) -> Vec<Vec<u8>> {
        self.process(messages)
            .into_iter()
            .map(|done| match done {
                Done::Text { text, .. } => text.to_vec(),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    fn call(&mut self, op: Op) -> Outcome {
        static SEEDS: AtomicU64 = AtomicU64::new(0);
        let seed = Hash::of(&SEEDS.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let me = Me { credential: self.device.credential, secret: self.device.secret.clone() };
        let (seed, certified) = (Seed::from_bytes(*seed.as_bytes()), self.certified.to_vec());
        let reply = engine::call(&Call { now: now(), seed, me, certified, op }).unwrap();
        if reply.group.is_some() {
            self.group = reply.group;
        }
        reply.outcome
    }

    fn group(&self) -> &Group {
        self.group.as_ref().unwrap()
    }

    fn state(&self) -> Bytes {
        self.group().state.clone()
    }

    fn process(&mut self, messages: &[Vec<u8>]) -> Vec<Done> {
        let item = |mls: &Vec<u8>| Item { mls: mls.clone().into(), stored_at: now(), may: May::default() };
        let items = messages.iter().map(item).collect();
        let outcome = self.call(Op::Process { state: self.state(), items });
        let Outcome::Processed { done, stop: None } = outcome else { panic!("{outcome:?}") };
        done
    }
}

impl Member for Ours {
    fn create(&mut self, policy: &Policy) {
        let created = self.call(Op::Create { gid: GID, policy: policy.clone() });
        let Outcome::Created { info, .. } = created else { panic!("{created:?}") };
        self.info = Some(info);
    }

    fn package(&mut self) -> Vec<u8> {
        let until = Timestamp::from_unix(now().unix() + 30 * 24 * 60 * 60);
        let Outcome::Packages(made) = self.call(Op::Packages { count: 1, last_resort: false, until }) else {
            panic!("no packages");
        };
        self.packages.push(made[0].secret.clone());
        made[0].mls.to_vec()
    }

    fn join(&mut self, welcome: &[u8], tree: &[u8]) {
        let packages = self.packages.clone();
        let welcome = Op::Welcome { welcome: welcome.to_vec().into(), tree: tree.to_vec().into(), packages };
        let joined = self.call(welcome);
        assert!(matches!(joined, Outcome::Joined { .. }), "{joined:?}");
    }

    fn rejoin(&mut self, info: &[u8], tree: &[u8]) -> Vec<u8> {
        let outcome = self.call(Op::Rejoin { info: info.to_vec().into(), tree: tree.to_vec().into() });
        let Outcome::Rejoined { mls, info } = outcome else { panic!("{outcome:?}") };
        self.info = Some(info);
        mls.to_vec()
    }

    fn commit(&mut self, add: &[Vec<u8>], remove: Option<&Device>) -> Commit {
        let outcome = self.call(Op::Commit {
            state: self.state(),
            add: add.iter().cloned().map(Into::into).collect(),
            remove: remove.map(|device| device.credential.leaf()).into_iter().collect(),
            policy: None,
            may: May::default(),
        });
        let Outcome::Committed { mls, info, welcome } = outcome else { panic!("{outcome:?}") };
        self.info = Some(info);
        Commit { mls: mls.to_vec(), welcome: welcome.map(|welcome| welcome.to_vec()) }
    }

    /// The engine recognises its own commit.
    fn apply(&mut self, mls: &[u8], _own: bool) {
        let done = self.process(&[mls.to_vec()]);
        assert!(matches!(done.as_slice(), [Done::Change(_)]), "{done:?}");
    }

    fn seal(&mut self, text: &[u8]) -> Vec<u8> {
        let outcome = self.call(Op::Seal { state: self.state(), texts: vec![text.to_vec().into()] });
        let Outcome::Sealed(sealed) = outcome else { panic!("{outcome:?}") };
        sealed[0].mls.to_vec()
    }

    fn open(&mut self, mls: &[u8]) -> Vec<u8> {
        self.open_all(&[mls.to_vec()]).remove(0)
    }

    fn agreed(&self) -> (u64, Vec<u8>) {
        (self.group().epoch, self.group().authenticator.to_vec())
    }

    fn export(&mut self) -> (Vec<u8>, Vec<u8>) {
        let beside = self.info.clone().expect("a GroupInfo of its own");
        let outcome = self.call(Op::Export { state: self.state(), beside });
        let Outcome::Exported { info, tree, .. } = outcome else { panic!("{outcome:?}") };
        (info.to_vec(), tree.to_vec())
    }

    fn stored(&self) -> usize {
        self.group().state.len()
    }
}
