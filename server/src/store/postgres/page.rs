//! Reading an inbox.

use crate::store::StoreError;
use crate::store::connection::{Connection, values};
use crate::store::page::Page;

/// Reads until the page is full or the inbox ends. The database cuts the rows off where the bytes of the page run out:
/// unread rows would still have to cross the connection. Beyond that point, only the lengths of envelopes are read.
pub(super) fn fill(connection: &mut Connection<'_>, page: &mut Page) -> Result<(), StoreError> {
    const SQL: &str = "SELECT seq, created_at, hash, envelope FROM ( \
            SELECT seq, created_at, hash, envelope, row_number() OVER up_to_here AS place, \
                   sum(octet_length(envelope)) OVER up_to_here AS bytes \
            FROM (SELECT seq, created_at, hash, envelope FROM messages \
                  WHERE inbox = $1 AND seq > $2 AND origin <> 2 ORDER BY seq LIMIT $3) AS items \
            WINDOW up_to_here AS (ORDER BY seq ROWS UNBOUNDED PRECEDING)) AS page \
        WHERE bytes <= $4 OR place = 1 ORDER BY seq";
    while page.room() > 0 {
        let left_out = page.left_out();
        let values = values![page.inbox(), page.after(), page.room(), page.most_bytes()];
        let rows: Vec<(i64, i64, Vec<u8>, Vec<u8>)> = connection.rows(SQL, values)?;
        for (seq, created_at, hash, envelope) in rows {
            if !page.take(seq, created_at, &hash, &envelope)? {
                break;
            }
        }
        if page.left_out() == left_out {
            break;
        }
    }
    Ok(())
}
