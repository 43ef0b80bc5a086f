//! What an account says to a group outside MLS: that it leaves, and that it wants to join (docs/SPEC.md, section 15.4).
//!
//! A live device of the account signs. The payload names the root of the account; [`Signed::verify_by`] takes the
//! device's key, which the caller finds in the chain of that root.

use serde::{Deserialize, Serialize};

use crate::canonical_json::NotCanonical;
use crate::identity::{Primary, SecretIdentity};
use crate::mls::GroupId;
use crate::sigchain::Hash;
use crate::signed::{Payload, Signed, VersionOne};
use crate::time::Timestamp;

/// The payload `kez.group.leave`: every member may now remove the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupLeave {
    r#type: LeaveType,
    version: VersionOne,
    gid: GroupId,
    root: Primary,
    created_at: Timestamp,
}

/// The payload `kez.group.request`: an admin may add the account that shows this invitation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRequest {
    r#type: RequestType,
    version: VersionOne,
    gid: GroupId,
    root: Primary,
    invite: Hash,
    created_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum LeaveType {
    #[serde(rename = "kez.group.leave")]
    Leave,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum RequestType {
    #[serde(rename = "kez.group.request")]
    Request,
}

impl Payload for GroupLeave {
    const TAG: &'static str = "group_leave";

    fn signer(&self) -> Option<Primary> {
        None
    }
}

impl Payload for GroupRequest {
    const TAG: &'static str = "group_request";

    fn signer(&self) -> Option<Primary> {
        None
    }
}

impl GroupLeave {
    /// Signs with a device of `root` that this account leaves the group.
    ///
    /// # Errors
    /// [`NotCanonical`] never occurs for these fields; it is passed on so that nothing panics.
    pub fn sign(
        device: &SecretIdentity,
        root: Primary,
        gid: GroupId,
        now: Timestamp,
    ) -> Result<Signed<Self>, NotCanonical> {
        let payload = Self { r#type: LeaveType::Leave, version: VersionOne, gid, root, created_at: now };
        Signed::sign(payload, device)
    }

    /// The group that the account leaves.
    pub const fn gid(&self) -> GroupId {
        self.gid
    }

    /// The account that leaves.
    pub const fn root(&self) -> Primary {
        self.root
    }

    /// When it was said. An account that was added again later has not left.
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }
}

impl GroupRequest {
    /// Signs with a device of `root` that this account wants to join the group, and knows the invitation whose hash is
    /// `invite` ([`crate::invite::InviteCode::hash`]).
    ///
    /// # Errors
    /// [`NotCanonical`] never occurs for these fields; it is passed on so that nothing panics.
    pub fn sign(
        device: &SecretIdentity,
        root: Primary,
        gid: GroupId,
        invite: Hash,
        now: Timestamp,
    ) -> Result<Signed<Self>, NotCanonical> {
        let payload =
            Self { r#type: RequestType::Request, version: VersionOne, gid, root, invite, created_at: now };
        Signed::sign(payload, device)
    }

    /// The group.
    pub const fn gid(&self) -> GroupId {
        self.gid
    }

    /// The account that wants to join.
    pub const fn root(&self) -> Primary {
        self.root
    }

    /// The hash of the invitation.
    pub const fn invite(&self) -> Hash {
        self.invite
    }

    /// When it was said.
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Seed;
    use crate::signature::BadSignature;

    fn device(byte: u8) -> SecretIdentity {
        SecretIdentity::from_seed(Seed::from_bytes([byte; 32]))
    }

    #[test]
    fn a_statement_is_valid_for_the_device_that_signed_it_only() {
        let (root, gid) = (Primary::from_bytes([1; 32]), GroupId::from_bytes([2; 16]));
        let now = Timestamp::from_unix(1_790_000_000);
        let leave = GroupLeave::sign(&device(3), root, gid, now).unwrap();
        let json = leave.to_json().unwrap();
        let read = Signed::<GroupLeave>::parse(json.as_bytes()).unwrap();
        assert_eq!(*read.key(), device(3).public());
        assert_eq!(read.clone().verify_by(&device(4).public()), Err(BadSignature));
        assert_eq!(read.clone().verify(), Err(BadSignature), "the device was not looked up");
        let verified = read.verify_by(&device(3).public()).unwrap();
        assert_eq!((verified.gid(), verified.root(), verified.created_at()), (gid, root, now));

        let moved = json.replace(&gid.to_string(), &GroupId::from_bytes([9; 16]).to_string());
        let moved = Signed::<GroupLeave>::parse(moved.as_bytes()).unwrap();
        assert_eq!(moved.verify_by(&device(3).public()), Err(BadSignature));
        assert!(Signed::<GroupRequest>::parse(json.as_bytes()).is_err());
    }

    #[test]
    fn a_request_names_its_invitation() {
        let (root, gid, invite) =
            (Primary::from_bytes([1; 32]), GroupId::from_bytes([2; 16]), Hash::from_bytes([5; 32]));
        let now = Timestamp::from_unix(1_790_000_000);
        let request = GroupRequest::sign(&device(3), root, gid, invite, now).unwrap();
        let read = Signed::<GroupRequest>::parse(request.to_json().unwrap().as_bytes()).unwrap();
        let verified = read.verify_by(&device(3).public()).unwrap();
        assert_eq!((verified.invite(), verified.gid(), verified.root()), (invite, gid, root));
        assert_eq!(verified.created_at(), now);
    }
}
