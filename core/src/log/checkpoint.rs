//! Checkpoints: the size and root of the log, signed by the log's key, as a C2SP signed note
//! (<https://c2sp.org/tlog-checkpoint>, <https://c2sp.org/signed-note>).
//!
//! ```text
//! kez.lat/v1/log
//! 1024
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//!
//! — kez.lat/v1/log Az3grlgt...
//! ```

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64, Encoding};
use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest as _, Sha256};

use crate::hex;
use crate::identity::{Primary, PublicIdentity, Seed};
use crate::sigchain::Hash;
use crate::signature::Signature;

/// The type byte of plain Ed25519 signatures in a signed note.
const ED25519: u8 = 1;
/// The longest note to read, in bytes: a checkpoint with room for more than the 16 signatures that a verifier must
/// accept.
pub const MAX_BYTES: usize = 16 * 1024;

/// The head of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// How many leaves the tree has.
    pub size: u64,
    /// The root of the tree.
    pub root: Hash,
}

/// Why a note is not a checkpoint of the expected log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The text is malformed.
    #[error("this is not a checkpoint")]
    Malformed,
    /// No signature names the log's key.
    #[error("the checkpoint is not signed with the key of this log")]
    OtherKey,
    /// The log's signature is invalid.
    #[error("the signature of the checkpoint is invalid")]
    BadSignature,
    /// The log's key signed the note, but the note names another log.
    #[error("the checkpoint belongs to another log")]
    OtherOrigin,
}

/// The public key of a log, together with the log's name. Its text form is that of C2SP verifier keys: `<name>+<8 hex
/// of the key id>+<base64 of 0x01 and the key>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogKey {
    name: String,
    key: PublicIdentity,
}

/// The text is not a verifier key, or the name contains a space or a plus sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a log's key looks like kez.lat/v1/log+0123abcd+AQ...")]
pub struct InvalidLogKey;

/// The secret key of a log. Wiped from memory when dropped; never printed.
pub struct LogSecret {
    signing: SigningKey,
    public: LogKey,
}

impl LogSecret {
    /// The key from this seed for the log of this name.
    ///
    /// # Errors
    /// [`InvalidLogKey`] when the name is not allowed in a signed note.
    pub fn new(name: &str, seed: &Seed) -> Result<Self, InvalidLogKey> {
        let signing = SigningKey::from_bytes(seed.as_bytes());
        let key = Primary::from_bytes(signing.verifying_key().to_bytes());
        let key = PublicIdentity::try_from(key).map_err(|_| InvalidLogKey)?;
        Ok(Self { signing, public: LogKey::new(name, key)? })
    }

    /// The public half.
    pub const fn public(&self) -> &LogKey {
        &self.public
    }

    /// Signs the checkpoint of this log at the given size.
    pub fn sign(&self, size: u64, root: &Hash) -> String {
        let text = format!("{}\n{size}\n{}\n", self.public.name, Base64::encode_string(root.as_bytes()));
        let mut signature = self.public.id().to_vec();
        signature.extend_from_slice(&self.signing.sign(text.as_bytes()).to_bytes());
        format!("{text}\n\u{2014} {} {}\n", self.public.name, Base64::encode_string(&signature))
    }
}

impl fmt::Debug for LogSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogSecret({})", self.public)
    }
}

impl LogKey {
    fn new(name: &str, key: PublicIdentity) -> Result<Self, InvalidLogKey> {
        let fits =
            !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+');
        if fits { Ok(Self { name: name.to_owned(), key }) } else { Err(InvalidLogKey) }
    }

    /// The name of the log, which is the origin of its checkpoints.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of SHA-256(name || newline || type || key).
    fn id(&self) -> [u8; 4] {
        let hash = Sha256::new()
            .chain_update(&self.name)
            .chain_update([b'\n', ED25519])
            .chain_update(self.key.primary().as_bytes());
        let [a, b, c, d, ..]: [u8; 32] = hash.finalize().into();
        [a, b, c, d]
    }

    /// Parses a signed note and verifies that it is a checkpoint of this log. Ignores signatures by other keys, such as
    /// those of witnesses.
    ///
    /// # Errors
    /// [`CheckpointError`] names the check that failed.
    pub fn verify(&self, note: &str) -> Result<Checkpoint, CheckpointError> {
        if note.len() > MAX_BYTES {
            return Err(CheckpointError::Malformed);
        }
        let end = note.rfind("\n\n").ok_or(CheckpointError::Malformed)? + 1;
        let (text, signatures) = note.split_at(end);
        let signatures = signatures.trim_start_matches('\n');
        let mut signed = false;
        for line in signatures.lines() {
            if let Some(signature) = self.own_signature(line)? {
                self.key.verify(text.as_bytes(), &signature).map_err(|_| CheckpointError::BadSignature)?;
                signed = true;
            }
        }
        let checkpoint = Checkpoint::parse(text)?;
        match (signed, checkpoint.origin == self.name) {
            (true, true) => Ok(checkpoint),
            (true, false) => Err(CheckpointError::OtherOrigin),
            (false, _) => Err(CheckpointError::OtherKey),
        }
    }

    /// The signature on a line that names this key.
    fn own_signature(&self, line: &str) -> Result<Option<Signature>, CheckpointError> {
        let line = line.strip_prefix("\u{2014} ").and_then(|line| line.split_once(' '));
        let (name, encoded) = line.ok_or(CheckpointError::Malformed)?;
        let bytes = Base64::decode_vec(encoded).map_err(|_| CheckpointError::Malformed)?;
        let (id, signature) = bytes.split_at_checked(4).ok_or(CheckpointError::Malformed)?;
        if name != self.name || id != self.id() {
            return Ok(None);
        }
        let signature = signature.try_into().map_err(|_| CheckpointError::BadSignature)?;
        Ok(Some(Signature::from_bytes(signature)))
    }
}

impl Checkpoint {
    fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.strip_suffix('\n').ok_or(CheckpointError::Malformed)?.split('\n');
        let mut line = || lines.next().filter(|line| !line.is_empty()).ok_or(CheckpointError::Malformed);
        let (origin, size_text, root) = (line()?, line()?, line()?);
        let size: u64 = size_text.parse().map_err(|_| CheckpointError::Malformed)?;
        let root: [u8; 32] = Base64::decode_vec(root)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(CheckpointError::Malformed)?;
        // A size has only one valid spelling.
        if size.to_string() != size_text {
            return Err(CheckpointError::Malformed);
        }
        Ok(Self { origin: origin.to_owned(), size, root: Hash::from_bytes(root) })
    }
}

impl fmt::Display for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![ED25519];
        key.extend_from_slice(self.key.primary().as_bytes());
        write!(f, "{}+{}+{}", self.name, hex::encode(&self.id()), Base64::encode_string(&key))
    }
}

impl FromStr for LogKey {
    type Err = InvalidLogKey;

    fn from_str(text: &str) -> Result<Self, InvalidLogKey> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(InvalidLogKey);
        };
        let bytes = Base64::decode_vec(encoded).map_err(|_| InvalidLogKey)?;
        let (ED25519, key) = bytes.split_first().map(|(kind, key)| (*kind, key)).ok_or(InvalidLogKey)? else {
            return Err(InvalidLogKey);
        };
        let key = Primary::from_bytes(key.try_into().map_err(|_| InvalidLogKey)?);
        let key = Self::new(name, PublicIdentity::try_from(key).map_err(|_| InvalidLogKey)?)?;
        // The key id is derived from the name and the key, so a correct text is reproduced exactly.
        if key.to_string() == text { Ok(key) } else { Err(InvalidLogKey) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(name: &str, byte: u8) -> LogSecret {
        LogSecret::new(name, &Seed::from_bytes([byte; 32])).unwrap()
    }

    #[test]
    fn a_checkpoint_reads_back() {
        let secret = secret("kez.lat/v1/log", 7);
        let note = secret.sign(42, &Hash::of(b"root"));
        let checkpoint = secret.public().verify(&note).unwrap();
        assert_eq!((checkpoint.size, checkpoint.root), (42, Hash::of(b"root")));
        assert_eq!(checkpoint.origin, "kez.lat/v1/log");
        let key: LogKey = secret.public().to_string().parse().unwrap();
        assert_eq!(&key, secret.public());
    }

    #[test]
    fn witness_signatures_are_skipped() {
        let (own, witness) = (secret("kez.lat/v1/log", 7), secret("witness.example", 8));
        let note = own.sign(42, &Hash::of(b"root"));
        let line = witness.sign(1, &Hash::of(b"x")).lines().last().unwrap().to_owned();
        assert!(own.public().verify(&format!("{note}{line}\n")).is_ok());
    }

    #[test]
    fn each_failure_has_its_own_error() {
        let secret_key = secret("kez.lat/v1/log", 7);
        let note = secret_key.sign(42, &Hash::of(b"root"));
        let verify = |note: &str| secret_key.public().verify(note).unwrap_err();
        assert_eq!(verify(&note.replace("\n42\n", "\n43\n")), CheckpointError::BadSignature);
        assert_eq!(
            verify(&secret("kez.lat/v1/log", 8).sign(42, &Hash::of(b"root"))),
            CheckpointError::OtherKey
        );
        assert_eq!(
            verify(&secret("other/v1/log", 7).sign(42, &Hash::of(b"root"))),
            CheckpointError::OtherKey
        );
        for malformed in
            ["", "\n\n", "a\n1\n", &note.replace("\n42\n", "\n042\n"), &note.replace('\u{2014}', "-")]
        {
            assert_ne!(verify(malformed), CheckpointError::OtherOrigin, "{malformed}");
        }
    }

    #[test]
    fn the_key_of_the_signed_note_specification_reads_back() {
        // The example verifier key and note of golang.org/x/mod/sumdb/note, which the specification follows.
        let key: LogKey =
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse().unwrap();
        let text = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
        let line = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
        let signature = key.own_signature(line).unwrap().unwrap();
        assert!(key.key.verify(text.as_bytes(), &signature).is_ok());
        for other in [
            "",
            "a+b",
            "a b+c74f20a3+AQ==",
            "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        ] {
            assert!(other.parse::<LogKey>().is_err(), "{other}");
        }
    }
}
