//! Sigchains and the log of their heads, in the SQL common to both engines. Each engine compiles this file as a module
//! of its own, with its own connection type and dialect.

use futures::TryStreamExt;
use kez_core::identity::{Primary, Seed};
use kez_core::log::entry::LogEntry;
use kez_core::sigchain::Hash;

use super::dialect::{Connection, HASHES_IN_ORDER, LOG_SIZE_FOR_UPDATE};
use crate::store::StoreError;
use crate::store::chains::{ChainHead, LinkOutcome, Links, NewLink};
use crate::store::row::{signed, time, unsigned};
use crate::transparency::tree;

/// The window for counting the links of a chain.
const DAY_SECONDS: u64 = 24 * 60 * 60;

pub(super) async fn append_link(
    connection: &mut Connection,
    link: NewLink,
) -> Result<LinkOutcome, StoreError> {
    // The lock is held until the transaction ends, so chain and log cannot change after this read.
    let size = unsigned(sqlx::query_scalar(LOG_SIZE_FOR_UPDATE).fetch_one(&mut *connection).await?)?;
    if hash_at(connection, &link.root, link.seqno).await? == Some(link.hash) {
        return Ok(LinkOutcome::Stands);
    }
    let head = chain_head(connection, link.root).await?;
    let end = head.map_or((0, None), |head| (head.seqno, Some(head.hash)));
    if (end.0 + 1, end.1) != (link.seqno, link.prev) {
        return Ok(LinkOutcome::Conflict(head));
    }
    if let Some(seconds) = until_another(connection, &link).await? {
        return Ok(LinkOutcome::TooMany(seconds));
    }
    grow_log(connection, size, &link).await?;
    insert(connection, &link, size).await?;
    Ok(LinkOutcome::Appended)
}

async fn hash_at(
    connection: &mut Connection,
    root: &Primary,
    seqno: u64,
) -> Result<Option<Hash>, StoreError> {
    const SQL: &str = "SELECT hash FROM sigchain_links WHERE root = $1 AND seqno = $2";
    let hash: Option<Vec<u8>> =
        sqlx::query_scalar(SQL).bind(root.to_string()).bind(signed(seqno)).fetch_optional(connection).await?;
    hash.map(digest).transpose()
}

/// The seconds until a chain that has reached its daily limit may gain another link.
async fn until_another(connection: &mut Connection, link: &NewLink) -> Result<Option<u64>, StoreError> {
    const SQL: &str =
        "SELECT stored_at FROM sigchain_links WHERE root = $1 ORDER BY seqno DESC LIMIT 1 OFFSET $2";
    let Some(earlier) = link.per_day.and_then(|most| most.checked_sub(1)) else { return Ok(None) };
    let stored_at: Option<i64> = sqlx::query_scalar(SQL)
        .bind(link.root.to_string())
        .bind(signed(earlier))
        .fetch_optional(connection)
        .await?;
    let free_at = stored_at.map(time).transpose()?.map_or(0, |stored| stored.unix() + DAY_SECONDS);
    Ok(free_at.checked_sub(link.now.unix()).filter(|seconds| *seconds > 0))
}

/// Adds a leaf for the link to a log of this size.
async fn grow_log(connection: &mut Connection, size: u64, link: &NewLink) -> Result<(), StoreError> {
    const SIZE: &str = "UPDATE log_state SET size = $1";
    const NODE: &str = "INSERT INTO log_nodes (position, hash) VALUES ($1, $2)";
    let entry = LogEntry { head: link.hash, root: link.root, seqno: link.seqno };
    let leaf = entry.leaf_hash().map_err(|_| StoreError::Corrupt("log entry"))?;
    let added = tree::append(size, leaf);
    let hashes = log_hashes(connection, added.positions().to_vec()).await?;
    for (position, hash) in (tree::first_position(size)..).zip(added.answer(&hashes)?) {
        sqlx::query(NODE)
            .bind(position.cast_signed())
            .bind(hash.as_bytes().as_slice())
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query(SIZE).bind((size + 1).cast_signed()).execute(connection).await?;
    Ok(())
}

async fn insert(connection: &mut Connection, link: &NewLink, log_index: u64) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO sigchain_links (root, seqno, hash, log_index, stored_at, link) \
                       VALUES ($1, $2, $3, $4, $5, $6)";
    sqlx::query(SQL)
        .bind(link.root.to_string())
        .bind(signed(link.seqno))
        .bind(link.hash.as_bytes().as_slice())
        .bind(log_index.cast_signed())
        .bind(link.now.unix().cast_signed())
        .bind(&link.json)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn chain_head(
    connection: &mut Connection,
    root: Primary,
) -> Result<Option<ChainHead>, StoreError> {
    const SQL: &str =
        "SELECT seqno, hash, log_index FROM sigchain_links WHERE root = $1 ORDER BY seqno DESC LIMIT 1";
    let row: Option<(i64, Vec<u8>, i64)> =
        sqlx::query_as(SQL).bind(root.to_string()).fetch_optional(connection).await?;
    let head = |(seqno, hash, log_index)| -> Result<ChainHead, StoreError> {
        Ok(ChainHead { seqno: unsigned(seqno)?, hash: digest(hash)?, log_index: unsigned(log_index)? })
    };
    row.map(head).transpose()
}

pub(super) async fn links_after(
    connection: &mut Connection,
    root: Primary,
    since: u64,
    bytes: usize,
) -> Result<Option<Links>, StoreError> {
    const SQL: &str =
        "SELECT link FROM sigchain_links WHERE root = $1 AND seqno > $2 AND seqno <= $3 ORDER BY seqno";
    let Some(head) = chain_head(connection, root).await? else { return Ok(None) };
    let mut rows = sqlx::query_scalar::<_, String>(SQL)
        .bind(root.to_string())
        .bind(signed(since))
        .bind(signed(head.seqno))
        .fetch(connection);
    let (mut links, mut total) = (Vec::new(), 0);
    while total < bytes
        && let Some(link) = rows.try_next().await?
    {
        total += link.len();
        links.push(link);
    }
    Ok(Some(Links { head, links }))
}

pub(super) async fn log_size(connection: &mut Connection) -> Result<u64, StoreError> {
    unsigned(sqlx::query_scalar("SELECT size FROM log_state").fetch_one(connection).await?)
}

pub(super) async fn log_hashes(
    connection: &mut Connection,
    positions: Vec<u64>,
) -> Result<Vec<Hash>, StoreError> {
    if positions.is_empty() {
        return Ok(Vec::new());
    }
    let wanted = format!("{positions:?}");
    let rows: Vec<Vec<u8>> = sqlx::query_scalar(HASHES_IN_ORDER).bind(wanted).fetch_all(connection).await?;
    if rows.len() != positions.len() {
        return Err(StoreError::Corrupt("tree of chain heads"));
    }
    rows.into_iter().map(digest).collect()
}

pub(super) async fn log_entries(
    connection: &mut Connection,
    first: u64,
    count: u64,
) -> Result<Vec<LogEntry>, StoreError> {
    const SQL: &str =
        "SELECT root, seqno, hash FROM sigchain_links WHERE log_index >= $1 ORDER BY log_index LIMIT $2";
    let rows: Vec<(String, i64, Vec<u8>)> =
        sqlx::query_as(SQL).bind(signed(first)).bind(signed(count)).fetch_all(connection).await?;
    let entry = |(root, seqno, hash): (String, i64, Vec<u8>)| -> Result<LogEntry, StoreError> {
        let root = root.parse().map_err(|_| StoreError::Corrupt("key"))?;
        Ok(LogEntry { head: digest(hash)?, root, seqno: unsigned(seqno)? })
    };
    rows.into_iter().map(entry).collect()
}

pub(super) async fn log_seed(connection: &mut Connection, fresh: Seed) -> Result<Seed, StoreError> {
    const KEEP: &str = "UPDATE log_state SET seed = $1 WHERE seed IS NULL";
    sqlx::query(KEEP).bind(fresh.as_bytes().as_slice()).execute(&mut *connection).await?;
    let kept: Vec<u8> = sqlx::query_scalar("SELECT seed FROM log_state").fetch_one(connection).await?;
    digest(kept).map(|kept| Seed::from_bytes(*kept.as_bytes()))
}

fn digest(bytes: Vec<u8>) -> Result<Hash, StoreError> {
    bytes.try_into().map(Hash::from_bytes).map_err(|_| StoreError::Corrupt("hash"))
}
