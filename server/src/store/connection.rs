//! One connection type for both databases, so that each statement is written once.
//!
//! A column holds a signed 64-bit number, a text or bytes. Parameters are `$1`, `$2` and so on. A function on a
//! [`Connection`] may block: it runs on a thread for blocking work, or on SQLite's writer thread.

use kez_core::api::{KeepDays, Receipt};
use kez_core::handle::Handle;
use kez_core::identity::Primary;
use kez_core::invite::InviteHash;
use kez_core::nkey::PublicNkey;
use kez_core::sigchain::Hash;
use kez_core::time::Timestamp;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgConnection, PgRow, PgTypeInfo, Postgres};
use sqlx::query::Query;
use sqlx::{Column, Row as _, TypeInfo, ValueRef as _};
use tokio::runtime::Handle as Runtime;
use tokio::time::Instant;

use super::postgres::deadline::in_time;
use super::{AccountId, InboxId, StoreError};

/// A connection, inside the caller's transaction if it has begun one.
pub(super) enum Connection<'c> {
    /// To the file.
    Sqlite(&'c rusqlite::Connection),
    /// To the database server. Statements block the thread, until the deadline.
    Postgres(&'c mut PgConnection, &'c Runtime, Instant),
}

/// A parameter or a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// No value.
    Null,
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// The parameters of a statement: `values![a, b]`.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::store::connection::Value::from($value)),*] };
}
pub(super) use values;

impl Connection<'_> {
    /// The rows that a statement returns.
    pub(super) fn rows<R: FromRow>(
        &mut self,
        sql: &'static str,
        values: &[Value],
    ) -> Result<Vec<R>, StoreError> {
        match self {
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql)?;
                bind(&mut statement, values)?;
                let columns = statement.column_count();
                let (mut rows, mut all) = (statement.raw_query(), Vec::new());
                while let Some(row) = rows.next()? {
                    let row: Result<_, _> =
                        (0..columns).map(|column| Ok(row.get_ref(column)?.into())).collect();
                    all.push(R::from_row(row.map_err(|error: rusqlite::Error| StoreError::from(error))?)?);
                }
                Ok(all)
            }
            Self::Postgres(connection, runtime, deadline) => {
                let rows =
                    runtime.block_on(in_time(*deadline, query(sql, values).fetch_all(&mut **connection)))?;
                rows.iter().map(|row| R::from_row(columns(row)?)).collect()
            }
        }
    }

    /// The first row that a statement returns.
    pub(super) fn row<R: FromRow>(
        &mut self,
        sql: &'static str,
        values: &[Value],
    ) -> Result<Option<R>, StoreError> {
        Ok(self.rows(sql, values)?.into_iter().next())
    }

    /// The only row of a table or of an aggregate.
    pub(super) fn only_row<R: FromRow>(
        &mut self,
        sql: &'static str,
        values: &[Value],
    ) -> Result<R, StoreError> {
        self.row(sql, values)?.ok_or(StoreError::Corrupt("table: a row is missing"))
    }

    /// Runs a statement, and returns the number of rows that it has inserted, changed or deleted.
    pub(super) fn execute(&mut self, sql: &'static str, values: &[Value]) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql)?;
                bind(&mut statement, values)?;
                Ok(statement.raw_execute()? as u64)
            }
            Self::Postgres(connection, runtime, deadline) => {
                let done =
                    runtime.block_on(in_time(*deadline, query(sql, values).execute(&mut **connection)))?;
                Ok(done.rows_affected())
            }
        }
    }

    /// The statement in the database's own dialect.
    pub(super) const fn either(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite(_) => sqlite,
            Self::Postgres(..) => postgres,
        }
    }

    /// Locks the counters of an inbox until the transaction ends. This comes before all other access to the inbox, as in
    /// the message writers, so that no deadlock can occur. SQLite has one writer, and needs no lock.
    pub(super) fn lock_inbox(&mut self, inbox: InboxId) -> Result<(), StoreError> {
        const LOCK: &str = "SELECT account FROM inboxes WHERE account = $1 FOR NO KEY UPDATE";
        self.lock(LOCK, inbox.into())
    }

    /// Locks an account, its inbox and its rows on lists, before they are deleted. The rows have one order, so that two
    /// accounts that list each other can be deleted at once.
    pub(super) fn lock_account(&mut self, account: AccountId) -> Result<(), StoreError> {
        const LISTED: &str = "SELECT owner FROM listed WHERE owner = $1 OR peer = $1 \
            ORDER BY owner, list, peer FOR UPDATE";
        self.lock("SELECT account FROM inboxes WHERE account = $1 FOR UPDATE", account.into())?;
        self.lock("SELECT id FROM accounts WHERE id = $1 FOR UPDATE", account.into())?;
        self.lock(LISTED, account.into())
    }

    fn lock(&mut self, sql: &'static str, id: Value) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(..) => self.execute(sql, &[id]).map(drop),
        }
    }
}

/// Binds `$1` and so on, which SQLite treats as names.
fn bind(statement: &mut rusqlite::Statement<'_>, values: &[Value]) -> Result<(), StoreError> {
    const NAMES: [&str; 12] = ["$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$9", "$10", "$11", "$12"];
    for (name, value) in NAMES.iter().zip(values) {
        let Some(index) = statement.parameter_index(name)? else { continue };
        match value {
            Value::Null => statement.raw_bind_parameter(index, rusqlite::types::Null)?,
            Value::Number(number) => statement.raw_bind_parameter(index, number)?,
            Value::Text(text) => statement.raw_bind_parameter(index, text)?,
            Value::Bytes(bytes) => statement.raw_bind_parameter(index, bytes)?,
        }
    }
    Ok(())
}

fn query<'q>(
    sql: &'static str,
    values: &'q [Value],
) -> Query<'q, Postgres, <Postgres as sqlx::Database>::Arguments> {
    values.iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Null => query.bind(Null),
        Value::Number(number) => query.bind(*number),
        Value::Text(text) => query.bind(text.as_str()),
        Value::Bytes(bytes) => query.bind(bytes.as_slice()),
    })
}

/// No value, of whatever type the statement needs there.
struct Null;

impl sqlx::Type<Postgres> for Null {
    fn type_info() -> PgTypeInfo {
        // Zero leaves the type to the statement (PostgreSQL, message Parse).
        PgTypeInfo::with_oid(Oid(0))
    }
}

impl sqlx::Encode<'_, Postgres> for Null {
    fn encode_by_ref(&self, _: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Ok(IsNull::Yes)
    }
}

fn columns(row: &PgRow) -> Result<Vec<Value>, StoreError> {
    let value = |column: &sqlx::postgres::PgColumn| {
        let index = column.ordinal();
        if row.try_get_raw(index)?.is_null() {
            return Ok(Value::Null);
        }
        Ok(match column.type_info().name() {
            "INT8" => Value::Number(row.try_get(index)?),
            "INT4" => Value::Number(row.try_get::<i32, _>(index)?.into()),
            "BOOL" => Value::Number(row.try_get::<bool, _>(index)?.into()),
            "BYTEA" => Value::Bytes(row.try_get(index)?),
            _ => Value::Text(row.try_get(index)?),
        })
    };
    row.columns().iter().map(value).collect()
}

impl From<rusqlite::types::ValueRef<'_>> for Value {
    fn from(value: rusqlite::types::ValueRef<'_>) -> Self {
        use rusqlite::types::ValueRef;
        match value {
            // The server stores no fractions.
            ValueRef::Null | ValueRef::Real(_) => Self::Null,
            ValueRef::Integer(number) => Self::Number(number),
            ValueRef::Text(text) => Self::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Blob(bytes) => Self::Bytes(bytes.to_vec()),
        }
    }
}

macro_rules! parameters {
    ($($type:ty: $given:pat => $value:expr;)+) => { $(
        impl From<$type> for Value {
            fn from($given: $type) -> Self {
                $value
            }
        }
    )+ };
}
parameters! {
    i64: number => Self::Number(number);
    // A number beyond the range of a column is greater than every stored one.
    u64: number => Self::Number(number.try_into().unwrap_or(i64::MAX));
    String: text => Self::Text(text);
    &str: text => Self::Text(text.to_owned());
    Vec<u8>: bytes => Self::Bytes(bytes);
    &[u8]: bytes => Self::Bytes(bytes.to_vec());
    AccountId: AccountId(id) => Self::Number(id);
    InboxId: InboxId(id) => Self::Number(id);
    Timestamp: time => time.unix().into();
    &Handle: handle => handle.as_str().into();
    &Primary: key => key.to_string().into();
    PublicNkey: nkey => nkey.to_string().into();
    &Hash: hash => hash.as_bytes().as_slice().into();
    &Receipt: receipt => receipt.as_bytes().as_slice().into();
    InviteHash: hash => hash.as_bytes().as_slice().into();
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row, column by column.
pub(super) trait FromRow: Sized {
    /// Reads the row. Fails when a column holds data that this server never writes.
    fn from_row(row: Vec<Value>) -> Result<Self, StoreError>;
}

/// What a column holds.
pub(super) trait FromColumn: Sized {
    /// Reads the column.
    fn from_column(value: Value) -> Result<Self, StoreError>;
}

/// One column.
impl<T: FromColumn> FromRow for T {
    fn from_row(row: Vec<Value>) -> Result<Self, StoreError> {
        T::from_column(row.into_iter().next().unwrap_or(Value::Null))
    }
}

/// Structs whose fields are the columns of a row, in this order.
macro_rules! records {
    ($($record:ident { $($column:ident),+ })+) => { $(
        impl $crate::store::connection::FromRow for $record {
            fn from_row(row: Vec<$crate::store::connection::Value>) -> Result<Self, StoreError> {
                let ($($column),+) = $crate::store::connection::FromRow::from_row(row)?;
                Ok(Self { $($column),+ })
            }
        }
    )+ };
}
pub(super) use records;

macro_rules! tuples {
    ($(($($column:ident),+)),+ $(,)?) => { $(
        impl<$($column: FromColumn),+> FromRow for ($($column,)+) {
            fn from_row(row: Vec<Value>) -> Result<Self, StoreError> {
                let mut row = row.into_iter();
                Ok(($($column::from_column(row.next().unwrap_or(Value::Null))?,)+))
            }
        }
    )+ };
}
tuples![
    (A, B),
    (A, B, C),
    (A, B, C, D),
    (A, B, C, D, E),
    (A, B, C, D, E, F),
    (A, B, C, D, E, F, G),
    (A, B, C, D, E, F, G, H),
];

macro_rules! columns {
    ($($type:ty: $pattern:pat => $value:expr, $what:literal;)+) => { $(
        impl FromColumn for $type {
            fn from_column(value: Value) -> Result<Self, StoreError> {
                let read = match value {
                    $pattern => $value,
                    _ => None,
                };
                read.ok_or(StoreError::Corrupt($what))
            }
        }
    )+ };
}
columns! {
    i64: Value::Number(number) => Some(number), "number";
    u64: Value::Number(number) => number.try_into().ok(), "number";
    bool: Value::Number(number) => Some(number != 0), "flag";
    String: Value::Text(text) => Some(text), "text";
    Vec<u8>: Value::Bytes(bytes) => Some(bytes), "value: bytes were expected";
    AccountId: Value::Number(id) => Some(Self(id)), "account";
    InboxId: Value::Number(id) => Some(Self(id)), "inbox";
    KeepDays: Value::Number(days) => u64::try_from(days).ok().and_then(|days| days.try_into().ok()), "number of days";
    Timestamp: Value::Number(seconds) => seconds.try_into().ok().map(Self::from_unix), "time";
    Handle: Value::Text(text) => text.parse().ok(), "handle";
    Primary: Value::Text(text) => text.parse().ok(), "key";
    Hash: Value::Bytes(bytes) => bytes.try_into().ok().map(Self::from_bytes), "hash";
}

impl<T: FromColumn> FromColumn for Option<T> {
    fn from_column(value: Value) -> Result<Self, StoreError> {
        match value {
            Value::Null => Ok(None),
            value => T::from_column(value).map(Some),
        }
    }
}
