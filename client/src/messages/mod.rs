//! Conversations, the outbox, and mail that cannot be opened yet.

mod conversation;
mod index;
mod message;
mod outbox;
mod pages;
mod quarantine;
mod sequences;

pub(crate) use conversation::{Conversation, LastRow, Line, one_line};
pub(crate) use index::Tag;
pub use message::FormerKey;
pub(crate) use message::{
    Author, MOST_REACTIONS, StoredBody, StoredLine, StoredMessage, StoredReaction, their_row_id,
};
pub(crate) use outbox::Outbox;
pub(crate) use pages::page_of;
pub use quarantine::WaitingRow;
pub(crate) use quarantine::{Held, Quarantine, Quarantined, record_id};
