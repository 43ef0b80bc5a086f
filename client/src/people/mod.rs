//! The people that the user knows: their pinned keys, what the user has decided about them, and the lists at the server.

mod contacts;
mod lists;
mod standing;

pub(crate) use contacts::{Contact, Contacts, NewKey};
pub(crate) use lists::ListSync;
pub use standing::{Block, BlockedRow};
