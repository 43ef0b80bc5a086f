//! The bodies of requests that create, change and show a group (docs/SPEC.md, section 17).

use kez_core::api::{Base64Url, GroupKind, GroupRole};
use kez_core::handle::Handle;
use kez_core::mls::GroupId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The request target of [`PostCommit`].
pub(crate) fn commits_target(gid: GroupId) -> String {
    format!("/v1/groups/{gid}/commits")
}

/// The request target that answers with [`ShownGroup`].
pub(crate) fn group_target(gid: GroupId) -> String {
    format!("/v1/groups/{gid}")
}

/// `POST /v1/groups`: a group in epoch 0 with one leaf.
#[derive(Serialize)]
pub(crate) struct CreateGroup {
    pub(crate) gid: GroupId,
    pub(crate) kind: GroupKind,
    /// The `GroupInfo` of epoch 0.
    pub(crate) info: Base64Url,
    /// Its ratchet tree.
    pub(crate) tree: Base64Url,
}

/// `POST /v1/groups/{gid}/commits`.
#[derive(Serialize)]
pub(crate) struct PostCommit {
    /// The item of kind `commit`.
    pub(crate) item: Box<RawValue>,
    /// The `GroupInfo` of the epoch that it begins.
    pub(crate) info: Base64Url,
    /// The Welcome of the added devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) welcome: Option<Base64Url>,
}

/// The answer to [`PostCommit`].
#[derive(Deserialize)]
pub(crate) struct CommitStored {
    /// The epoch that the commit has begun.
    pub(crate) epoch: u64,
}

/// The answer to `GET /v1/groups/{gid}`.
#[derive(Deserialize)]
pub(crate) struct ShownGroup {
    pub(crate) gid: GroupId,
    pub(crate) kind: GroupKind,
    /// The present epoch.
    pub(crate) epoch: u64,
    /// The number of the last item.
    pub(crate) head: u64,
    /// The user reads the items after this number.
    pub(crate) since: u64,
    /// The user is out, and reads up to this number.
    pub(crate) until: Option<u64>,
    #[serde(rename = "role")]
    pub(crate) _role: GroupRole,
    /// Who added the user.
    pub(crate) added_by: Option<Handle>,
    /// The `GroupInfo` of the present epoch.
    pub(crate) info: Base64Url,
    /// Its ratchet tree.
    pub(crate) tree: Base64Url,
    /// A Welcome for this device.
    pub(crate) welcome: Option<ShownWelcome>,
}

/// A Welcome for this device.
#[derive(Deserialize)]
pub(crate) struct ShownWelcome {
    /// The number of the commit that added the device.
    pub(crate) seq: u64,
    pub(crate) welcome: Base64Url,
    /// The ratchet tree of the epoch that the commit began.
    pub(crate) tree: Base64Url,
}
