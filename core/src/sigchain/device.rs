//! Devices: keys that a chain certifies beside the primary.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::hex;
use crate::identity::PublicIdentity;
use crate::time::Timestamp;

/// The content of `add_device`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The id of the device within its chain, never reused after the device is gone.
    pub device: DeviceId,
    /// The device's signing key.
    pub key: PublicIdentity,
    /// The display name.
    pub name: DeviceName,
    /// The second from which the device is no longer live.
    pub expires_at: Timestamp,
}

/// 16 random bytes, written as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceId([u8; 16]);

/// The name that a user gave a device: 1 to 64 characters, none of them a control character.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceName(String);

/// The text is not a device id or not a device name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a device has an id of 32 lower-case hexadecimal digits and a name of 1 to 64 printable characters")]
pub struct InvalidDevice;

impl DeviceId {
    /// An id from its bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl DeviceName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DeviceId {
    type Err = InvalidDevice;

    fn from_str(text: &str) -> Result<Self, InvalidDevice> {
        hex::decode(text).map(Self).ok_or(InvalidDevice)
    }
}

impl FromStr for DeviceName {
    type Err = InvalidDevice;

    fn from_str(text: &str) -> Result<Self, InvalidDevice> {
        let fits = (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidDevice) }
    }
}

impl TryFrom<String> for DeviceId {
    type Error = InvalidDevice;

    fn try_from(text: String) -> Result<Self, InvalidDevice> {
        text.parse()
    }
}

impl TryFrom<String> for DeviceName {
    type Error = InvalidDevice;

    fn try_from(text: String) -> Result<Self, InvalidDevice> {
        text.parse()
    }
}

impl From<DeviceId> for String {
    fn from(id: DeviceId) -> Self {
        id.to_string()
    }
}

impl From<DeviceName> for String {
    fn from(name: DeviceName) -> Self {
        name.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
