//! This browser as a device of the account: a key of its own, which the account's sigchain certifies.
//!
//! The key is generated here and never leaves this browser. Removing the device ends this browser's part in the account.

use kez_core::identity::{PublicIdentity, SecretIdentity, Seed};
use kez_core::sigchain::{Chain, Device, DeviceId};
use kez_core::time::Timestamp;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::kernel::record::{Kind, Record, StorageFault};
use crate::kernel::seed::StoredSeed;

/// The id of the record of kind [`Kind::Device`].
const DEVICE: &str = "device";

/// The name of every device in its link, which anyone can read for ever.
const PUBLIC_NAME: &str = "browser";

/// How long a device is certified, in seconds: five years.
const LIFETIME: u64 = 5 * 365 * 24 * 60 * 60;

/// This browser's device.
pub(crate) struct OwnDevice {
    stored: StoredDevice,
    key: SecretIdentity,
}

/// The record of kind [`Kind::Device`].
#[derive(Clone, Serialize, Deserialize)]
struct StoredDevice {
    id: DeviceId,
    seed: StoredSeed,
}

/// What the account's sigchain says about a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is not in the chain.
    New,
    /// It is certified.
    Live,
    /// The time for which it was certified is over.
    Expired,
    /// It was revoked.
    Removed,
}

impl OwnDevice {
    /// A new device.
    pub(crate) fn random(mut rng: &mut dyn CryptoRng) -> Self {
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        Self::of(StoredDevice { id: DeviceId::from_bytes(id), seed: StoredSeed(Seed::random(&mut rng)) })
    }

    /// Loads the record.
    ///
    /// # Errors
    /// [`StorageFault`] when the record cannot be read.
    pub(crate) fn load(record: &Record) -> Result<Self, StorageFault> {
        record.read().map(Self::of)
    }

    fn of(stored: StoredDevice) -> Self {
        let key = SecretIdentity::from_seed(stored.seed.0.clone());
        Self { stored, key }
    }

    /// The record.
    pub(crate) fn record(&self) -> Record {
        Record::put(Kind::Device, DEVICE, &self.stored)
    }

    /// The id.
    pub(crate) const fn id(&self) -> DeviceId {
        self.stored.id
    }

    /// The key.
    pub(crate) const fn key(&self) -> &SecretIdentity {
        &self.key
    }

    /// What this chain, the account's own, says about the device.
    pub(crate) fn standing(&self, chain: &Chain, now: Timestamp) -> Standing {
        match chain.device(&self.id()) {
            None => Standing::New,
            // An id names one device for ever: another key under it leaves none for this browser.
            Some(known) if known.is_revoked() || known.device.key != self.key.public() => Standing::Removed,
            Some(known) if known.is_live(now) => Standing::Live,
            Some(_) => Standing::Expired,
        }
    }
}

/// What a chain is to certify of a device from `now` on.
pub(crate) fn certificate(device: DeviceId, key: PublicIdentity, now: Timestamp) -> Option<Device> {
    let expires_at = Timestamp::from_unix(now.unix().saturating_add(LIFETIME));
    Some(Device { device, key, name: PUBLIC_NAME.parse().ok()?, expires_at })
}
