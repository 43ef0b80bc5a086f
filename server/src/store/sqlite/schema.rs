//! The schema of the file. `PRAGMA user_version` is its version.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::store::{OpenError, migrations};

/// From this version on, SQLite resets a WAL file without a race that can corrupt the database.
const OLDEST_SQLITE: i32 = 3_051_003;

/// Checks the library and runs the missing migrations, each in a transaction of its own.
pub(super) fn bring_up_to_date(connection: &mut Connection) -> Result<(), OpenError> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(OpenError::OldSqlite(rusqlite::version().to_owned()));
    }
    for migration in migrations::missing(version(connection)?)? {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have been faster since the version was read.
        if version(&transaction)? < migration.version {
            transaction.execute_batch(migration.sqlite)?;
            transaction.pragma_update(None, "user_version", migration.version)?;
            transaction.commit()?;
        }
    }
    Ok(())
}

/// The names of the missing migrations: all of them if there is no file.
pub fn pending_migrations(file: &Path) -> Result<Vec<&'static str>, OpenError> {
    let found = if file.exists() {
        version(&Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?)?
    } else {
        0
    };
    Ok(migrations::missing(found)?.map(|migration| migration.name).collect())
}

/// Fails when this server does not know the schema.
pub(super) fn refuse_unknown(connection: &Connection) -> Result<(), OpenError> {
    migrations::missing(version(connection)?).map(drop)
}

/// The epoch of the database.
pub(super) fn epoch(connection: &Connection) -> Result<String, rusqlite::Error> {
    connection.query_row("SELECT epoch FROM meta", [], |row| row.get(0))
}

fn version(connection: &Connection) -> Result<i64, rusqlite::Error> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
