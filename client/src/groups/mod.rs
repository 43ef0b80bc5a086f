//! Groups: what is stored of each, which commit it needs next, and the key packages of this device.
//!
//! Nothing here sends or opens anything: `session::groups` calls the MLS engine and the server, and uses these parts.

mod deferred;
mod group;
mod invites;
mod packages;
mod plan;
mod refresh;
mod registry;
mod seen;
mod turn;

pub(crate) use group::{
    Built, Creating, Group, Intent, Joining, Known, Position, Rereading, Sent, Stage, StoredFace,
    StoredGroup, What,
};
pub(crate) use invites::{AskState, GroupInvites, Invites, StoredAsk, StoredAsking, StoredLink};
pub(crate) use packages::{LIFETIME as PACKAGE_LIFETIME, Packages};
pub(crate) use plan::{Facts, Plan};
pub(crate) use registry::Groups;
