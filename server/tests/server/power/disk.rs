//! The contents of a database on disk after a power failure: all that was synced, and nothing or any part of the rest.

use std::collections::BTreeMap;
use std::path::Path;

use super::trace::{Step, What};
use crate::proxy::Chance;

/// Disks write sectors of this many bytes, completely or not at all.
const SECTOR: usize = 512;

/// What happens to unsynced writes.
pub(super) enum Unsynced<'a> {
    /// They are lost.
    Lost,
    /// Each sector of them is lost or kept, in any order, by chance.
    Torn(&'a mut Chance),
    /// They were written after all: the state that the process itself would see.
    Kept,
}

/// The files of a database, by their suffix after its name.
#[derive(Default)]
pub(super) struct Disk {
    files: BTreeMap<String, File>,
    steps: usize,
    /// Syncs of this file are ignored.
    deaf_to: Option<&'static str>,
}

#[derive(Default)]
struct File {
    synced: Vec<u8>,
    /// The later changes, each with the number of its step.
    pending: Vec<(usize, Change)>,
    /// Whether the directory lists it, and whether that is synced.
    named: bool,
    name_synced: bool,
}

enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate { length: usize },
}

impl Disk {
    /// From now on syncs of this file are ignored, to show their effect.
    pub(super) fn ignore_syncs_of(&mut self, file: &'static str) {
        self.deaf_to = Some(file);
    }

    /// Applies the next step.
    pub(super) fn perform(&mut self, step: &Step) {
        match &step.what {
            What::Create { file } => {
                let file = self.files.entry(file.clone()).or_default();
                if !file.named {
                    *file = File { named: true, name_synced: file.name_synced, ..File::default() };
                }
            }
            What::Write { file, offset, bytes } => {
                self.change(file, Change::Write { offset: *offset, bytes: bytes.clone() });
            }
            What::Truncate { file, length } => self.change(file, Change::Truncate { length: *length }),
            What::Sync { file } if self.deaf_to == Some(file.as_str()) => {}
            What::Sync { file } => self.files.get_mut(file).unwrap().sync(step.began_after),
            What::Unlink { file } => self.files.get_mut(file).unwrap().named = false,
            What::SyncDirectory => self.files.values_mut().for_each(|file| file.name_synced = file.named),
        }
        self.steps += 1;
    }

    fn change(&mut self, file: &str, change: Change) {
        self.files.get_mut(file).expect("an open file").pending.push((self.steps, change));
    }

    /// Writes the files to `db` in the state after the power failure.
    pub(super) fn write(&self, db: &Path, mut unsynced: Unsynced<'_>) {
        for (name, file) in &self.files {
            let named = if matches!(unsynced, Unsynced::Kept) { file.named } else { file.name_synced };
            if named {
                std::fs::write(format!("{}{name}", db.display()), file.content(&mut unsynced)).unwrap();
            }
        }
    }
}

impl File {
    /// Marks everything written before this step as durable.
    fn sync(&mut self, before: usize) {
        let later = self.pending.iter().position(|(step, _)| *step >= before).unwrap_or(self.pending.len());
        for (_, change) in self.pending.drain(..later) {
            change.apply(&mut self.synced, &mut Unsynced::Kept);
        }
    }

    fn content(&self, unsynced: &mut Unsynced<'_>) -> Vec<u8> {
        let mut content = self.synced.clone();
        for (_, change) in &self.pending {
            change.apply(&mut content, unsynced);
        }
        content
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>, unsynced: &mut Unsynced<'_>) {
        let mut happens = || match unsynced {
            Unsynced::Lost => false,
            Unsynced::Torn(chance) => chance.below(2) == 0,
            Unsynced::Kept => true,
        };
        match self {
            Self::Truncate { length } => {
                if happens() {
                    content.resize(*length, 0);
                }
            }
            Self::Write { offset, bytes } => {
                let mut from = 0;
                while from < bytes.len() {
                    // Up to the end of the sector that contains this byte.
                    let to = (from + SECTOR - (offset + from) % SECTOR).min(bytes.len());
                    if happens() {
                        content.resize(content.len().max(offset + to), 0);
                        content[offset + from..offset + to].copy_from_slice(&bytes[from..to]);
                    }
                    from = to;
                }
            }
        }
    }
}
