//! Pages of an inbox, row by row.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

use super::places::{Place, Places};
use crate::store::StoreError;
use crate::store::page::Page;

/// The time of a row whose time is damaged, even if its envelope is intact.
const NO_TIME: i64 = -1;

/// Reads until the page is full or the inbox ends: first the indexed messages, then those of the tail, which are newer.
pub(super) fn fill(connection: &Connection, places: &Places, page: &mut Page) -> Result<(), StoreError> {
    // Messages that are indexed between this read and the transaction are found in the table.
    let tail = places.after(page.inbox(), page.after());
    connection.prepare_cached("BEGIN")?.execute([])?;
    take_indexed(connection, page)?;
    for place in tail {
        take_from_tail(connection, page, place)?;
    }
    connection.prepare_cached("COMMIT")?.execute([])?;
    Ok(())
}

fn take_indexed(connection: &Connection, page: &mut Page) -> Result<(), StoreError> {
    const SQL: &str = "SELECT place.seq, created_at, hash, envelope FROM message_places AS place \
        CROSS JOIN messages ON messages.id = place.message \
        WHERE place.inbox = ?1 AND place.seq > ?2 ORDER BY place.seq";
    let after = i64::try_from(page.after()).unwrap_or(i64::MAX);
    let mut indexed = connection.prepare_cached(SQL)?;
    let mut rows = indexed.query(params![page.inbox().0, after])?;
    while let Some(row) = rows.next()? {
        if !take(page, row)? {
            break;
        }
    }
    Ok(())
}

fn take_from_tail(connection: &Connection, page: &mut Page, (seq, id): Place) -> Result<(), StoreError> {
    const SQL: &str =
        "SELECT seq, created_at, hash, envelope FROM messages WHERE id = ?1 AND inbox = ?2 AND seq = ?3";
    if seq <= page.after() || page.room() == 0 {
        return Ok(());
    }
    let mut message = connection.prepare_cached(SQL)?;
    let mut rows = message.query(params![id, page.inbox().0, seq.cast_signed()])?;
    // `None` when the row was deleted in the meantime.
    if let Some(row) = rows.next()? {
        take(page, row)?;
    }
    Ok(())
}

fn take(page: &mut Page, row: &Row<'_>) -> Result<bool, StoreError> {
    let created_at = row.get_ref(1)?.as_i64().unwrap_or(NO_TIME);
    // A damaged value that is not bytes has no matching hash.
    page.take(row.get(0)?, created_at, bytes(row.get_ref(2)?), bytes(row.get_ref(3)?))
}

fn bytes(value: ValueRef<'_>) -> &[u8] {
    match value {
        ValueRef::Blob(bytes) | ValueRef::Text(bytes) => bytes,
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => &[],
    }
}
