//! This browser's NATS key: generated here, bound to the account by a signed statement, renewed before it expires.

use kez_core::nkey::{Role, SecretNkey};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::kernel::event::StorageFault;
use crate::kernel::record::{Kind, Record};
use crate::kernel::secret::Secret;
use crate::kernel::signer::Signer;

/// How long an nkey is bound, in seconds: long enough for a user who signs in once a month.
pub(super) const LIFETIME: u64 = 45 * 24 * 60 * 60;
/// A binding is renewed when at most this much of its lifetime is left, in seconds.
const RENEW_BEFORE: u64 = 15 * 24 * 60 * 60;

/// The record of kind [`Kind::Nkey`].
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct StoredNkey {
    seed: Secret,
    /// Unix seconds; 0 before the server has accepted a binding.
    pub(super) bound_until: u64,
}

impl StoredNkey {
    pub(super) fn random(mut rng: &mut dyn CryptoRng) -> Self {
        let nkey = SecretNkey::random(Role::User, &mut rng);
        Self { seed: Secret::new(nkey.seed_text().as_str()), bound_until: 0 }
    }

    pub(super) fn signer(&self) -> Result<Signer, StorageFault> {
        let nkey = SecretNkey::from_seed_text(self.seed.expose()).map_err(|_| StorageFault::Damaged)?;
        Ok(Signer::new(nkey))
    }

    /// Whether the binding lasts long enough.
    pub(super) const fn is_bound(&self, now: u64) -> bool {
        self.bound_until > now.saturating_add(RENEW_BEFORE)
    }

    pub(super) fn record(&self) -> Record {
        Record::put(Kind::Nkey, "nkey", self)
    }
}
