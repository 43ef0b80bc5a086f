//! Bodies of the routes of groups: docs/SPEC.md, section 17.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Base64Url;
use crate::handle::Handle;
use crate::mls::GroupId;
use crate::problem::Problem;
use crate::sigchain::Hash;
use crate::time::Timestamp;

/// The request target that answers with [`GroupList`].
pub const GROUPS_TARGET: &str = "/v1/groups";

/// The request target of [`PostItem`].
pub fn messages_target(gid: GroupId) -> String {
    format!("/v1/groups/{gid}/messages")
}

/// The request target of a page of the log of a group after `since`.
pub fn log_target(gid: GroupId, since: u64) -> String {
    format!("/v1/groups/{gid}/log?since={since}")
}

/// The request target of [`AskForNews`].
pub fn news_target(handle: &Handle) -> String {
    format!("/v1/u/{handle}/news")
}

/// What a group is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum GroupKind {
    /// A group of people.
    Group,
    /// A conversation of two people.
    Direct,
    /// The devices of one account.
    #[serde(rename = "self")]
    Own,
}

/// What an account may do in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum GroupRole {
    /// May write.
    Member,
    /// May also change who belongs to the group.
    Admin,
}

/// `GET /v1/groups`: the groups that the caller belongs to, or once belonged to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupList {
    /// Oldest first.
    pub groups: Vec<GroupSummary>,
}

/// The caller's place in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupSummary {
    /// The group.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[0-9a-f]{32}$"))]
    pub gid: GroupId,
    /// What it is for.
    pub kind: GroupKind,
    /// Its present epoch.
    pub epoch: u64,
    /// The number of the last item of its log; 0 before the first.
    pub head: u64,
    /// The caller reads the items after this number.
    pub since: u64,
    /// The caller is out, and reads up to this number.
    pub until: Option<u64>,
    /// The caller's role.
    pub role: GroupRole,
    /// The handle of the account that added the caller.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub added_by: Option<Handle>,
}

/// `POST /v1/groups/{gid}/messages`: an item of kind `message` or `leave`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PostItem {
    /// The item: a JSON object of at most 262,144 bytes. The server stores its bytes unchanged.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub item: Box<RawValue>,
}

/// The answer to [`PostItem`], sent once the item is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ItemStored {
    /// Its number in the log.
    pub seq: u64,
    /// When the server stored it.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
}

/// An item was made in another epoch than the present one: 409 `stale_epoch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StaleEpochProblem {
    /// Code `stale_epoch`.
    #[serde(flatten)]
    pub problem: Problem,
    /// The present epoch.
    pub epoch: u64,
    /// The number of the last item of the log.
    pub head: u64,
}

/// `POST /v1/u/{handle}/news`: what is new after these cursors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AskForNews {
    /// The cursor of the inbox.
    pub inbox: u64,
    /// The cursors of groups. The others are read from where the caller's part begins.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, u64>))]
    pub groups: BTreeMap<GroupId, u64>,
}

/// The answer to [`AskForNews`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct News {
    /// As in [`super::InboxPage`].
    pub epoch: String,
    /// What a live stream would send: frames with items, each a [`super::LiveFrame`].
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<super::LiveFrame>))]
    pub frames: Vec<Box<RawValue>>,
    /// Whether there is more: ask again with the cursors of these frames.
    pub more: bool,
}

/// The request target of [`CommitToGroup`].
pub fn commits_target(gid: GroupId) -> String {
    format!("/v1/groups/{gid}/commits")
}

/// The request target of [`OfferState`].
pub fn state_target(gid: GroupId) -> String {
    format!("/v1/groups/{gid}/state")
}

/// The request target that answers with [`GroupDetails`].
pub fn group_target(gid: GroupId) -> String {
    format!("/v1/groups/{gid}")
}

/// `POST /v1/groups`: a group in epoch 0, with the caller's device as its only leaf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateGroup {
    /// 16 random bytes.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[0-9a-f]{32}$"))]
    pub gid: GroupId,
    /// What it is for.
    pub kind: GroupKind,
    /// The `GroupInfo`, an `MLSMessage`.
    pub info: Base64Url,
    /// The ratchet tree.
    pub tree: Base64Url,
}

/// The answer to [`CreateGroup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupCreated {
    /// The group.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub gid: GroupId,
}

/// Another group has this id, or these people have this group already: 409 `group_exists`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupExistsProblem {
    /// Code `group_exists`.
    #[serde(flatten)]
    pub problem: Problem,
    /// The group that exists.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub gid: GroupId,
}

/// `GET /v1/groups/{gid}`: the caller's place in a group, and what a device needs to join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupDetails {
    /// The caller's place.
    #[serde(flatten)]
    pub summary: GroupSummary,
    /// The `GroupInfo` of the present epoch, for a device of a member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<Base64Url>,
    /// Its ratchet tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<Base64Url>,
    /// The last Welcome for the calling device, for 30 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub welcome: Option<WelcomeToGroup>,
}

/// A Welcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WelcomeToGroup {
    /// The number of its commit in the log.
    pub seq: u64,
    /// The Welcome, an `MLSMessage`.
    pub welcome: Base64Url,
    /// The ratchet tree of the epoch that the commit began.
    pub tree: Base64Url,
}

/// `POST /v1/groups/{gid}/commits`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CommitToGroup {
    /// An item of kind `commit`. The server stores its bytes unchanged.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub item: Box<RawValue>,
    /// The `GroupInfo` of the epoch that it begins.
    pub info: Base64Url,
    /// The Welcome of the devices that it adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub welcome: Option<Base64Url>,
}

/// The answer to [`CommitToGroup`], sent once the commit is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CommitStored {
    /// Its number in the log.
    pub seq: u64,
    /// When the server stored it.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
    /// The epoch that it begins.
    pub epoch: u64,
}

/// `PUT /v1/groups/{gid}/state`: the state of a group that a restored server has lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OfferState {
    /// The `GroupInfo` of the client's epoch, an `MLSMessage`.
    pub info: Base64Url,
    /// The ratchet tree of that epoch.
    pub tree: Base64Url,
}

/// The request target of [`AskToJoin`].
pub const REQUESTS_TARGET: &str = "/v1/groups/requests";

/// The request target of [`PutInvite`], and of revoking that invitation.
pub fn invite_target(gid: GroupId, hash: Hash) -> String {
    format!("/v1/groups/{gid}/invites/{hash}")
}

/// `PUT /v1/groups/{gid}/invites/{hash}`: an invitation to a group, by the hash of its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PutInvite {
    /// When it expires, at most 90 days from now.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub expires_at: Timestamp,
    /// How many requests it allows, 1 to 1,000.
    pub uses: u64,
}

/// `POST /v1/groups/requests`: an account that has an invitation wants to join a group.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AskToJoin {
    /// The code of the invitation, in any spelling.
    pub code: String,
    /// An item of kind `request`. The server stores its bytes unchanged.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub item: Box<RawValue>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_of_groups_are_named_by_their_ids() {
        let json = format!(r#"{{"inbox":5,"groups":{{"{}":12}}}}"#, "07".repeat(16));
        let news: AskForNews = serde_json::from_str(&json).unwrap();
        assert_eq!(news.groups.get(&GroupId::from_bytes([7; 16])), Some(&12));
        assert_eq!(serde_json::to_string(&news).unwrap(), json);
        assert_eq!(serde_json::from_str::<AskForNews>(r#"{"inbox":0}"#).unwrap(), AskForNews::default());
        assert!(serde_json::from_str::<AskForNews>(r#"{"inbox":0,"groups":{"7":1}}"#).is_err());
    }

    #[test]
    fn kinds_and_roles_have_their_names() {
        let names =
            [GroupKind::Group, GroupKind::Direct, GroupKind::Own].map(|kind| serde_json::to_string(&kind));
        assert_eq!(names.map(Result::unwrap), [r#""group""#, r#""direct""#, r#""self""#]);
        assert_eq!(serde_json::to_string(&GroupRole::Admin).unwrap(), r#""admin""#);
    }
}
