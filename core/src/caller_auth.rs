//! Requests signed by a caller: the header `X-KEZ-Auth: <caller>:<unix_ts>:<nonce, 32 hex>:<sig hex>`, where the caller
//! is `<handle>`, or `<handle>/<device, 32 hex>` for a device of the handle's owner.
//!
//! The signature by the key of the handle, or of the device, is over this text, without a trailing newline:
//!
//! ```text
//! kez-chat-auth-v1
//! <server>
//! <METHOD>
//! <path?query>
//! sha256=<hex of the body's bytes>
//! <ts>
//! <nonce>
//! ```

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::handle::{Handle, ServerName};
use crate::hex;
use crate::identity::{PublicIdentity, SecretIdentity};
use crate::inbox_auth::{MAX_SKEW_SECONDS, Unauthorized, canonical_number};
use crate::sigchain::DeviceId;
use crate::signature::Signature;
use crate::time::Timestamp;

/// How long a server remembers a nonce: twice the allowed skew, so a header expires before its nonce is forgotten.
pub const NONCE_LIFETIME_SECONDS: u64 = 2 * MAX_SKEW_SECONDS;

/// The request to be signed.
#[derive(Clone, Copy, Debug)]
pub struct CallerRequest<'a> {
    /// The server that the request is for.
    pub server: &'a ServerName,
    /// The method, in capitals.
    pub method: &'a str,
    /// Path and query as sent.
    pub target: &'a str,
    /// The bytes of the body; empty if there is no body.
    pub body: &'a [u8],
}

/// A random value that a caller uses once.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce([u8; 16]);

/// The name of a caller: `<handle>`, or `<handle>/<device, 32 hex>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerName {
    /// The handle of the account.
    pub handle: Handle,
    /// The device whose key signs; `None` for the account's primary.
    pub device: Option<DeviceId>,
}

/// A header value with a valid shape; [`CallerAuth::verify`] checks the rest.
#[derive(Clone, Debug)]
pub struct CallerAuth {
    caller: CallerName,
    ts: u64,
    nonce: Nonce,
    signature: Signature,
}

/// The header value with which `caller`, who holds `key`, makes `request`.
pub fn header(
    key: &SecretIdentity,
    caller: &CallerName,
    request: &CallerRequest<'_>,
    now: Timestamp,
    rng: &mut impl rand_core::CryptoRng,
) -> String {
    let mut nonce = Nonce([0; 16]);
    rng.fill_bytes(&mut nonce.0);
    let ts = now.unix();
    let signature = key.sign(request.signed_text(ts, nonce).as_bytes());
    format!("{caller}:{ts}:{nonce}:{signature}")
}

impl CallerAuth {
    /// Parses a header value.
    ///
    /// # Errors
    /// [`Unauthorized`] unless it has the four parts in their only valid spelling.
    pub fn parse(value: &str) -> Result<Self, Unauthorized> {
        let mut parts = value.split(':');
        let (Some(caller), Some(ts), Some(nonce), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Unauthorized);
        };
        Ok(Self {
            caller: caller.parse()?,
            ts: canonical_number(ts).ok_or(Unauthorized)?,
            nonce: Nonce(hex::decode(nonce).ok_or(Unauthorized)?),
            signature: signature.parse().map_err(|_| Unauthorized)?,
        })
    }

    /// The claimed handle. Unless the caller names a device, the signature must be verified with this handle's key.
    pub const fn handle(&self) -> &Handle {
        &self.caller.handle
    }

    /// The claimed device of the handle's owner, with whose key the signature must then be verified.
    pub const fn device(&self) -> Option<DeviceId> {
        self.caller.device
    }

    /// Checks the time and the signature. The caller of this function must then record the nonce, and refuse a pair of
    /// handle and nonce that it has seen before.
    ///
    /// # Errors
    /// [`Unauthorized`] for every failure.
    pub fn verify(
        &self,
        request: &CallerRequest<'_>,
        key: &PublicIdentity,
        now: Timestamp,
    ) -> Result<Nonce, Unauthorized> {
        if self.ts.abs_diff(now.unix()) > MAX_SKEW_SECONDS {
            return Err(Unauthorized);
        }
        let text = request.signed_text(self.ts, self.nonce);
        key.verify(text.as_bytes(), &self.signature).map_err(|_| Unauthorized)?;
        Ok(self.nonce)
    }
}

impl From<Handle> for CallerName {
    fn from(handle: Handle) -> Self {
        Self { handle, device: None }
    }
}

impl FromStr for CallerName {
    type Err = Unauthorized;

    fn from_str(text: &str) -> Result<Self, Unauthorized> {
        let (handle, device) = match text.split_once('/') {
            None => (text, None),
            Some((handle, device)) => (handle, Some(device.parse().map_err(|_| Unauthorized)?)),
        };
        Ok(Self { handle: handle.parse().map_err(|_| Unauthorized)?, device })
    }
}

impl fmt::Display for CallerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.device {
            None => write!(f, "{}", self.handle),
            Some(device) => write!(f, "{}/{device}", self.handle),
        }
    }
}

impl CallerRequest<'_> {
    fn signed_text(&self, ts: u64, nonce: Nonce) -> String {
        let Self { server, method, target, body } = self;
        let hash = hex::encode(&Sha256::digest(body));
        format!("kez-chat-auth-v1\n{server}\n{method}\n{target}\nsha256={hash}\n{ts}\n{nonce}")
    }
}

impl Nonce {
    /// A nonce from its 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::CallerName;

    #[test]
    fn a_caller_is_a_handle_or_one_of_its_devices() {
        let device = "0123456789abcdef0123456789abcdef";
        for name in ["alice".to_owned(), format!("alice/{device}")] {
            assert_eq!(name.parse::<CallerName>().unwrap().to_string(), name);
        }
        for name in ["", "/", "alice/", "/0123456789abcdef0123456789abcdef", "alice/0123", "alice/a/b"] {
            assert!(name.parse::<CallerName>().is_err(), "{name}");
        }
        assert!(format!("alice/{}", device.to_uppercase()).parse::<CallerName>().is_err());
    }
}
