//! Links between a new browser and an old one (docs/SPEC.md, section 19): an offer and sealed messages, for a short time.

use kez_core::link::{LIFETIME_SECONDS, Side};
use kez_core::sigchain::Hash;
use kez_core::time::Timestamp;

use super::connection::{Connection, Value, values};
use super::{Store, StoreError};

/// The most links at one time, so that callers without accounts cannot fill the disk.
const MOST_LINKS: u64 = 10_000;

/// A link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The offer, as sent.
    pub offer: Vec<u8>,
    /// The messages, those of the old browser first, by number.
    pub messages: Vec<Vec<u8>>,
}

/// A message for a link.
#[derive(Clone, Debug)]
pub struct NewLinkMessage {
    /// The id of the link.
    pub link: Hash,
    /// The side that sends it.
    pub from: Side,
    /// Its number among the messages of this side.
    pub number: u64,
    /// Its bytes.
    pub message: Vec<u8>,
}

/// The result of storing an offer or a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkOutcome {
    /// It is stored now.
    Stored,
    /// The same bytes were stored before.
    Stands,
    /// Other bytes are stored there.
    Conflict,
    /// There is no such link, or it has expired.
    Unknown,
}

impl Store {
    /// Stores an offer under an id.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when there are too many links, or a failure of the database.
    pub async fn put_link(
        &self,
        id: Hash,
        offer: Vec<u8>,
        now: Timestamp,
    ) -> Result<LinkOutcome, StoreError> {
        self.write(move |connection| put(connection, &id, &offer, now)).await
    }

    /// The link with this id; `None` when it has expired.
    pub async fn link(&self, id: Hash, now: Timestamp) -> Result<Option<Link>, StoreError> {
        const MESSAGES: &str = "SELECT message FROM link_messages WHERE link = $1 ORDER BY side, number";
        self.read(move |connection| {
            let Some(offer) = live_offer(connection, &id, now)? else { return Ok(None) };
            Ok(Some(Link { offer, messages: connection.rows(MESSAGES, values![&id])? }))
        })
        .await
    }

    /// Adds a message to a link.
    pub async fn add_to_link(
        &self,
        message: NewLinkMessage,
        now: Timestamp,
    ) -> Result<LinkOutcome, StoreError> {
        self.write(move |connection| add(connection, &message, now)).await
    }

    /// Deletes expired links with their messages. Returns the number of links.
    pub async fn sweep_links(&self, now: Timestamp) -> Result<u64, StoreError> {
        const SQL: &str = "DELETE FROM links WHERE created_at <= $1";
        self.write(move |connection| connection.execute(SQL, values![expiry(now)])).await
    }
}

/// Links from this time or before have expired.
fn expiry(now: Timestamp) -> Timestamp {
    Timestamp::from_unix(now.unix().saturating_sub(LIFETIME_SECONDS))
}

fn live_offer(
    connection: &mut Connection<'_>,
    id: &Hash,
    now: Timestamp,
) -> Result<Option<Vec<u8>>, StoreError> {
    const SQL: &str = "SELECT offer FROM links WHERE id = $1 AND created_at > $2";
    connection.row(SQL, values![id, expiry(now)])
}

fn put(
    connection: &mut Connection<'_>,
    id: &Hash,
    offer: &[u8],
    now: Timestamp,
) -> Result<LinkOutcome, StoreError> {
    // A few of the others too, so that those who offer make room.
    const EXPIRED: &str = "DELETE FROM links WHERE created_at <= $2 AND (id = $1 \
        OR id IN (SELECT id FROM links WHERE created_at <= $2 ORDER BY created_at LIMIT 20))";
    const COUNT: &str = "SELECT count(*) FROM links";
    const INSERT: &str =
        "INSERT INTO links (id, created_at, offer) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    connection.execute(EXPIRED, values![id, expiry(now)])?;
    if let Some(stands) = live_offer(connection, id, now)? {
        return Ok(same(stands == offer));
    }
    if connection.only_row::<u64>(COUNT, &[])? >= MOST_LINKS {
        return Err(StoreError::Busy);
    }
    if connection.execute(INSERT, values![id, now, offer])? == 1 {
        return Ok(LinkOutcome::Stored);
    }
    // Another node was faster.
    Ok(same(live_offer(connection, id, now)?.is_some_and(|stands| stands == offer)))
}

fn add(
    connection: &mut Connection<'_>,
    message: &NewLinkMessage,
    now: Timestamp,
) -> Result<LinkOutcome, StoreError> {
    const INSERT: &str = "INSERT INTO link_messages (link, side, number, message) \
        SELECT id, $2, $3, $4 FROM links WHERE id = $1 AND created_at > $5 ON CONFLICT DO NOTHING";
    const STANDS: &str = "SELECT message FROM link_messages WHERE link = $1 AND side = $2 AND number = $3";
    let NewLinkMessage { link, from, number, message } = message;
    let new = values![link, *from, *number, message.as_slice(), expiry(now)];
    if connection.execute(INSERT, new)? == 1 {
        return Ok(LinkOutcome::Stored);
    }
    if live_offer(connection, link, now)?.is_none() {
        return Ok(LinkOutcome::Unknown);
    }
    let stands: Option<Vec<u8>> = connection.row(STANDS, values![link, *from, *number])?;
    Ok(same(stands.as_ref() == Some(message)))
}

const fn same(is_same: bool) -> LinkOutcome {
    if is_same { LinkOutcome::Stands } else { LinkOutcome::Conflict }
}

impl From<Side> for Value {
    fn from(side: Side) -> Self {
        Self::Number(match side {
            Side::Old => 1,
            Side::New => 2,
        })
    }
}
