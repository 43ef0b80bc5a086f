//! Seeds of keys, in the form in which records hold them.

use kez_core::identity::Seed;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// A seed in serialisable form. The record that holds it is sealed before it is stored.
#[derive(Clone)]
pub(crate) struct StoredSeed(pub(crate) Seed);

impl Serialize for StoredSeed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_bytes().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StoredSeed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Zeroizing::new(<[u8; 32]>::deserialize(deserializer)?);
        Ok(Self(Seed::from_bytes(*bytes)))
    }
}
