//! The schema of the file and its versions. `PRAGMA user_version` is the number of migrations that a file has run.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Row};

use crate::store::OpenError;
use crate::store::migrations::{self, MIGRATIONS};

/// From this version on, SQLite resets a WAL file without a race that can corrupt the database.
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);

/// Checks the library and runs the missing migrations, each in a transaction of its own.
///
/// # Errors
/// [`OpenError`] with the reason.
pub(super) async fn bring_up_to_date(connection: &mut SqliteConnection) -> Result<(), OpenError> {
    refuse_old_sqlite(connection).await?;
    let found = refuse_newer(connection).await?;
    for (version, migration) in (1..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
        run(connection, version, migration.sqlite).await?;
    }
    Ok(())
}

/// The names of the missing migrations: all of them if there is no file.
///
/// # Errors
/// [`OpenError`] when the file cannot be used, or was written by a newer version of this server.
pub async fn pending_migrations(file: &Path) -> Result<Vec<&'static str>, OpenError> {
    let mut found = 0;
    if file.exists() {
        let mut connection = SqliteConnectOptions::new().filename(file).read_only(true).connect().await?;
        found = refuse_newer(&mut connection).await?;
        connection.close().await?;
    }
    Ok(migrations::pending(found))
}

/// Fails unless the file has the schema of this version.
///
/// # Errors
/// [`OpenError::NewerSchema`], [`OpenError::OlderSchema`], or why the file cannot be read.
pub(super) async fn refuse_other(file: &Path) -> Result<(), OpenError> {
    if pending_migrations(file).await?.is_empty() { Ok(()) } else { Err(OpenError::OlderSchema) }
}

/// The version of the schema.
///
/// # Errors
/// [`OpenError::NewerSchema`] when this server does not know it.
pub(super) async fn refuse_newer(connection: &mut SqliteConnection) -> Result<i64, OpenError> {
    let known = migrations::newest();
    let found = user_version(connection).await?;
    if found > known { Err(OpenError::NewerSchema { found, known }) } else { Ok(found) }
}

/// The epoch of the database.
///
/// # Errors
/// SQLite's error.
pub(super) async fn epoch(connection: &mut SqliteConnection) -> Result<String, sqlx::Error> {
    sqlx::query_scalar("SELECT epoch FROM meta").fetch_one(connection).await
}

async fn run(
    connection: &mut SqliteConnection,
    version: i64,
    migration: &'static str,
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    // Another process may have been faster since the version was read.
    if user_version(&mut transaction).await? >= version {
        return Ok(());
    }
    sqlx::raw_sql(migration).execute(&mut *transaction).await?;
    // A pragma takes no parameters, and the number is a constant of this program.
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("PRAGMA user_version = {version}")))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

async fn user_version(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query("PRAGMA user_version").fetch_one(connection).await?.try_get(0)
}

async fn refuse_old_sqlite(connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(connection).await?;
    if parse(&version).is_some_and(|version| version >= OLDEST_SQLITE) {
        Ok(())
    } else {
        Err(OpenError::OldSqlite(version))
    }
}

fn parse(version: &str) -> Option<(u32, u32, u32)> {
    let mut numbers = version.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(parse("3.51.3").unwrap() >= OLDEST_SQLITE);
        assert!(parse("3.100.0").unwrap() >= OLDEST_SQLITE);
        assert!(parse("3.51.1").unwrap() < OLDEST_SQLITE);
        assert_eq!(parse("3.x"), None);
    }
}
