//! The owners' operations on inboxes, in the SQL common to both engines. Each engine compiles this file as a module of
//! its own, with its own connection type.

use kez_core::api::KeepDays;
use kez_core::identity::Primary;
use kez_core::time::Timestamp;

use super::dialect::{
    ACKNOWLEDGE, Connection, DELETE_OLD_REQUESTS, DELETE_OLDEST_ACKNOWLEDGED, DELETE_REQUESTS_OF,
    INBOX_STATUS, MAKE_KNOWN, settle,
};
use crate::store::inboxes::{Status, StatusRow, keep};
use crate::store::moderation::PORTION;
use crate::store::row::signed;
use crate::store::usage::Part;
use crate::store::{AccountId, StoreError};

pub(super) async fn status(connection: &mut Connection, inbox: AccountId) -> Result<Status, StoreError> {
    let row: Option<StatusRow> =
        sqlx::query_as(INBOX_STATUS).bind(inbox.0).fetch_optional(connection).await?;
    row.ok_or(StoreError::NoSuchAccount)?.try_into()
}

/// Records an acknowledgement of a number that the inbox has assigned.
pub(super) async fn acknowledge(
    connection: &mut Connection,
    inbox: AccountId,
    seq: u64,
) -> Result<Status, StoreError> {
    settle(connection, inbox).await?;
    sqlx::query(ACKNOWLEDGE).bind(inbox.0).bind(signed(seq)).execute(&mut *connection).await?;
    status(connection, inbox).await
}

pub(super) async fn keep_for(
    connection: &mut Connection,
    inbox: AccountId,
    days: Option<KeepDays>,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE inboxes SET keep_days = $2 WHERE account = $1";
    let days = days.map(|days| i64::from(days.days()));
    sqlx::query(SQL).bind(inbox.0).bind(days).execute(connection).await?;
    Ok(())
}

pub(super) async fn delete_requests(
    connection: &mut Connection,
    inbox: AccountId,
    sender: Primary,
) -> Result<u64, StoreError> {
    settle(connection, inbox).await?;
    let deleted = sqlx::query(DELETE_REQUESTS_OF)
        .bind(inbox.0)
        .bind(signed(PORTION))
        .bind(Part::Key(Some(sender)).name())
        .execute(connection)
        .await?;
    Ok(deleted.rows_affected())
}

pub(super) async fn forget_acknowledged(
    connection: &mut Connection,
    inbox: AccountId,
    before: Timestamp,
) -> Result<u64, StoreError> {
    delete_before(connection, DELETE_OLDEST_ACKNOWLEDGED, inbox, before).await
}

pub(super) async fn forget_requests(
    connection: &mut Connection,
    inbox: AccountId,
    before: Timestamp,
) -> Result<u64, StoreError> {
    delete_before(connection, DELETE_OLD_REQUESTS, inbox, before).await
}

async fn delete_before(
    connection: &mut Connection,
    sql: &'static str,
    inbox: AccountId,
    before: Timestamp,
) -> Result<u64, StoreError> {
    settle(connection, inbox).await?;
    let deleted = sqlx::query(sql)
        .bind(inbox.0)
        .bind(signed(PORTION))
        .bind(signed(before.unix()))
        .execute(connection)
        .await?;
    Ok(deleted.rows_affected())
}

pub(super) async fn limited_inboxes(
    connection: &mut Connection,
    after: AccountId,
    limit: u64,
) -> Result<Vec<(AccountId, KeepDays)>, StoreError> {
    const SQL: &str = "SELECT account, keep_days FROM inboxes WHERE account > $1 AND keep_days IS NOT NULL \
        ORDER BY account LIMIT $2";
    let rows: Vec<(i64, i64)> =
        sqlx::query_as(SQL).bind(after.0).bind(signed(limit)).fetch_all(connection).await?;
    rows.into_iter().map(|(account, days)| Ok((AccountId(account), keep(days)?))).collect()
}

pub(super) async fn inboxes_with_requests(
    connection: &mut Connection,
    before: Timestamp,
    after: AccountId,
    limit: u64,
) -> Result<Vec<AccountId>, StoreError> {
    const SQL: &str = "SELECT DISTINCT inbox FROM requests JOIN inboxes ON account = inbox \
        WHERE created_at < $1 AND inbox > $2 AND seq <= acknowledged ORDER BY inbox LIMIT $3";
    let rows: Vec<(i64,)> = sqlx::query_as(SQL)
        .bind(signed(before.unix()))
        .bind(after.0)
        .bind(signed(limit))
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().map(|(inbox,)| AccountId(inbox)).collect())
}

/// Turns an account's requests in an inbox into known messages, whichever of its keys sent them.
pub(super) async fn accept_requests(
    connection: &mut Connection,
    inbox: AccountId,
    peer: AccountId,
) -> Result<(), StoreError> {
    const KEYS: &str = "SELECT primary_key FROM accounts WHERE id = $1 \
        UNION SELECT primary_key FROM former_keys WHERE account = $1";
    const FORGET: &str = "DELETE FROM requests WHERE inbox = $1 AND sender = $2 AND NOT blocked";
    settle(connection, inbox).await?;
    let keys: Vec<(String,)> = sqlx::query_as(KEYS).bind(peer.0).fetch_all(&mut *connection).await?;
    for (key,) in keys {
        let key: Primary = key.parse().map_err(|_| StoreError::Corrupt("key"))?;
        let part = Part::Key(Some(key)).name();
        for sql in [MAKE_KNOWN, FORGET] {
            sqlx::query(sql).bind(inbox.0).bind(&part).execute(&mut *connection).await?;
        }
    }
    Ok(())
}
