//! The pages, one file each.

pub(crate) mod home;
pub(crate) mod join;
pub(crate) mod join_group;
pub(crate) mod link;
pub(crate) mod messages;
pub(crate) mod not_found;
pub(crate) mod profile;
pub(crate) mod restore;
pub(crate) mod security;
pub(crate) mod settings;
