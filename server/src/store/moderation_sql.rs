//! The statements of [`super::moderation`], which are the same on every engine: numbers are signed 64-bit integers,
//! parameters are numbered. The macro generates them for one connection type.

/// The columns of an account and its ban.
pub(super) type ListedRow = (i64, String, String, String, i64, Option<String>, Option<i64>, Option<String>);

/// The functions of [`super::moderation::Moderation`] on a `$connection`.
macro_rules! moderation_statements {
    ($connection:ty) => {
        use kez_core::handle::Handle;
        use kez_core::time::Timestamp;

        use $crate::store::moderation::{
            AccountChange, Ban, HandleState, ListedAccount, PORTION, TOMBSTONE_SECONDS,
        };
        use $crate::store::moderation_sql::{ListedRow, OF_AN_ACCOUNT};
        use $crate::store::row::{signed, time, unsigned};
        use $crate::store::{Account, AccountId, StoreError};

        pub(super) async fn accounts_after(
            connection: &mut $connection,
            after: Option<Handle>,
            limit: u64,
        ) -> Result<Vec<ListedAccount>, StoreError> {
            const SQL: &str = "SELECT id, handle, primary_key, registration, registered_at, chain_root, banned_at, reason \
                FROM accounts LEFT JOIN bans ON account = id WHERE handle > $1 ORDER BY handle LIMIT $2";
            let after = after.map_or_else(String::new, |handle| handle.to_string());
            let rows: Vec<ListedRow> =
                sqlx::query_as(SQL).bind(after).bind(signed(limit)).fetch_all(connection).await?;
            rows.into_iter().map(listed).collect()
        }

        fn listed(row: ListedRow) -> Result<ListedAccount, StoreError> {
            let (id, handle, primary, registration, registered_at, root, banned_at, reason) = row;
            let account = Account::try_from((id, handle, primary, registration, registered_at, root))?;
            let at = banned_at.map(time).transpose()?;
            Ok(ListedAccount { account, ban: at.zip(reason).map(|(at, reason)| Ban { at, reason }) })
        }

        pub(super) async fn handle_state(
            connection: &mut $connection,
            handle: Handle,
        ) -> Result<HandleState, StoreError> {
            const HELD: &str = "SELECT id, handle, primary_key, registration, registered_at, chain_root, banned_at, reason \
                FROM accounts LEFT JOIN bans ON account = id WHERE handle = $1";
            const KEPT: &str =
                "SELECT reserved_at, reserved_until FROM reserved_handles WHERE handle = $1";
            let held: Option<ListedRow> =
                sqlx::query_as(HELD).bind(handle.as_str()).fetch_optional(&mut *connection).await?;
            if let Some(held) = held {
                return Ok(HandleState::Held(listed(held)?));
            }
            let kept: Option<(i64, Option<i64>)> =
                sqlx::query_as(KEPT).bind(handle.as_str()).fetch_optional(connection).await?;
            let Some((at, until)) = kept else { return Ok(HandleState::Free) };
            Ok(HandleState::Reserved { at: time(at)?, until: until.map(time).transpose()? })
        }

        pub(super) async fn ban(
            connection: &mut $connection,
            handle: Handle,
            ban: Ban,
        ) -> Result<bool, StoreError> {
            const SQL: &str = "INSERT INTO bans (account, banned_at, reason) \
                SELECT id, $2, $3 FROM accounts WHERE handle = $1 \
                ON CONFLICT (account) DO UPDATE SET reason = excluded.reason RETURNING account";
            let banned: Option<i64> = sqlx::query_scalar(SQL)
                .bind(handle.as_str())
                .bind(signed(ban.at.unix()))
                .bind(ban.reason)
                .fetch_optional(&mut *connection)
                .await?;
            announce(connection, banned, &handle, ban.at).await
        }

        pub(super) async fn unban(
            connection: &mut $connection,
            handle: Handle,
            now: Timestamp,
        ) -> Result<bool, StoreError> {
            const SQL: &str = "DELETE FROM bans WHERE account = (SELECT id FROM accounts WHERE handle = $1) \
                RETURNING account";
            let unbanned: Option<i64> =
                sqlx::query_scalar(SQL).bind(handle.as_str()).fetch_optional(&mut *connection).await?;
            announce(connection, unbanned, &handle, now).await
        }

        /// Whether the operator has banned an account.
        pub(super) async fn is_banned(
            connection: &mut $connection,
            account: AccountId,
        ) -> Result<bool, StoreError> {
            const SQL: &str = "SELECT 1 FROM bans WHERE account = $1";
            Ok(sqlx::query(SQL).bind(account.0).fetch_optional(connection).await?.is_some())
        }

        pub(super) async fn reserve(
            connection: &mut $connection,
            handle: Handle,
            until: Option<Timestamp>,
            now: Timestamp,
        ) -> Result<bool, StoreError> {
            const SQL: &str = "INSERT INTO reserved_handles (handle, reserved_at, reserved_until, last_seq) \
                SELECT $1, $2, $3, 0 WHERE NOT EXISTS (SELECT 1 FROM accounts WHERE handle = $1) \
                ON CONFLICT (handle) DO UPDATE SET \
                reserved_at = excluded.reserved_at, reserved_until = excluded.reserved_until";
            let reserved = sqlx::query(SQL)
                .bind(handle.as_str())
                .bind(signed(now.unix()))
                .bind(until.map(|until| signed(until.unix())))
                .execute(connection)
                .await?;
            Ok(reserved.rows_affected() == 1)
        }

        pub(super) async fn release(
            connection: &mut $connection,
            handle: Handle,
            now: Timestamp,
        ) -> Result<bool, StoreError> {
            const SQL: &str = "UPDATE reserved_handles SET reserved_until = 0 \
                WHERE handle = $1 AND (reserved_until IS NULL OR reserved_until > $2)";
            let released = sqlx::query(SQL)
                .bind(handle.as_str())
                .bind(signed(now.unix()))
                .execute(connection)
                .await?;
            Ok(released.rows_affected() == 1)
        }

        /// Deletes a portion of an account's messages. Returns whether there may be more.
        pub(super) async fn delete_portion(
            connection: &mut $connection,
            account: AccountId,
        ) -> Result<bool, StoreError> {
            let deleted =
                sqlx::query(DELETE_OLDEST).bind(account.0).bind(signed(PORTION)).execute(connection).await?;
            Ok(deleted.rows_affected() == PORTION)
        }

        /// Deletes an account that has few messages left, and leaves a tombstone.
        pub(super) async fn delete_account(
            connection: &mut $connection,
            account: AccountId,
            now: Timestamp,
        ) -> Result<bool, StoreError> {
            const TOMBSTONE: &str = "INSERT INTO reserved_handles (handle, reserved_at, reserved_until, last_seq) \
                SELECT handle, $2, $3, last_seq FROM accounts JOIN inboxes ON account = id WHERE id = $1 \
                ON CONFLICT (handle) DO UPDATE SET reserved_at = excluded.reserved_at, \
                reserved_until = excluded.reserved_until, last_seq = excluded.last_seq RETURNING handle";
            // Before the last number is read: the table may only learn it during the deletion.
            while delete_portion(connection, account).await? {}
            let handle: Option<String> = sqlx::query_scalar(TOMBSTONE)
                .bind(account.0)
                .bind(signed(now.unix()))
                .bind(signed(now.unix() + TOMBSTONE_SECONDS))
                .fetch_optional(&mut *connection)
                .await?;
            let Some(handle) = handle else { return Ok(false) };
            for rows in OF_AN_ACCOUNT {
                sqlx::query(rows).bind(account.0).execute(&mut *connection).await?;
            }
            let handle = handle.parse().map_err(|_| StoreError::Corrupt("handle"))?;
            announce(connection, Some(account.0), &handle, now).await
        }

        /// Tells every process that caches holders to look again. Part of every transaction that changes a holder.
        pub(super) async fn announce(
            connection: &mut $connection,
            account: Option<i64>,
            handle: &Handle,
            now: Timestamp,
        ) -> Result<bool, StoreError> {
            const REVISION: &str =
                "UPDATE account_revision SET revision = revision + 1 RETURNING revision";
            const CHANGE: &str = "INSERT INTO account_changes (revision, account, handle, changed_at) \
                VALUES ($1, $2, $3, $4)";
            let Some(account) = account else { return Ok(false) };
            let revision: i64 = sqlx::query_scalar(REVISION).fetch_one(&mut *connection).await?;
            sqlx::query(CHANGE)
                .bind(revision)
                .bind(account)
                .bind(handle.as_str())
                .bind(signed(now.unix()))
                .execute(connection)
                .await?;
            Ok(true)
        }

        pub(super) async fn account_changes(
            connection: &mut $connection,
            since: u64,
        ) -> Result<Vec<AccountChange>, StoreError> {
            const SQL: &str = "SELECT revision, account, handle FROM account_changes \
                WHERE revision > $1 ORDER BY revision";
            let rows: Vec<(i64, i64, String)> =
                sqlx::query_as(SQL).bind(signed(since)).fetch_all(connection).await?;
            let change = |(revision, account, handle): (i64, i64, String)| {
                let handle = handle.parse().map_err(|_| StoreError::Corrupt("handle"))?;
                Ok(AccountChange { revision: unsigned(revision)?, account: AccountId(account), handle })
            };
            rows.into_iter().map(change).collect()
        }

        pub(super) async fn account_revision(connection: &mut $connection) -> Result<u64, StoreError> {
            const SQL: &str = "SELECT revision FROM account_revision";
            unsigned(sqlx::query_scalar(SQL).fetch_one(connection).await?)
        }

        pub(super) async fn oldest_messages(
            connection: &mut $connection,
            after: AccountId,
            limit: u64,
        ) -> Result<Vec<(AccountId, Option<Timestamp>)>, StoreError> {
            let rows: Vec<(i64, Option<i64>)> =
                sqlx::query_as(OLDEST_OF_EACH).bind(after.0).bind(signed(limit)).fetch_all(connection).await?;
            let inbox = |(account, oldest): (i64, Option<i64>)| {
                Ok((AccountId(account), oldest.map(time).transpose()?))
            };
            rows.into_iter().map(inbox).collect()
        }

        pub(super) async fn forget_messages(
            connection: &mut $connection,
            inbox: AccountId,
            before: Timestamp,
        ) -> Result<u64, StoreError> {
            let forgotten = sqlx::query(DELETE_OLDEST_BEFORE)
                .bind(inbox.0)
                .bind(signed(PORTION))
                .bind(signed(before.unix()))
                .execute(connection)
                .await?;
            Ok(forgotten.rows_affected())
        }

        pub(super) async fn forget_changes(
            connection: &mut $connection,
            before: Timestamp,
        ) -> Result<(), StoreError> {
            const SQL: &str = "DELETE FROM account_changes WHERE changed_at < $1";
            sqlx::query(SQL).bind(signed(before.unix())).execute(connection).await?;
            Ok(())
        }

        /// The first number for a new inbox of the handle, or `None` when the handle is reserved.
        pub(super) async fn first_seq(
            connection: &mut $connection,
            handle: &Handle,
            now: Timestamp,
        ) -> Result<Option<i64>, StoreError> {
            const SQL: &str = "SELECT reserved_until, last_seq FROM reserved_handles WHERE handle = $1";
            let row: Option<(Option<i64>, i64)> =
                sqlx::query_as(SQL).bind(handle.as_str()).fetch_optional(connection).await?;
            Ok(match row {
                None => Some(0),
                Some((Some(until), last_seq)) if until <= signed(now.unix()) => Some(last_seq),
                Some(_) => None,
            })
        }
    };
}
pub(super) use moderation_statements;

/// The tables with an account's data except its messages, children first.
pub(super) const OF_AN_ACCOUNT: [&str; 6] = [
    "DELETE FROM reports WHERE reporter = $1",
    "DELETE FROM request_shares WHERE inbox = $1",
    "DELETE FROM inboxes WHERE account = $1",
    "DELETE FROM former_keys WHERE account = $1",
    "DELETE FROM nats_bindings WHERE account = $1",
    "DELETE FROM accounts WHERE id = $1",
];
