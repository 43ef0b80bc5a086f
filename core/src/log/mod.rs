//! The log of chain heads: an append-only Merkle tree in which a server writes down every sigchain link that it
//! accepts, so that it cannot show different people different chains, or take a link back, without leaving proof.
//!
//! Hashing is RFC 6962's; checkpoints are C2SP signed notes (<https://c2sp.org/tlog-checkpoint>,
//! <https://c2sp.org/signed-note>). What is here is what a reader needs: it checks, and builds nothing but the root.

pub mod checkpoint;
pub mod entry;
pub mod inclusion;
pub mod merkle;
