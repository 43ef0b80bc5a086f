//! Maps database failures to [`StoreError`].

use sqlx::postgres::PgDatabaseError;

use super::{StoreError, postgres, sqlite};

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::of(&error)
    }
}

impl StoreError {
    /// The meaning of a database error.
    pub(super) fn of(error: &sqlx::Error) -> Self {
        let text = || Self::Database(error.to_string().into());
        match error {
            sqlx::Error::PoolTimedOut => Self::Busy,
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Self::Closed,
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) => Self::Unreachable(error.to_string().into()),
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or_default();
                let meaning = match database.try_downcast_ref::<PgDatabaseError>() {
                    Some(_) => postgres::meaning(&code, error),
                    None => code.parse().ok().and_then(sqlite::meaning),
                };
                meaning.unwrap_or_else(text)
            }
            _ => text(),
        }
    }
}
