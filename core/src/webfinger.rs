//! WebFinger (RFC 7033): `acct:alice@kez.lat` leads to a profile, a sigchain and a message endpoint.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::handle::{Handle, ServerName};
use crate::identity::PublicIdentity;

/// The media type of the answer (RFC 7033, section 10.2).
pub const MEDIA_TYPE: &str = "application/jrd+json";

/// The relation of the profile page (RFC 7033, section 3.1 uses it too).
pub const REL_PROFILE: &str = "http://webfinger.net/rel/profile-page";
/// The relation of the signed history of the key.
pub const REL_SIGCHAIN: &str = "https://kez.chat/rel/sigchain";
/// The relation of the endpoint that takes envelopes.
pub const REL_MESSAGES: &str = "https://kez.chat/rel/messages";
/// The property that holds the primary key.
pub const PROPERTY_PRIMARY: &str = "https://kez.chat/ns/primary";

/// The property that holds the proof that the head of the sigchain stands in the server's log: the JSON text of a
/// [`crate::log::inclusion::Inclusion`], because properties are text (RFC 7033, section 4.4.3).
pub const PROPERTY_LOG: &str = "https://kez.chat/ns/log-inclusion";

/// A resource of the form `acct:<handle>@<server>` (RFC 7565).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The person.
    pub handle: Handle,
    /// Their home.
    pub server: ServerName,
}

/// The resource is missing or has another form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the resource has the form acct:alice@kez.lat")]
pub struct MalformedResource;

impl FromStr for Resource {
    type Err = MalformedResource;

    fn from_str(text: &str) -> Result<Self, MalformedResource> {
        let (handle, server) = text
            .strip_prefix("acct:")
            .and_then(|account| account.split_once('@'))
            .ok_or(MalformedResource)?;
        Ok(Self {
            handle: handle.parse().map_err(|_| MalformedResource)?,
            server: server.parse().map_err(|_| MalformedResource)?,
        })
    }
}

/// The answer: a JSON Resource Descriptor (RFC 7033, section 4.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Jrd {
    /// The account, `acct:alice@kez.lat`.
    pub subject: String,
    /// Other names: the profile page.
    pub aliases: Vec<String>,
    /// The primary key under [`PROPERTY_PRIMARY`].
    pub properties: BTreeMap<String, String>,
    /// Where to go from here.
    pub links: Vec<Link>,
}

/// One link of a [`Jrd`] (RFC 7033, section 4.4.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Link {
    /// The relation.
    pub rel: String,
    /// The media type behind the link.
    #[serde(rename = "type")]
    pub media_type: String,
    /// The address.
    pub href: String,
}

impl Jrd {
    /// Describes an account. `rels` keeps only the links asked for; empty keeps all (RFC 7033, section 4.3).
    pub fn describe(
        resource: &Resource,
        primary: &PublicIdentity,
        public_url: &str,
        sigchain_url: &str,
        rels: &[String],
    ) -> Self {
        let Resource { handle, server } = resource;
        let profile = format!("{public_url}/u/{handle}");
        let link = |rel: &str, media_type: &str, href: &str| Link {
            rel: rel.to_owned(),
            media_type: media_type.to_owned(),
            href: href.to_owned(),
        };
        let mut links = vec![
            link(REL_PROFILE, "text/html", &profile),
            link(REL_SIGCHAIN, "application/json", sigchain_url),
            link(REL_MESSAGES, "application/json", &format!("{public_url}/v1/messages")),
        ];
        links.retain(|link| rels.is_empty() || rels.contains(&link.rel));
        Self {
            subject: format!("acct:{handle}@{server}"),
            aliases: vec![profile],
            properties: BTreeMap::from([(PROPERTY_PRIMARY.to_owned(), primary.to_string())]),
            links,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_accounts() {
        assert!("acct:alice@kez.lat".parse::<Resource>().is_ok());
        for other in [
            "alice@kez.lat",
            "acct:alice",
            "acct:@kez.lat",
            "acct:Alice@kez.lat",
            "acct:alice@",
            "https://kez.lat/u/alice",
            "",
        ] {
            assert_eq!(other.parse::<Resource>(), Err(MalformedResource), "{other}");
        }
    }
}
