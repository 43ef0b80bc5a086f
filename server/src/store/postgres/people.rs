//! [`People`] on PostgreSQL.

use futures::FutureExt;
use sqlx::postgres::PgConnection;

use super::PostgresStore;
use super::inboxes::accept_requests;
use crate::store::people::{List, Listed, ListedRow, MOST_LISTED, People};
use crate::store::row::signed;
use crate::store::{AccountId, Answer, StoreError};

impl People for PostgresStore {
    fn list(&self, owner: AccountId, list: List, peer: AccountId) -> Answer<'_, bool> {
        self.pool.write(move |connection| put(connection, owner, list, peer).boxed()).boxed()
    }

    fn unlist(&self, owner: AccountId, list: List, peer: AccountId) -> Answer<'_, ()> {
        self.pool.write(move |connection| remove(connection, owner, list, peer).boxed()).boxed()
    }

    fn listed(&self, owner: AccountId) -> Answer<'_, Vec<Listed>> {
        self.pool.read(move |connection| listed(connection, owner).boxed()).boxed()
    }
}

async fn put(
    connection: &mut PgConnection,
    owner: AccountId,
    list: List,
    peer: AccountId,
) -> Result<bool, StoreError> {
    let stands = add(connection, owner, list, peer).await?;
    if stands && list == List::Contacts {
        accept_requests(connection, owner, peer).await?;
    }
    Ok(stands)
}

/// Two nodes that add at the same time may exceed the limit by one each; the limit is a bound and need not be exact.
async fn add(
    connection: &mut PgConnection,
    owner: AccountId,
    list: List,
    peer: AccountId,
) -> Result<bool, StoreError> {
    const STANDS: &str = "SELECT count(*) FROM listed WHERE owner = $1 AND list = $2 AND peer = $3";
    const ADD: &str = "INSERT INTO listed (owner, list, peer) SELECT $1, $2, $3 \
        WHERE (SELECT count(*) FROM listed WHERE owner = $1 AND list = $2) < $4 ON CONFLICT DO NOTHING";
    let list = list as i64;
    let stands = sqlx::query_scalar(STANDS).bind(owner.0).bind(list).bind(peer.0);
    let before: i64 = stands.fetch_one(&mut *connection).await?;
    if before > 0 {
        return Ok(true);
    }
    let add = sqlx::query(ADD).bind(owner.0).bind(list).bind(peer.0).bind(signed(MOST_LISTED));
    if add.execute(&mut *connection).await?.rows_affected() == 1 {
        return Ok(true);
    }
    // Another node may have been faster.
    let stands = sqlx::query_scalar(STANDS).bind(owner.0).bind(list).bind(peer.0);
    let after: i64 = stands.fetch_one(connection).await?;
    Ok(after > 0)
}

async fn remove(
    connection: &mut PgConnection,
    owner: AccountId,
    list: List,
    peer: AccountId,
) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM listed WHERE owner = $1 AND list = $2 AND peer = $3";
    sqlx::query(SQL).bind(owner.0).bind(list as i64).bind(peer.0).execute(connection).await?;
    Ok(())
}

async fn listed(connection: &mut PgConnection, owner: AccountId) -> Result<Vec<Listed>, StoreError> {
    const SQL: &str = "SELECT list, id, handle, primary_key FROM listed JOIN accounts ON id = peer \
                       WHERE owner = $1 ORDER BY handle";
    let rows: Vec<ListedRow> = sqlx::query_as(SQL).bind(owner.0).fetch_all(connection).await?;
    rows.into_iter().map(Listed::try_from).collect()
}
