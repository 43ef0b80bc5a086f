//! What arrives from the inbox, and what becomes of it.

use kez_core::api::InboxItem;
use kez_core::mls::GroupId;

use crate::kernel::me::Me;

/// Whose inbox is read, and from which position.
#[derive(Clone, Copy)]
pub(crate) struct Inbox<'a> {
    pub(crate) me: &'a Me,
    pub(crate) cursor: u64,
}

/// Items of the inbox that have arrived, to be processed and answered with [`Link::on_received`].
pub(crate) struct Batch {
    pub(crate) epoch: String,
    pub(crate) items: Vec<InboxItem>,
    /// The highest position that the relay had assigned when it sent them, if it reports one.
    pub(crate) last: Option<u64>,
    /// The cursor of the request that they answer. Other requests may have moved the account's cursor since.
    pub(crate) since: u64,
    pub(super) source: Source,
}

/// How a batch came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// As the answer to a request.
    Page,
    /// On the live stream.
    Items,
    /// The stream has sent everything that was there when it was opened.
    CaughtUp,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// All items were processed.
    All {
        /// Whether the cursor moved.
        advanced: bool,
    },
    /// Reading restarts from another position: the relay has a new database, or its inbox never reached our cursor.
    Anew,
    /// The rest is requested again once the server has answered with the account's own chain.
    Paused,
    /// The next item needs a page of messages that is being loaded. Then the batch is processed again.
    Loading,
    /// The relay's positions are impossible. None of the batch was processed.
    Absurd,
}

/// What the other parts have to do.
#[derive(Default)]
#[must_use]
pub(crate) struct Outcome {
    /// Items to process.
    pub(crate) batch: Option<Batch>,
    /// The connection is back.
    pub(crate) reconnected: bool,
    /// The inbox was read to its end for the first time.
    pub(crate) read_to_end: bool,
    /// The server has rejected the signature.
    pub(crate) refused: bool,
    /// The server keeps rejecting the signature.
    pub(crate) signature_refused: bool,
    /// The account's own chain has this many links.
    pub(crate) own_chain: Option<u64>,
    /// Items of a group's log, with the epoch of the server's database.
    pub(crate) group: Option<(GroupId, String, Vec<InboxItem>)>,
    /// The inbox was polled: the groups are to be polled too.
    pub(crate) polled: bool,
    /// It was polled because the live stream, which is up, was silent for long.
    pub(crate) silent: bool,
}
