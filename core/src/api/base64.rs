//! Bytes in a JSON body, as base64url without padding (RFC 4648, section 5).

use std::borrow::Cow;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Bytes that are written as base64url.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String))]
pub struct Base64Url(pub Vec<u8>);

impl Serialize for Base64Url {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Base64UrlUnpadded::encode_string(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Base64UrlUnpadded::decode_vec(&text)
            .map(Self)
            .map_err(|_| de::Error::custom("base64url without padding was expected"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_one_spelling() {
        let bytes = Base64Url(vec![0xfb, 0xff, 0]);
        assert_eq!(serde_json::to_string(&bytes).unwrap(), "\"-_8A\"");
        assert_eq!(serde_json::from_str::<Base64Url>("\"-_8A\"").unwrap(), bytes);
        for other in ["\"+/8A\"", "\"-_8A=\"", "\"-_8B \"", "\"-_9\"", "7"] {
            assert!(serde_json::from_str::<Base64Url>(other).is_err(), "{other}");
        }
    }
}
