//! A later state of a group, which a client offers to a restored server (docs/SPEC.md, section 17).

use super::GroupNumber;
use crate::store::connection::{Connection, values};
use crate::store::{Store, StoreError};

/// The state of a group in an epoch that began after the backup was made.
#[derive(Clone, Debug)]
pub struct OfferedState {
    /// The epoch.
    pub epoch: u64,
    /// What the server knows of the tree in this epoch.
    pub state: Vec<u8>,
    /// The `GroupInfo` of the epoch.
    pub info: Vec<u8>,
    /// Its ratchet tree.
    pub tree: Vec<u8>,
}

impl Store {
    /// Replaces the state and the epoch of a group, from a restore to the next commit and only by those of a later epoch.
    /// The members stay; the next commit changes them.
    ///
    /// # Errors
    /// [`StoreError::StaleEpoch`] when the epoch is not later or a commit was stored since the restore,
    /// [`StoreError::NoSuchAccount`] when there is no such group, or a failure of the database.
    pub async fn offer_state(&self, group: GroupNumber, offered: OfferedState) -> Result<(), StoreError> {
        // The writer of SQLite keeps the epochs of some logs in memory. This makes it read the tables again.
        self.change_messages(move |connection| replace(connection, group, &offered)).await
    }
}

fn replace(
    connection: &mut Connection<'_>,
    group: GroupNumber,
    offered: &OfferedState,
) -> Result<(), StoreError> {
    const FOUND: &str = "SELECT epoch, last_seq, ahead FROM groups JOIN inboxes ON inboxes.account = -groups.id \
        WHERE groups.id = $1";
    const STATE: &str = "UPDATE groups SET state = $2, info = $3, tree = $4 WHERE id = $1";
    const EPOCH: &str = "UPDATE inboxes SET epoch = $2 WHERE account = $1";
    let OfferedState { epoch: offered_epoch, state, info, tree } = offered;
    connection.lock_inbox(group.log())?;
    let (epoch, head, ahead): (u64, u64, bool) =
        connection.row(FOUND, values![group])?.ok_or(StoreError::NoSuchAccount)?;
    if !ahead || *offered_epoch <= epoch {
        return Err(StoreError::StaleEpoch { epoch, head });
    }
    connection.execute(STATE, values![group, state.as_slice(), info.as_slice(), tree.as_slice()])?;
    connection.execute(EPOCH, values![group.log(), *offered_epoch]).map(drop)
}
