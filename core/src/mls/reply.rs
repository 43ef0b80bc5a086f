//! What an MLS engine answers to a [`super::call::Call`].

use serde::{Deserialize, Serialize};

use super::call::PackageSecret;
use super::policy::Policy;
use super::raw::Bytes;
use super::{GroupId, LeafId, raw};
use crate::sigchain::Hash;

/// The engine's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The group after the call. `None` when nothing is to be stored.
    pub group: Option<Group>,
    /// What came of the operation.
    pub outcome: Outcome,
}

/// A group after a call. It must be stored before anything that the same reply contains leaves the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The engine's bytes, with a pending commit if there is one.
    pub state: Bytes,
    /// The group.
    #[serde(with = "raw")]
    pub gid: GroupId,
    /// The present epoch.
    pub epoch: u64,
    /// The generation of the next message that this device seals (RFC 9420, section 9.1).
    pub generation: u32,
    /// The epoch authenticator (RFC 9420, section 8.7): equal for all members in the same state.
    #[serde(with = "raw")]
    pub authenticator: [u8; 32],
    /// Who belongs to the group.
    pub policy: Policy,
    /// Its leaves, in the order of the tree.
    pub leaves: Vec<LeafId>,
    /// Whether a commit of this device waits to be met in the log.
    pub pending: bool,
}

/// What came of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// [`super::call::Op::Packages`]: those for one use, then the one of last resort.
    Packages(Vec<Package>),
    /// [`super::call::Op::Create`].
    Created {
        /// The `GroupInfo` of epoch 0.
        info: Bytes,
        /// Its ratchet tree.
        tree: Bytes,
    },
    /// [`super::call::Op::Seal`]: one for each text.
    Sealed(Vec<Sealed>),
    /// [`super::call::Op::Commit`].
    Committed {
        /// The commit, for the log.
        mls: Bytes,
        /// The `GroupInfo` of the epoch that it begins.
        info: Bytes,
        /// The Welcome of the added devices, if any.
        welcome: Option<Bytes>,
    },
    /// [`super::call::Op::Welcome`].
    Joined {
        /// The device that added this one.
        by: LeafId,
        /// The key package that was used, unless it is one of last resort. Its secret must be deleted.
        used: Option<PackageReference>,
    },
    /// [`super::call::Op::Rejoin`]. The group is in the epoch that the commit begins; it counts once the commit is in the log.
    Rejoined {
        /// The external commit, for the log.
        mls: Bytes,
        /// The `GroupInfo` of the epoch that it begins.
        info: Bytes,
    },
    /// [`super::call::Op::Process`].
    Processed {
        /// One for each item before the stop.
        done: Vec<Done>,
        /// Why the item after these was not applied. The group is as before it.
        stop: Option<Stop>,
    },
    /// Any other operation that was refused. Nothing has changed.
    Stopped(Stop),
    /// [`super::call::Op::Export`].
    Exported {
        /// The `GroupInfo` of the present epoch.
        info: Bytes,
        /// Its ratchet tree.
        tree: Bytes,
        /// Whether the other `GroupInfo` is of the same group in the same state.
        is_same: bool,
    },
}

/// The reference of a key package (RFC 9420, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageReference(#[serde(with = "raw")] pub Hash);

/// A new key package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// The package, an `MLSMessage`, for the server.
    pub mls: Bytes,
    /// What to keep for it.
    pub secret: PackageSecret,
    /// Whether it is of last resort.
    pub last_resort: bool,
}

/// A sealed message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The message, for the log.
    pub mls: Bytes,
    /// The generation with which it was sealed.
    pub generation: u32,
}

/// What came of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Done {
    /// A message.
    Text {
        /// The device that wrote it.
        by: LeafId,
        /// The generation with which it was opened. The plaintext must name the same.
        generation: u32,
        /// Its plaintext.
        text: Bytes,
    },
    /// A commit. The group is in its next epoch.
    Change(Change),
    /// A message of this very device, which the engine cannot open: the caller knows its own by name. A message that the
    /// caller does not know means that its storage is older than the log, or that a member has forged the sender.
    Own,
    /// A message that cannot be read. The log goes on.
    Unreadable(Why),
}

/// What a commit changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The epoch that it begins.
    pub epoch: u64,
    /// The device that made it.
    pub by: LeafId,
    /// The leaves that it added. A device that joined by itself is not among them.
    pub added: Vec<LeafId>,
    /// The leaves that it removed. A leaf that its own device replaced is not among them.
    pub removed: Vec<LeafId>,
    /// The new policy, if it changed.
    pub policy: Option<Policy>,
    /// Whether its device joined by it.
    pub external: bool,
}

/// Why the engine went no further.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stop {
    /// Devices that are not among the certified ones: their chains must be fetched.
    Unknown(Vec<LeafId>),
    /// A commit of this very device that the state does not know: the state is older than the log.
    Own,
    /// A commit, Welcome or group that is not acceptable.
    Refused {
        /// The reason.
        why: Why,
        /// The device that the commit names as its author.
        by: Option<LeafId>,
    },
}

/// Why an item or operation is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Why {
    /// The bytes are not MLS, or not of this profile.
    #[error("it is malformed or outside the profile")]
    Malformed,
    /// It is of another group.
    #[error("it is of another group")]
    WrongGroup,
    /// It was made in another epoch.
    #[error("it was made in another epoch")]
    WrongEpoch,
    /// A signature is invalid.
    #[error("a signature is invalid")]
    BadSignature,
    /// The membership or confirmation tag is wrong.
    #[error("a tag is wrong")]
    BadTag,
    /// Its key was used before, or lies too far ahead.
    #[error("its key is used or not yet due")]
    KeyMissing,
    /// It does not decrypt.
    #[error("it does not decrypt")]
    NotDecryptable,
    /// A key package has expired or is not yet valid.
    #[error("a key package is outside its lifetime")]
    Lifetime,
    /// A leaf contradicts the verified chain of its account.
    #[error("a leaf contradicts the chain of its account")]
    Contradicted,
    /// A device made a leaf after it was revoked or had expired.
    #[error("a device is no longer live")]
    NotLive,
    /// No secret is kept for the Welcome.
    #[error("the Welcome is for none of the key packages")]
    NoPackage,
    /// This device is no longer a leaf of the group.
    #[error("this device was removed from the group")]
    Removed,
    /// It breaks a rule of groups.
    #[error("{0}")]
    Rule(#[from] Rule),
    /// It breaks another rule of MLS.
    #[error("it is not valid MLS")]
    Invalid,
}

/// The rules of groups (docs/SPEC.md, section 15.3), which the author, the server and every member enforce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Rule {
    /// The group's extensions are the policy alone, and it is valid.
    #[error("the policy is missing or invalid")]
    Policy,
    /// The kind never changes, nor does the policy of a direct or own group.
    #[error("the kind of a group, and the policy of a direct or own group, never change")]
    Fixed,
    /// An admin changes the policy; every member may take out an account that has left.
    #[error("only an admin changes the policy")]
    PolicyByAdmin,
    /// An added leaf belongs to an account of the policy.
    #[error("the added device belongs to no account of the group")]
    AddedOutsider,
    /// An admin or its own account adds a leaf.
    #[error("only an admin or its account adds a device")]
    AddedByMember,
    /// Its account or an admin removes a leaf, or every member when its account leaves or its chain has revoked it.
    #[error("only its account or an admin removes a device")]
    RemovedByMember,
    /// No leaf stays whose account is not in the policy.
    #[error("a device stays whose account has left the policy")]
    Leftover,
    /// An external commit is made by a device of an account of the policy, and replaces at most that device's leaf.
    #[error("the device may not join by itself")]
    External,
    /// A device has one leaf.
    #[error("a device has two leaves")]
    Twice,
    /// At most 500 leaves.
    #[error("the group has more than 500 devices")]
    TooManyLeaves,
    /// A commit has an update path, and adds, removes and changes the policy only.
    #[error("the commit has no path or an unusual proposal")]
    Shape,
}

/// The engine could not do the call at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Fault {
    /// The call is not one of this version.
    #[error("the call is malformed")]
    Malformed,
    /// The call exceeds a limit.
    #[error("the call exceeds a limit")]
    TooLarge,
    /// The state, or the secret of a key package, is damaged or from another version.
    #[error("the state is damaged or from another version")]
    DamagedState,
    /// The key is not the one that the certified devices name for the caller.
    #[error("the caller is not a certified device")]
    NotCertified,
    /// The engine failed in a way that no input explains.
    #[error("the engine failed")]
    Engine,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Primary, Seed};
    use crate::mls::call::{Call, Certified, Item, May, Me, Op};
    use crate::mls::credential::Credential;
    use crate::mls::policy::{Account, Kind, Role};
    use crate::sigchain::DeviceId;
    use crate::time::Timestamp;

    #[test]
    fn calls_and_replies_survive_postcard_and_hide_their_secrets() {
        let root = Primary::from_bytes([1; 32]);
        let credential = Credential {
            root,
            device: DeviceId::from_bytes([2; 16]),
            seqno: 2,
            link: Hash::from_bytes([3; 32]),
        };
        let call = Call {
            now: Timestamp::from_unix(1_790_000_000),
            seed: Seed::from_bytes([77; 32]),
            me: Me { credential, secret: Seed::from_bytes([78; 32]) },
            certified: vec![Certified {
                credential,
                key: Primary::from_bytes([5; 32]),
                ended: Some(Timestamp::from_unix(9)),
            }],
            op: Op::Process {
                state: vec![79; 70_000].into(),
                items: vec![Item {
                    mls: vec![6; 300].into(),
                    stored_at: Timestamp::from_unix(7),
                    may: May { left: vec![root], revoked: vec![credential.leaf()] },
                }],
            },
        };
        let bytes = postcard::to_allocvec(&call).unwrap();
        assert!(bytes.len() < 70_000 + 700, "{}", bytes.len());
        let read: Call = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(postcard::to_allocvec(&read).unwrap(), bytes);
        let shown = format!("{read:?}");
        assert!(
            !["77", "78", "79"].iter().any(|secret| shown.contains(&format!("{secret}, {secret}"))),
            "{shown}"
        );

        let policy = Policy::new(Kind::Own, vec![Account { root, role: Role::Admin }]).unwrap();
        let reply = Reply {
            group: Some(Group {
                state: vec![1; 10].into(),
                gid: GroupId::from_bytes([4; 16]),
                epoch: 3,
                generation: 0,
                authenticator: [9; 32],
                policy,
                leaves: vec![credential.leaf()],
                pending: true,
            }),
            outcome: Outcome::Processed {
                done: vec![Done::Own, Done::Unreadable(Why::Rule(Rule::Twice))],
                stop: Some(Stop::Unknown(vec![credential.leaf()])),
            },
        };
        let bytes = postcard::to_allocvec(&reply).unwrap();
        assert_eq!(postcard::from_bytes::<Reply>(&bytes), Ok(reply));
        for length in 0..bytes.len() {
            assert!(postcard::from_bytes::<Reply>(&bytes[..length]).is_err(), "{length}");
        }
    }
}
