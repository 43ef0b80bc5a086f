//! The people that the user knows: their pinned keys, what the user has decided about them, and the lists at the server.

mod contacts;
mod lists;
mod pace;
mod standing;
mod stored;

pub(crate) use contacts::{Contact, Contacts};
pub(crate) use lists::ListSync;
pub(crate) use pace::Pace;
pub use standing::{Block, BlockedRow};
pub(crate) use stored::{NewKey, StoredContact};
