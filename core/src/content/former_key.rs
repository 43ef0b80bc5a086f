//! Kind `former_key`: `{"seed": "<64 hex>"}`. A replaced key of the user, kept for their other and restored browsers: it
//! opens messages that were sealed to it. From any other sender it has no meaning.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::Zeroizing;

use crate::hex;
use crate::identity::Seed;

/// The members of kind `former_key`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FormerKey {
    /// The seed of the replaced key.
    #[serde(serialize_with = "write_seed", deserialize_with = "read_seed")]
    pub seed: Seed,
}

fn write_seed<S: Serializer>(seed: &Seed, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&Zeroizing::new(hex::encode(seed.as_bytes())))
}

fn read_seed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Seed, D::Error> {
    let digits = Zeroizing::new(String::deserialize(deserializer)?);
    hex::decode(&digits)
        .map(Seed::from_bytes)
        .ok_or_else(|| de::Error::custom("a seed has 64 hexadecimal digits"))
}
