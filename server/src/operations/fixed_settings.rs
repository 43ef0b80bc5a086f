//! Settings that must not change for a database. They are recorded at the first start and compared at every later one.

use crate::store::{Store, StoreError};

/// The server name after the `@`, or the name of the sigchain server.
pub const SERVER: &str = "server";
/// The public key of the log of chain heads.
pub const LOG_KEY: &str = "log key";

/// Why a server must not start with a database.
#[derive(Debug, thiserror::Error)]
pub enum FixedSettingError {
    /// Every registration is signed with the name.
    #[error(
        "this database belongs to the server {recorded}, and this server is called {given}: start with the old name, or give \
         another database with --db"
    )]
    OtherServer {
        /// The name in the database.
        recorded: String,
        /// The name of this server.
        given: String,
    },
    /// Auditors would take a new key for a forgery.
    #[error(
        "the log in this database is signed with the key {recorded}, and this server has {given}: give the seed of the \
         old key with --log-seed-file, or leave the flag out if it was not used before"
    )]
    OtherLogKey {
        /// The verifier key in the database.
        recorded: String,
        /// The verifier key of this server.
        given: String,
    },
    /// The database does not answer.
    #[error("the database cannot be read: {0}")]
    Store(#[from] StoreError),
}

/// Records the server's name, or compares it with the recorded one.
///
/// # Errors
/// [`FixedSettingError::OtherServer`] when it differs.
pub async fn fix_server(store: &Store, given: &str) -> Result<(), FixedSettingError> {
    match different(store, SERVER, given).await? {
        None => Ok(()),
        Some(recorded) => Err(FixedSettingError::OtherServer { recorded, given: given.to_owned() }),
    }
}

/// Records the log's public key, or compares it with the recorded one.
///
/// # Errors
/// [`FixedSettingError::OtherLogKey`] when it differs.
pub async fn fix_log_key(store: &Store, given: &str) -> Result<(), FixedSettingError> {
    match different(store, LOG_KEY, given).await? {
        None => Ok(()),
        Some(recorded) => Err(FixedSettingError::OtherLogKey { recorded, given: given.to_owned() }),
    }
}

async fn different(store: &Store, name: &'static str, given: &str) -> Result<Option<String>, StoreError> {
    let recorded = store.fix_setting(name, given.to_owned()).await?;
    Ok((recorded != given).then_some(recorded))
}
