//! The bindings of nkeys.

use futures::FutureExt;
use kez_core::nkey::PublicNkey;
use kez_core::time::Timestamp;
use sqlx::sqlite::SqliteConnection;

use super::SqliteStore;
use crate::store::bindings::{obstacle, sql};
use crate::store::{
    AccountId, Answer, BindOutcome, Binding, Bindings, Bound, MAX_EVER, MAX_LIVE, NewBinding, StoreError,
};

impl Bindings for SqliteStore {
    fn bind_nkey(&self, binding: NewBinding) -> Answer<'_, BindOutcome> {
        self.writer.write(move |connection| async move { bind(connection, &binding).await }.boxed()).boxed()
    }

    fn remove_nkey(&self, account: AccountId, nkey: PublicNkey, now: Timestamp) -> Answer<'_, bool> {
        self.writer.write(move |connection| remove(connection, account, nkey, now).boxed()).boxed()
    }

    fn bound_nkey(&self, nkey: PublicNkey) -> Answer<'_, Option<Bound>> {
        self.readers.read(move |connection| find(connection, nkey).boxed()).boxed()
    }

    fn bindings_of(&self, account: AccountId) -> Answer<'_, Vec<Binding>> {
        self.readers.read(move |connection| all(connection, account).boxed()).boxed()
    }
}

async fn bind(connection: &mut SqliteConnection, new: &NewBinding) -> Result<BindOutcome, StoreError> {
    let nkey = new.nkey.to_string();
    if let Some(obstacle) = obstacle(holder(connection, &nkey).await?, new.account) {
        return Ok(obstacle);
    }
    let (ever, live): (i64, i64) = sqlx::query_as(sql::COUNT)
        .bind(new.account.0)
        .bind(new.now.unix().cast_signed())
        .bind(&nkey)
        .fetch_one(&mut *connection)
        .await?;
    if live >= MAX_LIVE.into() || ever >= MAX_EVER.into() {
        return Ok(BindOutcome::TooMany);
    }
    sqlx::query(sql::BIND)
        .bind(&nkey)
        .bind(new.account.0)
        .bind(&new.binding)
        .bind(new.expires_at.unix().cast_signed())
        .bind(new.primary.to_string())
        .execute(&mut *connection)
        .await?;
    Ok(BindOutcome::Bound)
}

async fn holder(connection: &mut SqliteConnection, nkey: &str) -> Result<Option<(i64, bool)>, StoreError> {
    Ok(sqlx::query_as(sql::HOLDER).bind(nkey.to_owned()).fetch_optional(connection).await?)
}

async fn remove(
    connection: &mut SqliteConnection,
    account: AccountId,
    nkey: PublicNkey,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let removed = sqlx::query(sql::REMOVE)
        .bind(nkey.to_string())
        .bind(account.0)
        .bind(now.unix().cast_signed())
        .execute(connection)
        .await?;
    Ok(removed.rows_affected() == 1)
}

async fn find(connection: &mut SqliteConnection, nkey: PublicNkey) -> Result<Option<Bound>, StoreError> {
    let row: Option<(String, i64)> =
        sqlx::query_as(sql::FIND).bind(nkey.to_string()).fetch_optional(connection).await?;
    row.map(Bound::try_from).transpose()
}

async fn all(connection: &mut SqliteConnection, account: AccountId) -> Result<Vec<Binding>, StoreError> {
    let rows: Vec<(String, Option<i64>)> =
        sqlx::query_as(sql::ALL).bind(account.0).fetch_all(connection).await?;
    rows.into_iter().map(Binding::try_from).collect()
}
