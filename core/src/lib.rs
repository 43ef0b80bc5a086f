//! The KEZ Chat protocol: identities, signed objects, envelopes, and the rules that every side must apply alike.
//!
//! The server, the web client (as WASM) and the tools all use this crate, so they agree on which keys, signatures and
//! names are valid. It does no I/O and has neither a clock nor a random generator: callers pass `now` and `rng`. The
//! specification is `docs/SPEC.md`; each of its sections names its file here.
//!
//! ```
//! use kez_core::{envelope::{self, Envelope}, identity::{Peer, SecretIdentity, Seed}, time::Timestamp};
//! # struct Fixed; // a real caller passes the system's generator
//! # impl rand_core::TryRng for Fixed {
//! #     type Error = core::convert::Infallible;
//! #     fn try_next_u32(&mut self) -> Result<u32, Self::Error> { Ok(7) }
//! #     fn try_next_u64(&mut self) -> Result<u64, Self::Error> { Ok(7) }
//! #     fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Self::Error> { dst.fill(7); Ok(()) }
//! # }
//! # impl rand_core::TryCryptoRng for Fixed {}
//! # let mut rng = Fixed;
//! let alice = SecretIdentity::from_seed(Seed::from_bytes([1; 32]));
//! let bob = SecretIdentity::from_seed(Seed::from_bytes([2; 32]));
//!
//! // Alice seals, the relay carries bytes that it cannot read ...
//! let to_bob = Peer::new(&alice, bob.public())?;
//! let sealed = envelope::seal(&alice, &to_bob, b"{}", Timestamp::from_unix(1_790_000_000), &mut rng)?;
//!
//! // ... and Bob, who has pinned Alice's key, opens them.
//! let from_alice = Peer::new(&bob, alice.public())?;
//! let opened = Envelope::parse(sealed.json.as_bytes())?.open(&bob, |_| Some(&from_alice))?;
//! assert_eq!(opened.plaintext.as_slice(), b"{}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod api;
pub mod caller_auth;
pub mod canonical_json;
pub mod content;
pub mod display;
pub mod envelope;
pub mod group_item;
pub mod group_statements;
pub mod handle;
pub mod identity;
pub mod inbox_auth;
pub mod invite;
pub mod link;
pub mod log;
pub mod message;
pub mod mls;
pub mod nats_binding;
pub mod nkey;
pub mod problem;
pub mod recovery_phrase;
pub mod registration;
pub mod safety_number;
pub mod sigchain;
pub mod signature;
pub mod signed;
pub mod time;
pub mod webfinger;
pub mod work;

mod code;
mod hex;
