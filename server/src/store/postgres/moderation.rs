//! [`Moderation`] on PostgreSQL.

use futures::FutureExt;
use sqlx::postgres::PgConnection;

use super::PostgresStore;
use super::dialect::{DELETE_OLDEST, DELETE_OLDEST_BEFORE, OLDEST_OF_EACH, settle};
use crate::store::Answer;
use crate::store::moderation::Moderation;

crate::store::moderation_sql::moderation_statements!(PgConnection);

/// [`delete_account`], once no node can store anything for the account. Without the locks, a message committed at the
/// same time would stay behind, with a number that the tombstone does not know.
async fn delete_alone(
    connection: &mut PgConnection,
    account: AccountId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    const LOCKS: [&str; 2] = [
        "SELECT account FROM inboxes WHERE account = $1 FOR UPDATE",
        "SELECT id FROM accounts WHERE id = $1 FOR UPDATE",
    ];
    for lock in LOCKS {
        sqlx::query(lock).bind(account.0).execute(&mut *connection).await?;
    }
    delete_account(connection, account, now).await
}

async fn delete_locked_portion(
    connection: &mut PgConnection,
    account: AccountId,
) -> Result<bool, StoreError> {
    settle(connection, account).await?;
    delete_portion(connection, account).await
}

async fn forget_locked(
    connection: &mut PgConnection,
    inbox: AccountId,
    before: Timestamp,
) -> Result<u64, StoreError> {
    settle(connection, inbox).await?;
    forget_messages(connection, inbox, before).await
}

impl Moderation for PostgresStore {
    fn accounts_after(&self, after: Option<Handle>, limit: u64) -> Answer<'_, Vec<ListedAccount>> {
        self.pool.read(move |connection| accounts_after(connection, after, limit).boxed()).boxed()
    }

    fn handle_state(&self, handle: Handle) -> Answer<'_, HandleState> {
        self.pool.read(move |connection| handle_state(connection, handle).boxed()).boxed()
    }

    fn ban(&self, handle: Handle, reason: Ban) -> Answer<'_, bool> {
        self.pool.write(move |connection| ban(connection, handle, reason).boxed()).boxed()
    }

    fn unban(&self, handle: Handle, now: Timestamp) -> Answer<'_, bool> {
        self.pool.write(move |connection| unban(connection, handle, now).boxed()).boxed()
    }

    fn reserve(&self, handle: Handle, until: Option<Timestamp>, now: Timestamp) -> Answer<'_, bool> {
        self.pool.write(move |connection| reserve(connection, handle, until, now).boxed()).boxed()
    }

    fn release(&self, handle: Handle, now: Timestamp) -> Answer<'_, bool> {
        self.pool.write(move |connection| release(connection, handle, now).boxed()).boxed()
    }

    fn delete_account(&self, account: AccountId, now: Timestamp) -> Answer<'_, bool> {
        async move {
            // Other writes get their turn between two portions.
            while self
                .pool
                .write(move |connection| delete_locked_portion(connection, account).boxed())
                .await?
            {}
            self.pool.write(move |connection| delete_alone(connection, account, now).boxed()).await
        }
        .boxed()
    }

    fn account_changes(&self, since: u64) -> Answer<'_, Vec<AccountChange>> {
        self.pool.read(move |connection| account_changes(connection, since).boxed()).boxed()
    }

    fn account_revision(&self) -> Answer<'_, u64> {
        self.pool.read(|connection| account_revision(connection).boxed()).boxed()
    }

    fn oldest_messages(
        &self,
        after: AccountId,
        limit: u64,
    ) -> Answer<'_, Vec<(AccountId, Option<Timestamp>)>> {
        self.pool.read(move |connection| oldest_messages(connection, after, limit).boxed()).boxed()
    }

    fn forget_messages(&self, inbox: AccountId, before: Timestamp) -> Answer<'_, u64> {
        self.pool.write(move |connection| forget_locked(connection, inbox, before).boxed()).boxed()
    }

    fn forget_changes(&self, before: Timestamp) -> Answer<'_, ()> {
        self.pool.write(move |connection| forget_changes(connection, before).boxed()).boxed()
    }
}
