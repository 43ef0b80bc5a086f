//! Linking a new browser to an account without the recovery words (docs/SPEC.md, section 19).
//!
//! The new browser publishes an offer and shows its code; the user types or scans the code in a browser that belongs to
//! the account already, the old one. The code is a hash of the offer, so a server in the middle cannot replace the offer.
//! Messages between the two then pass through the server, sealed under keys that only they can derive.
//!
//! ```json
//! {"type": "kez.link.offer", "version": 1, "box": "<base64url of an X25519 key>", "device": "<32 hex>",
//!  "key": "ed25519:<hex>", "nonce": "<32 hex>"}
//! ```

mod channel;
mod message;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::canonical_json::{self, MalformedJson, NotCanonical, Numbers};
use crate::code::{Code, LENGTH};
use crate::hex;
use crate::identity::PublicIdentity;
use crate::sigchain::{DeviceId, Hash};
use crate::signed::VersionOne;

pub use channel::{BoxKey, LinkKeys, LinkSecret, NotOpened, Side};
pub use message::{Countersigned, Introduction, LinkAdded};

/// The most bytes of an offer: 8 KiB.
pub const MAX_OFFER_BYTES: usize = 8 * 1024;
/// The most bytes of a sealed message: 64 KiB.
pub const MAX_SEALED_BYTES: usize = 64 * 1024;
/// The highest number of a message of either side: so a link has at most eight messages.
pub const MAX_NUMBER: u64 = 4;
/// How long a server keeps a link, in seconds: 10 minutes.
pub const LIFETIME_SECONDS: u64 = 10 * 60;

const CODE_PREFIX: &[u8] = b"kez-link-v1\n";
const ID_PREFIX: &[u8] = b"kez-link-id-v1\n";

/// What a new browser offers: the device that it wants to be, and the key for messages to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkOffer {
    r#type: OfferType,
    version: VersionOne,
    r#box: BoxKey,
    device: DeviceId,
    key: PublicIdentity,
    nonce: Nonce,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum OfferType {
    #[serde(rename = "kez.link.offer")]
    Offer,
}

/// 16 random bytes, which make the code of an offer unpredictable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Nonce([u8; 16]);

/// The code of an offer: the first 100 bits of a hash, in the spelling of [`crate::invite::InviteCode`].
#[derive(Clone, PartialEq, Eq)]
pub struct LinkCode(Code);

/// The text is not the code of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the code of a browser is 20 letters and digits, such as K7QXM-2R9VD-WT4HB-N8ZPC")]
pub struct InvalidLinkCode;

impl LinkOffer {
    /// An offer for the device `device`, whose signing key is `key`. Messages to it are sealed for `box`; `nonce` is
    /// random.
    pub const fn new(r#box: BoxKey, device: DeviceId, key: PublicIdentity, nonce: [u8; 16]) -> Self {
        Self { r#type: OfferType::Offer, version: VersionOne, r#box, device, key, nonce: Nonce(nonce) }
    }

    /// Parses an offer. The caller then compares its [`LinkOffer::code`] with the one that the user has given.
    ///
    /// # Errors
    /// [`MalformedJson`] for any other text, also for one of another version or with unknown fields.
    pub fn parse(json: &[u8]) -> Result<Self, MalformedJson> {
        let value = canonical_json::parse(json, Numbers::IntegersOnly)?;
        serde_json::from_value(value).map_err(|error| MalformedJson::new(error.to_string()))
    }

    /// The canonical JSON of the offer.
    ///
    /// # Errors
    /// [`NotCanonical`] never occurs for these fields; it is passed on so that nothing panics.
    pub fn to_json(&self) -> Result<String, NotCanonical> {
        String::from_utf8(canonical_json::to_bytes(self)?).map_err(|_| NotCanonical)
    }

    /// The code: the first 100 bits of SHA-256(`kez-link-v1\n` | JCS(offer)).
    ///
    /// # Errors
    /// As [`LinkOffer::to_json`].
    pub fn code(&self) -> Result<LinkCode, NotCanonical> {
        let hash = Sha256::new_with_prefix(CODE_PREFIX).chain_update(canonical_json::to_bytes(self)?);
        let digest: [u8; 32] = hash.finalize().into();
        let bit = |at: usize| digest.get(at / 8).map_or(0, |byte| (byte >> (7 - at % 8)) & 1);
        let number = |at: usize| (0..5).fold(0, |number, next| number << 1 | bit(5 * at + next));
        Ok(LinkCode(Code::of_numbers((0..LENGTH).map(number))))
    }

    /// The key for messages to the new browser.
    pub const fn box_key(&self) -> &BoxKey {
        &self.r#box
    }

    /// The id that the new device wants to have.
    pub const fn device(&self) -> DeviceId {
        self.device
    }

    /// The signing key of the new device.
    pub const fn key(&self) -> &PublicIdentity {
        &self.key
    }

    /// SHA-256(JCS(offer)).
    fn hash(&self) -> Result<Hash, NotCanonical> {
        Ok(Hash::of(&canonical_json::to_bytes(self)?))
    }
}

impl LinkCode {
    /// The id by which a server knows the link: SHA-256(`kez-link-id-v1\n` | the 20 characters). It does not reveal the
    /// code.
    pub fn id(&self) -> Hash {
        let hash = Sha256::new_with_prefix(ID_PREFIX).chain_update(self.0.characters());
        Hash::from_bytes(hash.finalize().into())
    }
}

impl FromStr for LinkCode {
    type Err = InvalidLinkCode;

    fn from_str(text: &str) -> Result<Self, InvalidLinkCode> {
        Code::parse(text).map(Self).ok_or(InvalidLinkCode)
    }
}

impl fmt::Display for LinkCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for LinkCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkCode(..)")
    }
}

impl TryFrom<String> for Nonce {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        hex::decode(&text).map(Self).ok_or("the nonce is 32 lower-case hexadecimal digits")
    }
}

impl From<Nonce> for String {
    fn from(nonce: Nonce) -> Self {
        hex::encode(&nonce.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{SecretIdentity, Seed};

    fn offer(nonce: u8) -> LinkOffer {
        let key = SecretIdentity::from_seed(Seed::from_bytes([3; 32])).public();
        LinkOffer::new(
            LinkSecret::from_bytes([4; 32]).public(),
            DeviceId::from_bytes([5; 16]),
            key,
            [nonce; 16],
        )
    }

    #[test]
    fn an_offer_round_trips_and_its_code_is_its_own() {
        let json = offer(6).to_json().unwrap();
        let read = LinkOffer::parse(json.as_bytes()).unwrap();
        assert_eq!(read, offer(6));
        assert_eq!(read.code().unwrap(), offer(6).code().unwrap());
        assert_ne!(read.code().unwrap(), offer(7).code().unwrap());
        assert_ne!(read.code().unwrap().id(), offer(7).code().unwrap().id());
        let typed = read.code().unwrap().to_string().to_lowercase().replace('-', "");
        assert_eq!(typed.parse(), Ok(read.code().unwrap()));
        assert_eq!(format!("{:?}", read.code().unwrap()), "LinkCode(..)");
        assert_eq!("".parse::<LinkCode>(), Err(InvalidLinkCode));
    }

    #[test]
    fn other_texts_are_no_offers() {
        let json = offer(6).to_json().unwrap();
        for (from, to) in [
            ("kez.link.offer", "kez.link.other"),
            ("\"version\":1", "\"version\":2"),
            ("\"version\":1", "\"version\":1,\"more\":1"),
            ("\"nonce\":\"06", "\"nonce\":\"0G"),
            ("\"device\":\"05", "\"device\":\""),
            ("ed25519:", "ed448:"),
            ("\"box\":\"", "\"box\":\"AA"),
        ] {
            assert!(json.contains(from), "{from}");
            assert!(LinkOffer::parse(json.replace(from, to).as_bytes()).is_err(), "{to}");
        }
    }
}
