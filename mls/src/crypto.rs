//! The cryptography of cipher suite 0x0001 (RFC 9420, section 17.1) on the crates that the rest of the project uses.
//! Signatures go through `kez-core`, the project's one Ed25519 verifier. HPKE (RFC 9180) comes from mls-rs-crypto-hpke.

use std::sync::Arc;

use aes_gcm::Aes128Gcm;
use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use kez_core::mls::signature;
use mls_rs_core::crypto::{
    CipherSuite, CipherSuiteProvider, CryptoProvider, HpkeCiphertext, HpkePsk, HpkePublicKey, HpkeSecretKey,
    SignaturePublicKey, SignatureSecretKey,
};
use mls_rs_core::error::IntoAnyError;
use mls_rs_crypto_hpke::context::{ContextR, ContextS};
use mls_rs_crypto_hpke::dhkem::DhKem;
use mls_rs_crypto_hpke::hpke::{Hpke, HpkeError};
use mls_rs_crypto_traits::{AeadId, AeadType, DhType, KdfId, KdfType, KemId, SamplingMethod};
use sha2::{Digest as _, Sha256};
use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use crate::context::Context;

/// The suite of every group.
pub const SUITE: CipherSuite = CipherSuite::CURVE25519_AES128;

const HASH_LENGTH: usize = 32;
const KEY_LENGTH: usize = 16;
const NONCE_LENGTH: usize = 12;

/// Why an operation failed. No variant tells an attacker more than that it did.
#[derive(Debug, thiserror::Error)]
pub enum CryptoError {
    /// A key, nonce or signature has the wrong length, or a point cannot be used.
    #[error("a key, nonce or signature is not usable")]
    Unusable,
    /// A ciphertext does not decrypt.
    #[error("the ciphertext does not decrypt")]
    NotDecryptable,
    /// A signature is invalid.
    #[error("the signature is invalid")]
    BadSignature,
    /// A device was to sign a text that MLS does not sign.
    #[error("MLS signs no such text")]
    NotMlsText,
    /// Randomness was drawn where none was given.
    #[error("no randomness was given")]
    NoRandomness,
    /// HPKE failed.
    #[error("HPKE failed: {0:?}")]
    Hpke(HpkeError),
}

impl IntoAnyError for CryptoError {}

impl From<HpkeError> for CryptoError {
    fn from(error: HpkeError) -> Self {
        Self::Hpke(error)
    }
}

/// The provider of the one suite, for one call.
#[derive(Clone)]
pub struct Suite {
    context: Arc<Context>,
    hpke: Hpke<DhKem<Ecdh, HkdfSha256>, HkdfSha256, Gcm>,
}

impl Suite {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        let kem_id = KemId::DhKemX25519Sha256;
        let kem = DhKem::new(Ecdh(context.clone()), HkdfSha256, kem_id as u16, kem_id.n_secret());
        Self { context, hpke: Hpke::new(kem, HkdfSha256, Some(Gcm)) }
    }

    /// A provider for which any device's signature counts and all randomness comes from `seed`: for test vectors.
    pub fn unbound(seed: [u8; 32]) -> Self {
        Self::new(Arc::new(Context::unbound(Some(seed))))
    }
}

impl CryptoProvider for Suite {
    type CipherSuiteProvider = Self;

    fn supported_cipher_suites(&self) -> Vec<CipherSuite> {
        vec![SUITE]
    }

    fn cipher_suite_provider(&self, cipher_suite: CipherSuite) -> Option<Self> {
        (cipher_suite == SUITE).then(|| self.clone())
    }
}

impl CipherSuiteProvider for Suite {
    type Error = CryptoError;
    type HpkeContextS = ContextS<HkdfSha256, Gcm>;
    type HpkeContextR = ContextR<HkdfSha256, Gcm>;

    fn cipher_suite(&self) -> CipherSuite {
        SUITE
    }

    fn hash(&self, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Ok(Sha256::digest(data).to_vec())
    }

    fn mac(&self, key: &[u8], data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| CryptoError::Unusable)?;
        Ok(mac.chain_update(data).finalize().into_bytes().to_vec())
    }

    fn aead_seal(
        &self,
        key: &[u8],
        data: &[u8],
        aad: Option<&[u8]>,
        nonce: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        Gcm.seal(key, data, aad, nonce)
    }

    fn aead_open(
        &self,
        key: &[u8],
        ciphertext: &[u8],
        aad: Option<&[u8]>,
        nonce: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        Gcm.open(key, ciphertext, aad, nonce).map(Zeroizing::new)
    }

    fn aead_key_size(&self) -> usize {
        KEY_LENGTH
    }

    fn aead_nonce_size(&self) -> usize {
        NONCE_LENGTH
    }

    fn kdf_extract(&self, salt: &[u8], ikm: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        HkdfSha256.extract(salt, ikm).map(Zeroizing::new)
    }

    fn kdf_expand(&self, prk: &[u8], info: &[u8], len: usize) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        HkdfSha256.expand(prk, info, len).map(Zeroizing::new)
    }

    fn kdf_extract_size(&self) -> usize {
        HASH_LENGTH
    }

    fn hpke_seal(
        &self,
        remote_key: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
        pt: &[u8],
    ) -> Result<HpkeCiphertext, CryptoError> {
        Ok(self.hpke.seal(remote_key, info, None, aad, pt)?)
    }

    fn hpke_seal_psk(
        &self,
        remote_key: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
        pt: &[u8],
        psk: HpkePsk<'_>,
    ) -> Result<HpkeCiphertext, CryptoError> {
        Ok(self.hpke.seal(remote_key, info, Some(psk), aad, pt)?)
    }

    fn hpke_open(
        &self,
        ciphertext: &HpkeCiphertext,
        local_secret: &HpkeSecretKey,
        local_public: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        Ok(self.hpke.open(ciphertext, local_secret, local_public, info, None, aad)?)
    }

    fn hpke_open_psk(
        &self,
        ciphertext: &HpkeCiphertext,
        local_secret: &HpkeSecretKey,
        local_public: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
        psk: HpkePsk<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        Ok(self.hpke.open(ciphertext, local_secret, local_public, info, Some(psk), aad)?)
    }

    fn hpke_setup_s(
        &self,
        remote_key: &HpkePublicKey,
        info: &[u8],
    ) -> Result<(Vec<u8>, Self::HpkeContextS), CryptoError> {
        Ok(self.hpke.setup_sender(remote_key, info, None)?)
    }

    fn hpke_setup_r(
        &self,
        kem_output: &[u8],
        local_secret: &HpkeSecretKey,
        local_public: &HpkePublicKey,
        info: &[u8],
    ) -> Result<Self::HpkeContextR, CryptoError> {
        Ok(self.hpke.setup_receiver(kem_output, local_secret, local_public, info, None)?)
    }

    fn kem_derive(&self, ikm: &[u8]) -> Result<(HpkeSecretKey, HpkePublicKey), CryptoError> {
        Ok(self.hpke.derive(ikm)?)
    }

    fn kem_generate(&self) -> Result<(HpkeSecretKey, HpkePublicKey), CryptoError> {
        Ecdh(self.context.clone()).generate()
    }

    fn kem_public_key_validate(&self, key: &HpkePublicKey) -> Result<(), CryptoError> {
        Ecdh(self.context.clone()).public_key_validate(key)
    }

    fn random_bytes(&self, out: &mut [u8]) -> Result<(), CryptoError> {
        self.context.draw(out)
    }

    fn signature_key_generate(&self) -> Result<(SignatureSecretKey, SignaturePublicKey), CryptoError> {
        let mut seed = Zeroizing::new([0; 32]);
        self.context.draw(seed.as_mut_slice())?;
        let secret = SignatureSecretKey::from(seed.to_vec());
        let public = self.signature_key_derive_public(&secret)?;
        Ok((secret, public))
    }

    fn signature_key_derive_public(
        &self,
        secret_key: &SignatureSecretKey,
    ) -> Result<SignaturePublicKey, CryptoError> {
        self.context.with_signer(secret_key.as_bytes(), |signer| {
            Ok(signer.public().primary().as_bytes().to_vec().into())
        })
    }

    fn sign(&self, secret_key: &SignatureSecretKey, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.context.with_signer(secret_key.as_bytes(), |signer| {
            signature::sign(signer, data).map(|bytes| bytes.to_vec()).map_err(|_| CryptoError::NotMlsText)
        })
    }

    fn verify(&self, public_key: &SignaturePublicKey, signed: &[u8], data: &[u8]) -> Result<(), CryptoError> {
        let key = self.context.accepted(public_key)?;
        signature::verify(&key, data, signed).map_err(|_| CryptoError::BadSignature)
    }
}

/// HKDF-SHA256 (RFC 5869).
#[derive(Clone, Copy)]
pub struct HkdfSha256;

impl KdfType for HkdfSha256 {
    type Error = CryptoError;

    fn kdf_id(&self) -> u16 {
        KdfId::HkdfSha256 as u16
    }

    fn expand(&self, prk: &[u8], info: &[u8], len: usize) -> Result<Vec<u8>, CryptoError> {
        let mut okm = vec![0; len];
        let hkdf = Hkdf::<Sha256>::from_prk(prk).map_err(|_| CryptoError::Unusable)?;
        hkdf.expand(info, &mut okm).map_err(|_| CryptoError::Unusable)?;
        Ok(okm)
    }

    fn extract(&self, salt: &[u8], ikm: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Ok(Hkdf::<Sha256>::extract(Some(salt), ikm).0.to_vec())
    }

    fn extract_size(&self) -> usize {
        HASH_LENGTH
    }
}

/// AES-128-GCM (NIST SP 800-38D), with the tag at the end.
#[derive(Clone, Copy)]
pub struct Gcm;

impl AeadType for Gcm {
    type Error = CryptoError;

    fn aead_id(&self) -> u16 {
        AeadId::Aes128Gcm as u16
    }

    fn seal(
        &self,
        key: &[u8],
        data: &[u8],
        aad: Option<&[u8]>,
        nonce: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let (cipher, nonce) = cipher(key, nonce)?;
        let payload = Payload { msg: data, aad: aad.unwrap_or_default() };
        cipher.encrypt(&nonce.into(), payload).map_err(|_| CryptoError::Unusable)
    }

    fn open(
        &self,
        key: &[u8],
        ciphertext: &[u8],
        aad: Option<&[u8]>,
        nonce: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let (cipher, nonce) = cipher(key, nonce)?;
        let payload = Payload { msg: ciphertext, aad: aad.unwrap_or_default() };
        cipher.decrypt(&nonce.into(), payload).map_err(|_| CryptoError::NotDecryptable)
    }

    fn key_size(&self) -> usize {
        KEY_LENGTH
    }

    fn nonce_size(&self) -> usize {
        NONCE_LENGTH
    }
}

fn cipher(key: &[u8], nonce: &[u8]) -> Result<(Aes128Gcm, [u8; NONCE_LENGTH]), CryptoError> {
    let cipher = Aes128Gcm::new_from_slice(key).map_err(|_| CryptoError::Unusable)?;
    Ok((cipher, nonce.try_into().map_err(|_| CryptoError::Unusable)?))
}

/// X25519 (RFC 7748).
#[derive(Clone)]
pub struct Ecdh(Arc<Context>);

impl DhType for Ecdh {
    type Error = CryptoError;

    fn dh(&self, secret_key: &HpkeSecretKey, public_key: &HpkePublicKey) -> Result<Vec<u8>, CryptoError> {
        let shared = secret(secret_key)?.diffie_hellman(&public(public_key)?.into());
        if !shared.was_contributory() {
            return Err(CryptoError::Unusable);
        }
        Ok(shared.to_bytes().to_vec())
    }

    fn generate(&self) -> Result<(HpkeSecretKey, HpkePublicKey), CryptoError> {
        let mut bytes = Zeroizing::new([0; 32]);
        self.0.draw(bytes.as_mut_slice())?;
        let secret = HpkeSecretKey::from(bytes.to_vec());
        let public = self.to_public(&secret)?;
        Ok((secret, public))
    }

    fn to_public(&self, secret_key: &HpkeSecretKey) -> Result<HpkePublicKey, CryptoError> {
        Ok(x25519_dalek::PublicKey::from(&secret(secret_key)?).to_bytes().to_vec().into())
    }

    fn bitmask_for_rejection_sampling(&self) -> SamplingMethod {
        SamplingMethod::HpkeWithoutBitmask
    }

    fn secret_key_size(&self) -> usize {
        32
    }

    fn public_key_size(&self) -> usize {
        32
    }

    fn public_key_validate(&self, key: &HpkePublicKey) -> Result<(), CryptoError> {
        public(key).map(|_| ())
    }
}

fn secret(key: &HpkeSecretKey) -> Result<StaticSecret, CryptoError> {
    let bytes: [u8; 32] = key.as_ref().try_into().map_err(|_| CryptoError::Unusable)?;
    Ok(StaticSecret::from(bytes))
}

fn public(key: &HpkePublicKey) -> Result<[u8; 32], CryptoError> {
    key.as_ref().try_into().map_err(|_| CryptoError::Unusable)
}
