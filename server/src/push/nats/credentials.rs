//! This server's NATS credentials, from files: a creds file, or an nkey seed.

use std::path::Path;

use async_nats::ConnectOptions;
use kez_core::nkey::{Role, SecretNkey};
use zeroize::Zeroizing;

/// The first line of a creds file.
const CREDS_MARK: &str = "-----BEGIN NATS USER JWT-----";

/// Parsed, but not used yet.
pub enum Credentials {
    /// The text of a creds file: a JWT and the seed of its key.
    Creds(Zeroizing<String>),
    /// A user's nkey.
    Nkey(Box<SecretNkey>),
}

/// A file with a secret cannot be used. The message names the file, and never its content.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// It cannot be read.
    #[error("{file} cannot be read: {error}")]
    Unreadable {
        /// The file.
        file: String,
        /// The operating system's error.
        error: std::io::Error,
    },
    /// It is neither a creds file nor the seed of a user's nkey.
    #[error("{0} holds neither NATS credentials nor the seed of a user's nkey (SU...)")]
    NoCredentials(String),
    /// It is not the seed of an account's nkey.
    #[error("{0} does not hold the seed of an account's nkey (SA...)")]
    NoIssuer(String),
    /// The creds are damaged.
    #[error("the NATS credentials cannot be used: {0}")]
    Damaged(std::io::Error),
}

impl Credentials {
    /// Reads a creds file or a file with a user's seed.
    ///
    /// # Errors
    /// [`CredentialsError`] when it is neither.
    pub fn read(file: &Path) -> Result<Self, CredentialsError> {
        let text = read(file)?;
        if text.contains(CREDS_MARK) {
            return Ok(Self::Creds(text));
        }
        seed(&text, Role::User)
            .map(|nkey| Self::Nkey(Box::new(nkey)))
            .ok_or_else(|| CredentialsError::NoCredentials(file.display().to_string()))
    }

    pub(super) fn into_options(self) -> Result<ConnectOptions, CredentialsError> {
        match self {
            Self::Creds(text) => ConnectOptions::with_credentials(&text).map_err(CredentialsError::Damaged),
            Self::Nkey(nkey) => Ok(ConnectOptions::with_nkey(nkey.seed_text().to_string())),
        }
    }
}

/// Reads the seed of the account that vouches for clients.
///
/// # Errors
/// [`CredentialsError`] when there is none in the file.
pub fn read_issuer(file: &Path) -> Result<SecretNkey, CredentialsError> {
    seed(&read(file)?, Role::Account).ok_or_else(|| CredentialsError::NoIssuer(file.display().to_string()))
}

fn read(file: &Path) -> Result<Zeroizing<String>, CredentialsError> {
    let unreadable = |error| CredentialsError::Unreadable { file: file.display().to_string(), error };
    std::fs::read_to_string(file).map(Zeroizing::new).map_err(unreadable)
}

fn seed(text: &str, role: Role) -> Option<SecretNkey> {
    SecretNkey::from_seed_text(text.trim()).ok().filter(|nkey| nkey.public().role() == role)
}
