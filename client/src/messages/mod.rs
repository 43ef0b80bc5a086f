//! Conversations, what waits to be sent, and mail that cannot be opened yet.

mod conversation;
mod outbox;
mod quarantine;
mod sequences;

pub use conversation::FormerKey;
pub(crate) use conversation::{Conversation, MOST_REACTIONS, StoredBody, StoredMessage, StoredReaction};
pub(crate) use outbox::Outbox;
pub use quarantine::WaitingRow;
pub(crate) use quarantine::{Held, Quarantine, Quarantined, record_id};
