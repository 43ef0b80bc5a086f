//! Groups: who belongs to them, and their logs (docs/SPEC.md, section 17).

pub mod commit;
pub mod create;
pub mod invites;
pub mod list;
pub mod log;
pub mod message;
pub mod news;
mod path;
pub mod requests;
pub mod show;
pub mod state;

use kez_core::api::GroupKind;
use kez_core::mls::policy::Kind;
use kez_core::problem::ProblemCode;

use crate::edge::error::ApiError;

/// The kind as policies name it.
const fn kind_of(kind: GroupKind) -> Kind {
    match kind {
        GroupKind::Group => Kind::Group,
        GroupKind::Direct => Kind::Direct,
        GroupKind::Own => Kind::Own,
    }
}

/// There is no such group, or the caller does not belong to it: callers are not told which.
fn unknown_group() -> ApiError {
    ApiError::new(ProblemCode::UnknownGroup, "there is no such group, or you are no member of it")
}
