//! The database.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use sqlx::postgres::PgConnectOptions;

use super::{Location, OpenError};

/// The flags of the database.
#[derive(Args, Clone, Debug)]
pub struct DatabaseConfig {
    /// The database: an SQLite file, created when it is missing, or a PostgreSQL address such as
    /// postgres://kez:secret@db.example/kez.
    #[arg(
        long,
        env = "KEZ_CHAT_DB",
        hide_env_values = true,
        default_value = "kez-chat.db",
        value_name = "FILE|URL"
    )]
    pub db: Database,

    /// The largest number of connections from this node to PostgreSQL.
    #[arg(
        long,
        env = "KEZ_CHAT_DB_CONNECTIONS",
        default_value_t = 16,
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(4..=256)
    )]
    pub db_connections: u32,
}

impl DatabaseConfig {
    /// Where the database is.
    ///
    /// # Errors
    /// [`OpenError`] when the address of a database server is invalid.
    pub fn location(&self) -> Result<Location, OpenError> {
        Ok(match &self.db {
            Database::Sqlite(file) => Location::Sqlite(file.clone()),
            Database::Postgres(url) => {
                Location::Postgres { options: Box::new(url.options()?), connections: self.db_connections }
            }
        })
    }
}

/// The database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// In a file on this machine.
    Sqlite(PathBuf),
    /// On a database server, which several nodes share.
    Postgres(PostgresUrl),
}

/// The URL of a PostgreSQL database. It may hold a password, so it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(String);

impl PostgresUrl {
    /// The options in the URL; missing ones come from `PGPASSWORD`, `~/.pgpass` and the like
    /// (<https://www.postgresql.org/docs/current/libpq-envars.html>).
    ///
    /// # Errors
    /// When the URL is invalid; the error does not reveal its secrets.
    pub fn options(&self) -> Result<PgConnectOptions, sqlx::Error> {
        self.0.parse()
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresUrl(..)")
    }
}

/// Why a text does not name a database. It never repeats the text, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDatabase {
    /// Copied from a file that quotes its values.
    #[error("the value is in quotation marks; write it without them")]
    Quoted,
    /// Copied from a file with a byte order mark.
    #[error("the value begins with a byte order mark (U+FEFF); save the file that it comes from without one")]
    ByteOrderMark,
    /// A URL with another scheme.
    #[error("an address begins with postgres://, this one with {0}://")]
    OtherScheme(String),
    /// Empty.
    #[error("the database is a file, or an address that begins with postgres://")]
    Empty,
}

impl FromStr for Database {
    type Err = BadDatabase;

    /// The PostgreSQL URL is validated later: clap's message about an invalid value repeats the value, including the
    /// password.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with('\u{feff}') {
            return Err(BadDatabase::ByteOrderMark);
        }
        if text.starts_with(['"', '\'']) {
            return Err(BadDatabase::Quoted);
        }
        match text.split_once("://") {
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(PostgresUrl(text.to_owned()))),
            Some((scheme, _)) => Err(BadDatabase::OtherScheme(scheme.to_owned())),
            None if text.is_empty() => Err(BadDatabase::Empty),
            None => Ok(Self::Sqlite(text.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_a_file_or_an_address() {
        assert_eq!("kez.db".parse(), Ok(Database::Sqlite("kez.db".into())));
        let Ok(Database::Postgres(url)) = "postgres://kez:hunter2@db.example:5433/chat".parse() else {
            panic!("an address")
        };
        let options = url.options().unwrap();
        assert_eq!((options.get_host(), options.get_port()), ("db.example", 5433));
        assert_eq!(options.get_database(), Some("chat"));
        assert!(!format!("{url:?}").contains("hunter2"));
        for neither in ["", "mysql://db.example/chat"] {
            assert!(neither.parse::<Database>().is_err(), "{neither}");
        }
    }

    #[test]
    fn a_bad_address_is_refused_without_its_secrets() {
        let Ok(Database::Postgres(url)) = "postgres://kez:hunter2@db.example:port/chat".parse() else {
            panic!("an address")
        };
        assert!(!url.options().unwrap_err().to_string().contains("hunter2"));
    }
}
