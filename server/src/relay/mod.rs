//! The relay: which messages are accepted, and how long they are kept.

pub mod admission;
pub mod allowances;
pub mod claims;
pub mod commits;
pub mod expiry;
pub mod export;
pub mod groups;
pub mod items;
pub mod logs;
pub mod network_tag;
pub mod work;
