//! Serde forms that cost neither text nor one call per byte, for what travels between a client and its engine.

use std::fmt;
use std::ops::Deref;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::GroupId;
use crate::identity::{Primary, Seed};
use crate::sigchain::{DeviceId, Hash};
use crate::time::Timestamp;

/// Bytes that are written in one piece, wiped from memory when dropped and never printed: states, secrets, plaintexts
/// and MLS messages.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Bytes(Zeroizing<Vec<u8>>);

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({})", self.0.len())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(BytesVisitor)
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(bytes.to_vec().into())
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
        Ok(bytes.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Bytes, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = items.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes.into())
    }
}

/// `N` bytes in one piece: the code for an array as a tuple is larger.
pub(super) struct Fixed<const N: usize>([u8; N]);

impl<const N: usize> Serialize for Fixed<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Fixed<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Bytes::deserialize(deserializer)?;
        (*bytes)
            .try_into()
            .map(Self)
            .map_err(|_| D::Error::invalid_length(bytes.len(), &"another number of bytes"))
    }
}

/// A type with a text form of its own, which is written as plain numbers here.
pub(super) trait Raw: Sized {
    /// What is written.
    type Plain: Serialize + for<'de> Deserialize<'de>;

    fn to_plain(&self) -> Self::Plain;
    fn from_plain(plain: Self::Plain) -> Self;
}

/// For `#[serde(with = "raw")]`.
pub(super) fn serialize<R: Raw, S: Serializer>(value: &R, serializer: S) -> Result<S::Ok, S::Error> {
    value.to_plain().serialize(serializer)
}

/// For `#[serde(with = "raw")]`.
pub(super) fn deserialize<'de, R: Raw, D: Deserializer<'de>>(deserializer: D) -> Result<R, D::Error> {
    R::Plain::deserialize(deserializer).map(R::from_plain)
}

impl Raw for Primary {
    type Plain = Fixed<32>;

    fn to_plain(&self) -> Fixed<32> {
        Fixed(*self.as_bytes())
    }

    fn from_plain(plain: Fixed<32>) -> Self {
        Self::from_bytes(plain.0)
    }
}

impl Raw for Vec<Primary> {
    type Plain = Vec<Fixed<32>>;

    fn to_plain(&self) -> Vec<Fixed<32>> {
        self.iter().map(Raw::to_plain).collect()
    }

    fn from_plain(plain: Vec<Fixed<32>>) -> Self {
        plain.into_iter().map(Primary::from_plain).collect()
    }
}

impl Raw for [u8; 32] {
    type Plain = Fixed<32>;

    fn to_plain(&self) -> Fixed<32> {
        Fixed(*self)
    }

    fn from_plain(plain: Fixed<32>) -> Self {
        plain.0
    }
}

impl Raw for GroupId {
    type Plain = Fixed<16>;

    fn to_plain(&self) -> Fixed<16> {
        Fixed(*self.as_bytes())
    }

    fn from_plain(plain: Fixed<16>) -> Self {
        Self::from_bytes(plain.0)
    }
}

impl Raw for DeviceId {
    type Plain = Fixed<16>;

    fn to_plain(&self) -> Fixed<16> {
        Fixed(*self.as_bytes())
    }

    fn from_plain(plain: Fixed<16>) -> Self {
        Self::from_bytes(plain.0)
    }
}

impl Raw for Hash {
    type Plain = Fixed<32>;

    fn to_plain(&self) -> Fixed<32> {
        Fixed(*self.as_bytes())
    }

    fn from_plain(plain: Fixed<32>) -> Self {
        Self::from_bytes(plain.0)
    }
}

impl Raw for Seed {
    type Plain = Fixed<32>;

    fn to_plain(&self) -> Fixed<32> {
        Fixed(*self.as_bytes())
    }

    fn from_plain(plain: Fixed<32>) -> Self {
        Self::from_bytes(plain.0)
    }
}

impl Raw for Option<Timestamp> {
    type Plain = Option<u64>;

    fn to_plain(&self) -> Option<u64> {
        self.map(Timestamp::unix)
    }

    fn from_plain(plain: Option<u64>) -> Self {
        plain.map(Timestamp::from_unix)
    }
}

impl Raw for Timestamp {
    type Plain = u64;

    fn to_plain(&self) -> u64 {
        self.unix()
    }

    fn from_plain(plain: u64) -> Self {
        Self::from_unix(plain)
    }
}
