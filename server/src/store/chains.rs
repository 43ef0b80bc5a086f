//! Sigchains, and the log of their heads that grows with them. The rows are never changed or deleted.

use kez_core::identity::{Primary, Seed};
use kez_core::log::entry::LogEntry;
use kez_core::sigchain::Hash;
use kez_core::time::Timestamp;

use super::connection::{Connection, records, values};
use super::{Store, StoreError};
use crate::transparency::tree;

/// The window for counting the links of a chain.
const DAY_SECONDS: u64 = 24 * 60 * 60;

/// A link that passed every check except whether the chain still ends where it did.
#[derive(Clone, Debug)]
pub struct NewLink {
    /// The first primary of the chain.
    pub root: Primary,
    /// Its position in the chain.
    pub seqno: u64,
    /// The hash of the chain's last link; `None` for the first link.
    pub prev: Option<Hash>,
    /// The hash of the link.
    pub hash: Hash,
    /// The link in canonical JSON.
    pub json: String,
    /// The server's time.
    pub now: Timestamp,
    /// The number of links that a chain may gain within 24 hours; `None` for no limit.
    pub per_day: Option<u64>,
}

/// The result of a [`NewLink`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkOutcome {
    /// It is now the last link of its chain.
    Appended,
    /// The chain already has this link.
    Stands,
    /// The chain ends elsewhere; `None` when there is no chain yet.
    Conflict(Option<ChainHead>),
    /// The chain has reached its daily limit of links; after this many seconds it may gain one again.
    TooMany(u64),
}

/// The end of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// The number of links.
    pub seqno: u64,
    /// The hash of the last link.
    pub hash: Hash,
    /// The index of its leaf in the log.
    pub log_index: u64,
}

/// A piece of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    /// The end of the whole chain.
    pub head: ChainHead,
    /// The links in canonical JSON.
    pub links: Vec<String>,
}

impl Store {
    /// Appends a link to its chain, and its leaf to the log, in one transaction, if the chain still ends where the link
    /// says.
    pub async fn append_link(&self, link: NewLink) -> Result<LinkOutcome, StoreError> {
        self.write(move |connection| append_link(connection, &link)).await
    }

    /// The links after a position, in order, until they reach `bytes`; `None` when there is no such chain.
    pub async fn links_after(
        &self,
        root: &Primary,
        since: u64,
        bytes: usize,
    ) -> Result<Option<Links>, StoreError> {
        let root = *root;
        self.read(move |connection| links_after(connection, &root, since, bytes)).await
    }

    /// The links with which chains go on after the numbers of links given by root: at most `each` of every chain, those of
    /// one chain in order. It is one statement for all chains.
    pub async fn links_after_each(
        &self,
        known: &[(Primary, u64)],
        each: u64,
    ) -> Result<Vec<(Primary, String)>, StoreError> {
        const SQLITE: &str = "SELECT links.root, link FROM json_each($1) AS known \
            CROSS JOIN sigchain_links AS links ON links.root = known.key AND seqno > known.value AND seqno <= known.value + $2 ORDER BY seqno";
        const POSTGRES: &str = "SELECT root, link FROM json_each_text($1::json) AS known \
            JOIN sigchain_links ON root = known.key AND seqno > known.value::bigint \
                AND seqno <= known.value::bigint + $2 ORDER BY seqno";
        let known: serde_json::Map<_, _> =
            known.iter().map(|(root, length)| (root.to_string(), (*length).into())).collect();
        let known = serde_json::Value::from(known).to_string();
        self.read(move |connection| {
            let sql = connection.either(SQLITE, POSTGRES);
            connection.rows(sql, values![known, each])
        })
        .await
    }

    /// The end of a chain; `None` when there is no such chain.
    pub async fn chain_head(&self, root: &Primary) -> Result<Option<ChainHead>, StoreError> {
        let root = *root;
        self.read(move |connection| chain_head(connection, &root)).await
    }

    /// The number of leaves in the log.
    pub async fn log_size(&self) -> Result<u64, StoreError> {
        const SQL: &str = "SELECT size FROM log_state";
        self.read(|connection| connection.only_row(SQL, &[])).await
    }

    /// The hashes of the log's tree at these positions, in this order.
    pub async fn log_hashes(&self, positions: Vec<u64>) -> Result<Vec<Hash>, StoreError> {
        self.read(move |connection| log_hashes(connection, &positions)).await
    }

    /// The entries of the log from a position on, in order.
    pub async fn log_entries(&self, first: u64, count: u64) -> Result<Vec<LogEntry>, StoreError> {
        const SQL: &str =
            "SELECT root, seqno, hash FROM sigchain_links WHERE log_index >= $1 ORDER BY log_index LIMIT $2";
        self.read(move |connection| connection.rows(SQL, values![first, count])).await
    }

    /// The seed of the log's key: the stored one, or else this fresh one, which is then stored.
    pub async fn log_seed(&self, fresh: Seed) -> Result<Seed, StoreError> {
        const KEEP: &str = "UPDATE log_state SET seed = $1 WHERE seed IS NULL";
        let kept: Hash = self
            .write(move |connection| {
                connection.execute(KEEP, values![fresh.as_bytes().as_slice()])?;
                connection.only_row("SELECT seed FROM log_state", &[])
            })
            .await?;
        Ok(Seed::from_bytes(*kept.as_bytes()))
    }
}

fn append_link(connection: &mut Connection<'_>, link: &NewLink) -> Result<LinkOutcome, StoreError> {
    // The lock is held until the transaction ends, so that chain and log cannot change after this read.
    let size = connection.either("SELECT size FROM log_state", "SELECT size FROM log_state FOR UPDATE");
    let size = connection.only_row(size, &[])?;
    if hash_at(connection, &link.root, link.seqno)? == Some(link.hash) {
        return Ok(LinkOutcome::Stands);
    }
    let head = chain_head(connection, &link.root)?;
    let end = head.map_or((0, None), |head| (head.seqno, Some(head.hash)));
    if (end.0 + 1, end.1) != (link.seqno, link.prev) {
        return Ok(LinkOutcome::Conflict(head));
    }
    if let Some(seconds) = until_another(connection, link)? {
        return Ok(LinkOutcome::TooMany(seconds));
    }
    grow_log(connection, size, link)?;
    insert(connection, link, size)?;
    Ok(LinkOutcome::Appended)
}

fn hash_at(connection: &mut Connection<'_>, root: &Primary, seqno: u64) -> Result<Option<Hash>, StoreError> {
    const SQL: &str = "SELECT hash FROM sigchain_links WHERE root = $1 AND seqno = $2";
    connection.row(SQL, values![root, seqno])
}

/// The seconds until a chain that has reached its daily limit may gain another link.
fn until_another(connection: &mut Connection<'_>, link: &NewLink) -> Result<Option<u64>, StoreError> {
    const SQL: &str =
        "SELECT stored_at FROM sigchain_links WHERE root = $1 ORDER BY seqno DESC LIMIT 1 OFFSET $2";
    let Some(earlier) = link.per_day.and_then(|most| most.checked_sub(1)) else { return Ok(None) };
    let stored: Option<Timestamp> = connection.row(SQL, values![&link.root, earlier])?;
    let free_at = stored.map_or(0, |stored| stored.unix() + DAY_SECONDS);
    Ok(free_at.checked_sub(link.now.unix()).filter(|seconds| *seconds > 0))
}

/// Adds a leaf for the link to a log of this size.
fn grow_log(connection: &mut Connection<'_>, size: u64, link: &NewLink) -> Result<(), StoreError> {
    const SIZE: &str = "UPDATE log_state SET size = $1";
    const NODE: &str = "INSERT INTO log_nodes (position, hash) VALUES ($1, $2)";
    let entry = LogEntry { head: link.hash, root: link.root, seqno: link.seqno };
    let leaf = entry.leaf_hash().map_err(|_| StoreError::Corrupt("log entry"))?;
    let added = tree::append(size, leaf);
    let hashes = log_hashes(connection, added.positions())?;
    for (position, hash) in (tree::first_position(size)..).zip(added.answer(&hashes)?) {
        connection.execute(NODE, values![position, &hash])?;
    }
    connection.execute(SIZE, values![size + 1])?;
    Ok(())
}

fn insert(connection: &mut Connection<'_>, link: &NewLink, log_index: u64) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO sigchain_links (root, seqno, hash, log_index, stored_at, link) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    let NewLink { root, seqno, hash, json, now, .. } = link;
    connection.execute(SQL, values![root, *seqno, hash, log_index, *now, json.as_str()])?;
    Ok(())
}

fn chain_head(connection: &mut Connection<'_>, root: &Primary) -> Result<Option<ChainHead>, StoreError> {
    const SQL: &str =
        "SELECT seqno, hash, log_index FROM sigchain_links WHERE root = $1 ORDER BY seqno DESC LIMIT 1";
    connection.row(SQL, values![root])
}

fn links_after(
    connection: &mut Connection<'_>,
    root: &Primary,
    since: u64,
    bytes: usize,
) -> Result<Option<Links>, StoreError> {
    const SQL: &str = "SELECT link FROM sigchain_links \
        WHERE root = $1 AND seqno > $2 AND seqno <= $3 ORDER BY seqno LIMIT 64";
    let Some(head) = chain_head(connection, root)? else { return Ok(None) };
    let (mut links, mut total): (Vec<String>, usize) = (Vec::new(), 0);
    loop {
        let after = since.saturating_add(links.len() as u64);
        let next: Vec<String> = connection.rows(SQL, values![root, after, head.seqno])?;
        if next.is_empty() {
            return Ok(Some(Links { head, links }));
        }
        for link in next {
            if total >= bytes {
                return Ok(Some(Links { head, links }));
            }
            total += link.len();
            links.push(link);
        }
    }
}

fn log_hashes(connection: &mut Connection<'_>, positions: &[u64]) -> Result<Vec<Hash>, StoreError> {
    const SQLITE: &str = "SELECT hash FROM json_each($1) AS wanted JOIN log_nodes ON position = wanted.value ORDER BY wanted.key";
    const POSTGRES: &str = "SELECT hash \
        FROM json_array_elements_text($1::json) WITH ORDINALITY AS wanted (node, place) \
        JOIN log_nodes ON position = wanted.node::bigint ORDER BY place";
    if positions.is_empty() {
        return Ok(Vec::new());
    }
    let sql = connection.either(SQLITE, POSTGRES);
    let hashes: Vec<_> = connection.rows(sql, values![format!("{positions:?}")])?;
    if hashes.len() != positions.len() {
        return Err(StoreError::Corrupt("tree of chain heads"));
    }
    Ok(hashes)
}

records! {
    ChainHead { seqno, hash, log_index }
    LogEntry { root, seqno, head }
}
