//! [`Invites`] on PostgreSQL.

use futures::FutureExt;
use kez_core::invite::InviteHash;
use kez_core::time::Timestamp;
use sqlx::postgres::PgConnection;

use super::PostgresStore;
use crate::store::invites::{Invite, InviteRow, Invites, NewInvite};
use crate::store::row::signed;
use crate::store::{Answer, StoreError};

impl Invites for PostgresStore {
    fn create_invite(&self, invite: NewInvite) -> Answer<'_, Invite> {
        self.pool.write(move |connection| create(connection, invite).boxed()).boxed()
    }

    fn invite(&self, hash: InviteHash) -> Answer<'_, Option<Invite>> {
        self.pool.read(move |connection| one(connection, hash).boxed()).boxed()
    }

    fn invites(&self) -> Answer<'_, Vec<Invite>> {
        self.pool.read(|connection| all(connection).boxed()).boxed()
    }

    fn revoke_invite(&self, id: i64) -> Answer<'_, bool> {
        self.pool.write(move |connection| revoke(connection, id).boxed()).boxed()
    }
}

async fn create(connection: &mut PgConnection, invite: NewInvite) -> Result<Invite, StoreError> {
    const SQL: &str = "INSERT INTO invites (hash, label, uses, created_at, expires_at) \
                       VALUES ($1, $2, $3, $4, $5) \
                       RETURNING id, label, uses, used, created_at, expires_at, revoked";
    let row: InviteRow = sqlx::query_as(SQL)
        .bind(invite.hash.as_bytes().as_slice())
        .bind(&invite.label)
        .bind(signed(invite.uses))
        .bind(signed(invite.now.unix()))
        .bind(signed(invite.expires_at.unix()))
        .fetch_one(connection)
        .await?;
    row.try_into()
}

async fn one(connection: &mut PgConnection, hash: InviteHash) -> Result<Option<Invite>, StoreError> {
    const SQL: &str =
        "SELECT id, label, uses, used, created_at, expires_at, revoked FROM invites WHERE hash = $1";
    let row: Option<InviteRow> =
        sqlx::query_as(SQL).bind(hash.as_bytes().as_slice()).fetch_optional(connection).await?;
    row.map(Invite::try_from).transpose()
}

async fn all(connection: &mut PgConnection) -> Result<Vec<Invite>, StoreError> {
    const SQL: &str =
        "SELECT id, label, uses, used, created_at, expires_at, revoked FROM invites ORDER BY id DESC";
    let rows: Vec<InviteRow> = sqlx::query_as(SQL).fetch_all(connection).await?;
    rows.into_iter().map(Invite::try_from).collect()
}

async fn revoke(connection: &mut PgConnection, id: i64) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE invites SET revoked = TRUE WHERE id = $1";
    Ok(sqlx::query(SQL).bind(id).execute(connection).await?.rows_affected() == 1)
}

/// Uses an invitation up by one, if there is a valid one.
pub(super) async fn use_invite(
    connection: &mut PgConnection,
    hash: InviteHash,
    now: Timestamp,
) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE invites SET used = used + 1 \
                       WHERE hash = $1 AND used < uses AND expires_at > $2 AND NOT revoked";
    let used = sqlx::query(SQL)
        .bind(hash.as_bytes().as_slice())
        .bind(signed(now.unix()))
        .execute(connection)
        .await?;
    Ok(used.rows_affected() == 1)
}
