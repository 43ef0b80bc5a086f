//! The MLS engine behind the client's trait, natively: every call and reply passes through the bytes that a worker and its
//! module exchange.

use kez_client::engine::{EngineFault, GroupEngine};
use kez_core::identity::{SecretIdentity, Seed};
use kez_core::mls::GroupId;
use kez_core::mls::call::{Call, Certified, Me, Op};
use kez_core::mls::credential::Credential;
use kez_core::mls::policy::{Account, Kind, Policy, Role};
use kez_core::mls::reply::{Fault, Outcome, Reply};
use kez_core::sigchain::{DeviceId, Hash};
use kez_core::time::Timestamp;

/// The engine as a function.
struct Native;

impl GroupEngine for Native {
    fn call(&mut self, call: &Call) -> Result<Reply, EngineFault> {
        let call: Call = through_bytes(call);
        let reply = kez_mls::engine::call(&call)?;
        Ok(through_bytes(&reply))
    }
}

fn through_bytes<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    postcard::from_bytes(&postcard::to_allocvec(value).unwrap()).unwrap()
}

#[test]
fn a_client_creates_a_group_and_seals_through_the_trait() {
    let mut engine: Box<dyn GroupEngine> = Box::new(Native);
    let secret = Seed::from_bytes([3; 32]);
    let keys = SecretIdentity::from_seed(secret.clone());
    let root = SecretIdentity::from_seed(Seed::from_bytes([1; 32])).public().primary();
    let credential =
        Credential { root, device: DeviceId::from_bytes([2; 16]), seqno: 2, link: Hash::of(b"the link") };
    let mut ask = |seed: u8, op: Op| {
        let call = Call {
            now: Timestamp::from_unix(1_790_000_000),
            seed: Seed::from_bytes([seed; 32]),
            me: Me { credential, secret: secret.clone() },
            certified: vec![Certified { credential, key: keys.public().primary(), ended: None }],
            op,
        };
        engine.call(&call)
    };
    let policy = Policy::new(Kind::Own, vec![Account { root, role: Role::Admin }]).unwrap();
    let gid = GroupId::from_bytes([7; 16]);
    let created = ask(1, Op::Create { gid, policy }).unwrap();
    let group = created.group.unwrap();
    assert_eq!((group.gid, group.epoch, group.leaves), (gid, 0, vec![credential.leaf()]));
    let sealed = ask(2, Op::Seal { state: group.state, texts: vec![b"{}".to_vec().into()] }).unwrap();
    assert!(matches!(&sealed.outcome, Outcome::Sealed(sealed) if sealed[0].generation == 0));
    assert_eq!(sealed.group.unwrap().generation, 1);
    let damaged = ask(3, Op::Seal { state: vec![1, 2, 3].into(), texts: vec![] });
    assert_eq!(damaged.err(), Some(EngineFault::Refused(Fault::DamagedState)));
}
