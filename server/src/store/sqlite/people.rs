//! [`People`] on SQLite.

use futures::FutureExt;
use sqlx::sqlite::SqliteConnection;

use super::SqliteStore;
use super::inboxes::accept_requests;
use crate::store::people::{List, Listed, ListedRow, MOST_LISTED, People};
use crate::store::row::signed;
use crate::store::{AccountId, Answer, StoreError};

impl People for SqliteStore {
    fn list(&self, owner: AccountId, list: List, peer: AccountId) -> Answer<'_, bool> {
        self.writer.write(move |connection| put(connection, owner, list, peer).boxed()).boxed()
    }

    fn unlist(&self, owner: AccountId, list: List, peer: AccountId) -> Answer<'_, ()> {
        self.writer.write(move |connection| remove(connection, owner, list, peer).boxed()).boxed()
    }

    fn listed(&self, owner: AccountId) -> Answer<'_, Vec<Listed>> {
        self.readers.read(move |connection| listed(connection, owner).boxed()).boxed()
    }
}

async fn put(
    connection: &mut SqliteConnection,
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

async fn add(
    connection: &mut SqliteConnection,
    owner: AccountId,
    list: List,
    peer: AccountId,
) -> Result<bool, StoreError> {
    const STANDS: &str = "SELECT count(*) FROM listed WHERE owner = ?1 AND list = ?2 AND peer = ?3";
    const ADD: &str = "INSERT INTO listed (owner, list, peer) SELECT ?1, ?2, ?3 \
        WHERE (SELECT count(*) FROM listed WHERE owner = ?1 AND list = ?2) < ?4";
    let list = list as i64;
    let stands: i64 =
        sqlx::query_scalar(STANDS).bind(owner.0).bind(list).bind(peer.0).fetch_one(&mut *connection).await?;
    if stands > 0 {
        return Ok(true);
    }
    let added = sqlx::query(ADD)
        .bind(owner.0)
        .bind(list)
        .bind(peer.0)
        .bind(signed(MOST_LISTED))
        .execute(connection)
        .await?;
    Ok(added.rows_affected() == 1)
}

async fn remove(
    connection: &mut SqliteConnection,
    owner: AccountId,
    list: List,
    peer: AccountId,
) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM listed WHERE owner = ?1 AND list = ?2 AND peer = ?3";
    sqlx::query(SQL).bind(owner.0).bind(list as i64).bind(peer.0).execute(connection).await?;
    Ok(())
}

async fn listed(connection: &mut SqliteConnection, owner: AccountId) -> Result<Vec<Listed>, StoreError> {
    const SQL: &str = "SELECT list, id, handle, primary_key FROM listed JOIN accounts ON id = peer \
                       WHERE owner = ?1 ORDER BY handle";
    let rows: Vec<ListedRow> = sqlx::query_as(SQL).bind(owner.0).fetch_all(connection).await?;
    rows.into_iter().map(Listed::try_from).collect()
}
