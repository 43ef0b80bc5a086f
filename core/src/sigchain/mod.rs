//! Sigchains: the signed history of an identity's keys, which outlives each of them.
//!
//! ```json
//! {"kez": "sigchain_link",
//!  "payload": {"type": "kez.sigchain.link", "version": 1, "root": "ed25519:<hex>", "seqno": 2,
//!              "prev": "<hash of the whole link before>", "created_at": "...",
//!              "body": {"kind": "claim_handle", "handle": "alice", "server": "kez.lat", "registration": "<hash>"}},
//!  "signature": {"alg": "ed25519-sha512-jcs", "key": "ed25519:<hex>", "sig": "<128 hex>"}}
//! ```
//!
//! The payload of a link does not name the signer: the chain determines which key may sign at that position. `root` is
//! the first primary. It names the chain for life, through every rotation. Server, browser and auditor replay chains
//! with [`Chain::append`], so they agree on every link.
//!
//! ```
//! use kez_core::{identity::{SecretIdentity, Seed}, sigchain::{Body, Chain, Hash, Link}, time::Timestamp};
//! let [first, second, third] = [1, 2, 3].map(|byte| SecretIdentity::from_seed(Seed::from_bytes([byte; 32])));
//! let now = Timestamp::from_unix(1_790_000_000);
//!
//! let mut chain = Chain::new(first.public().primary());
//! let init = Body::Init { primary: first.public(), next: Hash::of_key(&second.public()) };
//! let init = chain.draft(init, now).sign(&first)?;
//! chain.append(&Link::parse(init.json().as_bytes())?)?;
//!
//! // Only the announced key can take over: an attacker who stole the first key cannot.
//! let rotate = Body::RotatePrimary { primary: second.public(), next: Hash::of_key(&third.public()) };
//! chain.append(&chain.draft(rotate, now).sign(&second)?)?;
//! assert_eq!(chain.primary(), second.public().primary());
//! # Ok::<(), kez_core::sigchain::LinkRefused>(())
//! ```

mod api;
mod body;
mod chain;
mod device;
mod draft;
mod hash;
mod link;
mod refused;
mod words;

pub use api::{Appended, ConflictProblem, Heads, Links, SeenHead};
pub use body::Body;
pub use chain::{Certified, Chain, Claim};
pub use device::{Device, DeviceId, DeviceName};
pub use draft::Draft;
pub use hash::{Hash, InvalidHash};
pub use link::Link;
pub use refused::LinkRefused;

/// The most bytes that a link may have, as sent and in canonical form: 8 KiB.
pub const MAX_LINK_BYTES: usize = 8 * 1024;
/// The most links in a chain.
pub const MAX_LINKS: u64 = 2000;
/// The most links that a server appends to one chain within 24 hours.
pub const MAX_LINKS_PER_DAY: u64 = 20;
/// The most live devices of a chain at one time.
pub const MAX_LIVE_DEVICES: usize = 20;
