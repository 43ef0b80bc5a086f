//! Why a server does not start.

use crate::accounts::reserved::ReservedHandlesError;
use crate::chains::log::OpenLogError;
use crate::chains::source::OpenChainsError;
use crate::operations::fixed_settings::FixedSettingError;
use crate::operations::server_lock::ServerLockError;
use crate::push::nats::NatsError;
use crate::store::{OpenError, StoreError};
use crate::web::WebDirError;

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// Another server is using the database.
    #[error(transparent)]
    Lock(#[from] ServerLockError),
    /// The database belongs to a server with other settings.
    #[error(transparent)]
    FixedSetting(#[from] FixedSettingError),
    /// The log of chain heads cannot be opened.
    #[error(transparent)]
    Log(#[from] OpenLogError),
    /// The NATS settings cannot be used.
    #[error(transparent)]
    Nats(#[from] NatsError),
    /// The address for monitoring is in use.
    #[error("cannot listen on --metrics-bind: {0}")]
    Metrics(#[source] std::io::Error),
    /// The file of reserved handles cannot be used.
    #[error(transparent)]
    ReservedHandles(#[from] ReservedHandlesError),
    /// The built web app is not in the --web-dir directory.
    #[error(transparent)]
    WebDir(#[from] WebDirError),
    /// Signal handlers cannot be installed.
    #[error("cannot listen to signals: {0}")]
    Signals(#[from] std::io::Error),
    /// Sigchains cannot be read.
    #[error(transparent)]
    Chains(#[from] OpenChainsError),
    /// The database does not answer.
    #[error("the database cannot be read: {0}")]
    Store(#[from] StoreError),
    /// The OpenAPI document cannot be written.
    #[error("the OpenAPI document cannot be serialized: {0}")]
    Document(#[from] serde_json::Error),
}

impl StartError {
    /// Whether a setting has to change before the server can start, so that a retry is pointless.
    pub const fn is_wrong_setting(&self) -> bool {
        match self {
            Self::Database(error) => {
                matches!(
                    error,
                    OpenError::NewerSchema { .. } | OpenError::File { .. } | OpenError::NotDurable
                )
            }
            Self::FixedSetting(error) => !matches!(error, FixedSettingError::Store(_)),
            Self::Log(error) | Self::Chains(OpenChainsError::Log(error)) => {
                matches!(error, OpenLogError::SeedFile { .. } | OpenLogError::Name(_))
            }
            Self::Nats(error) => matches!(error, NatsError::Credentials(_)),
            Self::Lock(_) | Self::ReservedHandles(_) | Self::WebDir(_) => true,
            _ => false,
        }
    }

    /// Whether the database server is down, so that a later attempt may succeed.
    pub(super) fn is_temporary(&self) -> bool {
        match self {
            Self::Database(error) => error.is_temporary(),
            Self::Store(error) | Self::FixedSetting(FixedSettingError::Store(error)) => {
                matches!(error, StoreError::Unreachable(_) | StoreError::Busy)
            }
            _ => false,
        }
    }
}
