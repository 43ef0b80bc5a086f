//! Groups: their members, and the state in which each epoch of their log begins (docs/SPEC.md, section 17).
//!
//! The items of a group are in the log of [`GroupNumber::log`]. A commit is appended like any other item; the members
//! and the state that it brings change in the same transaction ([`epoch`]).

pub mod epoch;
pub mod invites;
mod list;
mod offer;
mod sweep;

use kez_core::mls::GroupId;
use kez_core::mls::policy::{Kind, Role};
use kez_core::sigchain::Hash;
use kez_core::time::Timestamp;

use super::connection::{Connection, FromColumn, Value, values};
use super::{Store, StoreError};
use epoch::memberships;

pub use super::types::{GroupNumber, NewMember};
pub use epoch::MOST_MEMBERSHIPS;

pub use list::{Group, GroupState, Member, Membership, Welcome};
pub use offer::OfferedState;

/// A group in epoch 0.
#[derive(Clone, Debug)]
pub struct NewGroup {
    /// Its id.
    pub gid: GroupId,
    /// What it is for.
    pub kind: Kind,
    /// Names the one group of its people, for kinds of which there is only one.
    pub pair: Option<Hash>,
    /// What the server knows of its tree.
    pub state: Vec<u8>,
    /// The `GroupInfo` of epoch 0.
    pub info: Vec<u8>,
    /// Its ratchet tree.
    pub tree: Vec<u8>,
    /// Its accounts.
    pub members: Vec<NewMember>,
    /// The server's time.
    pub now: Timestamp,
}

/// The result of a [`NewGroup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateOutcome {
    /// It exists now.
    Created(GroupNumber),
    /// The same request has created it before.
    Stands(GroupNumber),
    /// Another group has this id, or these people have this group already.
    Exists(GroupId),
    /// An account belongs to [`MOST_MEMBERSHIPS`] groups.
    TooMany,
}

impl Store {
    /// Creates a group with an empty log.
    pub async fn create_group(&self, group: NewGroup) -> Result<CreateOutcome, StoreError> {
        self.write(move |connection| create(connection, &group)).await
    }
}

fn create(connection: &mut Connection<'_>, group: &NewGroup) -> Result<CreateOutcome, StoreError> {
    const INSERT: &str = "INSERT INTO groups (gid, kind, pair, created, created_at, state, info, tree) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING id";
    const LOG: &str = "INSERT INTO inboxes (account, last_seq, epoch) VALUES ($1, 0, 0)";
    let NewGroup { gid, kind, pair, state, info, tree, members, now } = group;
    let created = Hash::of(info);
    if let Some(stands) = standing(connection, group, &created)? {
        return Ok(stands);
    }
    for member in members {
        if memberships(connection, member.account)? >= MOST_MEMBERSHIPS {
            return Ok(CreateOutcome::TooMany);
        }
    }
    let values = values![
        *gid,
        *kind,
        pair.as_ref(),
        &created,
        *now,
        state.as_slice(),
        info.as_slice(),
        tree.as_slice()
    ];
    let Some(number) = connection.row::<GroupNumber>(INSERT, values)? else {
        // Another node was faster.
        return standing(connection, group, &created)?.ok_or(StoreError::Busy);
    };
    connection.execute(LOG, values![number.log()])?;
    for member in members {
        epoch::join(connection, number, member, 0)?;
    }
    Ok(CreateOutcome::Created(number))
}

/// The result of a request for a group whose id, or whose people, have a group already.
fn standing(
    connection: &mut Connection<'_>,
    group: &NewGroup,
    created: &Hash,
) -> Result<Option<CreateOutcome>, StoreError> {
    const SQL: &str = "SELECT id, gid, created FROM groups WHERE gid = $1 \
        UNION ALL SELECT id, gid, created FROM groups WHERE pair = $2 AND gid <> $1";
    let pair = group.pair.as_ref();
    let found: Option<(GroupNumber, GroupId, Hash)> = connection.row(SQL, values![group.gid, pair])?;
    Ok(found.map(|(number, gid, by)| {
        if gid == group.gid && by == *created {
            CreateOutcome::Stands(number)
        } else {
            CreateOutcome::Exists(gid)
        }
    }))
}

impl From<GroupNumber> for Value {
    fn from(number: GroupNumber) -> Self {
        Self::Number(number.0)
    }
}

impl From<GroupId> for Value {
    fn from(gid: GroupId) -> Self {
        gid.as_bytes().as_slice().into()
    }
}

impl From<Kind> for Value {
    fn from(kind: Kind) -> Self {
        Self::Number(match kind {
            Kind::Group => 1,
            Kind::Direct => 2,
            Kind::Own => 3,
        })
    }
}

impl From<Role> for Value {
    fn from(role: Role) -> Self {
        Self::Number(match role {
            Role::Member => 1,
            Role::Admin => 2,
        })
    }
}

impl FromColumn for GroupNumber {
    fn from_column(value: Value) -> Result<Self, StoreError> {
        i64::from_column(value).map(Self)
    }
}

impl FromColumn for GroupId {
    fn from_column(value: Value) -> Result<Self, StoreError> {
        let bytes = Vec::<u8>::from_column(value)?.try_into();
        bytes.map(Self::from_bytes).map_err(|_| StoreError::Corrupt("group id"))
    }
}

impl FromColumn for Kind {
    fn from_column(value: Value) -> Result<Self, StoreError> {
        match value {
            Value::Number(1) => Ok(Self::Group),
            Value::Number(2) => Ok(Self::Direct),
            Value::Number(3) => Ok(Self::Own),
            _ => Err(StoreError::Corrupt("kind of group")),
        }
    }
}

impl FromColumn for Role {
    fn from_column(value: Value) -> Result<Self, StoreError> {
        match value {
            Value::Number(1) => Ok(Self::Member),
            Value::Number(2) => Ok(Self::Admin),
            _ => Err(StoreError::Corrupt("role")),
        }
    }
}
