//! This server's log of chain heads: an append-only Merkle tree that gets a leaf in the same transaction that appends a
//! link, signed checkpoints, tiles, and proofs for lookups (docs/SPEC.md, section 13).

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use kez_core::identity::{Primary, Seed};
use kez_core::log::checkpoint::{InvalidLogKey, LogKey, LogSecret};
use kez_core::log::inclusion::Inclusion;
use kez_core::sigchain::Hash;

use crate::store::{Store, StoreError};
use crate::transparency::tile::{self, TileId};
use crate::transparency::tree::{self, IncompleteTree, Question};

/// The log of a server, with its key.
pub struct TransparencyLog {
    store: Arc<Store>,
    secret: LogSecret,
    /// The last signed checkpoint: most requests are for the same size.
    last: Mutex<Option<(u64, Arc<str>)>>,
}

/// Why the log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenLogError {
    /// The store does not answer.
    #[error("the key of the log cannot be read: {0}")]
    Store(#[from] StoreError),
    /// The file with the seed cannot be used.
    #[error("the file of --log-seed-file ({}) {reason}", .file.display())]
    SeedFile {
        /// The file.
        file: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The name does not fit into a signed note.
    #[error("the log cannot have this name: {0}")]
    Name(#[from] InvalidLogKey),
    /// The system's random number generator failed.
    #[error("no key can be generated: {0}")]
    Random(#[from] getrandom::Error),
}

impl From<IncompleteTree> for StoreError {
    fn from(_: IncompleteTree) -> Self {
        Self::Corrupt("tree of chain heads")
    }
}

impl TransparencyLog {
    /// The log with this name. Its key is in the file, or else in the store, where it is generated the first time.
    ///
    /// # Errors
    /// [`OpenLogError`] with the reason.
    pub async fn open(store: Arc<Store>, name: &str, seed_file: Option<&Path>) -> Result<Self, OpenLogError> {
        let seed = match seed_file {
            Some(file) => seed_in(file)?,
            None => {
                let mut fresh = [0; 32];
                getrandom::fill(&mut fresh)?;
                store.log_seed(Seed::from_bytes(fresh)).await?
            }
        };
        Ok(Self { secret: LogSecret::new(name, &seed)?, store, last: Mutex::default() })
    }

    /// The public key of the log.
    pub const fn key(&self) -> &LogKey {
        self.secret.public()
    }

    /// The number of heads in the log.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn size(&self) -> Result<u64, StoreError> {
        self.store.log_size().await
    }

    /// The signed checkpoint of the current log.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn checkpoint(&self) -> Result<Arc<str>, StoreError> {
        self.checkpoint_at(self.size().await?).await
    }

    async fn checkpoint_at(&self, size: u64) -> Result<Arc<str>, StoreError> {
        if let Some((last, note)) = &*self.last.lock().unwrap_or_else(PoisonError::into_inner)
            && *last == size
        {
            return Ok(Arc::clone(note));
        }
        let root = self.answer(&tree::root(size)).await?;
        let note: Arc<str> = self.secret.sign(size, &root).into();
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((size, Arc::clone(&note)));
        Ok(note)
    }

    /// The proof that the head of a chain is in the log; `None` when there is no such chain.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn inclusion(&self, root: &Primary) -> Result<Option<Inclusion>, StoreError> {
        let Some(head) = self.store.chain_head(root).await? else { return Ok(None) };
        // Read after the head, so that the tree holds it.
        let size = self.size().await?;
        let proof = self.answer(&tree::inclusion(size, head.log_index)).await?;
        let checkpoint = self.checkpoint_at(size).await?.to_string();
        Ok(Some(Inclusion {
            seqno: head.seqno,
            head: head.hash,
            index: head.log_index,
            size,
            proof,
            checkpoint,
        }))
    }

    /// The bytes of a tile of hashes.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn tile(&self, id: TileId) -> Result<Vec<u8>, StoreError> {
        self.answer(&tree::tile(id)).await
    }

    /// The bytes of a bundle of entries, each preceded by its length in two bytes, big-endian.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn entries(&self, id: TileId) -> Result<Vec<u8>, StoreError> {
        let first = id.index() * u64::from(tile::FULL_WIDTH);
        let entries = self.store.log_entries(first, u64::from(id.width())).await?;
        let mut bundle = Vec::new();
        for entry in entries {
            let bytes = entry.to_bytes().map_err(|_| StoreError::Corrupt("log entry"))?;
            let length = u16::try_from(bytes.len()).map_err(|_| StoreError::Corrupt("log entry"))?;
            bundle.extend_from_slice(&length.to_be_bytes());
            bundle.extend_from_slice(&bytes);
        }
        Ok(bundle)
    }

    async fn answer<T>(&self, question: &Question<T>) -> Result<T, StoreError> {
        let hashes: Vec<Hash> = match question.positions() {
            [] => Vec::new(),
            positions => self.store.log_hashes(positions.to_vec()).await?,
        };
        Ok(question.answer(&hashes)?)
    }
}

/// 64 hexadecimal digits in a file, with optional white space around them.
///
/// # Errors
/// [`OpenLogError::SeedFile`] says what is wrong with the file.
pub(crate) fn seed_in(file: &Path) -> Result<Seed, OpenLogError> {
    let wrong = |reason: String| OpenLogError::SeedFile { file: file.to_owned(), reason };
    let text = std::fs::read_to_string(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let seed: Hash = text
        .trim()
        .parse()
        .map_err(|_| wrong("does not hold 64 lower-case hexadecimal digits".to_owned()))?;
    Ok(Seed::from_bytes(*seed.as_bytes()))
}
