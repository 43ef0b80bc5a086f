//! Pages of an inbox, row by row.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};

use crate::store::StoreError;
use crate::store::page::Page;
use crate::store::row::signed;

/// How much is read at one go.
#[derive(Clone, Copy)]
pub(super) struct Most {
    rows: u64,
    bytes: usize,
}

/// What takes about as long as a switch of threads.
pub(super) const A_FEW: Most = Most { rows: 16, bytes: 32 * 1024 };
/// As much as the page takes.
pub(super) const ALL: Most = Most { rows: u64::MAX, bytes: usize::MAX };

/// What a damaged row holds instead of a time is none, also when its envelope is whole.
const NO_TIME: i64 = -1;

/// The older places, and then the newer ones: those in `new_places` are younger than all others.
const PLACES: [&str; 2] = [
    "SELECT place.seq, created_at, hash, envelope FROM message_places AS place \
     CROSS JOIN messages ON messages.id = place.message \
     WHERE place.inbox = ?1 AND place.seq > ?2 AND origin <> 2 ORDER BY place.seq",
    "SELECT place.seq, created_at, hash, envelope FROM new_places AS place \
     CROSS JOIN messages ON messages.id = place.message \
     WHERE place.inbox = ?1 AND place.seq > ?2 AND origin <> 2 ORDER BY place.seq",
];

/// Reads until the page is full, the inbox is at its end, or so much was read; false in the last case.
pub(super) fn fill(connection: &Connection, page: &mut Page, most: Most) -> Result<bool, StoreError> {
    // A place moves from one table to the other in one transaction. Both are looked at as they were before or after.
    connection.prepare_cached("BEGIN")?.execute([])?;
    let whole = fill_within(connection, page, most)?;
    connection.prepare_cached("COMMIT")?.execute([])?;
    Ok(whole)
}

fn fill_within(connection: &Connection, page: &mut Page, most: Most) -> Result<bool, StoreError> {
    let mut read = 0;
    for sql in PLACES {
        let mut places = connection.prepare_cached(sql)?;
        let mut rows = places.query(params![page.inbox().0, signed(page.after())])?;
        while let Some(row) = rows.next()? {
            if page.room() == 0 {
                return Ok(true);
            }
            if read >= most.rows || page.bytes() >= most.bytes {
                return Ok(false);
            }
            let created_at = row.get_ref(1)?.as_i64().unwrap_or(NO_TIME);
            let item = (row.get(0)?, created_at, bytes(row.get_ref(2)?), bytes(row.get_ref(3)?));
            if !page.take(item)? {
                return Ok(true);
            }
            read += 1;
        }
    }
    Ok(true)
}

/// What a damaged row holds instead of bytes has no hash that fits.
fn bytes(value: ValueRef<'_>) -> &[u8] {
    match value {
        ValueRef::Blob(bytes) | ValueRef::Text(bytes) => bytes,
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => &[],
    }
}
