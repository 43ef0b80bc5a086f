//! Accounts: the holders of handles, their lists, and the authentication of their requests.

pub mod caller;
pub mod changes;
pub mod devices;
pub mod directory;
pub mod people;
pub mod reserved;
