//! Reading an inbox.

use futures::FutureExt;
use prometheus_client::metrics::counter::Counter;

use super::pool::Pool;
use crate::store::page::{ItemRow, Page};
use crate::store::row::{signed, unsigned};
use crate::store::{AccountId, PageLimit, StoreError, StoredMessage};

/// The database cuts a page off where its bytes run out: unread rows would still have to cross the connection. Beyond
/// that point, only the lengths of envelopes are read.
pub(super) async fn page_after(
    pool: &Pool,
    inbox: AccountId,
    since: u64,
    limit: PageLimit,
    damaged: &Counter,
) -> Result<Vec<StoredMessage>, StoreError> {
    const SQL: &str = "SELECT seq, created_at, hash, envelope FROM ( \
            SELECT seq, created_at, hash, envelope, row_number() OVER up_to_here AS place, \
                   sum(octet_length(envelope)) OVER up_to_here AS bytes \
            FROM (SELECT seq, created_at, hash, envelope FROM messages \
                  WHERE inbox = $1 AND seq > $2 AND origin <> 2 ORDER BY seq LIMIT $3) AS items \
            WINDOW up_to_here AS (ORDER BY seq ROWS UNBOUNDED PRECEDING)) AS page \
        WHERE bytes <= $4 OR place = 1 ORDER BY seq";
    let bytes = i64::try_from(limit.bytes).unwrap_or(i64::MAX);
    let mut page = Page::new(inbox, since, limit, damaged);
    while page.room() > 0 {
        let (after, room, left_out) = (signed(page.after()), signed(page.room()), page.left_out());
        let rows: Vec<ItemRow<Vec<u8>, Vec<u8>>> = pool
            .read(|connection| {
                async move {
                    let rows = sqlx::query_as(SQL).bind(inbox.0).bind(after).bind(room).bind(bytes);
                    Ok(rows.fetch_all(connection).await?)
                }
                .boxed()
            })
            .await?;
        for row in rows {
            if !page.take(row)? {
                break;
            }
        }
        if page.left_out() == left_out {
            break;
        }
    }
    Ok(page.into_items())
}

/// The highest number that an inbox has assigned. The transaction that stores a message raises it, so it is never
/// behind the items on a page.
pub(super) async fn last_seq(pool: &Pool, inbox: AccountId) -> Result<u64, StoreError> {
    const SQL: &str = "SELECT last_seq FROM inboxes WHERE account = $1";
    let last: Option<i64> = pool
        .read(|connection| {
            async move { Ok(sqlx::query_scalar(SQL).bind(inbox.0).fetch_optional(connection).await?) }.boxed()
        })
        .await?;
    last.map_or(Ok(0), unsigned)
}
