//! Groups: who belongs to them, and their logs (docs/SPEC.md, section 17).

pub mod list;
pub mod log;
pub mod message;
pub mod news;
mod path;

use kez_core::problem::ProblemCode;

use crate::edge::error::ApiError;

/// There is no such group, or the caller does not belong to it: callers are not told which.
fn unknown_group() -> ApiError {
    ApiError::new(ProblemCode::UnknownGroup, "there is no such group, or you are no member of it")
}
