//! Pages of an inbox.
//!
//! A row that comes from SQLite's thread costs more than reading it there, so many messages come as one row: their
//! numbers as lists, their envelopes one behind the other.

use sqlx::sqlite::SqliteConnection;

use crate::store::page::{ItemRow, Page};
use crate::store::row::signed;
use crate::store::{AccountId, StoreError, StoredMessage};

/// How many messages come first, whatever their size ...
const FIRST: u64 = 16;
/// ... and how many bytes come at a time then, if they are as large as those before ...
const AT_A_TIME: u64 = 256 * 1024;
/// ... which nobody promises, so there is an end to their number.
const MOST: u64 = 64;

/// Several messages as one row: how many, then a list each of places, times and lengths, then their hashes and their
/// envelopes.
type Several = (i64, Option<String>, Option<String>, Option<String>, Option<Vec<u8>>, Option<Vec<u8>>);

/// Reads until the page is full or the inbox is at its end.
pub(super) async fn fill(
    connection: &mut SqliteConnection,
    mut page: Page,
) -> Result<Vec<StoredMessage>, StoreError> {
    let mut wanted = page.room().min(FIRST);
    while wanted > 0 {
        let several = read(connection, page.inbox(), page.after(), wanted).await?;
        let was_last = (several.len() as u64) < wanted;
        for row in several {
            if !page.take(row)? {
                break;
            }
        }
        if was_last {
            break;
        }
        wanted = (AT_A_TIME / page.mean_bytes()).clamp(1, MOST).min(page.room());
    }
    Ok(page.into_items())
}

async fn read(
    connection: &mut SqliteConnection,
    inbox: AccountId,
    since: u64,
    limit: u64,
) -> Result<Vec<ItemRow>, StoreError> {
    const SQL: &str = "SELECT count(*), group_concat(seq), group_concat(created_at), \
            group_concat(length(envelope)), CAST(group_concat(hash, '') AS BLOB), \
            CAST(group_concat(envelope, '') AS BLOB) FROM ( \
        SELECT place.seq, created_at, hash, envelope FROM message_places AS place \
            CROSS JOIN messages ON messages.id = place.message \
            WHERE place.inbox = ?1 AND place.seq > ?2 AND origin <> 2 \
        UNION ALL \
        SELECT place.seq, created_at, hash, envelope FROM new_places AS place \
            CROSS JOIN messages ON messages.id = place.message \
            WHERE place.inbox = ?1 AND place.seq > ?2 AND origin <> 2 \
        ORDER BY 1 LIMIT ?3)";
    let several: Several = sqlx::query_as(SQL)
        .bind(inbox.0)
        .bind(signed(since))
        .bind(signed(limit))
        .fetch_one(connection)
        .await?;
    split(several)
}

fn split(several: Several) -> Result<Vec<ItemRow>, StoreError> {
    const MALFORMED: StoreError = StoreError::Corrupt("list of messages");
    let (count, seqs, times, lengths, hashes, envelopes) = several;
    if count == 0 {
        return Ok(Vec::new());
    }
    let (Some(seqs), Some(times), Some(lengths)) = (seqs, times, lengths) else { return Err(MALFORMED) };
    let (hashes, envelopes) = (hashes.unwrap_or_default(), envelopes.unwrap_or_default());
    let (mut rest, mut rows) = (envelopes.as_slice(), Vec::new());
    let numbers = seqs.split(',').zip(times.split(',')).zip(lengths.split(','));
    for (((seq, created_at), length), hash) in numbers.zip(hashes.chunks(32)) {
        let number = |text: &str| text.parse::<i64>().map_err(|_| MALFORMED);
        let length = length.parse().map_err(|_| MALFORMED)?;
        let (envelope, behind) = rest.split_at_checked(length).ok_or(MALFORMED)?;
        rest = behind;
        rows.push((number(seq)?, number(created_at)?, hash.to_vec(), envelope.to_vec()));
    }
    if rows.len() as i64 == count && rest.is_empty() && rows.is_sorted_by_key(|row| row.0) {
        Ok(rows)
    } else {
        Err(MALFORMED)
    }
}
