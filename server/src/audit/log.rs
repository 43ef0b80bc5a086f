//! Replays the log from its entries to the signed root, with every tile in between.

use std::collections::HashMap;

use kez_core::identity::Primary;
use kez_core::log::checkpoint::{Checkpoint, LogKey};
use kez_core::log::entry::LogEntry;
use kez_core::log::merkle::{GrowingTree, leaf_hash};
use kez_core::sigchain::Hash;

use super::finding::{Finding, Kind};
use super::memory::Memory;
use super::source::{AuditFailed, Source};
use crate::transparency::tile::{FULL_WIDTH, index_text};

/// The log as rebuilt from its entries.
pub(super) struct Replayed {
    tree: GrowingTree,
    leaves: Vec<Hash>,
    note: String,
    /// The hashes of each chain's links, in order.
    pub(super) chains: HashMap<Primary, Vec<Hash>>,
    /// Whether the log itself has no finding.
    pub(super) holds: bool,
    /// The roots of the entries at the requested sizes.
    roots: HashMap<u64, Hash>,
}

/// A checkpoint that came from a source other than the log, with a valid signature.
pub(super) struct Shown {
    /// Where it came from.
    pub(super) place: String,
    /// The parsed checkpoint.
    pub(super) checkpoint: Checkpoint,
    /// The signed note.
    pub(super) note: String,
}

/// Replays the log up to its checkpoint and compares it with the memory. `None` when there is no checkpoint to replay
/// to.
pub(super) async fn replay(
    source: &Source,
    key: &LogKey,
    remembered: Option<&Memory>,
    findings: &mut Vec<Finding>,
) -> Result<Option<Replayed>, AuditFailed> {
    let mut log = Replayed {
        tree: GrowingTree::default(),
        leaves: Vec::new(),
        note: String::new(),
        chains: HashMap::new(),
        holds: findings.is_empty(),
        roots: HashMap::new(),
    };
    if let Some(memory) = remembered {
        // Replays up to the remembered size first, because the root is known there.
        let Some(checkpoint) = log.checkpoint(source, key, findings).await? else { return Ok(None) };
        if checkpoint.size < memory.size {
            let detail = format!("it had {} leaves and has {}", memory.size, checkpoint.size);
            log.contradicts(findings, Kind::RolledBackLog, detail, &memory.checkpoint);
        } else {
            log.read_entries(source, memory.size, findings).await?;
            if log.size() == memory.size && log.tree.root() != memory.root {
                let detail = format!("its first {} leaves are not those that it had", memory.size);
                log.contradicts(findings, Kind::ForkedLog, detail, &memory.checkpoint);
            }
        }
    }
    if !log.advance(source, key, findings).await? {
        return Ok(None);
    }
    log.check_tiles(source, findings).await?;
    Ok(Some(log))
}

impl Replayed {
    /// The number of replayed leaves.
    pub(super) const fn size(&self) -> u64 {
        self.tree.size()
    }

    /// The memory for the next audit.
    pub(super) fn memory(&self, key: &LogKey) -> Memory {
        Memory {
            log_key: key.clone(),
            size: self.size(),
            root: self.tree.root(),
            checkpoint: self.note.clone(),
        }
    }

    /// Fetches the checkpoint and replays up to it. False when there is no checkpoint of this log.
    pub(super) async fn advance(
        &mut self,
        source: &Source,
        key: &LogKey,
        findings: &mut Vec<Finding>,
    ) -> Result<bool, AuditFailed> {
        let Some(checkpoint) = self.checkpoint(source, key, findings).await? else { return Ok(false) };
        if checkpoint.size < self.size() {
            let detail = format!("it had {} leaves a moment ago and has {}", self.size(), checkpoint.size);
            self.find(findings, Kind::RolledBackLog, detail);
            return Ok(true);
        }
        self.read_entries(source, checkpoint.size, findings).await?;
        if self.size() == checkpoint.size && self.tree.root() != checkpoint.root {
            let detail = format!(
                "the {} entries lead to {}, signed is {}",
                self.size(),
                self.tree.root(),
                checkpoint.root
            );
            self.find(findings, Kind::WrongRoot, detail);
        }
        Ok(true)
    }

    /// Compares a checkpoint from another source with the entries: the root at its size must be the same. The log may
    /// have grown since it was read.
    pub(super) async fn compare(
        &mut self,
        source: &Source,
        key: &LogKey,
        shown: &Shown,
        findings: &mut Vec<Finding>,
    ) -> Result<(), AuditFailed> {
        let Shown { place, checkpoint, note } = shown;
        if checkpoint.size > self.size() && !self.advance(source, key, findings).await? {
            return Ok(());
        }
        if checkpoint.size > self.size() {
            let detail =
                format!("{place} has a log of {} leaves, the log shows {}", checkpoint.size, self.size());
            self.contradicts(findings, Kind::ForkedLog, detail, note);
        } else if self.root_at(checkpoint.size) != checkpoint.root {
            let detail = format!(
                "the first {} entries lead to {}, signed with {place} is {}",
                checkpoint.size,
                self.root_at(checkpoint.size),
                checkpoint.root
            );
            self.contradicts(findings, Kind::ForkedLog, detail, note);
        }
        Ok(())
    }

    /// The root of the log at this number of leaves.
    fn root_at(&mut self, size: u64) -> Hash {
        let leaves = &self.leaves;
        *self.roots.entry(size).or_insert_with(|| {
            let mut tree = GrowingTree::default();
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            leaves.iter().take(size).for_each(|leaf| tree.push(*leaf));
            tree.root()
        })
    }

    /// Reports that the served log and a checkpoint of the same key contradict each other.
    fn contradicts(&mut self, findings: &mut Vec<Finding>, kind: Kind, detail: String, other: &str) {
        self.holds = false;
        findings.push(Finding::new(kind, detail).with_checkpoints([&self.note, other]));
    }

    async fn checkpoint(
        &mut self,
        source: &Source,
        key: &LogKey,
        findings: &mut Vec<Finding>,
    ) -> Result<Option<Checkpoint>, AuditFailed> {
        let note = source.checkpoint().await?;
        match key.verify(&note) {
            Ok(checkpoint) => {
                self.note = note;
                Ok(Some(checkpoint))
            }
            Err(error) => {
                self.find(findings, Kind::BadCheckpoint, error.to_string());
                Ok(None)
            }
        }
    }

    /// Replays entries until the log has this many leaves, or until an entry cannot be read.
    async fn read_entries(
        &mut self,
        source: &Source,
        size: u64,
        findings: &mut Vec<Finding>,
    ) -> Result<(), AuditFailed> {
        while self.size() < size {
            let (index, width) = piece(self.size() / u64::from(FULL_WIDTH), size);
            let path = format!("entries/{}", path(index, width));
            let skip = usize::try_from(self.size() % u64::from(FULL_WIDTH)).unwrap_or(usize::MAX);
            let bundle = source.piece(&path).await?.unwrap_or_default();
            let entries: Vec<&[u8]> = unbundle(&bundle).collect();
            if entries.len() != width as usize {
                self.find(
                    findings,
                    Kind::BadEntry,
                    format!("{path} holds {} of {width} entries", entries.len()),
                );
                return Ok(());
            }
            for entry in entries.into_iter().skip(skip) {
                self.take(entry, findings);
            }
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8], findings: &mut Vec<Finding>) {
        let index = self.size();
        let leaf = leaf_hash(bytes);
        self.tree.push(leaf);
        self.leaves.push(leaf);
        let entry = match LogEntry::parse(bytes) {
            Ok(entry) => entry,
            Err(error) => return self.find(findings, Kind::BadEntry, format!("entry {index}: {error}")),
        };
        let chain = self.chains.entry(entry.root).or_default();
        if entry.seqno == chain.len() as u64 + 1 {
            chain.push(entry.head);
        } else {
            let detail = format!(
                "entry {index} has link {} of {}, behind link {}",
                entry.seqno,
                entry.root,
                chain.len()
            );
            self.find(findings, Kind::ForkedChain, detail);
        }
    }

    /// Compares every tile with the entries.
    async fn check_tiles(&mut self, source: &Source, findings: &mut Vec<Finding>) -> Result<(), AuditFailed> {
        let (mut level, mut hashes) = (0, self.leaves.clone());
        while !hashes.is_empty() {
            for (index, tile) in (0..).zip(hashes.chunks(FULL_WIDTH as usize)) {
                let path =
                    format!("{level}/{}", path(index, u32::try_from(tile.len()).unwrap_or(FULL_WIDTH)));
                let expected: Vec<u8> = tile.iter().flat_map(|hash| *hash.as_bytes()).collect();
                if source.piece(&path).await?.is_none_or(|shown| shown != expected) {
                    self.find(
                        findings,
                        Kind::TamperedTile,
                        format!("{path} is not what its entries make it"),
                    );
                }
            }
            let full = hashes.chunks_exact(FULL_WIDTH as usize);
            hashes = full.map(root_of).collect();
            level += 1;
        }
        Ok(())
    }

    fn find(&mut self, findings: &mut Vec<Finding>, kind: Kind, detail: String) {
        self.holds = false;
        findings.push(Finding::new(kind, detail));
    }
}

fn root_of(tile: &[Hash]) -> Hash {
    let mut tree = GrowingTree::default();
    tile.iter().for_each(|hash| tree.push(*hash));
    tree.root()
}

/// The piece at an index of a level with `there` hashes, and the number of hashes it holds.
fn piece(index: u64, there: u64) -> (u64, u32) {
    let rest = there.saturating_sub(index * u64::from(FULL_WIDTH));
    (index, u32::try_from(rest).unwrap_or(FULL_WIDTH).min(FULL_WIDTH))
}

fn path(index: u64, width: u32) -> String {
    let index = index_text(index);
    if width == FULL_WIDTH { index } else { format!("{index}.p/{width}") }
}

/// The entries of a bundle, up to the point where it breaks off.
fn unbundle(mut bundle: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = bundle.split_first_chunk::<2>()?;
        let (entry, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        bundle = rest;
        Some(entry)
    })
}
