//! Requests signed by a caller: the header `X-KEZ-Auth: <handle>:<unix_ts>:<nonce, 32 hex>:<sig hex>`.
//!
//! The signature by the handle's key is over this text, without a trailing newline:
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

use sha2::{Digest, Sha256};

use crate::handle::{Handle, ServerName};
use crate::hex;
use crate::identity::{PublicIdentity, SecretIdentity};
use crate::inbox_auth::{MAX_SKEW_SECONDS, Unauthorized, canonical_number};
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

/// A header value with a valid shape; [`CallerAuth::verify`] checks the rest.
#[derive(Clone, Debug)]
pub struct CallerAuth {
    handle: Handle,
    ts: u64,
    nonce: Nonce,
    signature: Signature,
}

/// The header value with which `me`, known as `handle`, makes `request`.
pub fn header(
    me: &SecretIdentity,
    handle: &Handle,
    request: &CallerRequest<'_>,
    now: Timestamp,
    rng: &mut impl rand_core::CryptoRng,
) -> String {
    let mut nonce = Nonce([0; 16]);
    rng.fill_bytes(&mut nonce.0);
    let ts = now.unix();
    let signature = me.sign(request.signed_text(ts, nonce).as_bytes());
    format!("{handle}:{ts}:{nonce}:{signature}")
}

impl CallerAuth {
    /// Parses a header value.
    ///
    /// # Errors
    /// [`Unauthorized`] unless it has the four parts in their only valid spelling.
    pub fn parse(value: &str) -> Result<Self, Unauthorized> {
        let mut parts = value.split(':');
        let (Some(handle), Some(ts), Some(nonce), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Unauthorized);
        };
        Ok(Self {
            handle: handle.parse().map_err(|_| Unauthorized)?,
            ts: canonical_number(ts).ok_or(Unauthorized)?,
            nonce: Nonce(hex::decode(nonce).ok_or(Unauthorized)?),
            signature: signature.parse().map_err(|_| Unauthorized)?,
        })
    }

    /// The claimed caller; the signature must be verified with the key of this handle.
    pub const fn handle(&self) -> &Handle {
        &self.handle
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
