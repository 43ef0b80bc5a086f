//! The credential of a leaf: the 92 bytes of an MLS `BasicCredential` (RFC 9420, section 5.3; docs/SPEC.md, section 15.1).
//!
//! ```text
//!  0  "kez" 0x01        prefix and version
//!  4  root              32 bytes: the key that begins the account's sigchain
//! 36  device            16 bytes
//! 52  seqno             u64, big-endian: the position of the link that added the device
//! 60  link              32 bytes: the hash of that link
//! ```
//!
//! The leaf's signature key is the `key` of that `add_device` link. The credential names the device's own link and not
//! the head of the chain, because the head moves.

use serde::{Deserialize, Serialize};

use super::{LeafId, raw};
use crate::identity::Primary;
use crate::sigchain::{DeviceId, Hash};

/// The length in bytes.
pub const LENGTH: usize = 92;

const PREFIX: [u8; 4] = *b"kez\x01";

/// A parsed credential. It proves nothing: a verifier compares it with the sigchain of `root`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// The root of the account's sigchain.
    #[serde(with = "raw")]
    pub root: Primary,
    /// The device.
    #[serde(with = "raw")]
    pub device: DeviceId,
    /// The sequence number of the `add_device` link.
    pub seqno: u64,
    /// The hash of that link.
    #[serde(with = "raw")]
    pub link: Hash,
}

/// Why bytes are no credential of this profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCredential {
    /// There are not 92 bytes.
    #[error("a credential has 92 bytes")]
    Length,
    /// It does not begin with `kez` and the version 1.
    #[error("the credential is not of version 1 of this profile")]
    Version,
    /// The first link of a chain adds no device.
    #[error("no link with this sequence number can add a device")]
    Seqno,
}

impl Credential {
    /// Parses the bytes.
    ///
    /// # Errors
    /// [`InvalidCredential`] names the first rule that they break.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidCredential> {
        let bytes: &[u8; LENGTH] = bytes.try_into().map_err(|_| InvalidCredential::Length)?;
        let (prefix, rest) = split::<4>(bytes)?;
        let (root, rest) = split(rest)?;
        let (device, rest) = split(rest)?;
        let (seqno, rest) = split(rest)?;
        let (link, _) = split(rest)?;
        if *prefix != PREFIX {
            return Err(InvalidCredential::Version);
        }
        let seqno = u64::from_be_bytes(*seqno);
        if seqno < 2 {
            return Err(InvalidCredential::Seqno);
        }
        Ok(Self {
            root: Primary::from_bytes(*root),
            device: DeviceId::from_bytes(*device),
            seqno,
            link: Hash::from_bytes(*link),
        })
    }

    /// The 92 bytes.
    pub fn to_bytes(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        let parts = PREFIX.iter().chain(self.root.as_bytes()).chain(self.device.as_bytes()).copied();
        let parts = parts.chain(self.seqno.to_be_bytes()).chain(*self.link.as_bytes());
        for (to, from) in bytes.iter_mut().zip(parts) {
            *to = from;
        }
        bytes
    }

    /// The identity of the leaf: a leaf with the same root and device takes its place.
    pub const fn leaf(&self) -> LeafId {
        LeafId { root: self.root, device: self.device }
    }
}

fn split<const N: usize>(bytes: &[u8]) -> Result<(&[u8; N], &[u8]), InvalidCredential> {
    bytes.split_first_chunk().ok_or(InvalidCredential::Length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential() -> Credential {
        Credential {
            root: Primary::from_bytes([1; 32]),
            device: DeviceId::from_bytes([2; 16]),
            seqno: 0x0102_0304,
            link: Hash::from_bytes([3; 32]),
        }
    }

    #[test]
    fn a_credential_has_92_bytes_in_this_order() {
        let bytes = credential().to_bytes();
        let expected =
            [b"kez\x01".as_slice(), &[1; 32], &[2; 16], &[0, 0, 0, 0, 1, 2, 3, 4], &[3; 32]].concat();
        assert_eq!(bytes.as_slice(), expected);
        assert_eq!(Credential::parse(&bytes), Ok(credential()));
    }

    #[test]
    fn other_bytes_are_no_credential() {
        let bytes = credential().to_bytes();
        assert_eq!(Credential::parse(&bytes[..91]), Err(InvalidCredential::Length));
        assert_eq!(Credential::parse(&[&bytes[..], &[0]].concat()), Err(InvalidCredential::Length));
        for at in 0..4 {
            let mut other = bytes;
            other[at] ^= 2;
            assert_eq!(Credential::parse(&other), Err(InvalidCredential::Version), "{at}");
        }
        for seqno in [0, 1] {
            let first = Credential { seqno, ..credential() }.to_bytes();
            assert_eq!(Credential::parse(&first), Err(InvalidCredential::Seqno), "{seqno}");
        }
    }
}
