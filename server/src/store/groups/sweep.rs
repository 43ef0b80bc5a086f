//! Deleting what is left of groups: expired Welcomes, old items, and groups without members.

use std::collections::HashMap;

use kez_core::time::Timestamp;

use super::GroupNumber;
use crate::store::connection::{Connection, values};
use crate::store::inboxes::delete_oldest;
use crate::store::moderation::PORTION;
use crate::store::{InboxId, Store, StoreError};

/// The number of groups per query.
const GROUPS: u64 = 1000;

impl Store {
    /// Deletes Welcomes from before a time. Returns the number of deleted ones.
    pub async fn sweep_welcomes(&self, before: Timestamp) -> Result<u64, StoreError> {
        const SQL: &str = "DELETE FROM group_welcomes WHERE created_at < $1";
        self.write(move |connection| connection.execute(SQL, values![before])).await
    }

    /// Groups in order, each with the time of the oldest item of its log: at most 1,000 after a group.
    pub async fn oldest_group_items(
        &self,
        after: GroupNumber,
    ) -> Result<Vec<(GroupNumber, Option<Timestamp>)>, StoreError> {
        const SQL: &str = "SELECT id FROM groups WHERE id > $1 ORDER BY id LIMIT $2";
        let groups: Vec<GroupNumber> =
            self.read(move |connection| connection.rows(SQL, values![after, GROUPS])).await?;
        let Some(last) = groups.last() else { return Ok(Vec::new()) };
        // Logs are in the opposite order of their groups.
        let oldest = self.oldest_messages(InboxId(last.log().0 - 1), GROUPS).await?;
        let oldest: HashMap<InboxId, Option<Timestamp>> = oldest.into_iter().collect();
        let of = |group: GroupNumber| oldest.get(&group.log()).copied().flatten();
        Ok(groups.into_iter().map(|group| (group, of(group))).collect())
    }

    /// Deletes groups to which no account belongs any more, with their logs. Returns the number of deleted groups.
    pub async fn sweep_groups(&self) -> Result<u64, StoreError> {
        const EMPTY: &str = "SELECT id FROM groups WHERE NOT EXISTS ( \
            SELECT 1 FROM group_members WHERE group_id = groups.id AND until IS NULL) ORDER BY id LIMIT $1";
        let empty: Vec<GroupNumber> =
            self.read(move |connection| connection.rows(EMPTY, values![GROUPS])).await?;
        let mut deleted = 0;
        for group in empty {
            while self.change_messages(move |connection| delete_portion(connection, group)).await? {}
            deleted += self.change_messages(move |connection| delete_group(connection, group)).await?;
        }
        Ok(deleted)
    }
}

/// Deletes a portion of a log. Returns whether there may be more.
fn delete_portion(connection: &mut Connection<'_>, group: GroupNumber) -> Result<bool, StoreError> {
    connection.lock_inbox(group.log())?;
    Ok(delete_oldest(connection, group.log())? == PORTION)
}

/// Deletes a group that has few items left, unless it has a member again.
fn delete_group(connection: &mut Connection<'_>, group: GroupNumber) -> Result<u64, StoreError> {
    const MEMBER: &str = "SELECT account FROM group_members WHERE group_id = $1 AND until IS NULL LIMIT 1";
    connection.lock_inbox(group.log())?;
    if connection.row::<i64>(MEMBER, values![group])?.is_some() {
        return Ok(0);
    }
    while delete_oldest(connection, group.log())? == PORTION {}
    connection.execute("DELETE FROM inboxes WHERE account = $1", values![group.log()])?;
    connection.execute("DELETE FROM groups WHERE id = $1", values![group])
}
