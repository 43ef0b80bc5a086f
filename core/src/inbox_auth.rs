//! Reading an inbox: the header `X-KEZ-Auth: <unix_ts>:<sig hex>`.
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

/// How far the header's time may lie from the server's, either way.
pub const MAX_SKEW_SECONDS: u64 = 60;

/// The header is missing, malformed, stale, for something else, or by another key. Never says which: a stranger
/// learns nothing from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the X-KEZ-Auth header does not allow this")]
pub struct Unauthorized;

/// The header value with which `me` reads the inbox of `handle` after `since`.
pub fn header(me: &SecretIdentity, handle: &Handle, since: u64, now: Timestamp) -> String {
    let ts = now.unix();
    format!("{ts}:{}", me.sign(signed_text(handle, since, ts).as_bytes()))
}

/// Checks a header value against the parsed handle and cursor (never against the raw URL) and the handle's key.
///
/// # Errors
/// [`Unauthorized`], whatever is wrong.
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

/// A number in its one spelling: digits, no sign, no leading zero, at most 2^53 - 1.
pub fn canonical_number(text: &str) -> Option<u64> {
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if !canonical {
        return None;
    }
    text.parse().ok().filter(|number| *number <= crate::canonical_json::MAX_INTEGER)
}
