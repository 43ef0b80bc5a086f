//! Authentication for reading an inbox: the header `X-KEZ-Auth: <unix_ts>:<sig hex>`.
//!
//! The signature by the handle's key is over this text, without a trailing newline:
//!
//! ```text
//! GET
//! /v1/inbox/<handle>
//! since=<n>
//! <ts>
//! ```

use crate::handle::Handle;
use crate::identity::{PublicIdentity, SecretIdentity};
use crate::signature::Signature;
use crate::time::Timestamp;

/// The header's name, here and in [`crate::caller_auth`].
pub const HEADER: &str = "X-KEZ-Auth";

/// The largest difference between the header's time and the server's, in either direction.
pub const MAX_SKEW_SECONDS: u64 = 60;

/// The header is missing, malformed, stale, for another request, or signed by another key. The error never says which,
/// so a stranger learns nothing from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the X-KEZ-Auth header does not allow this")]
pub struct Unauthorized;

/// The header value with which `me` reads the inbox of `handle` after `since`.
pub fn header(me: &SecretIdentity, handle: &Handle, since: u64, now: Timestamp) -> String {
    let ts = now.unix();
    format!("{ts}:{}", me.sign(signed_text(handle, since, ts).as_bytes()))
}

/// Checks a header value with the handle's key. It compares with the parsed handle and cursor, never with the raw URL.
///
/// # Errors
/// [`Unauthorized`] for every failure.
pub fn verify(
    value: &str,
    handle: &Handle,
    since: u64,
    key: &PublicIdentity,
    now: Timestamp,
) -> Result<(), Unauthorized> {
    let (ts, signature) = value.split_once(':').ok_or(Unauthorized)?;
    let ts = canonical_number(ts).ok_or(Unauthorized)?;
    let signature: Signature = signature.parse().map_err(|_| Unauthorized)?;
    if ts.abs_diff(now.unix()) > MAX_SKEW_SECONDS {
        return Err(Unauthorized);
    }
    key.verify(signed_text(handle, since, ts).as_bytes(), &signature).map_err(|_| Unauthorized)
}

fn signed_text(handle: &Handle, since: u64, ts: u64) -> String {
    format!("GET\n/v1/inbox/{handle}\nsince={since}\n{ts}")
}

/// Parses a number in its only valid spelling: digits, no sign, no leading zero, at most 2^53 - 1.
pub fn canonical_number(text: &str) -> Option<u64> {
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if !canonical {
        return None;
    }
    text.parse().ok().filter(|number| *number <= crate::canonical_json::MAX_INTEGER)
}
