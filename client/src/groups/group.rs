//! A group as it is stored.

use kez_core::content::Face;
use kez_core::identity::Primary;
use kez_core::mls::policy::{Kind, Policy, Role};
use kez_core::mls::reply::Group as EngineGroup;
use kez_core::mls::{Bytes, GroupId, LeafId};
use kez_core::sigchain::Hash;
use serde::{Deserialize, Serialize};

use super::deferred::Deferred;
use super::seen::Seen;
use crate::kernel::backoff::Backoff;
use crate::kernel::place::{PersonId, Slot};
use crate::kernel::reason::Reason;
use crate::kernel::sync::ChainHead;

/// The record of kind [`Kind::Group`](crate::kernel::record::Kind::Group).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoredGroup {
    pub(crate) gid: GroupId,
    pub(crate) stage: Stage,
    /// The number of the last item that was processed.
    pub(crate) cursor: u64,
    /// The epoch of the server's database that the cursor belongs to.
    pub(crate) log: Option<String>,
    /// What the engine says of the group, since it was created or joined.
    pub(crate) known: Option<Known>,
    /// The last face in the log.
    pub(crate) face: Option<StoredFace>,
    /// When the group came here, Unix seconds.
    pub(crate) since: u64,
    /// Who added the user.
    pub(crate) added_by: Option<Primary>,
    /// Whether a stranger has added the user, who has not accepted yet.
    pub(crate) request: bool,
    /// The item that says that the user leaves, until it is in the log.
    pub(crate) leaving: Option<String>,
    /// The accounts that have said that they leave, with the signed statement.
    pub(crate) left: Vec<(Primary, String)>,
    /// What the user wants changed.
    pub(crate) intents: Vec<Intent>,
    /// The commit of this device that is on its way. The same bytes are posted until it is in the log, or another one is.
    pub(crate) commit: Option<Built>,
    /// The group in epoch 0, until the server has it.
    pub(crate) creating: Option<Creating>,
    /// The commit with which this device joins by itself, until it is in the log.
    pub(crate) joining: Option<Joining>,
    /// This device's messages that were sealed and have not been met in the log, the oldest first.
    pub(crate) sent: Vec<Sent>,
    /// When this device joined anew, Unix seconds, on the last day.
    pub(crate) rejoins: Vec<u64>,
    /// Why the last change failed.
    pub(crate) error: Option<Reason>,
    /// Where the log was read to when the user was out.
    pub(crate) out_at: u64,
}

/// How the user takes part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stage {
    /// The server does not have the group yet.
    Creating,
    /// This device is not in the group yet.
    Joining,
    /// This device is in the group.
    In,
    /// The user has left.
    Left,
    /// The user was removed.
    Removed,
    /// Something is wrong: nothing is sent.
    Broken(Reason),
}

/// What the engine says of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) epoch: u64,
    pub(crate) authenticator: [u8; 32],
    pub(crate) policy: Policy,
    pub(crate) leaves: Vec<LeafId>,
    /// The generation of the next message.
    pub(crate) generation: u32,
}

/// The name of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredFace {
    pub(crate) name: String,
    about: Option<String>,
    pub(crate) expires: Option<u64>,
}

/// A change that the user wants, with the key packages that were claimed for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Intent {
    pub(crate) what: What,
    /// The packages of the devices to be added; `None` before they were claimed.
    pub(crate) packages: Option<Vec<(LeafId, Bytes)>>,
    /// How often a commit for it has lost against another one.
    pub(crate) tries: u32,
}

/// A change of who belongs to a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum What {
    Add(Vec<Primary>),
    Remove(Primary),
    Promote(Primary),
}

/// A commit that was made, as it is posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Built {
    /// The item.
    pub(crate) item: String,
    pub(crate) info: Bytes,
    pub(crate) welcome: Option<Bytes>,
}

/// A group in epoch 0, as it is posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Creating {
    pub(crate) info: Bytes,
    pub(crate) tree: Bytes,
    /// Its name, which is sent once the members are in.
    pub(crate) name: String,
}

/// An external commit, as it is posted, and the state that it leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Joining {
    pub(crate) built: Built,
    pub(crate) state: Bytes,
    pub(crate) known: Known,
    /// Whether this device was in the group before.
    pub(crate) again: bool,
}

/// A message that was sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sent {
    /// The name of the item.
    pub(crate) item: Hash,
    /// Its order in the conversation.
    pub(crate) order: u64,
    /// The face that it announces.
    pub(crate) face: Option<StoredFace>,
    /// The chain of this device's messages before it.
    pub(crate) before: ChainHead,
}

/// Where a device stands in the log of a group.
pub(crate) enum Position {
    /// Behind the cursor.
    AtCursor,
    /// Unknown: the server has this database, and the log was read in another one.
    Lost(String),
    /// In a second reading of the log.
    Rereading(Rereading),
}

/// A second reading of a log, from its start, in another database of the server. It is not stored: until its end, the
/// record names the former database, so that a browser that closes begins anew.
pub(crate) struct Rereading {
    /// The database.
    pub(crate) log: String,
    /// The epoch of the group there when this began.
    pub(crate) epoch: u64,
    /// Whether the server was asked for the log from its start. An answer before that continues elsewhere.
    pub(crate) asked: bool,
    /// Whether the items are of this device's epoch by now. It has processed all items before.
    pub(crate) is_current: bool,
}

/// A group in memory.
pub(crate) struct Group {
    pub(crate) slot: Slot,
    pub(crate) stored: StoredGroup,
    /// The other person, if this group carries a conversation of two.
    pub(crate) person: Option<PersonId>,
    /// When this device last replaced its keys in the group by a commit, Unix seconds; 0 before it has.
    pub(crate) updated_at: u64,
    /// When each device was last heard of.
    pub(crate) seen: Seen,
    /// The engine's bytes.
    pub(super) state: Option<Bytes>,
    /// Whether the record or the state has changed since they were stored.
    pub(super) changed: (bool, bool),
    /// Whether the log was read to its end since the account was opened.
    pub(crate) read: bool,
    /// Where this device stands in the log.
    pub(crate) position: Position,
    /// When the next request may go out.
    pub(crate) retry_at: Option<u64>,
    pub(crate) backoff: Backoff,
    /// The devices that no chain knows, although the server has answered about them.
    pub(crate) asked: Vec<LeafId>,
    /// The people whose packages can only be claimed later, and when that is.
    pub(crate) late: Option<(Vec<Primary>, u64)>,
    /// When this client commits the pending removals, unless another device has done so by then.
    pub(crate) duty: Deferred,
    /// When this device replaces its keys.
    pub(crate) refresh: Deferred,
    /// When this client, an admin's, tells the group's name to a device that has joined by itself, unless another device
    /// has done so by then.
    pub(crate) retelling: Deferred,
    /// The accounts at the item that is being processed.
    pub(crate) accounts: Vec<(Primary, Role)>,
    /// The leaves at the item that is being processed.
    pub(crate) devices: Vec<LeafId>,
    /// How often in a row the server has named another epoch without showing a commit.
    pub(crate) withheld: u32,
    /// Whether the inbox is read first, or was since the account was opened, because a message has come and there may be
    /// earlier envelopes.
    pub(crate) follows_inbox: bool,
    /// Whether items wait until the other person of a conversation is a contact.
    pub(crate) waits_for_person: bool,
    /// From when on that person may be looked up again.
    pub(crate) look_up_at: u64,
    /// From when on the key packages of the other person of a conversation may be claimed again.
    pub(crate) claim_at: u64,
}

impl StoredGroup {
    /// A group of which nothing is known yet.
    pub(crate) const fn new(gid: GroupId, stage: Stage, since: u64) -> Self {
        Self {
            gid,
            stage,
            cursor: 0,
            log: None,
            known: None,
            face: None,
            since,
            added_by: None,
            request: false,
            leaving: None,
            left: Vec::new(),
            intents: Vec::new(),
            commit: None,
            creating: None,
            joining: None,
            sent: Vec::new(),
            rejoins: Vec::new(),
            error: None,
            out_at: 0,
        }
    }

    /// The name; empty before it is known.
    pub(crate) fn name(&self) -> &str {
        let creating = self.creating.as_ref().map(|creating| creating.name.as_str());
        self.face.as_ref().map(|face| face.name.as_str()).or(creating).unwrap_or_default()
    }

    /// What the group is for; `None` before it is known.
    pub(crate) fn kind(&self) -> Option<Kind> {
        let joining = self.joining.as_ref().map(|joining| &joining.known);
        self.known.as_ref().or(joining).map(|known| known.policy.kind())
    }

    /// The account beside this one in a group of two.
    pub(crate) fn other(&self, me: &Primary) -> Option<Primary> {
        let policy = &self.known.as_ref()?.policy;
        let mut accounts = policy.accounts().iter().filter(|_| policy.kind() == Kind::Direct);
        accounts.find(|account| account.root != *me).map(|account| account.root)
    }

    /// Whether it is the group of the user's own devices, which is no conversation.
    pub(crate) fn is_own(&self) -> bool {
        self.kind() == Some(Kind::Own)
    }

    /// Whether an account is an admin.
    pub(crate) fn is_admin(&self, root: &Primary) -> bool {
        self.known.as_ref().is_some_and(|known| known.policy.is_admin(root))
    }

    /// The role of an account.
    pub(crate) fn role(&self, root: &Primary) -> Option<Role> {
        self.known.as_ref()?.policy.role(root)
    }
}

impl Known {
    /// What a reply of the engine says, and the state.
    pub(crate) fn of(group: EngineGroup) -> (Self, Bytes) {
        let EngineGroup { state, epoch, generation, authenticator, policy, leaves, .. } = group;
        (Self { epoch, authenticator, policy, leaves, generation }, state)
    }

    /// Six groups of five digits of the epoch authenticator, equal for all members in the same state.
    pub(crate) fn number(&self) -> String {
        let groups = self.authenticator.chunks_exact(5).take(6).map(|bytes| {
            let number = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
            format!("{:05}", number % 100_000)
        });
        groups.collect::<Vec<_>>().join(" ")
    }
}

impl StoredFace {
    /// A face of which only the name is known.
    pub(crate) const fn named(name: String) -> Self {
        Self { name, about: None, expires: None }
    }
}

impl From<Face> for StoredFace {
    fn from(Face { name, about, expires }: Face) -> Self {
        Self { name, about, expires }
    }
}

impl From<StoredFace> for Face {
    fn from(StoredFace { name, about, expires }: StoredFace) -> Self {
        Self { name, about, expires }
    }
}

impl Intent {
    pub(crate) const fn new(what: What) -> Self {
        Self { what, packages: None, tries: 0 }
    }
}

impl Group {
    pub(super) fn new(slot: Slot, stored: StoredGroup) -> Self {
        Self {
            slot,
            stored,
            person: None,
            updated_at: 0,
            seen: Seen::default(),
            state: None,
            changed: (false, false),
            read: false,
            position: Position::AtCursor,
            retry_at: None,
            backoff: Backoff::new(200, 60_000),
            asked: Vec::new(),
            late: None,
            duty: Deferred::default(),
            retelling: Deferred::default(),
            refresh: Deferred::default(),
            accounts: Vec::new(),
            devices: Vec::new(),
            withheld: 0,
            follows_inbox: false,
            waits_for_person: false,
            look_up_at: 0,
            claim_at: 0,
        }
    }

    /// Items are processed from here on.
    pub(crate) fn begin(&mut self) {
        let Some(known) = &self.stored.known else { return };
        self.accounts = known.policy.accounts().iter().map(|account| (account.root, account.role)).collect();
        self.devices.clone_from(&known.leaves);
    }

    /// Whether an account is an admin at the item that is being processed.
    pub(crate) fn is_admin_now(&self, root: &Primary) -> bool {
        let role = |(_, role): &(Primary, Role)| *role;
        let own = self.accounts.iter().find(|(other, _)| other == root).map(role);
        let has_admin = self.accounts.iter().map(role).any(|role| role == Role::Admin);
        own.is_some_and(|own| own == Role::Admin || !has_admin)
    }

    /// The engine's bytes.
    pub(crate) const fn state(&self) -> Option<&Bytes> {
        self.state.as_ref()
    }

    /// Takes what the engine has made of the group.
    pub(crate) fn take(&mut self, group: EngineGroup) {
        let (known, state) = Known::of(group);
        self.become_known(known, state);
    }

    /// The group is now in this state.
    pub(crate) fn become_known(&mut self, known: Known, state: Bytes) {
        self.stored.known = Some(known);
        self.state = Some(state);
        self.changed = (true, true);
    }

    /// This device is out: its secrets go.
    pub(crate) fn forget_state(&mut self) {
        self.state = None;
        self.stored.commit = None;
        self.stored.intents.clear();
        self.changed = (true, true);
    }

    /// Whether the log that was read, or is being read again, is in another database than this one.
    pub(crate) fn is_of_another(&self, database: &str) -> bool {
        let log = match &self.position {
            Position::AtCursor => self.stored.log.as_deref(),
            Position::Lost(log) => Some(log.as_str()),
            Position::Rereading(again) => Some(again.log.as_str()),
        };
        log.is_some_and(|log| log != database)
    }

    /// Whether this device does not know where it stands in the log.
    pub(crate) const fn is_lost(&self) -> bool {
        matches!(self.position, Position::Lost(_))
    }

    /// The second reading of the log, if there is one.
    pub(crate) const fn rereading(&mut self) -> Option<&mut Rereading> {
        match &mut self.position {
            Position::Rereading(again) => Some(again),
            _ => None,
        }
    }

    /// Whether the user takes part, and this device can read and write.
    pub(crate) fn is_in(&self) -> bool {
        self.stored.stage == Stage::In && self.state.is_some()
    }
}
