//! How records are encrypted in storage: all records under one data key, and the data key under a wrapping key.
//!
//! ```text
//! sealed record = nonce (12 bytes) || AES-256-GCM(data key, nonce, value, AAD = "kez-record-v1/<kind>/<id>")
//! wrapped key   = nonce (12 bytes) || AES-256-GCM(wrapping key, nonce, data key, AAD = "kez-data-key-v1")
//! wrapping key  = Argon2id version 0x13 of the passphrase (RFC 9106), parameters stored beside the wrapped key
//! ```
//!
//! Only one worker may write: the one with the [`Lease`] that the vault's header names.
//!
//! The tag binds a value to its kind and id, so that an attacker with write access to the storage cannot pass one
//! record off as another. Nonces are random 96-bit numbers (NIST SP 800-38D, section 8.2.2): good for 2^32 writes under
//! one key.

use std::fmt;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use argon2::{Algorithm, Argon2, Params, Version};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::kernel::record::{Kind, StorageFault, decode, encode};

const NONCE_BYTES: usize = 12;
const DATA_KEY_PURPOSE: &[u8] = b"kez-data-key-v1";

/// The most memory, in KiB, that stored parameters may ask for: 1 GiB. The parameters are stored unencrypted.
const MAX_MEMORY_KIB: u32 = 1024 * 1024;
/// The most passes that stored parameters may ask for.
const MAX_PASSES: u32 = 64;
/// The most lanes that stored parameters may ask for.
const MAX_LANES: u32 = 16;

/// The key that seals every record. Wiped from memory when dropped; never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct DataKey([u8; 32]);

/// The key that seals the [`DataKey`]. Wiped from memory when dropped; never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct WrappingKey([u8; 32]);

/// How a passphrase becomes a [`WrappingKey`]. Stored in plain text; reveals nothing about the passphrase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassphraseParams {
    /// Memory in KiB.
    pub m_kib: u32,
    /// Passes.
    pub t: u32,
    /// Lanes.
    pub p: u32,
    /// Random, 16 bytes.
    pub salt: [u8; 16],
}

/// The right to write, as a number in the vault's header. A worker takes the next number before it reads the records, so
/// that nothing is written after that by a worker with an earlier state. Every transaction compares the number with the
/// header before it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease(u32);

/// Why an operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The key is wrong, or the bytes were modified, or they belong to another record.
    #[error("the stored data does not open with this key")]
    NotOpened,
    /// Nothing was sealed: the value is too long for AES-GCM.
    #[error("the value is too long to be sealed")]
    TooLong,
    /// Argon2id does not accept the stored parameters, or they exceed this program's limits.
    #[error("the stored passphrase parameters are not usable")]
    UnusableParams,
}

/// Seals a record's value.
///
/// # Errors
/// [`VaultError::TooLong`] beyond 64 GiB.
pub fn seal_record(
    key: &DataKey,
    kind: Kind,
    id: &str,
    value: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, VaultError> {
    seal(&key.0, value, &record_name(kind, id), rng)
}

/// Opens a record that was sealed under the same kind and id.
///
/// # Errors
/// [`VaultError::NotOpened`] for another key, kind or id, and for modified bytes.
pub fn open_record(
    key: &DataKey,
    kind: Kind,
    id: &str,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    open(&key.0, sealed, &record_name(kind, id))
}

/// Wraps the data key.
///
/// # Errors
/// Never for 32 bytes; the error of AES-GCM is passed on.
pub fn wrap(with: &WrappingKey, key: &DataKey, rng: &mut impl CryptoRng) -> Result<Vec<u8>, VaultError> {
    seal(&with.0, &key.0, DATA_KEY_PURPOSE, rng)
}

/// Unwraps the data key.
///
/// # Errors
/// [`VaultError::NotOpened`] when the wrapping key is wrong, that is, the passphrase is wrong.
pub fn unwrap(with: &WrappingKey, wrapped: &[u8]) -> Result<DataKey, VaultError> {
    let bytes = open(&with.0, wrapped, DATA_KEY_PURPOSE)?;
    DataKey::from_bytes(&bytes).ok_or(VaultError::NotOpened)
}

/// Derives a key from a passphrase: Argon2id, version 0x13, 32 bytes (RFC 9106, section 3.1), of its UTF-8.
///
/// The passphrase must be in Unicode normalization form C. One keyboard types "é" as one character, another as two, and
/// both are the same passphrase (RFC 8265, section 4.2). The browser does the normalization; its tables would make up a
/// tenth of the worker's module.
///
/// # Errors
/// [`VaultError::UnusableParams`].
pub fn passphrase_key(passphrase: &str, params: &PassphraseParams) -> Result<WrappingKey, VaultError> {
    if params.m_kib > MAX_MEMORY_KIB || params.t > MAX_PASSES || params.p > MAX_LANES {
        return Err(VaultError::UnusableParams);
    }
    let cost =
        Params::new(params.m_kib, params.t, params.p, Some(32)).map_err(|_| VaultError::UnusableParams)?;
    let mut key = WrappingKey([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, cost)
        .hash_password_into(passphrase.as_bytes(), &params.salt, &mut key.0)
        .map_err(|_| VaultError::UnusableParams)?;
    Ok(key)
}

impl DataKey {
    /// Generates a key.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// A key from its 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes, for a browser that wraps the key itself.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Lease {
    /// The first lease of a vault. It is random, because a worker may still hold the lease of a vault that was deleted.
    pub fn first(rng: &mut impl CryptoRng) -> Self {
        Self(rng.next_u32())
    }

    /// The lease of the next worker.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// The form in the header.
    pub fn to_bytes(self) -> Vec<u8> {
        encode(&self).to_vec()
    }

    /// Reads the form in the header.
    ///
    /// # Errors
    /// [`StorageFault::Newer`] when a newer version has written it, and [`StorageFault::Damaged`] for anything else that
    /// [`Lease::to_bytes`] does not write.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StorageFault> {
        decode(bytes)
    }

    /// Checks that the header still names this lease.
    ///
    /// # Errors
    /// [`StorageFault::Superseded`] when it names another one.
    pub fn check(self, named: Self) -> Result<(), StorageFault> {
        if self == named { Ok(()) } else { Err(StorageFault::Superseded) }
    }
}

impl PassphraseParams {
    /// 64 MiB, three passes, one lane (the browser runs one thread), and a fresh salt.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut salt = [0; 16];
        rng.fill_bytes(&mut salt);
        Self { m_kib: 64 * 1024, t: 3, p: 1, salt }
    }
}

fn seal(key: &[u8; 32], value: &[u8], aad: &[u8], rng: &mut impl CryptoRng) -> Result<Vec<u8>, VaultError> {
    let mut nonce = [0; NONCE_BYTES];
    rng.fill_bytes(&mut nonce);
    let sealed = Aes256Gcm::new(&(*key).into())
        .encrypt(&nonce.into(), Payload { msg: value, aad })
        .map_err(|_| VaultError::TooLong)?;
    Ok([nonce.as_slice(), &sealed].concat())
}

fn open(key: &[u8; 32], sealed: &[u8], aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let (nonce, msg) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(VaultError::NotOpened)?;
    Aes256Gcm::new(&(*key).into())
        .decrypt(&(*nonce).into(), Payload { msg, aad })
        .map(Zeroizing::new)
        .map_err(|_| VaultError::NotOpened)
}

/// No kind contains a `/`, so every pair of kind and id has its own name.
fn record_name(kind: Kind, id: &str) -> Vec<u8> {
    format!("kez-record-v1/{}/{id}", kind.as_str()).into_bytes()
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(..)")
    }
}

impl fmt::Debug for WrappingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WrappingKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::chance::Chance;

    fn cheap(passphrase: &str, salt: u8) -> WrappingKey {
        passphrase_key(passphrase, &PassphraseParams { m_kib: 32, t: 1, p: 1, salt: [salt; 16] }).unwrap()
    }

    /// RFC 9106, section 5.3: the algorithm of [`passphrase_key`], with the secret and the associated data of the test
    /// vector, which this program does not use.
    #[test]
    fn argon2id_is_the_one_of_rfc_9106() {
        let params = argon2::ParamsBuilder::new()
            .m_cost(32)
            .t_cost(3)
            .p_cost(4)
            .data(argon2::AssociatedData::new(&[4; 12]).unwrap())
            .build()
            .unwrap();
        let mut tag = [0; 32];
        Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params)
            .unwrap()
            .hash_password_into(&[1; 32], &[2; 16], &mut tag)
            .unwrap();
        let expected = "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659";
        assert_eq!(tag.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), expected);
    }

    #[test]
    fn a_record_opens_only_under_its_own_name_and_key() {
        let mut rng = Chance::new(1);
        let key = DataKey::random(&mut rng);
        let sealed = seal_record(&key, Kind::Page, "c1/1", b"hello", &mut rng).unwrap();
        assert_eq!(open_record(&key, Kind::Page, "c1/1", &sealed).unwrap().as_slice(), b"hello");
        for (kind, id) in [(Kind::Page, "c1/2"), (Kind::Draft, "c1/1"), (Kind::Page, "")] {
            assert_eq!(open_record(&key, kind, id, &sealed), Err(VaultError::NotOpened), "{kind:?} {id}");
        }
        let other = DataKey::random(&mut rng);
        assert_eq!(open_record(&other, Kind::Page, "c1/1", &sealed), Err(VaultError::NotOpened));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(open_record(&key, Kind::Page, "c1/1", &changed), Err(VaultError::NotOpened));
        }
        assert_eq!(open_record(&key, Kind::Page, "c1/1", &sealed[..11]), Err(VaultError::NotOpened));
    }

    #[test]
    fn the_same_value_is_never_sealed_alike() {
        let mut rng = Chance::new(1);
        let key = DataKey::random(&mut rng);
        let mut seal = || seal_record(&key, Kind::Sync, "sync", b"hello", &mut rng).unwrap();
        assert_ne!(seal(), seal());
    }

    #[test]
    fn the_data_key_unwraps_with_the_passphrase_alone() {
        let mut rng = Chance::new(1);
        let key = DataKey::random(&mut rng);
        let wrapped = wrap(&cheap("open sesame", 1), &key, &mut rng).unwrap();
        assert_eq!(unwrap(&cheap("open sesame", 1), &wrapped).unwrap().as_bytes(), key.as_bytes());
        for wrong in [cheap("open sesame ", 1), cheap("", 1), cheap("open sesame", 2)] {
            assert_eq!(unwrap(&wrong, &wrapped).unwrap_err(), VaultError::NotOpened);
        }
    }

    #[test]
    fn a_wrapped_key_does_not_open_as_a_record() {
        let mut rng = Chance::new(1);
        let (outer, inner) = (DataKey::random(&mut rng), DataKey::random(&mut rng));
        let wrapped = wrap(&WrappingKey(*outer.as_bytes()), &inner, &mut rng).unwrap();
        assert_eq!(open_record(&outer, Kind::Account, "account", &wrapped), Err(VaultError::NotOpened));
    }

    #[test]
    fn stored_parameters_are_bounded() {
        let params = |m_kib, t, p| PassphraseParams { m_kib, t, p, salt: [0; 16] };
        for bad in [params(u32::MAX, 3, 1), params(64, u32::MAX, 1), params(64, 1, 64), params(0, 0, 0)] {
            assert_eq!(passphrase_key("x", &bad).unwrap_err(), VaultError::UnusableParams, "{bad:?}");
        }
        assert_eq!(PassphraseParams::random(&mut Chance::new(1)).m_kib, 65_536);
    }

    #[test]
    fn only_the_last_worker_that_took_the_lease_may_write() {
        let mut rng = Chance::new(1);
        let first = Lease::first(&mut rng);
        let mut taken = vec![first, Lease(u32::MAX)];
        for _ in 0..3 {
            taken.push(taken[taken.len() - 1].next());
        }
        let last = taken.pop().unwrap();
        assert_eq!(last.check(last), Ok(()));
        for earlier in taken {
            assert_eq!(earlier.check(last), Err(StorageFault::Superseded));
        }
        assert_ne!(first, Lease::first(&mut rng), "a worker of a deleted vault has no lease of the next");
    }

    #[test]
    fn a_lease_reads_back_and_one_of_a_newer_version_is_recognised() {
        for lease in [Lease(0), Lease(300), Lease(u32::MAX)] {
            assert_eq!(Lease::from_bytes(&lease.to_bytes()), Ok(lease));
        }
        let mut newer = Lease(7).to_bytes();
        newer[0] += 1;
        newer.push(1);
        assert_eq!(Lease::from_bytes(&newer), Err(StorageFault::Newer));
        for damaged in [&[][..], &[0, 7], &Lease(300).to_bytes()[..2]] {
            assert_eq!(Lease::from_bytes(damaged), Err(StorageFault::Damaged));
        }
    }

    #[test]
    fn debug_never_shows_a_key() {
        let texts = [format!("{:?}", DataKey([7; 32])), format!("{:?}", WrappingKey([7; 32]))].join(" ");
        assert!(!texts.contains('7'), "{texts}");
    }
}
