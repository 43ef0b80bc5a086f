//! The arithmetic of the log's Merkle tree, that of `tlog_tiles`, over hashes in a database.
//!
//! A tree is stored as the hashes of its leaves and of its complete subtrees, in the order in which they become known
//! (Crosby and Wallach, "Efficient Data Structures for Tamper-Evident Logging", section 3.3). The question alone
//! determines which hashes it needs, so each one is evaluated twice: once to learn which hashes to fetch, and once with
//! the hashes.

use std::cell::RefCell;
use std::collections::HashMap;

use kez_core::sigchain::Hash;
use tlog_tiles::{Error, HashReader, Tile};

use super::tile::{HEIGHT, TileId};

/// A computation over the known hashes.
type Ask<T> = Box<dyn Fn(&Known) -> Result<T, Error> + Send + Sync>;

/// Hashes that answer a question about a tree are missing, or are those of no tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("hashes of the tree are missing")]
pub struct IncompleteTree;

/// A question about a tree, and the positions of the hashes that answer it.
pub struct Question<T> {
    ask: Ask<T>,
    positions: Vec<u64>,
}

impl<T> Question<T> {
    fn new(ask: impl Fn(&Known) -> Result<T, Error> + Send + Sync + 'static) -> Self {
        let nothing = Known::default();
        // It either needs no hash or fails because hashes are missing; both show what is needed.
        let _ = ask(&nothing);
        Self { ask: Box::new(ask), positions: nothing.missing.into_inner() }
    }

    /// The positions of the required hashes.
    pub fn positions(&self) -> &[u64] {
        &self.positions
    }

    /// The answer, from the hashes at [`Question::positions`], in that order.
    ///
    /// # Errors
    /// [`IncompleteTree`] when hashes are missing.
    pub fn answer(&self, hashes: &[Hash]) -> Result<T, IncompleteTree> {
        let hashes =
            self.positions.iter().copied().zip(hashes.iter().map(|hash| tlog_tiles::Hash(*hash.as_bytes())));
        let known = Known { hashes: hashes.collect(), missing: RefCell::default() };
        (self.ask)(&known).map_err(|_| IncompleteTree)
    }
}

/// The root of the tree of the first `size` leaves.
pub fn root(size: u64) -> Question<Hash> {
    Question::new(move |known| tlog_tiles::tree_hash(size, known).map(digest))
}

/// The hashes that a leaf adds at the end of a tree of `size` leaves. Their positions start at [`first_position`].
pub fn append(size: u64, leaf: Hash) -> Question<Vec<Hash>> {
    Question::new(move |known| {
        let added =
            tlog_tiles::stored_hashes_for_record_hash(size, tlog_tiles::Hash(*leaf.as_bytes()), known)?;
        Ok(added.into_iter().map(digest).collect())
    })
}

/// The position of a leaf's hash.
pub fn first_position(leaf: u64) -> u64 {
    tlog_tiles::stored_hash_index(0, leaf)
}

/// The hashes beside the path from a leaf to the root, starting with the leaf's sibling; `index` is less than `size`.
pub fn inclusion(size: u64, index: u64) -> Question<Vec<Hash>> {
    Question::new(move |known| {
        let proof = tlog_tiles::prove_record(size, index, known)?;
        Ok(proof.into_iter().map(digest).collect())
    })
}

/// The bytes of a tile of hashes.
pub fn tile(id: TileId) -> Question<Vec<u8>> {
    let tile = Tile::new(HEIGHT, id.level(), id.index(), id.width(), false);
    Question::new(move |known| tile.read_data(known))
}

fn digest(hash: tlog_tiles::Hash) -> Hash {
    Hash::from_bytes(hash.0)
}

/// Hashes by their position. It records the positions that are requested but missing.
#[derive(Default)]
struct Known {
    hashes: HashMap<u64, tlog_tiles::Hash>,
    missing: RefCell<Vec<u64>>,
}

impl HashReader for Known {
    fn read_hashes(&self, positions: &[u64]) -> Result<Vec<tlog_tiles::Hash>, Error> {
        let hashes = positions.iter().map(|position| self.hashes.get(position).copied()).collect();
        let hashes: Option<Vec<tlog_tiles::Hash>> = hashes;
        hashes.ok_or_else(|| {
            self.missing.replace(positions.to_vec());
            Error::IndexesNotInTree
        })
    }
}

#[cfg(test)]
mod tests {
    use kez_core::log::merkle::{GrowingTree, leaf_hash, root_of_inclusion};

    use super::*;

    /// A database with one table.
    #[derive(Default)]
    struct Nodes(Vec<Hash>);

    impl Nodes {
        fn ask<T>(&self, question: &Question<T>) -> T {
            let at = |position: &u64| self.0[usize::try_from(*position).unwrap()];
            question.answer(&question.positions().iter().map(at).collect::<Vec<_>>()).unwrap()
        }
    }

    #[test]
    fn proofs_built_here_verify_in_the_core() {
        let (mut nodes, mut tree) = (Nodes::default(), GrowingTree::default());
        for size in 0..600 {
            assert_eq!(nodes.ask(&root(size)), tree.root());
            for index in [0, size / 3, size.saturating_sub(1)].into_iter().filter(|index| *index < size) {
                let proof = nodes.ask(&inclusion(size, index));
                let leaf = leaf_hash(&index.to_be_bytes());
                assert_eq!(root_of_inclusion(index, size, leaf, &proof), Some(tree.root()));
            }
            let leaf = leaf_hash(&size.to_be_bytes());
            assert_eq!(first_position(size), nodes.0.len() as u64);
            let added = nodes.ask(&append(size, leaf));
            nodes.0.extend(added);
            tree.push(leaf);
        }
    }

    #[test]
    fn a_tile_contains_its_hashes_in_order() {
        let mut nodes = Nodes::default();
        let leaves: Vec<Hash> = (0..300_u64).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        for (size, leaf) in (0..).zip(&leaves) {
            let added = nodes.ask(&append(size, *leaf));
            nodes.0.extend(added);
        }
        let bytes = |leaves: &[Hash]| leaves.iter().flat_map(|leaf| *leaf.as_bytes()).collect::<Vec<_>>();
        let tile = |level, index| nodes.ask(&tile(TileId::parse(level, index, 300).unwrap()));
        assert_eq!(tile("0", "000"), bytes(&leaves[..256]));
        assert_eq!(tile("0", "001.p/44"), bytes(&leaves[256..]));
        let mut full = GrowingTree::default();
        leaves[..256].iter().for_each(|leaf| full.push(*leaf));
        assert_eq!(tile("1", "000.p/1"), bytes(&[full.root()]));
    }

    #[test]
    fn missing_hashes_are_reported() {
        let question = root(5);
        assert_eq!(question.positions().len(), 2);
        assert_eq!(question.answer(&[]), Err(IncompleteTree));
    }
}
