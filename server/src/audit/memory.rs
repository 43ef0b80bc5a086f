//! The state that an auditor keeps between audits. A log that drops or changes something contradicts it.

use std::io::{ErrorKind, Write as _};
use std::path::Path;

use kez_core::log::checkpoint::LogKey;
use kez_core::sigchain::Hash;
use serde::{Deserialize, Serialize};

/// The log as of the last valid audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// The key of the log.
    #[serde(with = "text")]
    pub log_key: LogKey,
    /// The number of leaves.
    pub size: u64,
    /// The root of its tree.
    pub root: Hash,
    /// The signed checkpoint. It proves to third parties that the server has contradicted itself.
    pub checkpoint: String,
}

/// Why the memory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The file system returned an error.
    #[error("{0}")]
    File(#[from] std::io::Error),
    /// The file has other content.
    #[error("it contains no state of an audit: {0}")]
    Malformed(#[from] serde_json::Error),
}

impl Memory {
    /// Reads a file; `None` when it does not exist yet.
    ///
    /// # Errors
    /// [`MemoryError`] when the file cannot be read.
    pub fn read(file: &Path) -> Result<Option<Self>, MemoryError> {
        match std::fs::read(file) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces the old file atomically, so that there is always a complete one.
    ///
    /// # Errors
    /// [`MemoryError`] when the file cannot be written.
    pub fn write(&self, file: &Path) -> Result<(), MemoryError> {
        let mut name = file.as_os_str().to_owned();
        name.push(".new");
        let mut new = std::fs::File::create(&name)?;
        new.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
        new.sync_all()?;
        std::fs::rename(&name, file)?;
        Ok(())
    }
}

/// A key in its text form.
mod text {
    use kez_core::log::checkpoint::LogKey;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(key: &LogKey, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(key)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LogKey, D::Error> {
        std::borrow::Cow::<str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
