//! Pages of an inbox, row by row.

use std::ops::ControlFlow;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

use super::packing::unpack;
use super::recent::{Place, Recent};
use crate::store::StoreError;
use crate::store::page::Page;
use crate::store::row::signed;

/// The limit of one read.
#[derive(Clone, Copy)]
pub(super) struct Most {
    rows: u64,
    bytes: usize,
}

/// Takes about as long as a thread switch.
pub(super) const A_FEW: Most = Most { rows: 16, bytes: 32 * 1024 };
/// As much as fits on the page.
pub(super) const ALL: Most = Most { rows: u64::MAX, bytes: usize::MAX };

/// The time of a row whose time is damaged, even if its envelope is intact.
const NO_TIME: i64 = -1;

/// Reads until the page is full, the inbox ends, or the limit is reached; returns false in the last case.
pub(super) fn fill(
    connection: &Connection,
    recent: &Recent,
    page: &mut Page,
    most: Most,
) -> Result<bool, StoreError> {
    // Messages placed between this read and the transaction are found in the table.
    let newest = recent.after(page.inbox(), page.after());
    connection.prepare_cached("BEGIN")?.execute([])?;
    let whole = Filling { connection, page, most, read: 0 }.fill(&newest)?;
    connection.prepare_cached("COMMIT")?.execute([])?;
    Ok(whole)
}

struct Filling<'a> {
    connection: &'a Connection,
    page: &'a mut Page,
    most: Most,
    read: u64,
}

/// Continues with the next row, or stops with the answer of [`fill`].
type Next = ControlFlow<bool>;

impl Filling<'_> {
    /// First the places in the table, then the newest messages, which are newer than all of these.
    fn fill(mut self, newest: &[Place]) -> Result<bool, StoreError> {
        let cursor = self.page.after();
        if newest.first().is_none_or(|(seq, _)| seq.checked_sub(1) != Some(cursor))
            && let Next::Break(whole) = self.take_placed()?
        {
            return Ok(whole);
        }
        for place in newest {
            if let Next::Break(whole) = self.take_newest(*place)? {
                return Ok(whole);
            }
        }
        Ok(true)
    }

    fn take_placed(&mut self) -> Result<Next, StoreError> {
        const SQL: &str = "SELECT place.seq, created_at, hash, envelope, unpacked_length FROM message_places AS place \
             CROSS JOIN messages ON messages.id = place.message \
             WHERE place.inbox = ?1 AND place.seq > ?2 ORDER BY place.seq";
        let mut placed = self.connection.prepare_cached(SQL)?;
        let mut rows = placed.query(params![self.page.inbox().0, signed(self.page.after())])?;
        while let Some(row) = rows.next()? {
            if let Next::Break(whole) = self.take(row)? {
                return Ok(Next::Break(whole));
            }
        }
        Ok(Next::Continue(()))
    }

    fn take_newest(&mut self, (seq, id): Place) -> Result<Next, StoreError> {
        const SQL: &str = "SELECT seq, created_at, hash, envelope, unpacked_length FROM messages \
             WHERE id = ?1 AND inbox = ?2 AND seq = ?3";
        if seq <= self.page.after() {
            return Ok(Next::Continue(()));
        }
        let mut message = self.connection.prepare_cached(SQL)?;
        let mut rows = message.query(params![id, self.page.inbox().0, signed(seq)])?;
        // `None` when the row was deleted in the meantime.
        rows.next()?.map_or(Ok(Next::Continue(())), |row| self.take(row))
    }

    fn take(&mut self, row: &Row<'_>) -> Result<Next, StoreError> {
        if self.page.room() == 0 {
            return Ok(Next::Break(true));
        }
        if self.read >= self.most.rows || self.page.bytes() >= self.most.bytes {
            return Ok(Next::Break(false));
        }
        self.read += 1;
        let created_at = row.get_ref(1)?.as_i64().unwrap_or(NO_TIME);
        // A damaged value that is not bytes has no matching hash.
        let (stored, unpacked_length) = (bytes(row.get_ref(3)?), row.get_ref(4)?.as_i64_or_null());
        let envelope = unpacked_length.ok().and_then(|length| unpack(stored, length));
        let item = (row.get(0)?, created_at, bytes(row.get_ref(2)?), envelope.unwrap_or_default());
        Ok(if self.page.take(item)? { Next::Continue(()) } else { Next::Break(true) })
    }
}

fn bytes(value: ValueRef<'_>) -> &[u8] {
    match value {
        ValueRef::Blob(bytes) | ValueRef::Text(bytes) => bytes,
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => &[],
    }
}
