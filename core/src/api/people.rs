//! `POST /v1/people`: the look-ups and chains of many people at once (docs/SPEC.md, section 4).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::value::RawValue;

use super::Lookup;
use crate::canonical_json::MAX_INTEGER;
use crate::handle::Handle;
use crate::identity::Primary;
use crate::sigchain::Hash;
use crate::time::Timestamp;

/// The request target of [`LookUpPeople`].
pub const PEOPLE_TARGET: &str = "/v1/people";
/// The largest number of people in one request.
pub const MAX_PEOPLE: usize = 100;

/// `POST /v1/people`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LookUpPeople {
    /// The first keys of their sigchains, at most [`MAX_PEOPLE`], each with the number of links that the caller has.
    #[serde(deserialize_with = "roots")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub roots: BTreeMap<Primary, u64>,
}

/// The answer to [`LookUpPeople`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct People {
    /// Those who have an account on this server, in the order of their roots.
    pub people: Vec<PersonFound>,
}

/// A person: the fields of [`Lookup`] and, where this server keeps the sigchain, the end of the sigchain.
///
/// The fields of both are repeated here, because `serde(flatten)` cannot read raw JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PersonFound {
    /// As in [`Lookup`], like all fields up to `log`.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "alice"))]
    pub handle: Handle,
    /// `<handle>@<server>`.
    pub fqhn: String,
    /// The key that holds the handle.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub primary: Primary,
    /// Where the signed history of the key is. It ends with the hexadecimal digits of the root.
    pub sigchain_url: String,
    /// When the server accepted the registration.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub registered_at: Timestamp,
    /// The signed registration as accepted.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub registration: Box<RawValue>,
    /// Proof that the head of the sigchain is in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<crate::log::inclusion::Inclusion>))]
    pub log: Option<Box<RawValue>>,
    /// How many links the chain has; 0 without a chain. Absent, like the two fields that follow, where another server
    /// keeps the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// The hash of its last link; absent without a chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub head: Option<Hash>,
    /// The links after those that the caller has, in order. While they end before `length`, ask again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<Object>>))]
    pub links: Option<Vec<Box<RawValue>>>,
}

/// The end of a sigchain.
#[derive(Clone, Debug)]
pub struct ChainEnd {
    /// How many links the chain has; 0 without a chain.
    pub length: u64,
    /// The hash of its last link.
    pub head: Option<Hash>,
    /// The links after those that the caller has, in order.
    pub links: Vec<Box<RawValue>>,
}

impl PersonFound {
    /// A person with this look-up and, where this server keeps it, this chain.
    pub fn new(lookup: Lookup, chain: Option<ChainEnd>) -> Self {
        let Lookup { handle, fqhn, primary, sigchain_url, registered_at, registration, log } = lookup;
        let (length, head, links) = match chain {
            Some(ChainEnd { length, head, links }) => (Some(length), head, Some(links)),
            None => (None, None, None),
        };
        Self { handle, fqhn, primary, sigchain_url, registered_at, registration, log, length, head, links }
    }

    /// The look-up, and the chain if the server keeps it.
    pub fn into_parts(self) -> (Lookup, Option<ChainEnd>) {
        let Self {
            handle,
            fqhn,
            primary,
            sigchain_url,
            registered_at,
            registration,
            log,
            length,
            head,
            links,
        } = self;
        let chain = length.zip(links).map(|(length, links)| ChainEnd { length, head, links });
        (Lookup { handle, fqhn, primary, sigchain_url, registered_at, registration, log }, chain)
    }
}

/// Reads the roots, each of which may occur once.
fn roots<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Primary, u64>, D::Error> {
    struct Roots;

    impl<'de> de::Visitor<'de> for Roots {
        type Value = BTreeMap<Primary, u64>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {MAX_PEOPLE} different roots, each with a number of links")
        }

        fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut roots = BTreeMap::new();
            while let Some((root, length)) = map.next_entry::<Primary, u64>()? {
                let is_new = roots.insert(root, length).is_none();
                if !is_new || roots.len() > MAX_PEOPLE || length > MAX_INTEGER {
                    return Err(de::Error::custom(
                        "roots must be at most 100 different keys, each with a number up to 2^53 - 1",
                    ));
                }
            }
            Ok(roots)
        }
    }

    deserializer.deserialize_map(Roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> String {
        format!("ed25519:{n:064x}")
    }

    #[test]
    fn roots_are_few_and_different() {
        let read = |roots: &str| serde_json::from_str::<LookUpPeople>(&format!(r#"{{"roots":{{{roots}}}}}"#));
        let many = |count| (0..count).map(|n| format!("\"{}\":{n}", key(n))).collect::<Vec<_>>().join(",");
        for (roots, count) in [(String::new(), 0), (many(1), 1), (many(100), 100)] {
            let request = read(&roots).unwrap();
            assert_eq!(request.roots.len(), count);
            assert_eq!(serde_json::to_string(&request).unwrap(), format!(r#"{{"roots":{{{roots}}}}}"#));
        }
        let (one, large) = (key(1), 1_u64 << 53);
        for refused in [
            many(101),
            format!(r#""{one}":1,"{one}":1"#),
            format!(r#""{one}":{large}"#),
            format!(r#""{one}":-1"#),
            format!(r#""{one}":null"#),
            r#""ed25519:00":1"#.to_owned(),
        ] {
            assert!(read(&refused).is_err(), "{refused}");
        }
    }
}
