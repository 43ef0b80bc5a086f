//! [`Moderation`] on SQLite.

use futures::FutureExt;
use sqlx::sqlite::SqliteConnection;

use super::SqliteStore;
use super::dialect::{DELETE_OLDEST, DELETE_OLDEST_BEFORE, OLDEST_OF_EACH};
use crate::store::Answer;
use crate::store::moderation::Moderation;

crate::store::moderation_sql::moderation_statements!(SqliteConnection);

impl Moderation for SqliteStore {
    fn accounts_after(&self, after: Option<Handle>, limit: u64) -> Answer<'_, Vec<ListedAccount>> {
        self.readers.read(move |connection| accounts_after(connection, after, limit).boxed()).boxed()
    }

    fn handle_state(&self, handle: Handle) -> Answer<'_, HandleState> {
        self.readers.read(move |connection| handle_state(connection, handle).boxed()).boxed()
    }

    fn ban(&self, handle: Handle, reason: Ban) -> Answer<'_, bool> {
        self.writer.write(move |connection| ban(connection, handle, reason).boxed()).boxed()
    }

    fn unban(&self, handle: Handle, now: Timestamp) -> Answer<'_, bool> {
        self.writer.write(move |connection| unban(connection, handle, now).boxed()).boxed()
    }

    fn reserve(&self, handle: Handle, until: Option<Timestamp>, now: Timestamp) -> Answer<'_, bool> {
        self.writer.write(move |connection| reserve(connection, handle, until, now).boxed()).boxed()
    }

    fn release(&self, handle: Handle, now: Timestamp) -> Answer<'_, bool> {
        self.writer.write(move |connection| release(connection, handle, now).boxed()).boxed()
    }

    fn delete_account(&self, account: AccountId, now: Timestamp) -> Answer<'_, bool> {
        async move {
            // Other writes get their turn between two portions.
            while self.writer.make_room(move |connection| delete_portion(connection, account).boxed()).await?
            {
            }
            self.writer.make_room(move |connection| delete_account(connection, account, now).boxed()).await
        }
        .boxed()
    }

    fn account_changes(&self, since: u64) -> Answer<'_, Vec<AccountChange>> {
        self.readers.read(move |connection| account_changes(connection, since).boxed()).boxed()
    }

    fn account_revision(&self) -> Answer<'_, u64> {
        self.readers.read(|connection| account_revision(connection).boxed()).boxed()
    }

    fn oldest_messages(
        &self,
        after: AccountId,
        limit: u64,
    ) -> Answer<'_, Vec<(AccountId, Option<Timestamp>)>> {
        self.readers.read(move |connection| oldest_messages(connection, after, limit).boxed()).boxed()
    }

    fn forget_messages(&self, inbox: AccountId, before: Timestamp) -> Answer<'_, u64> {
        self.writer.make_room(move |connection| forget_messages(connection, inbox, before).boxed()).boxed()
    }

    fn forget_changes(&self, before: Timestamp) -> Answer<'_, ()> {
        self.writer.make_room(move |connection| forget_changes(connection, before).boxed()).boxed()
    }
}
