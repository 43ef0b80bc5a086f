//! The statement of a link: its kinds, parsed and written.

use serde_json::{Map, Value};

use super::DeviceId;
use super::device::Device;
use super::hash::Hash;
use super::refused::LinkRefused;
use crate::canonical_json::MAX_INTEGER;
use crate::handle::{Handle, ServerName};
use crate::identity::PublicIdentity;
use crate::time::Timestamp;

/// The statement of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// The first link, and only the first: the chain begins with its root as primary.
    Init {
        /// The root.
        primary: PublicIdentity,
        /// Announces the next primary, [`Hash::of_key`]. An attacker who steals the present key cannot rotate with it.
        next: Hash,
    },
    /// Lets a further key sign for devices. The device signs too, so no one can certify a key that is not theirs.
    AddDevice(Device),
    /// Revokes a device.
    RevokeDevice {
        /// The device.
        device: DeviceId,
        /// The time since which its signatures are not to be trusted.
        since: Timestamp,
    },
    /// The announced key becomes the primary.
    RotatePrimary {
        /// The new primary.
        primary: PublicIdentity,
        /// Announces the next primary after this one.
        next: Hash,
    },
    /// Claims a handle on a server for this user.
    ClaimHandle {
        /// The handle.
        handle: Handle,
        /// The server.
        server: ServerName,
        /// [`Hash::of_json`] of the whole signed registration.
        registration: Hash,
    },
    /// Releases a handle.
    ReleaseHandle {
        /// The handle.
        handle: Handle,
        /// The server.
        server: ServerName,
    },
    /// The message versions that this user's clients can read.
    SetCapabilities {
        /// The lowest message version that this user still accepts.
        min_version: u64,
    },
    /// Closes the chain: no link may follow.
    Close {
        /// The announced next key, which must be revealed to close the chain.
        primary: PublicIdentity,
    },
}

impl Body {
    /// The name under `kind`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Init { .. } => "init",
            Self::AddDevice(_) => "add_device",
            Self::RevokeDevice { .. } => "revoke_device",
            Self::RotatePrimary { .. } => "rotate_primary",
            Self::ClaimHandle { .. } => "claim_handle",
            Self::ReleaseHandle { .. } => "release_handle",
            Self::SetCapabilities { .. } => "set_capabilities",
            Self::Close { .. } => "close",
        }
    }

    pub(super) fn to_value(&self) -> Value {
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        put("kind", self.kind().into());
        match self {
            Self::Init { primary, next } | Self::RotatePrimary { primary, next } => {
                put("primary", primary.to_string().into());
                put("next", next.to_string().into());
            }
            Self::AddDevice(device) => {
                put("device", device.device.to_string().into());
                put("key", device.key.to_string().into());
                put("name", device.name.as_str().into());
                put("expires_at", device.expires_at.to_string().into());
            }
            Self::RevokeDevice { device, since } => {
                put("device", device.to_string().into());
                put("since", since.to_string().into());
            }
            Self::ClaimHandle { handle, server, registration } => {
                put("handle", handle.as_str().into());
                put("server", server.as_str().into());
                put("registration", registration.to_string().into());
            }
            Self::ReleaseHandle { handle, server } => {
                put("handle", handle.as_str().into());
                put("server", server.as_str().into());
            }
            Self::SetCapabilities { min_version } => {
                put("min_version", (*min_version).into());
            }
            Self::Close { primary } => {
                put("primary", primary.to_string().into());
            }
        }
        Value::Object(fields)
    }

    /// Reads the fields of the given kind. Unknown fields show when the link is written again (`Link::parse`).
    pub(super) fn from_value(value: &Value) -> Result<Self, LinkRefused> {
        let fields = Fields(value);
        Ok(match fields.text("kind")? {
            "init" => Self::Init { primary: fields.key("primary")?, next: fields.parse("next")? },
            "add_device" => Self::AddDevice(Device {
                device: fields.parse("device")?,
                key: fields.key("key")?,
                name: fields.parse("name")?,
                expires_at: fields.parse("expires_at")?,
            }),
            "revoke_device" => {
                Self::RevokeDevice { device: fields.parse("device")?, since: fields.parse("since")? }
            }
            "rotate_primary" => {
                Self::RotatePrimary { primary: fields.key("primary")?, next: fields.parse("next")? }
            }
            "claim_handle" => Self::ClaimHandle {
                handle: fields.parse("handle")?,
                server: fields.parse("server")?,
                registration: fields.parse("registration")?,
            },
            "release_handle" => {
                Self::ReleaseHandle { handle: fields.parse("handle")?, server: fields.parse("server")? }
            }
            "set_capabilities" => Self::SetCapabilities { min_version: fields.integer("min_version")? },
            "close" => Self::Close { primary: fields.key("primary")? },
            unknown => return Err(LinkRefused::UnknownKind(unknown.chars().take(32).collect())),
        })
    }
}

/// The fields of an object. Each must be present and well-formed.
pub(super) struct Fields<'a>(pub(super) &'a Value);

impl<'a> Fields<'a> {
    pub(super) fn text(&self, name: &str) -> Result<&'a str, LinkRefused> {
        self.0.get(name).and_then(Value::as_str).ok_or_else(|| amiss(name))
    }

    pub(super) fn integer(&self, name: &str) -> Result<u64, LinkRefused> {
        self.0
            .get(name)
            .and_then(Value::as_u64)
            .filter(|n| (1..=MAX_INTEGER).contains(n))
            .ok_or_else(|| amiss(name))
    }

    pub(super) fn parse<T: std::str::FromStr>(&self, name: &str) -> Result<T, LinkRefused> {
        self.text(name)?.parse().map_err(|_| amiss(name))
    }

    pub(super) fn key(&self, name: &str) -> Result<PublicIdentity, LinkRefused> {
        PublicIdentity::parse(self.text(name)?).map_err(|_| amiss(name))
    }
}

fn amiss(name: &str) -> LinkRefused {
    LinkRefused::malformed(format!("{name} is missing or malformed"))
}
