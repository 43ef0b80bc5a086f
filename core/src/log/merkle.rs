//! Merkle tree hashes (RFC 6962, section 2.1) and the check of an inclusion proof (RFC 9162, section 2.1.3.2).

use sha2::{Digest as _, Sha256};

use crate::sigchain::Hash;

/// The hash of a leaf: SHA-256(0x00 || the entry's bytes).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash::from_bytes(Sha256::new().chain_update([0]).chain_update(entry).finalize().into())
}

/// The hash of an inner node: SHA-256(0x01 || left || right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let hash = Sha256::new().chain_update([1]).chain_update(left.as_bytes()).chain_update(right.as_bytes());
    Hash::from_bytes(hash.finalize().into())
}

/// The root computed from a proof, for the leaf at `index` in a tree of `size` leaves. `None` when the proof does not
/// fit index and size. The caller must compare the root with a signed one.
pub fn root_of_inclusion(index: u64, size: u64, leaf: Hash, proof: &[Hash]) -> Option<Hash> {
    let (mut node, mut last) = (index, size.checked_sub(1)?);
    if node > last {
        return None;
    }
    let mut hash = leaf;
    for sibling in proof {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            // The right edge of the tree skips the levels on which it has no sibling.
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    (last == 0).then_some(hash)
}

/// A tree that grows leaf by leaf. It stores only the roots of its complete subtrees, which suffice for the root at
/// each size.
#[derive(Clone, Debug, Default)]
pub struct GrowingTree {
    size: u64,
    /// Largest first; their sizes are the powers of two that make up `size`.
    subtrees: Vec<Hash>,
}

impl GrowingTree {
    /// Adds a leaf, given its [`leaf_hash`].
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.subtrees.push(hash);
        self.size += 1;
    }

    /// The number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root; for the empty tree, the hash of the empty string.
    pub fn root(&self) -> Hash {
        let joined = self.subtrees.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
        joined.unwrap_or_else(|| Hash::of(b""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The eight leaves used in the tests of Certificate Transparency implementations, and the roots of the first n of
    /// them.
    const LEAVES: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    #[test]
    fn roots_are_those_of_rfc_6962() {
        let mut tree = GrowingTree::default();
        assert_eq!(tree.root().to_string(), ROOTS[0]);
        for (leaf, root) in LEAVES.iter().zip(&ROOTS[1..]) {
            tree.push(leaf_hash(leaf));
            assert_eq!(tree.root().to_string(), *root);
        }
        assert_eq!(tree.size(), 8);
    }

    /// RFC 6962, section 2.1.1, written literally.
    fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() <= 1 {
            return Vec::new();
        }
        let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
        let (inside, beside) = if index < left.len() { (left, right) } else { (right, left) };
        let mut path = path(if index < left.len() { index } else { index - left.len() }, inside);
        path.push(root(beside));
        path
    }

    fn root(leaves: &[Hash]) -> Hash {
        let mut tree = GrowingTree::default();
        leaves.iter().for_each(|leaf| tree.push(*leaf));
        tree.root()
    }

    #[test]
    fn only_valid_proofs_lead_to_the_root() {
        let leaves: Vec<Hash> = (0..70_u8).map(|n| leaf_hash(&[n])).collect();
        for size in 1..=leaves.len() {
            let leaves = &leaves[..size];
            for (index, leaf) in leaves.iter().enumerate() {
                let (proof, wanted) = (path(index, leaves), Some(root(leaves)));
                let check = |index: usize, size: usize, proof: &[Hash]| {
                    root_of_inclusion(index as u64, size as u64, *leaf, proof)
                };
                assert_eq!(check(index, size, &proof), wanted);
                assert_ne!(check(index + 1, size, &proof), wanted);
                assert_eq!(check(size, size, &proof), None);
                let longer: Vec<Hash> = proof.iter().copied().chain([*leaf]).collect();
                assert_eq!(check(index, size, &longer), None);
                if let Some((_, shorter)) = proof.split_last() {
                    assert_ne!(check(index, size, shorter), wanted);
                }
            }
        }
        assert_eq!(root_of_inclusion(0, 0, leaves[0], &[]), None);
    }
}
