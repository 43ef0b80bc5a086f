//! The log of chain heads: an append-only Merkle tree in which a server records every sigchain link that it accepts.
//! The server cannot show users different chains, or withdraw a link, without leaving proof.
//!
//! Hashing follows RFC 6962; checkpoints are C2SP signed notes (<https://c2sp.org/tlog-checkpoint>,
//! <https://c2sp.org/signed-note>). This module holds what a reader needs: it verifies proofs, and computes nothing but
//! the root.

pub mod checkpoint;
pub mod entry;
pub mod inclusion;
pub mod merkle;
