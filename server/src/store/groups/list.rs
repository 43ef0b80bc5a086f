//! Reading groups: what an account belongs to, who belongs to a group, and its present state.

use kez_core::handle::Handle;
use kez_core::identity::Primary;
use kez_core::mls::policy::{Kind, Role};
use kez_core::mls::{GroupId, LeafId};
use kez_core::time::Timestamp;

use super::GroupNumber;
use super::epoch::leaf_bytes;
use crate::store::connection::{FromRow, Value, records, values};
use crate::store::{AccountId, Engine, Store, StoreError};

/// An account's place in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The group.
    pub number: GroupNumber,
    /// Its id.
    pub gid: GroupId,
    /// What it is for.
    pub kind: Kind,
    /// The present epoch.
    pub epoch: u64,
    /// The number of the last item of its log.
    pub head: u64,
    /// The account reads the items after this number.
    pub since: u64,
    /// The account is out, and reads up to this number.
    pub until: Option<u64>,
    /// Whether the account has said that it leaves.
    pub leaving: bool,
    /// Its role.
    pub role: Role,
    /// The handle of the account that added it.
    pub added_by: Option<Handle>,
}

/// An account of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The account.
    pub account: AccountId,
    /// The root of its sigchain.
    pub root: Primary,
    /// The key that holds its handle.
    pub primary: Primary,
    /// Its role.
    pub role: Role,
    /// Whether it has said that it leaves.
    pub leaving: bool,
}

/// A group and the accounts that belong to it in an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its number.
    pub number: GroupNumber,
    /// Its epoch.
    pub epoch: u64,
    /// The accounts.
    pub members: Vec<Member>,
}

/// The present state of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupState {
    /// Its number.
    pub number: GroupNumber,
    /// What it is for.
    pub kind: Kind,
    /// The present epoch.
    pub epoch: u64,
    /// What the server knows of the tree.
    pub state: Vec<u8>,
    /// The `GroupInfo` of the epoch.
    pub info: Vec<u8>,
    /// Its ratchet tree.
    pub tree: Vec<u8>,
    /// Whether a restored server waits for a later state.
    pub ahead: bool,
}

/// A Welcome for a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The number of its commit in the log.
    pub seq: u64,
    /// The Welcome.
    pub welcome: Vec<u8>,
    /// The ratchet tree of the epoch that the commit began.
    pub tree: Vec<u8>,
}

/// Groups that a blocked account added the reader to, and conversations with a blocked account, do not show.
macro_rules! memberships {
    ($where:literal) => {
        concat!(
            "SELECT groups.id, gid, kind, inboxes.epoch, last_seq, since, until, leaving, role, \
                (SELECT handle FROM accounts WHERE id = mine.added_by) \
            FROM group_members AS mine JOIN groups ON groups.id = group_id JOIN inboxes ON inboxes.account = -groups.id \
            WHERE mine.account = $1 AND NOT EXISTS (SELECT 1 FROM listed WHERE owner = $1 AND list = 2 \
                AND (peer = mine.added_by OR (kind = 2 AND peer IN ( \
                    SELECT other.account FROM group_members AS other WHERE other.group_id = groups.id)))) ",
            $where
        )
    };
}

impl Store {
    /// The groups that an account belongs to, or once belonged to, oldest first.
    pub async fn groups_of(&self, account: AccountId) -> Result<Vec<Membership>, StoreError> {
        const SQL: &str = memberships!("ORDER BY groups.id");
        let mut groups: Vec<Membership> =
            self.read(move |connection| connection.rows(SQL, values![account])).await?;
        groups.iter_mut().for_each(|group| self.add_tail(group));
        Ok(groups)
    }

    /// An account's place in a group; `None` when it never belonged to it.
    pub async fn membership(
        &self,
        account: AccountId,
        gid: GroupId,
    ) -> Result<Option<Membership>, StoreError> {
        const SQL: &str = memberships!("AND gid = $2");
        let group: Option<Membership> =
            self.read(move |connection| connection.row(SQL, values![account, gid])).await?;
        Ok(group.map(|mut group| {
            self.add_tail(&mut group);
            group
        }))
    }

    /// In SQLite, the newest items are not in the counters yet. A head that is too low only makes a reader look again.
    fn add_tail(&self, group: &mut Membership) {
        if let Engine::Sqlite(sqlite) = &self.engine {
            group.head = group.head.max(sqlite.places.last(group.number.log()));
        }
    }

    /// The accounts that belong to a group.
    pub async fn members(&self, group: GroupNumber) -> Result<Vec<Member>, StoreError> {
        const SQL: &str = "SELECT id, coalesce(chain_root, primary_key), primary_key, role, leaving \
            FROM group_members JOIN accounts ON id = account WHERE group_id = $1 AND until IS NULL ORDER BY id";
        self.read(move |connection| connection.rows(SQL, values![group])).await
    }

    /// A group with those who belong to it in one epoch.
    pub async fn group(&self, gid: GroupId) -> Result<Option<Group>, StoreError> {
        const SQL: &str =
            "SELECT id, epoch FROM groups JOIN inboxes ON inboxes.account = -groups.id WHERE gid = $1";
        let head = async || -> Result<Option<(GroupNumber, u64)>, StoreError> {
            self.read(move |connection| connection.row(SQL, values![gid])).await
        };
        let Some((number, mut epoch)) = head().await? else { return Ok(None) };
        loop {
            let members = self.members(number).await?;
            match head().await? {
                Some((_, now)) if now == epoch => return Ok(Some(Group { number, epoch, members })),
                // A commit came between.
                Some((_, now)) => epoch = now,
                None => return Ok(None),
            }
        }
    }

    /// The number up to which an account reads a group: 0 when it never belonged to it, and `None` while it does.
    pub async fn reads_up_to(
        &self,
        account: AccountId,
        group: GroupNumber,
    ) -> Result<Option<u64>, StoreError> {
        const SQL: &str = "SELECT until FROM group_members WHERE account = $1 AND group_id = $2";
        let until: Option<Option<u64>> =
            self.read(move |connection| connection.row(SQL, values![account, group])).await?;
        Ok(until.unwrap_or(Some(0)))
    }

    /// The present state of a group.
    pub async fn group_state(&self, gid: GroupId) -> Result<Option<GroupState>, StoreError> {
        const SQL: &str = "SELECT id, kind, epoch, state, info, tree, ahead FROM groups \
            JOIN inboxes ON inboxes.account = -groups.id WHERE gid = $1";
        self.read(move |connection| connection.row(SQL, values![gid])).await
    }

    /// The last Welcome for a device in a group, if it is not older than a time.
    pub async fn welcome(
        &self,
        group: GroupNumber,
        device: LeafId,
        not_before: Timestamp,
    ) -> Result<Option<Welcome>, StoreError> {
        const DEVICES: &str = "SELECT seq, devices FROM group_welcomes \
            WHERE group_id = $1 AND created_at >= $2 ORDER BY seq DESC";
        const WELCOME: &str =
            "SELECT seq, welcome, tree FROM group_welcomes WHERE group_id = $1 AND seq = $2";
        let wanted = leaf_bytes(&device);
        self.read(move |connection| {
            let all: Vec<(u64, Vec<u8>)> = connection.rows(DEVICES, values![group, not_before])?;
            let is_for = |devices: &[u8]| devices.chunks_exact(wanted.len()).any(|device| device == wanted);
            let Some((seq, _)) = all.into_iter().find(|(_, devices)| is_for(devices)) else {
                return Ok(None);
            };
            connection.row(WELCOME, values![group, seq])
        })
        .await
    }

    /// The accounts whose sigchains have these roots, in the same order.
    pub async fn accounts_by_root(&self, roots: Vec<Primary>) -> Result<Vec<Option<AccountId>>, StoreError> {
        const SQL: &str = "SELECT id FROM accounts WHERE ((primary_key = $1 AND chain_root IS NULL) \
                OR (chain_root = $1 AND id = (SELECT account FROM former_keys WHERE primary_key = $1))) \
            AND NOT EXISTS (SELECT 1 FROM bans WHERE account = accounts.id)";
        self.read(move |connection| roots.iter().map(|root| connection.row(SQL, values![root])).collect())
            .await
    }
}

impl FromRow for Membership {
    fn from_row(mut row: Vec<Value>) -> Result<Self, StoreError> {
        let place = row.split_off(row.len().min(5));
        let (number, gid, kind, epoch, head) = FromRow::from_row(row)?;
        let (since, until, leaving, role, added_by) = FromRow::from_row(place)?;
        Ok(Self { number, gid, kind, epoch, head, since, until, leaving, role, added_by })
    }
}

records! {
    Member { account, root, primary, role, leaving }
    GroupState { number, kind, epoch, state, info, tree, ahead }
    Welcome { seq, welcome, tree }
}
