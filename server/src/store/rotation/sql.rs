//! Key rotations, in the SQL common to both engines. Each engine compiles this file as a module of its own, with its
//! own connection type.

use kez_core::identity::Primary;

use super::dialect::Connection;
use super::moderation::announce;
use crate::store::StoreError;
use crate::store::rotation::{Rotation, RotationOutcome};

pub(super) async fn rotate(
    connection: &mut Connection,
    rotation: Rotation,
) -> Result<RotationOutcome, StoreError> {
    // First, because it locks the account: of two concurrent rotations, the second sees the result of the first.
    if !belongs_to(connection, &rotation).await? {
        return Ok(RotationOutcome::Overtaken);
    }
    if is_taken(connection, &rotation.to).await? {
        return Ok(RotationOutcome::PrimaryTaken);
    }
    hand_over(connection, &rotation).await?;
    remember_former(connection, &rotation).await?;
    let Rotation { account, handle, now, .. } = &rotation;
    announce(connection, Some(account.0), handle, *now).await?;
    Ok(RotationOutcome::Rotated)
}

async fn belongs_to(connection: &mut Connection, rotation: &Rotation) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE accounts SET chain_root = $1 WHERE id = $2 AND primary_key = $3";
    let locked = sqlx::query(SQL)
        .bind(rotation.root.to_string())
        .bind(rotation.account.0)
        .bind(rotation.from.to_string())
        .execute(connection)
        .await?;
    Ok(locked.rows_affected() == 1)
}

async fn is_taken(connection: &mut Connection, key: &Primary) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT id FROM accounts WHERE primary_key = $1 \
                       UNION ALL SELECT account FROM former_keys WHERE primary_key = $1";
    let holder: Option<i64> =
        sqlx::query_scalar(SQL).bind(key.to_string()).fetch_optional(connection).await?;
    Ok(holder.is_some())
}

async fn hand_over(connection: &mut Connection, rotation: &Rotation) -> Result<(), StoreError> {
    const SQL: &str =
        "UPDATE accounts SET primary_key = $1, registration = $2, registered_at = $3 WHERE id = $4";
    sqlx::query(SQL)
        .bind(rotation.to.to_string())
        .bind(&rotation.registration)
        .bind(rotation.now.unix().cast_signed())
        .bind(rotation.account.0)
        .execute(connection)
        .await?;
    Ok(())
}

async fn remember_former(connection: &mut Connection, rotation: &Rotation) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO former_keys (primary_key, account, replaced_at) VALUES ($1, $2, $3)";
    sqlx::query(SQL)
        .bind(rotation.from.to_string())
        .bind(rotation.account.0)
        .bind(rotation.now.unix().cast_signed())
        .execute(connection)
        .await?;
    Ok(())
}
