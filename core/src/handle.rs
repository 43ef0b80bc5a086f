//! Handles, the names of users on a home server, and the names of servers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A valid handle: 3 to 32 characters of `a-z`, `0-9`, `_` and `-`, the first a letter or a digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(String);

/// The part of the rule that a text breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum InvalidHandle {
    /// Fewer than 3 characters.
    #[error("a handle must have at least 3 characters")]
    TooShort,
    /// More than 32 characters.
    #[error("a handle can have at most 32 characters")]
    TooLong,
    /// A character outside the set.
    #[error("a handle can use only a-z, 0-9, _ and -")]
    Character,
    /// The first character is `_` or `-`.
    #[error("a handle must start with a letter or a digit")]
    Start,
}

/// Handles that no user can claim: users would take them for the server itself, or for an address that mail and web
/// standards give a role (RFC 2142).
const RESERVED: &[&str] = &[
    "abuse",
    "account",
    "admin",
    "administrator",
    "anonymous",
    "api",
    "app",
    "billing",
    "blog",
    "bot",
    "bots",
    "chat",
    "contact",
    "everyone",
    "ftp",
    "group",
    "groups",
    "health",
    "help",
    "here",
    "hostmaster",
    "info",
    "internal",
    "invite",
    "join",
    "kez",
    "kezchat",
    "kez-chat",
    "kez_chat",
    "legal",
    "login",
    "logout",
    "mail",
    "mailer-daemon",
    "marketing",
    "messages",
    "moderator",
    "news",
    "noc",
    "no-reply",
    "noreply",
    "nobody",
    "null",
    "official",
    "operator",
    "owner",
    "postmaster",
    "privacy",
    "register",
    "restore",
    "root",
    "sales",
    "security",
    "server",
    "settings",
    "signup",
    "staff",
    "status",
    "support",
    "sysadmin",
    "system",
    "team",
    "test",
    "undefined",
    "usenet",
    "uucp",
    "verify",
    "webmaster",
    "www",
];

impl Handle {
    /// The handle as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the handle is on the reserved list.
    pub fn is_reserved(&self) -> bool {
        RESERVED.contains(&self.as_str())
    }
}

impl FromStr for Handle {
    type Err = InvalidHandle;

    fn from_str(text: &str) -> Result<Self, InvalidHandle> {
        if !text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-')) {
            return Err(InvalidHandle::Character);
        }
        match text.len() {
            0..=2 => Err(InvalidHandle::TooShort),
            33.. => Err(InvalidHandle::TooLong),
            _ if text.starts_with(['_', '-']) => Err(InvalidHandle::Start),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Handle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Handle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The name of a home server, the part after the `@`: a lower-case host name, with a port if it has one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ServerName(String);

/// The text is not a valid server name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a server name is a lower-case host name such as kez.lat or localhost:6969")]
pub struct InvalidServerName;

impl ServerName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServerName {
    type Err = InvalidServerName;

    fn from_str(text: &str) -> Result<Self, InvalidServerName> {
        let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let port_fits = port.is_none_or(|port| !port.starts_with(['0', '+']) && port.parse::<u16>().is_ok());
        if host.len() <= 253 && host.split('.').all(label) && port_fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidServerName)
        }
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ServerName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_handle_names_the_broken_rule() {
        for (text, expected) in [
            ("ab", Err(InvalidHandle::TooShort)),
            ("", Err(InvalidHandle::TooShort)),
            (&"a".repeat(33), Err(InvalidHandle::TooLong)),
            ("-abc", Err(InvalidHandle::Start)),
            ("Alice", Err(InvalidHandle::Character)),
            ("alice\n", Err(InvalidHandle::Character)),
            ("аlice", Err(InvalidHandle::Character)),
            ("4ever", Ok(())),
            ("a_-", Ok(())),
        ] {
            assert_eq!(text.parse::<Handle>().map(|_| ()), expected, "{text:?}");
        }
    }

    #[test]
    fn every_reserved_name_is_a_valid_handle() {
        for name in RESERVED.iter().filter(|name| name.len() > 2) {
            assert!(name.parse::<Handle>().unwrap().is_reserved(), "{name}");
        }
        assert!(!"alice".parse::<Handle>().unwrap().is_reserved());
    }

    #[test]
    fn server_names() {
        for good in ["kez.lat", "localhost", "localhost:6969", "a-b.example", "127.0.0.1:80"] {
            assert!(good.parse::<ServerName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "Kez.lat",
            "kez.lat.",
            "kez..lat",
            "-kez.lat",
            "kez.lat:0",
            "kez.lat:99999",
            "a b",
            "a/b",
            "a@b",
        ] {
            assert!(bad.parse::<ServerName>().is_err(), "{bad}");
        }
    }
}
