//! The Merkle tree of the log of chain heads: the addresses of its pieces, and its arithmetic.

pub mod tile;
pub mod tree;
