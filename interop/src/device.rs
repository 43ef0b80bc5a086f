//! Devices, each the only one of its account.

use kez_core::identity::{Primary, SecretIdentity, Seed};
use kez_core::mls::call::Certified;
use kez_core::mls::credential::Credential;
use kez_core::mls::policy::{Account, Kind, Policy, Role};
use kez_core::sigchain::{DeviceId, Hash};

/// A device with its key.
#[derive(Clone)]
pub struct Device {
    /// What its account's chain says of it.
    pub credential: Credential,
    /// The seed of its key.
    pub secret: Seed,
}

impl Device {
    /// The device of the account with this number.
    pub fn new(number: u16) -> Self {
        let [high, low] = number.to_be_bytes();
        let hash = |of: u8| Hash::of(&[high, low, of]);
        let mut device = [0; 16];
        device[..2].copy_from_slice(&[high, low]);
        let credential = Credential {
            root: Primary::from_bytes(*hash(0).as_bytes()),
            device: DeviceId::from_bytes(device),
            seqno: 2,
            link: hash(1),
        };
        Self { credential, secret: Seed::from_bytes(*hash(2).as_bytes()) }
    }

    /// Its public key.
    pub fn key(&self) -> Primary {
        SecretIdentity::from_seed(self.secret.clone()).public().primary()
    }
}

/// What the chains of the first `count` accounts certify.
pub fn certified(count: u16) -> Vec<Certified> {
    let certify =
        |device: Device| Certified { credential: device.credential, key: device.key(), ended: None };
    (0..count).map(Device::new).map(certify).collect()
}

/// The first `count` accounts belong to the group and are admins, so that every member may add and remove every device.
pub fn policy(count: u16) -> Policy {
    let account = |number| Account { root: Device::new(number).credential.root, role: Role::Admin };
    Policy::new(Kind::Group, (0..count).map(account).collect()).unwrap()
}
