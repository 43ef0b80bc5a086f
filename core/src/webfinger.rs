//! WebFinger (RFC 7033): resolves `acct:alice@kez.lat` to a profile, a sigchain and a message endpoint. Host-meta (RFC
//! 6415) gives the URL of the WebFinger endpoint.

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
/// The relation of the endpoint that accepts envelopes.
pub const REL_MESSAGES: &str = "https://kez.chat/rel/messages";
/// The property that holds the primary key.
pub const PROPERTY_PRIMARY: &str = "https://kez.chat/ns/primary";

/// The property with the proof that the head of the sigchain is in the server's log. Its value is the JSON text of a
/// [`crate::log::inclusion::Inclusion`], because properties are strings (RFC 7033, section 4.4.3).
pub const PROPERTY_LOG: &str = "https://kez.chat/ns/log-inclusion";

/// The relation under which host-meta gives the WebFinger URL (RFC 6415, section 3.1).
pub const REL_LRDD: &str = "lrdd";

/// A user, as a resource names them: `acct:<handle>@<server>` (RFC 7565), or the URL of their profile page.
///
/// The parser accepts the variants that other servers and users write: capitals, surrounding blanks, a leading `@`, no
/// `acct:`. Answers always use one spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The user.
    pub handle: Handle,
    /// Their home server.
    pub server: ServerName,
}

/// The resource is missing or names no user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the resource has the form acct:alice@kez.lat or https://kez.lat/u/alice")]
pub struct MalformedResource;

impl FromStr for Resource {
    type Err = MalformedResource;

    fn from_str(text: &str) -> Result<Self, MalformedResource> {
        let text = text.trim().to_ascii_lowercase();
        let (handle, server) = match text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) {
            Some(page) => {
                let (server, handle) = page.split_once("/u/").ok_or(MalformedResource)?;
                (handle.strip_suffix('/').unwrap_or(handle), server)
            }
            None => {
                let account = text.strip_prefix("acct:").unwrap_or(&text);
                account.strip_prefix('@').unwrap_or(account).split_once('@').ok_or(MalformedResource)?
            }
        };
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
    /// The links.
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
    /// The URL.
    pub href: String,
}

/// The host-meta document as JSON (RFC 6415, appendix A). It gives the WebFinger URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HostMeta {
    /// One link, under [`REL_LRDD`].
    pub links: Vec<Template>,
}

/// A URL template for a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Template {
    /// The relation.
    pub rel: String,
    /// The media type behind it.
    #[serde(rename = "type")]
    pub media_type: String,
    /// The URL, with `{uri}` in place of the resource.
    pub template: String,
}

impl HostMeta {
    /// The host-meta document of a server.
    pub fn new(public_url: &str) -> Self {
        let template = format!("{public_url}/.well-known/webfinger?resource={{uri}}");
        let link = Template { rel: REL_LRDD.to_owned(), media_type: MEDIA_TYPE.to_owned(), template };
        Self { links: vec![link] }
    }

    /// The same document as XRD (RFC 6415, section 2).
    pub fn to_xrd(&self) -> String {
        let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        let link = |Template { rel, media_type, template }: &Template| {
            let [rel, media_type, template] = [rel, media_type, template].map(|text| escape(text));
            format!("  <Link rel=\"{rel}\" type=\"{media_type}\" template=\"{template}\"/>\n")
        };
        let links: String = self.links.iter().map(link).collect();
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <XRD xmlns=\"http://docs.oasis-open.org/ns/xri/xrd-1.0\">\n{links}</XRD>\n"
        )
    }
}

impl Jrd {
    /// Describes an account. `rels` selects links by relation; empty keeps all (RFC 7033, section 4.3).
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
    fn every_spelling_of_a_person_parses_and_nothing_else() {
        let alice = Resource { handle: "alice".parse().unwrap(), server: "kez.lat".parse().unwrap() };
        for spelling in [
            "acct:alice@kez.lat",
            "acct:Alice@KEZ.LAT",
            "ACCT:alice@kez.lat",
            " acct:alice@kez.lat\t",
            "acct:@alice@kez.lat",
            "alice@kez.lat",
            "@alice@kez.lat",
            "https://kez.lat/u/alice",
            "https://kez.lat/u/alice/",
            "HTTPS://Kez.lat/u/Alice",
            "http://kez.lat/u/alice",
        ] {
            assert_eq!(spelling.parse::<Resource>(), Ok(alice.clone()), "{spelling}");
        }
        for other in [
            "acct:alice",
            "acct:@kez.lat",
            "acct:alice@",
            "acct:al ice@kez.lat",
            "acct:alice@kez.lat@evil.example",
            "https://kez.lat/",
            "https://kez.lat/u/",
            "https://kez.lat/v/alice",
            "https://kez.lat/u/alice/messages",
            "https://kez.lat/u/alice?x=1",
            "https://me@kez.lat/u/alice",
            "mailto:alice@kez.lat",
            "alice",
            "",
        ] {
            assert_eq!(other.parse::<Resource>(), Err(MalformedResource), "{other}");
        }
    }
}
