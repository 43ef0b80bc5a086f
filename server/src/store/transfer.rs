//! Copies the database of a server from SQLite to PostgreSQL: the same accounts, numbers and epoch, so that clients
//! notice nothing.

use std::path::Path;

use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::runtime::Handle as Runtime;
use tokio::time::Instant;

use super::connection::{Connection, FromRow, Value, values};
use super::{OpenError, Store, StoreError, blocking, postgres, sqlite};

/// The number of rows that are read at once.
const ROWS: usize = 500;

/// How one table is copied.
struct Table {
    name: &'static str,
    /// Reads [`ROWS`] rows in the order of their key, after `$1` rows.
    select: &'static str,
    insert: &'static str,
    /// Deletes the rows of a new database.
    delete: &'static str,
}

macro_rules! table {
    ($name:literal, $columns:literal, $values:literal, $key:literal) => {
        Table {
            name: $name,
            select: concat!("SELECT ", $columns, " FROM ", $name, " ORDER BY ", $key, " LIMIT 500 OFFSET $1"),
            insert: concat!("INSERT INTO ", $name, " (", $columns, ") VALUES (", $values, ")"),
            delete: concat!("DELETE FROM ", $name),
        }
    };
}

/// Every table but `messages`, parents first.
const TABLES: [Table; 24] = [
    table!("meta", "only_row, epoch, work_key", "$1, $2, $3", "only_row"),
    table!("fixed_settings", "name, value", "$1, $2", "name"),
    table!(
        "accounts",
        "id, handle, primary_key, registration, registered_at, chain_root",
        "$1, $2, $3, $4, $5, $6",
        "id"
    ),
    table!("former_keys", "primary_key, account, replaced_at", "$1, $2, $3", "primary_key"),
    table!("bans", "account, banned_at, reason", "$1, $2, $3", "account"),
    table!("reserved_handles", "handle, reserved_at, reserved_until, last_seq", "$1, $2, $3, $4", "handle"),
    table!("account_revision", "only_row, revision", "$1, $2", "only_row"),
    table!("account_changes", "revision, account, handle, changed_at", "$1, $2, $3, $4", "revision"),
    table!("listed", "owner, list, peer", "$1, $2, $3", "owner, list, peer"),
    table!(
        "invites",
        "id, hash, label, uses, used, created_at, expires_at, revoked",
        "$1, $2, $3, $4, $5, $6, $7, $8",
        "id"
    ),
    table!(
        "nats_bindings",
        "nkey, account, primary_key, binding, expires_at, removed_at",
        "$1, $2, $3, $4, $5, $6",
        "nkey"
    ),
    table!("reports", "id, reporter, about, messages, note, reported_at", "$1, $2, $3, $4, $5, $6", "id"),
    table!(
        "sigchain_links",
        "root, seqno, hash, log_index, stored_at, link",
        "$1, $2, $3, $4, $5, $6",
        "log_index"
    ),
    table!("log_nodes", "position, hash", "$1, $2", "position"),
    table!("log_state", "only_row, size, seed", "$1, $2, $3", "only_row"),
    // A nonce that was used again after its lifetime has two rows in the file.
    Table {
        name: "nonces",
        select: "SELECT caller, nonce, max(used_at) FROM nonces GROUP BY caller, nonce \
            ORDER BY caller, nonce LIMIT 500 OFFSET $1",
        insert: "INSERT INTO nonces (caller, nonce, used_at) VALUES ($1, $2, $3)",
        delete: "DELETE FROM nonces",
    },
    table!(
        "inboxes",
        "account, last_seq, acknowledged, messages, bytes, waiting, keep_days, epoch",
        "$1, $2, $3, $4, $5, $6, $7, $8",
        "account"
    ),
    table!(
        "key_packages",
        "id, account, device, reference, last_resort, expires_at, package",
        "$1, $2, $3, $4, $5, $6, $7",
        "id"
    ),
    table!("claimed_key_packages", "reference, expires_at", "$1, $2", "reference"),
    table!(
        "groups",
        "id, gid, kind, pair, created, created_at, state, info, tree, ahead",
        "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10",
        "id"
    ),
    table!(
        "group_members",
        "account, group_id, since, until, leaving, role, added_by",
        "$1, $2, $3, $4, $5, $6, $7",
        "account, group_id"
    ),
    table!(
        "group_welcomes",
        "group_id, seq, created_at, devices, welcome, tree",
        "$1, $2, $3, $4, $5, $6",
        "group_id, seq"
    ),
    table!("links", "id, created_at, offer", "$1, $2, $3", "id"),
    table!("link_messages", "link, side, number, message", "$1, $2, $3, $4", "link, side, number"),
];

/// The tables of message requests, once the messages are there.
const REQUESTS: [Table; 2] = [
    table!(
        "requests",
        "inbox, seq, sender, network, bytes, created_at, blocked",
        "$1, $2, $3, $4, $5, $6, $7",
        "inbox, seq"
    ),
    table!("request_shares", "inbox, part, messages, bytes", "$1, $2, $3, $4", "inbox, part"),
];

/// Why a database was not copied. The target is then unchanged.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// One of the databases cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A statement failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The target holds data.
    #[error("the database on PostgreSQL is not empty; give an empty one")]
    NotEmpty,
    /// A row differs after it was copied.
    #[error("a row of the table {0} differs after it was copied; nothing was changed on PostgreSQL")]
    Different(&'static str),
}

/// Copies an SQLite file that no server uses into an empty PostgreSQL database, in one transaction, and compares every
/// row afterwards. Returns the number of copied messages.
///
/// # Errors
/// [`TransferError`]; the PostgreSQL database is then empty, and the file unchanged.
pub async fn transfer(from: &Path, to: &PgConnectOptions) -> Result<u64, TransferError> {
    // Adds the tail to the indexes and counters.
    let store = Store::sqlite(from).await?;
    let indexed = store.change_messages(|_| Ok(())).await;
    store.close().await;
    indexed?;
    postgres::create(to).await?;
    let mut target = postgres::connect(to).await.map_err(OpenError::from)?;
    let (from, runtime) = (from.to_owned(), Runtime::current());
    let copied = blocking(move || {
        let source = sqlite::for_reading(&from)?;
        let copied = copy_all(&mut Connection::Sqlite(&source), &mut target, &runtime);
        let _ = runtime.block_on(target.close());
        Ok(copied)
    });
    copied.await?
}

fn copy_all(
    source: &mut Connection<'_>,
    target: &mut PgConnection,
    runtime: &Runtime,
) -> Result<u64, TransferError> {
    let deadline = Instant::now() + std::time::Duration::from_secs(24 * 60 * 60);
    let mut transaction = runtime.block_on(target.begin()).map_err(StoreError::from)?;
    let mut target = Connection::Postgres(&mut transaction, runtime, deadline);
    // One snapshot of the file.
    source.execute("BEGIN", &[])?;
    const HELD: &str = "SELECT (SELECT count(*) FROM accounts) + (SELECT count(*) FROM sigchain_links) \
        + (SELECT count(*) FROM reserved_handles) + (SELECT count(*) FROM invites)";
    if target.only_row::<i64>(HELD, &[])? != 0 {
        return Err(TransferError::NotEmpty);
    }
    for table in &TABLES {
        copy(source, &mut target, table)?;
    }
    let messages = copy_messages(source, &mut target)?;
    for table in &REQUESTS {
        copy(source, &mut target, table)?;
    }
    continue_ids(source, &mut target)?;
    for table in TABLES.iter().chain(&REQUESTS) {
        compare(source, &mut target, table)?;
    }
    compare_messages(source, &mut target, messages)?;
    runtime.block_on(transaction.commit()).map_err(StoreError::from)?;
    Ok(messages)
}

fn copy(source: &mut Connection<'_>, target: &mut Connection<'_>, table: &Table) -> Result<(), StoreError> {
    target.execute(table.delete, &[])?;
    let mut copied = 0;
    loop {
        let rows: Vec<Vec<Value>> = source.rows(table.select, values![copied])?;
        for row in &rows {
            target.execute(table.insert, row)?;
        }
        copied += rows.len() as u64;
        if rows.len() < ROWS {
            return Ok(());
        }
    }
}

/// The messages of the file after an id, in order.
const MESSAGES: &str = "SELECT id, inbox, seq, created_at, origin, hash, envelope FROM messages \
    WHERE id > $1 ORDER BY id LIMIT 500";

fn copy_messages(source: &mut Connection<'_>, target: &mut Connection<'_>) -> Result<u64, StoreError> {
    const INSERT: &str = "INSERT INTO messages (inbox, seq, created_at, origin, hash, envelope) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    let (mut last, mut copied) = (Value::Number(0), 0);
    loop {
        let rows: Vec<Vec<Value>> = source.rows(MESSAGES, &[last.clone()])?;
        for row in &rows {
            target.execute(INSERT, &row[1..])?;
        }
        copied += rows.len() as u64;
        match rows.last().and_then(|row| row.first()) {
            Some(id) => last = id.clone(),
            None => return Ok(copied),
        }
    }
}

fn compare(
    source: &mut Connection<'_>,
    target: &mut Connection<'_>,
    table: &Table,
) -> Result<(), TransferError> {
    let mut compared = 0;
    loop {
        let rows: Vec<Vec<Value>> = source.rows(table.select, values![compared])?;
        if rows != target.rows::<Vec<Value>>(table.select, values![compared])? {
            return Err(TransferError::Different(table.name));
        }
        compared += rows.len() as u64;
        if rows.len() < ROWS {
            return Ok(());
        }
    }
}

fn compare_messages(
    source: &mut Connection<'_>,
    target: &mut Connection<'_>,
    copied: u64,
) -> Result<(), TransferError> {
    const FIND: &str = "SELECT inbox, seq, created_at, origin, hash, envelope FROM messages \
        WHERE inbox = $1 AND seq = $2";
    let mut last = Value::Number(0);
    loop {
        let rows: Vec<Vec<Value>> = source.rows(MESSAGES, &[last.clone()])?;
        for row in &rows {
            if target.row::<Vec<Value>>(FIND, &row[1..3])?.as_deref() != Some(&row[1..]) {
                return Err(TransferError::Different("messages"));
            }
        }
        match rows.last().and_then(|row| row.first()) {
            Some(id) => last = id.clone(),
            None => break,
        }
    }
    let there: u64 = target.only_row("SELECT count(*) FROM messages", &[])?;
    if there == copied { Ok(()) } else { Err(TransferError::Different("messages")) }
}

/// Makes PostgreSQL assign ids that SQLite has never assigned.
fn continue_ids(source: &mut Connection<'_>, target: &mut Connection<'_>) -> Result<(), StoreError> {
    const HIGHEST: &str = "SELECT seq FROM sqlite_sequence WHERE name = $1";
    const CONTINUE: &str = "SELECT setval(pg_get_serial_sequence($1, 'id')::regclass, $2)";
    for table in ["accounts", "invites", "reports", "key_packages", "groups"] {
        if let Some(highest) = source.row::<i64>(HIGHEST, values![table])? {
            target.row::<i64>(CONTINUE, values![table, highest])?;
        }
    }
    Ok(())
}

impl FromRow for Vec<Value> {
    fn from_row(row: Vec<Value>) -> Result<Self, StoreError> {
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use super::{REQUESTS, TABLES};
    use crate::store::migrations;

    #[test]
    fn every_table_is_copied() {
        // Copied by another function, and what PostgreSQL does not need.
        const OTHERS: [&str; 4] = ["indexed", "message_hashes", "message_places", "messages"];
        const SQL: &str = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
        let database = rusqlite::Connection::open_in_memory().unwrap();
        for migration in migrations::missing(0).unwrap() {
            database.execute_batch(migration.sqlite).unwrap();
        }
        let mut statement = database.prepare(SQL).unwrap();
        let names = statement.query_map([], |row| row.get(0)).unwrap();
        let mut found: Vec<String> = names.map(Result::unwrap).collect();
        let copied = TABLES.iter().chain(&REQUESTS).map(|table| table.name);
        let mut known: Vec<&str> = copied.chain(OTHERS).collect();
        found.sort_unstable();
        known.sort_unstable();
        assert_eq!(found, known);
    }
}
